//! All clients of one hub, on one thread and one `epoll`.
//!
//! One read buffer is shared; a client keeps bytes of its own only while a frame is torn.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use fastrand::Rng;
use foodtrack_simulation::{Backoff, Heard, SocketIo};
use foodtrack_wire::rfc6455::{Opcode, write_client_frame};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use serde_json::{Map, Value};
use socket2::{Domain, Protocol, Socket, Type};

use super::frames::{Frame, UPGRADE, take};
use super::{Observer, Opened};

const READ_BYTES: usize = 256 * 1024;
const EVENTS_MAX: usize = 1024;
/// Clients with one source address: far fewer than there are ports.
const CLIENTS_PER_ADDRESS: usize = 4_000;
/// Servers must unmask whatever the key is.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// The event loop itself failed; what happens to one client never does that.
#[derive(Debug, thiserror::Error)]
pub enum SwarmError {
    /// `epoll`, or a socket that could not be made.
    #[error("the clients' event loop")]
    Io(#[from] io::Error),
}

/// How a client connects, and how patiently.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// The handshake's `auth`.
    pub auth: Map<String, Value>,
    /// What the kernel takes in while the client does not read; its default where absent.
    pub receive_bytes: Option<usize>,
    /// When it tries again.
    pub backoff: Backoff,
    /// How long an attempt may take. The library's `timeout` is 20 s.
    pub connect_timeout: Duration,
    /// Which of this machine's loopback addresses it comes from; one that it shares with thousands where absent.
    pub source: Option<Ipv4Addr>,
}

/// How a client's connection ends from its own side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tear {
    /// The TCP connection is reset.
    Reset,
    /// It is closed without a word of WebSocket.
    Close,
    /// The network is gone: the server hears nothing, and its socket stays.
    Vanish,
}

enum Stage {
    Idle,
    Connecting,
    Upgrading,
    /// Engine.IO's handshake is due.
    Opening,
    /// CONNECT was sent.
    Joining(Instant),
    Open,
}

struct Client {
    options: ClientOptions,
    io: SocketIo,
    stage: Stage,
    socket: Option<TcpStream>,
    /// Connections it has left behind without a word.
    vanished: Vec<TcpStream>,
    backoff: Backoff,
    /// Counts connections, so that an alarm of an earlier one is known.
    generation: u32,
    is_retired: bool,
    paused_until: Option<Instant>,
    torn: Vec<u8>,
    unsent: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Alarm {
    Connect,
    GiveUp,
    Resume,
}

/// Clients of one hub, or of nodes that are one.
pub struct Swarm {
    addresses: Vec<SocketAddr>,
    poll: Poll,
    events: Events,
    buffer: Box<[u8]>,
    clients: Vec<Client>,
    alarms: BinaryHeap<Reverse<(Instant, usize, u32, Alarm)>>,
    rng: Rng,
    open: usize,
}

impl Swarm {
    /// A swarm without clients yet; chance decides its delays, by the seed, and which address each connection goes to.
    ///
    /// # Errors
    /// The system gives no `epoll`.
    pub fn new(addresses: Vec<SocketAddr>, seed: u64) -> Result<Self, SwarmError> {
        Ok(Self {
            addresses,
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS_MAX),
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            clients: Vec::new(),
            alarms: BinaryHeap::new(),
            rng: Rng::with_seed(seed),
            open: 0,
        })
    }

    /// Adds a client that connects after a delay; returns its number.
    pub fn add(&mut self, options: ClientOptions, delay: Duration) -> usize {
        let client = self.clients.len();
        self.clients.push(Client {
            io: SocketIo::new(options.auth.clone()),
            stage: Stage::Idle,
            socket: None,
            vanished: Vec::new(),
            backoff: options.backoff,
            generation: 0,
            is_retired: false,
            paused_until: None,
            torn: Vec::new(),
            unsent: Vec::new(),
            options,
        });
        self.alarm(client, delay, Alarm::Connect);
        client
    }

    /// How many clients are in.
    pub fn open(&self) -> usize {
        self.open
    }

    /// Whether the client is in.
    pub fn is_open(&self, client: usize) -> bool {
        matches!(self.clients[client].stage, Stage::Open)
    }

    /// Whether the client will not come back.
    pub fn is_retired(&self, client: usize) -> bool {
        self.clients[client].is_retired
    }

    /// Emits an event that asks for an acknowledgement; returns its id, or `None` while the client is not in.
    pub fn emit(&mut self, client: usize, name: &str, argument: &str) -> Option<u64> {
        let target = &mut self.clients[client];
        if !matches!(target.stage, Stage::Open) {
            return None;
        }
        let (packet, id) = target.io.event_packet(name, argument);
        write_client_frame(&mut target.unsent, Opcode::Text, packet.as_bytes(), MASK);
        target.flush();
        Some(id)
    }

    /// Ends the client's connection from its side; it comes back after `away`.
    pub fn tear(&mut self, client: usize, how: Tear, away: Duration, observer: &mut impl Observer) {
        if self.clients[client].is_retired {
            return;
        }
        self.drop_connection(client, how, observer);
        self.alarm(client, away, Alarm::Connect);
    }

    /// Makes the client read nothing for a while.
    pub fn pause(&mut self, client: usize, duration: Duration) {
        self.clients[client].paused_until = Some(Instant::now() + duration);
        self.alarm(client, duration, Alarm::Resume);
    }

    /// Ends the client for good.
    pub fn retire(&mut self, client: usize, observer: &mut impl Observer) {
        self.clients[client].is_retired = true;
        self.drop_connection(client, Tear::Close, observer);
    }

    /// Waits for something to happen, until `end` at most, and handles it.
    ///
    /// # Errors
    /// [`SwarmError`]
    pub fn turn(&mut self, end: Instant, observer: &mut impl Observer) -> Result<(), SwarmError> {
        let now = Instant::now();
        let due = self.alarms.peek().map_or(end, |Reverse((at, ..))| end.min(*at));
        // The kernel's clock counts whole milliseconds, and rounds a wait up.
        match self.poll.poll(&mut self.events, Some(due.saturating_duration_since(now))) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => result?,
        }
        // The list is taken out for the loop, as reading needs the rest of the swarm.
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            let client = event.token().0;
            if event.is_writable() {
                self.writable(client, observer);
            }
            let has_ended = event.is_read_closed() || event.is_error();
            if event.is_readable() || has_ended {
                self.read(client, has_ended, observer);
            }
        }
        self.events = events;
        let now = Instant::now();
        while let Some(Reverse((at, client, generation, alarm))) = self.alarms.peek().copied() {
            if at > now {
                break;
            }
            self.alarms.pop();
            self.ring(client, generation, alarm, observer)?;
        }
        Ok(())
    }

    fn alarm(&mut self, client: usize, delay: Duration, alarm: Alarm) {
        let generation = self.clients[client].generation;
        self.alarms.push(Reverse((Instant::now() + delay, client, generation, alarm)));
    }

    fn ring(
        &mut self,
        client: usize,
        generation: u32,
        alarm: Alarm,
        observer: &mut impl Observer,
    ) -> Result<(), SwarmError> {
        let target = &mut self.clients[client];
        if target.is_retired {
            return Ok(());
        }
        match alarm {
            Alarm::Resume => {
                if target.paused_until.is_some_and(|until| until <= Instant::now()) {
                    target.paused_until = None;
                    // Its end may have come meanwhile, and is not told again.
                    self.read(client, true, observer);
                }
            }
            _ if generation != target.generation => {}
            Alarm::Connect => self.connect(client)?,
            Alarm::GiveUp => {
                if !matches!(target.stage, Stage::Open | Stage::Idle) {
                    self.lost(client, observer);
                }
            }
        }
        Ok(())
    }

    fn connect(&mut self, client: usize) -> Result<(), SwarmError> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        if let Some(bytes) = self.clients[client].options.receive_bytes {
            socket.set_recv_buffer_size(bytes)?;
        }
        let host =
            u8::try_from(client / CLIENTS_PER_ADDRESS % 250 + 1).map_err(io::Error::other)?;
        let shared = Ipv4Addr::new(127, 0, 0, host);
        let source = self.clients[client].options.source.unwrap_or(shared);
        socket.bind(&SocketAddr::from((source, 0)).into())?;
        let address = match self.addresses.as_slice() {
            [only] => *only,
            several => several[self.rng.usize(..several.len())],
        };
        let target = &mut self.clients[client];
        target.generation += 1;
        match socket.connect(&address.into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => {
                let delay = target.backoff.next(&mut self.rng);
                self.alarm(client, delay, Alarm::Connect);
                return Ok(());
            }
            _ => {}
        }
        let mut stream = TcpStream::from_std(socket.into());
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(client), interest)?;
        target.socket = Some(stream);
        target.stage = Stage::Connecting;
        target.torn.clear();
        target.unsent.clear();
        let timeout = target.options.connect_timeout;
        self.alarm(client, timeout, Alarm::GiveUp);
        Ok(())
    }

    fn writable(&mut self, client: usize, observer: &mut impl Observer) {
        let target = &mut self.clients[client];
        if matches!(target.stage, Stage::Connecting) {
            let Some(socket) = &target.socket else { return };
            if !matches!(socket.take_error(), Ok(None)) || socket.peer_addr().is_err() {
                return self.lost(client, observer);
            }
            target.stage = Stage::Upgrading;
            target.unsent.extend_from_slice(UPGRADE);
        }
        target.flush();
    }

    /// Reads what there is. A short read has emptied the socket, and what comes later is told anew; only an end that was told
    /// already (`to_end`) has to be looked for behind it.
    fn read(&mut self, client: usize, to_end: bool, observer: &mut impl Observer) {
        loop {
            let target = &mut self.clients[client];
            let Some(socket) = &mut target.socket else { return };
            if target.paused_until.is_some() {
                return;
            }
            let torn = target.torn.len();
            if torn + 64 * 1024 > self.buffer.len() {
                return self.lost(client, observer);
            }
            self.buffer[..torn].copy_from_slice(&target.torn);
            let read = match socket.read(&mut self.buffer[torn..]) {
                Ok(0) => return self.lost(client, observer),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return self.lost(client, observer),
            };
            target.torn.clear();
            match self.take(client, torn + read, observer) {
                Next::Read => {}
                Next::Lose => return self.lost(client, observer),
                Next::Retire => {
                    self.clients[client].is_retired = true;
                    self.drop_connection(client, Tear::Close, observer);
                    return observer.dismissed(client);
                }
            }
            self.clients[client].flush();
            if torn + read < self.buffer.len() && !to_end {
                return;
            }
        }
    }

    /// Takes the frames of the first `filled` bytes of the buffer.
    fn take(&mut self, client: usize, filled: usize, observer: &mut impl Observer) -> Next {
        let target = &mut self.clients[client];
        let mut input = &self.buffer[..filled];
        if matches!(target.stage, Stage::Upgrading) {
            let Some(end) = memchr::memmem::find(input, b"\r\n\r\n") else {
                target.torn.extend_from_slice(input);
                return Next::Read;
            };
            if !input.starts_with(b"HTTP/1.1 101") {
                return Next::Lose;
            }
            target.stage = Stage::Opening;
            input = &input[end + 4..];
        }
        let mut next = Next::Read;
        loop {
            let (frame, used) = match take(input) {
                Ok(Some(taken)) => taken,
                Ok(None) => break,
                Err(_) => return Next::Lose,
            };
            input = &input[used..];
            match frame {
                Frame::Text(text) => {
                    target.hear(client, text, &mut self.open, observer, &mut next);
                }
                Frame::Ping(payload) => {
                    write_client_frame(&mut target.unsent, Opcode::Pong, payload, MASK);
                }
                Frame::Close => return Next::Lose,
                Frame::Other => {}
            }
            if next != Next::Read {
                return next;
            }
        }
        target.torn.extend_from_slice(input);
        next
    }

    /// The connection broke or was refused: the library tries again.
    fn lost(&mut self, client: usize, observer: &mut impl Observer) {
        self.drop_connection(client, Tear::Close, observer);
        let delay = self.clients[client].backoff.next(&mut self.rng);
        self.alarm(client, delay, Alarm::Connect);
    }

    fn drop_connection(&mut self, client: usize, how: Tear, observer: &mut impl Observer) {
        let target = &mut self.clients[client];
        target.generation += 1;
        target.torn.clear();
        target.unsent.clear();
        target.io.closed();
        let was_open = matches!(std::mem::replace(&mut target.stage, Stage::Idle), Stage::Open);
        if let Some(mut socket) = target.socket.take() {
            // Each fails only for a socket that is gone already.
            self.poll.registry().deregister(&mut socket).ok();
            match how {
                Tear::Close => {}
                Tear::Reset => {
                    socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO)).ok();
                }
                Tear::Vanish => target.vanished.push(socket),
            }
        }
        if was_open {
            self.open -= 1;
            observer.torn(client);
        }
    }
}

/// What is to be done after a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Read,
    Lose,
    Retire,
}

impl Client {
    /// Takes an Engine.IO packet.
    fn hear(
        &mut self,
        client: usize,
        text: &str,
        open: &mut usize,
        observer: &mut impl Observer,
        next: &mut Next,
    ) {
        match text.as_bytes().first() {
            Some(b'0') if matches!(self.stage, Stage::Opening) => {
                let packet = self.io.connect_packet();
                write_client_frame(&mut self.unsent, Opcode::Text, packet.as_bytes(), MASK);
                self.stage = Stage::Joining(Instant::now());
            }
            Some(b'2') => write_client_frame(&mut self.unsent, Opcode::Text, b"3", MASK),
            Some(b'4') => {
                let brought = match self.stage {
                    Stage::Joining(_) => self.io.offset().map(str::to_owned),
                    _ => None,
                };
                let (stage, backoff) = (&mut self.stage, &mut self.backoff);
                self.io.hear(&text[1..], &mut |heard| match heard {
                    Heard::Connected(recovered) => {
                        let sent = match *stage {
                            Stage::Joining(sent) => sent,
                            _ => Instant::now(),
                        };
                        *stage = Stage::Open;
                        *open += 1;
                        backoff.reset();
                        let brought = brought.as_deref();
                        observer.opened(client, Opened { recovered, brought, sent });
                    }
                    Heard::TurnedAway(code) => {
                        observer.turned_away(client, &code);
                        *next = Next::Lose;
                    }
                    Heard::Event(event) => observer.event(client, &event),
                    Heard::Acknowledged(id, answer) => observer.acknowledged(client, id, answer),
                    Heard::Dismissed => *next = Next::Retire,
                });
            }
            Some(b'1') => *next = Next::Lose,
            _ => {}
        }
    }

    fn flush(&mut self) {
        let Some(socket) = &mut self.socket else { return };
        if self.unsent.is_empty() || matches!(self.stage, Stage::Connecting) {
            return;
        }
        match socket.write(&self.unsent) {
            Ok(written) if written == self.unsent.len() => self.unsent.clear(),
            Ok(written) => drop(self.unsent.drain(..written)),
            // The reading half says why it broke.
            Err(_) => {}
        }
    }
}
