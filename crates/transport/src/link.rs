//! One socket: what was read and not used yet, what is to be written first, and what is spoken on it. All of it is read and
//! written here: nobody else knows what carries the bytes.
#![allow(clippy::disallowed_types, reason = "this is where sockets are read and written")]

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};

use foodtrack_wire::rfc6455::MessageDecoder;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};

use crate::limits::{READ_AHEAD_BYTES_MAX, REQUEST_BYTES_PER_SECOND_MIN};
use crate::origin_policy::KeptAccess;
use crate::request_reader::RequestReader;
use crate::stranger_turns::Waits;
use crate::turned_away::TurnedAway;

pub(crate) struct Link {
    stream: TcpStream,
    /// Tells it from others in its place of [`Links`](crate::links::Links).
    pub(crate) generation: u32,
    /// Who is there: the other end, or whom a trusted proxy named in the last request; then port 0 where it named none.
    pub(crate) peer: SocketAddr,
    /// The other end is a trusted proxy.
    pub(crate) is_proxied: bool,
    /// What the page may do that asked last, whatever the answer is and whoever gives it.
    pub(crate) access: KeptAccess,
    /// There is no room for it, which it is told when it asks.
    pub(crate) turned_away: Option<TurnedAway>,
    pub(crate) kind: LinkKind,
    /// The start of something that is not all here yet.
    pub(crate) unread: Vec<u8>,
    /// Somebody has it who has joined.
    pub(crate) is_known: bool,
    /// What it waits for while it is a stranger's.
    pub(crate) waits: Waits,
    /// It is counted with the sockets of its address.
    pub(crate) lodges: bool,
    /// How far the request was read that `unread` begins with; nothing between requests.
    pub(crate) request: Option<Box<RequestReader>>,
    /// A request was answered and the next one has not begun.
    pub(crate) is_resting: bool,
    /// What the strangers' budget counts it for.
    pub(crate) counted_bytes: usize,
    /// The rest of what the socket did not take: goes before everything else.
    pub(crate) unsent: Vec<u8>,
    /// The socket takes no more at the moment; an event will tell.
    pub(crate) blocked: bool,
    /// Reading waits: for its turn, for its rate, or for the answer to the request before.
    pub(crate) paused: bool,
    /// Whether the wheel will end a pause.
    pub(crate) is_resume_timed: bool,
    /// Before then the pause does not end, whoever asks.
    pub(crate) resume_ms: u64,
    /// The kernel may hold bytes that were not read while reading waited.
    pub(crate) readable: bool,
    /// Reading waits for the peer to take what it was sent.
    pub(crate) stalled: bool,
    /// When the peer last took some of what it was sent, while more of it waits.
    pub(crate) progress_ms: u64,
    /// Whether the wheel will ask about that.
    pub(crate) is_output_timed: bool,
    pub(crate) close_when_sent: bool,
    pub(crate) seen_end: bool,
    /// The kernel keeps it at its place for batched sends, and must be told to let go.
    pub(crate) is_kept: bool,
    /// When it is given up, unless it is a client's or waits for an answer then.
    pub(crate) deadline_ms: u64,
    /// When the wheel will ask about it; `u64::MAX` for never.
    pub(crate) timer_ms: u64,
}

pub(crate) enum LinkKind {
    /// Between HTTP requests, or within one.
    Http,
    /// A poll waits for packets, or a request for the application's answer.
    HttpBusy { client: Option<u32>, keep_alive: bool, head_only: bool },
    /// A client's transport, or one that is probed to become it.
    WebSocket { client: u32, decoder: MessageDecoder },
    /// Closing politely: what still comes is thrown away.
    Draining,
}

impl Link {
    /// Takes a connection in that waits at a listener.
    pub(crate) fn accept(listener: &TcpListener) -> io::Result<Self> {
        listener.accept().map(|(stream, peer)| Self::new(stream, peer))
    }

    fn new(stream: TcpStream, peer: SocketAddr) -> Self {
        Self {
            stream,
            generation: 0,
            peer,
            is_proxied: false,
            access: None,
            turned_away: None,
            kind: LinkKind::Http,
            unread: Vec::new(),
            is_known: false,
            waits: Waits::default(),
            lodges: false,
            request: None,
            is_resting: false,
            counted_bytes: 0,
            unsent: Vec::new(),
            blocked: false,
            paused: false,
            is_resume_timed: false,
            resume_ms: 0,
            readable: false,
            stalled: false,
            progress_ms: 0,
            is_output_timed: false,
            close_when_sent: false,
            seen_end: false,
            is_kept: false,
            deadline_ms: 0,
            timer_ms: u64::MAX,
        }
    }

    /// The client whose transport, probe or waiting poll it is.
    pub(crate) fn client(&self) -> Option<u32> {
        match self.kind {
            LinkKind::WebSocket { client, .. } => Some(client),
            LinkKind::HttpBusy { client, .. } => client,
            LinkKind::Http | LinkKind::Draining => None,
        }
    }

    /// Memory of what was read and not used, or written and not taken.
    pub(crate) fn buffered_bytes(&self) -> usize {
        let request = self.request.as_ref().map_or(0, |request| request.capacity());
        self.unread.capacity() + request + self.unsent.capacity()
    }

    /// Whether a request that is `elapsed_ms` old may go on: what its head says is enough, and it does not come too slowly.
    pub(crate) fn may_go_on(&self, elapsed_ms: u64) -> bool {
        let bytes_min = elapsed_ms.saturating_mul(REQUEST_BYTES_PER_SECOND_MIN) / 1_000;
        self.request.as_ref().is_some_and(|request| request.may_take_long())
            && self.unread.len() as u64 >= bytes_min
    }

    /// Whether more than enough was read ahead of the answer that the link waits for.
    pub(crate) fn is_ahead(&self) -> bool {
        matches!(self.kind, LinkKind::HttpBusy { .. }) && self.unread.len() >= READ_AHEAD_BYTES_MAX
    }

    /// Has events of the socket come with `token`.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.stream, token, Interest::READABLE | Interest::WRITABLE)
    }

    /// Has no more events of the socket come here.
    pub(crate) fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        registry.deregister(&mut self.stream)
    }

    /// The other end of the socket, whoever it speaks for.
    pub(crate) fn remote_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }

    /// What the kernel calls the socket, for sends that go out together.
    pub(crate) fn descriptor(&self) -> RawFd {
        self.stream.as_raw_fd()
    }

    /// Whether the peer has ended its side, which may not have been read yet.
    pub(crate) fn has_ended(&self) -> bool {
        match self.stream.peek(&mut [0]) {
            Ok(read) => read == 0,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }

    /// Ends our side.
    pub(crate) fn end(&self) {
        // Where that fails the socket has ended already.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Reads once. `Ok(None)`: nothing there now; `Ok(Some(0))`: the peer has ended its side.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            match self.stream.read(buffer) {
                Ok(read) => return Ok(Some(read)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes as much as the socket takes and returns how much that was.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = 0;
        while written < bytes.len() {
            match self.stream.write(&bytes[written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(more) => written += more,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.blocked = true;
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(written)
    }

    /// Writes slices with one call, as far as the socket takes them now, and returns how many bytes that was. Why it was not all
    /// of it, a plain write finds out.
    pub(crate) fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> usize {
        if self.blocked { 0 } else { self.stream.write_vectored(slices).unwrap_or(0) }
    }

    /// Writes, and keeps what the socket does not take.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = if self.blocked || !self.unsent.is_empty() { 0 } else { self.write(bytes)? };
        self.unsent.extend_from_slice(&bytes[written..]);
        Ok(())
    }

    /// Writes what was kept. Returns whether all of it went.
    pub(crate) fn send_rest(&mut self) -> io::Result<bool> {
        self.blocked = false;
        if self.unsent.is_empty() {
            return Ok(true);
        }
        let unsent = std::mem::take(&mut self.unsent);
        let written = self.write(&unsent)?;
        if written < unsent.len() {
            self.unsent = unsent[written..].to_vec();
        }
        Ok(self.unsent.is_empty())
    }
}
