//! All hostile connections, on one thread.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Protocol, Socket, Type};

use crate::attack::Hostile;
use crate::os::yield_to_others;

const TURN: Duration = Duration::from_millis(10);
/// The horde arrives within this time.
const ARRIVAL: Duration = Duration::from_secs(1);
const READ_BYTES: usize = 64 * 1024;
/// Read from one connection in a turn.
const READS_MAX: usize = 4;

/// What became of a horde's connections.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// Connections that were made.
    pub(crate) opened: usize,
    /// Connections that could not be made.
    pub(crate) failed: usize,
    /// Connections that the hub ended.
    pub(crate) closed: usize,
    /// Connections that were open at the end.
    pub(crate) open: usize,
    /// Requests that the hub accepted, of attacks that count them.
    pub(crate) accepted: usize,
    /// The same, refused.
    pub(crate) refused: usize,
    /// Bytes that the kernel took.
    pub(crate) sent_bytes: u64,
}

/// A member of a horde before it comes.
pub(crate) struct Member {
    pub(crate) hostile: Box<dyn Hostile>,
    pub(crate) source: Ipv4Addr,
}

/// A horde at work.
pub(crate) struct Horde {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<Tally>>,
}

impl Horde {
    pub(crate) fn loose(hub: SocketAddr, members: Vec<Member>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stops = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            yield_to_others();
            Ring::new(hub, members)?.run(&stops)
        });
        Self { stop, thread }
    }

    /// Ends all connections at once.
    ///
    /// # Errors
    /// The horde's event loop failed: its machine has no descriptors or ports left.
    pub(crate) fn call_off(self) -> io::Result<Tally> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| io::Error::other("the horde's thread panicked"))?
    }
}

struct Line {
    member: Member,
    socket: Option<TcpStream>,
    is_connected: bool,
    /// The last turn left something in the socket, and that is not told again.
    has_more: bool,
    unsent: Vec<u8>,
    sent: usize,
}

struct Ring {
    hub: SocketAddr,
    poll: Poll,
    lines: Vec<Line>,
    /// Who comes when.
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    buffer: Vec<u8>,
    tally: Tally,
}

impl Ring {
    fn new(hub: SocketAddr, members: Vec<Member>) -> io::Result<Self> {
        let start = Instant::now();
        let count = u32::try_from(members.len().max(1)).unwrap_or(u32::MAX);
        let mut due = BinaryHeap::new();
        let mut at = start;
        for number in 0..members.len() {
            due.push(Reverse((at, number)));
            at += ARRIVAL / count;
        }
        let lines = members.into_iter().map(|member| Line {
            member,
            socket: None,
            is_connected: false,
            has_more: false,
            unsent: Vec::new(),
            sent: 0,
        });
        Ok(Self {
            hub,
            poll: Poll::new()?,
            lines: lines.collect(),
            due,
            buffer: vec![0; READ_BYTES],
            tally: Tally::default(),
        })
    }

    fn run(mut self, stop: &AtomicBool) -> io::Result<Tally> {
        let mut events = Events::with_capacity(1024);
        let mut next_turn = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            let wait = next_turn.saturating_duration_since(Instant::now());
            match self.poll.poll(&mut events, Some(wait)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => result?,
            }
            for event in &events {
                let number = event.token().0;
                if event.is_writable() {
                    self.writable(number);
                }
                if event.is_error() || event.is_write_closed() {
                    self.ended(number);
                } else if event.is_readable() || event.is_read_closed() {
                    self.readable(number, event.is_read_closed());
                }
            }
            let now = Instant::now();
            if now < next_turn {
                continue;
            }
            next_turn = now + TURN;
            while let Some(Reverse((at, number))) = self.due.peek().copied()
                && at <= now
            {
                self.due.pop();
                self.connect(number)?;
            }
            for number in 0..self.lines.len() {
                self.turn(number, now);
            }
        }
        self.tally.open = self.lines.iter().filter(|line| line.is_connected).count();
        self.tally.accepted = self.lines.iter().map(|line| line.member.hostile.accepted()).sum();
        self.tally.refused = self.lines.iter().map(|line| line.member.hostile.refused()).sum();
        Ok(self.tally)
    }

    fn connect(&mut self, number: usize) -> io::Result<()> {
        let line = &mut self.lines[number];
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        socket.set_tcp_nodelay(true)?;
        socket.bind(&SocketAddr::from((line.member.source, 0)).into())?;
        match socket.connect(&self.hub.into()) {
            Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => {
                self.tally.failed += 1;
                self.due.push(Reverse((Instant::now() + Duration::from_secs(1), number)));
                return Ok(());
            }
            _ => {}
        }
        let mut stream = TcpStream::from_std(socket.into());
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(number), interest)?;
        line.socket = Some(stream);
        line.is_connected = false;
        line.unsent.clear();
        line.sent = 0;
        Ok(())
    }

    fn writable(&mut self, number: usize) {
        let line = &mut self.lines[number];
        let Some(socket) = &line.socket else { return };
        if !line.is_connected {
            if !matches!(socket.take_error(), Ok(None)) || socket.peer_addr().is_err() {
                self.tally.failed += 1;
                return self.leave(number);
            }
            line.is_connected = true;
            self.tally.opened += 1;
            line.member.hostile.opened(&mut line.unsent);
        }
        self.flush(number);
    }

    fn readable(&mut self, number: usize, has_ended: bool) {
        for _ in 0..READS_MAX {
            let line = &mut self.lines[number];
            if !line.is_connected {
                return;
            }
            if !line.member.hostile.reads() {
                // The end comes behind what is not read, and counts all the same.
                if has_ended {
                    self.ended(number);
                }
                return;
            }
            let Some(socket) = &mut line.socket else { return };
            match socket.read(&mut self.buffer) {
                Ok(0) => return self.ended(number),
                Ok(read) => {
                    line.member.hostile.received(&self.buffer[..read], &mut line.unsent);
                    self.flush(number);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return self.ended(number),
            }
        }
        self.lines[number].has_more = true;
    }

    fn turn(&mut self, number: usize, now: Instant) {
        let line = &mut self.lines[number];
        if !line.is_connected {
            return;
        }
        if line.member.hostile.hangs_up() {
            return self.leave(number);
        }
        let has_more = std::mem::take(&mut line.has_more);
        // Where the socket took no more, its being writable is told.
        if line.unsent.is_empty() {
            line.member.hostile.more(now, &mut line.unsent);
            self.flush(number);
        }
        if has_more {
            self.readable(number, false);
        }
    }

    fn flush(&mut self, number: usize) {
        let line = &mut self.lines[number];
        let Some(socket) = &mut line.socket else { return };
        while line.sent < line.unsent.len() {
            match socket.write(&line.unsent[line.sent..]) {
                Ok(written) => {
                    line.sent += written;
                    self.tally.sent_bytes += written as u64;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return self.ended(number),
            }
        }
        line.unsent.clear();
        line.sent = 0;
    }

    /// The hub ended it.
    fn ended(&mut self, number: usize) {
        let line = &self.lines[number];
        if line.socket.is_some() {
            if line.is_connected {
                self.tally.closed += 1;
            } else {
                self.tally.failed += 1;
            }
        }
        self.leave(number);
    }

    fn leave(&mut self, number: usize) {
        let line = &mut self.lines[number];
        if let Some(mut socket) = line.socket.take() {
            // It fails only for a socket that is gone already.
            self.poll.registry().deregister(&mut socket).ok();
            let again = Instant::now() + line.member.hostile.comes_again_after();
            self.due.push(Reverse((again, number)));
        }
        line.is_connected = false;
        line.unsent.clear();
        line.sent = 0;
    }
}
