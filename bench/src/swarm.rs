//! All clients of one server, on one thread and one `epoll`: cheap enough that the server is the bottleneck.
//!
//! One read buffer is shared by all clients; a client keeps bytes of its own only while a frame is torn. Frames are walked by
//! their headers. Only *watched* clients look into what they get; the others count.

mod line;
mod lines;

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Protocol, Socket, Type};

use crate::dialect::{Dialect, EVENT_BYTES_MIN, Greeting, Member, Refused, refusal};
use crate::frame::{FRAME_BYTES_MAX, FrameError, Frames, Opcode, encode};
use crate::os::Ticker;
use line::Line;
use test_support::ClientTls;

const READ_BYTES: usize = 256 * 1024;
// A torn frame is put back in front of the next read, which must still have room.
const _: () = assert!(READ_BYTES > FRAME_BYTES_MAX + 64 * 1024);
const EVENTS_MAX: usize = 1024;
/// Handshakes under way at once while a swarm opens; well below any listener's backlog.
const HANDSHAKES_MAX: usize = 128;
/// Clients with one source address: far fewer than there are ports.
const CLIENTS_PER_ADDRESS: usize = 4_000;
/// How long a turn may sleep, so that an interrupt or a deadline is seen.
const TURN_MAX: Duration = Duration::from_millis(50);
/// How far a client may run ahead of a server that does not read.
const UNSENT_BYTES_MAX: usize = 1024 * 1024;
const TICKER: Token = Token(usize::MAX);

#[derive(Debug, thiserror::Error)]
pub(crate) enum SwarmError {
    #[error("client {client}: the server closed the connection{reason}")]
    Closed { client: usize, reason: String },
    #[error("client {client}: the upgrade to WebSocket is answered with: {answer}")]
    Upgrade { client: usize, answer: String },
    #[error("client {client}")]
    Refused { client: usize, source: Refused },
    #[error("client {client}")]
    Frame { client: usize, source: FrameError },
    #[error("client {client}: socket")]
    Socket { client: usize, source: io::Error },
    #[error("event loop")]
    Poll(#[from] io::Error),
    #[error("{what} took more than {timeout_s} s")]
    Timeout { what: &'static str, timeout_s: u64 },
    #[error("interrupted")]
    Interrupted,
}

/// A workload's reaction to a frame: the client, the payload, and where to put what the client says back, as whole masked
/// frames. An error ends the run.
pub(crate) type OnFrame<'a> = dyn FnMut(usize, &[u8], &mut Vec<u8>) -> Result<(), Refused> + 'a;

/// What a client does with what it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attention {
    /// Counts deliveries, looks into none.
    Counts,
    /// Its frames are shown to the workload.
    Watches,
    /// Watches, and may be closed by the server: a client that misbehaves on purpose.
    Expendable,
    /// Is shown every text frame from the first one on, as the workload speaks for it. Its line may end and be opened again.
    Returns,
}

enum Stage {
    Connecting,
    Upgrading,
    Greeting { joins_pending: usize },
    Ready,
    Closed,
}

struct Client {
    line: Line,
    stage: Stage,
    attention: Attention,
    member: Member,
    /// The beginning of a frame whose rest has not come.
    torn: Vec<u8>,
    /// What the socket would not take yet.
    unsent: Vec<u8>,
}

impl Client {
    /// Answers a heartbeat, of WebSocket or of Engine.IO. Returns whether the frame was no more than that.
    fn answers(&mut self, opcode: Opcode, payload: &[u8]) -> bool {
        match opcode {
            Opcode::Ping => encode(Opcode::Pong, payload, &mut self.unsent),
            Opcode::Pong => {}
            Opcode::Text if payload == b"2" => encode(Opcode::Text, b"3", &mut self.unsent),
            _ => return false,
        }
        true
    }
}

/// Clients connected to one server.
pub(crate) struct Swarm {
    dialect: Dialect,
    address: SocketAddr,
    /// What clients believe, where the server speaks TLS.
    tls: Option<ClientTls>,
    poll: Poll,
    events: Events,
    buffer: Box<[u8]>,
    clients: Vec<Client>,
    ready: usize,
    ticker: Option<Ticker>,
    interrupted: Arc<AtomicBool>,
    /// Frames long enough to be an event that reached any client since the swarm was made.
    pub(crate) deliveries: u64,
    /// Bytes of those frames, headers left out.
    pub(crate) delivered_bytes: u64,
    /// Expendable clients that the server closed.
    pub(crate) lost: usize,
    /// Clients that return whose lines have ended.
    gone: Vec<usize>,
}

impl Swarm {
    /// A swarm without clients yet. `interrupted` ends every wait early.
    pub(crate) fn new(
        dialect: Dialect,
        address: SocketAddr,
        tls: Option<ClientTls>,
        interrupted: Arc<AtomicBool>,
    ) -> io::Result<Self> {
        Ok(Self {
            dialect,
            address,
            tls,
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS_MAX),
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            clients: Vec::new(),
            ready: 0,
            ticker: None,
            interrupted,
            deliveries: 0,
            delivered_bytes: 0,
            lost: 0,
            gone: Vec::new(),
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.clients.len()
    }

    /// Where the server listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Clients that are opened from now on connect to another server.
    pub(crate) fn turn_to(&mut self, address: SocketAddr) {
        self.address = address;
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Connects `members` in order and waits until each is in its rooms; returns the index of the first.
    ///
    /// # Errors
    /// The server refuses or closes one, or `timeout` passes.
    pub(crate) fn open(
        &mut self,
        members: Vec<(Member, Attention)>,
        timeout: Duration,
    ) -> Result<usize, SwarmError> {
        let first = self.clients.len();
        let target = first + members.len();
        let deadline = Instant::now() + timeout;
        let mut members = members.into_iter();
        while self.ready < target {
            while self.clients.len() < target && self.clients.len() - self.ready < HANDSHAKES_MAX {
                let Some((member, attention)) = members.next() else { break };
                self.connect(member, attention)?;
            }
            self.turn(&mut |_, _, _| Ok(()))?;
            check_deadline(deadline, "connecting", timeout)?;
        }
        Ok(first)
    }

    /// Makes every turn end at least this often from now on, to the precision of the kernel's clock.
    pub(crate) fn tick_every(&mut self, period: Duration) -> Result<(), SwarmError> {
        let ticker = Ticker::start(period)?;
        let fd = ticker.as_raw_fd();
        self.poll.registry().register(&mut SourceFd(&fd), TICKER, Interest::READABLE)?;
        self.ticker = Some(ticker);
        Ok(())
    }

    /// Sends one message from a client; drops it where the server has long stopped reading from that client.
    pub(crate) fn send(&mut self, client: usize, text: &[u8]) -> Result<(), SwarmError> {
        let target = &mut self.clients[client];
        if matches!(target.stage, Stage::Closed) || target.unsent.len() > UNSENT_BYTES_MAX {
            return Ok(());
        }
        encode(Opcode::Text, text, &mut target.unsent);
        self.flush(client)
    }

    /// Joins a client to more rooms, a few at a time, and waits for the answers.
    pub(crate) fn join(
        &mut self,
        client: usize,
        rooms: &[String],
        timeout: Duration,
    ) -> Result<(), SwarmError> {
        const ROOMS_PER_TRIP: usize = 100;
        let dialect = self.dialect;
        let deadline = Instant::now() + timeout;
        for rooms in rooms.chunks(ROOMS_PER_TRIP) {
            let mut pending = dialect.join(rooms, &mut self.clients[client].unsent);
            self.flush(client)?;
            while pending > 0 {
                self.turn(&mut |from, payload, _| {
                    refusal(payload)?;
                    if from == client && dialect.is_join_answer(payload) {
                        pending = pending.saturating_sub(1);
                    }
                    Ok(())
                })?;
                check_deadline(deadline, "joining rooms", timeout)?;
            }
        }
        Ok(())
    }

    /// Takes turns for `duration`.
    pub(crate) fn run_for(
        &mut self,
        duration: Duration,
        on_frame: &mut OnFrame<'_>,
    ) -> Result<(), SwarmError> {
        let end = Instant::now() + duration;
        while Instant::now() < end {
            self.turn(on_frame)?;
        }
        Ok(())
    }

    /// Waits for sockets and reads each that has something; `on_frame` gets every frame of the watching clients.
    pub(crate) fn turn(&mut self, on_frame: &mut OnFrame<'_>) -> Result<(), SwarmError> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(SwarmError::Interrupted);
        }
        match self.poll.poll(&mut self.events, Some(TURN_MAX)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        // The list is taken out for the loop, as reading needs the rest of the swarm.
        let events = std::mem::replace(&mut self.events, Events::with_capacity(0));
        let result = events.iter().try_for_each(|event| {
            if event.token() == TICKER {
                if let Some(ticker) = &mut self.ticker {
                    ticker.drain();
                }
                return Ok(());
            }
            let client = event.token().0;
            if event.is_writable() {
                self.writable(client)?;
            }
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                self.read(client, on_frame)?;
            }
            Ok(())
        });
        self.events = events;
        result
    }

    fn connect(&mut self, member: Member, attention: Attention) -> Result<(), SwarmError> {
        let client = self.clients.len();
        let socket = self.socket(client, self.address);
        let socket = socket.map_err(|source| SwarmError::Socket { client, source })?;
        self.add(socket, member, attention);
        Ok(())
    }

    fn add(&mut self, socket: TcpStream, member: Member, attention: Attention) {
        let line = self.line(socket);
        self.clients.push(Client {
            line,
            stage: Stage::Connecting,
            attention,
            member,
            torn: Vec::new(),
            unsent: Vec::new(),
        });
    }

    fn line(&self, socket: TcpStream) -> Line {
        Line::new(socket, self.tls.as_ref().map(ClientTls::begin))
    }

    fn socket(&self, client: usize, address: SocketAddr) -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        let host = u8::try_from(client / CLIENTS_PER_ADDRESS + 1).map_err(io::Error::other)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, host), 0)).into())?;
        match socket.connect(&address.into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => return Err(error),
            _ => {}
        }
        let mut stream = TcpStream::from_std(socket.into());
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(client), interest)?;
        Ok(stream)
    }

    fn writable(&mut self, index: usize) -> Result<(), SwarmError> {
        let client = &mut self.clients[index];
        if matches!(client.stage, Stage::Connecting) {
            if let Some(source) = client.line.socket.take_error()? {
                return self.end_line(index, SwarmError::Socket { client: index, source });
            }
            client.stage = Stage::Upgrading;
            client.unsent.extend_from_slice(self.dialect.upgrade(&client.member).as_bytes());
        }
        self.flush(index)
    }

    fn flush(&mut self, index: usize) -> Result<(), SwarmError> {
        let client = &mut self.clients[index];
        if client.unsent.is_empty() {
            // Where that fails the reading half says why.
            let _ = client.line.write_encrypted();
            return Ok(());
        }
        match client.line.write(&client.unsent) {
            Ok(written) if written == client.unsent.len() => client.unsent.clear(),
            Ok(written) => drop(client.unsent.drain(..written)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            // The reading half says why.
            Err(_) if matches!(client.attention, Attention::Expendable | Attention::Returns) => {
                client.unsent.clear();
            }
            Err(source) => return Err(SwarmError::Socket { client: index, source }),
        }
        Ok(())
    }

    fn read(&mut self, index: usize, on_frame: &mut OnFrame<'_>) -> Result<(), SwarmError> {
        loop {
            let client = &mut self.clients[index];
            if matches!(client.stage, Stage::Closed) {
                return Ok(());
            }
            let torn = client.torn.len();
            self.buffer[..torn].copy_from_slice(&client.torn);
            let read = match client.line.read(&mut self.buffer[torn..]) {
                Ok(0) => return self.closed(index, String::new()),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return self.closed(index, format!(": {error}")),
            };
            client.torn.clear();
            self.take(index, torn + read, on_frame)?;
            self.flush(index)?;
            // A short read has emptied the socket: what comes later is a new edge.
            if torn + read < self.buffer.len() {
                return Ok(());
            }
        }
    }

    /// Takes the frames of the first `filled` bytes of the buffer.
    fn take(
        &mut self,
        index: usize,
        filled: usize,
        on_frame: &mut OnFrame<'_>,
    ) -> Result<(), SwarmError> {
        let client = &mut self.clients[index];
        let mut input = &self.buffer[..filled];
        if matches!(client.stage, Stage::Upgrading) {
            let Some(end) = memchr::memmem::find(input, b"\r\n\r\n") else {
                client.torn.extend_from_slice(input);
                return Ok(());
            };
            if !input.starts_with(b"HTTP/1.1 101") {
                let answer = String::from_utf8_lossy(&input[..input.len().min(400)]).into_owned();
                return self.end_line(index, SwarmError::Upgrade { client: index, answer });
            }
            client.stage = match client.attention {
                Attention::Returns => Stage::Ready,
                _ => Stage::Greeting { joins_pending: 0 },
            };
            input = &input[end + 4..];
        }
        let mut frames = Frames::new(input);
        let refused = |source| SwarmError::Refused { client: index, source };
        while let Some(frame) =
            frames.next().map_err(|source| SwarmError::Frame { client: index, source })?
        {
            if frame.opcode == Opcode::Close {
                let reason = format!(": {}", String::from_utf8_lossy(frame.payload));
                return self.closed(index, reason);
            }
            if client.answers(frame.opcode, frame.payload) {
                continue;
            }
            match &mut client.stage {
                Stage::Ready => {
                    if frame.payload.len() >= EVENT_BYTES_MIN {
                        self.deliveries += 1;
                        self.delivered_bytes += frame.payload.len() as u64;
                    }
                    if client.attention != Attention::Counts {
                        on_frame(index, frame.payload, &mut client.unsent).map_err(refused)?;
                    }
                }
                Stage::Greeting { joins_pending } => {
                    let greeting = self.dialect.greet(
                        &client.member,
                        joins_pending,
                        frame.payload,
                        &mut client.unsent,
                    );
                    if greeting.map_err(refused)? == Greeting::Ready {
                        client.stage = Stage::Ready;
                        self.ready += 1;
                    }
                }
                Stage::Connecting | Stage::Upgrading | Stage::Closed => {}
            }
        }
        client.torn.extend_from_slice(&input[frames.consumed()..]);
        Ok(())
    }

    fn closed(&mut self, index: usize, reason: String) -> Result<(), SwarmError> {
        let client = &mut self.clients[index];
        if client.attention != Attention::Expendable || !matches!(client.stage, Stage::Ready) {
            return self.end_line(index, SwarmError::Closed { client: index, reason });
        }
        client.stage = Stage::Closed;
        client.unsent = Vec::new();
        self.lost += 1;
        self.poll.registry().deregister(&mut client.line.socket)?;
        Ok(())
    }
}

/// # Errors
/// The deadline is over.
pub(crate) fn check_deadline(
    deadline: Instant,
    what: &'static str,
    timeout: Duration,
) -> Result<(), SwarmError> {
    if Instant::now() < deadline {
        return Ok(());
    }
    Err(SwarmError::Timeout { what, timeout_s: timeout.as_secs() })
}
