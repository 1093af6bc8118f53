//! One socket: what was read and not used yet, what is to be written first, and what is spoken on it. All of it is read and
//! written here: nobody else knows what carries the bytes.
#![allow(clippy::disallowed_types, reason = "this is where sockets are read and written")]

mod carrying;
mod input;
mod output;
mod patience;
mod standing;
mod tls_layer;
mod waits;

use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use foodtrack_wire::rfc6455::MessageDecoder;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use socket2::SockRef;

use crate::http::Head;
use crate::limits::{READ_AHEAD_BYTES_MAX, REQUEST_BYTES_PER_SECOND_MIN};
use crate::origin_policy::{KeptAccess, PageAccess};

use input::Input;
use output::Output;
use patience::Patience;
use standing::Standing;
pub(crate) use tls_layer::{TlsFault, TlsLayer, is_hello};
pub(crate) use waits::Waits;

pub(crate) struct Link {
    stream: TcpStream,
    /// What is encrypted lies between the socket and everybody else; nothing on a plain socket.
    layer: Option<Box<TlsLayer>>,
    /// Tells it from others in its place of [`Links`](crate::links::Links).
    generation: u32,
    kind: LinkKind,
    /// Who is there: the other end, or whom a trusted proxy named in the last request; then port 0 where it named none.
    peer: IpAddr,
    peer_port: u16,
    /// The page's origin that asked last, where it may read the answer, whatever that is and whoever gives it.
    origin: Option<Box<str>>,
    /// Whether that page may use cookies.
    has_credentials: bool,
    /// The other end is a trusted proxy.
    is_proxied: bool,
    /// The proxy is still to say for whom it speaks.
    awaits_proxy_header: bool,
    /// The kernel keeps it at its place for batched sends, and must be told to let go.
    is_kept: bool,
    /// What it waits for while it is a stranger's.
    pub(crate) waits: Waits,
    pub(crate) standing: Standing,
    pub(crate) input: Input,
    pub(crate) output: Output,
    pub(crate) patience: Patience,
}

// Every idle connection pays for it.
const _: () = assert!(size_of::<Link>() <= 208);

/// What is spoken on a socket.
pub(crate) enum LinkKind {
    /// Between HTTP requests, or within one.
    Http,
    /// A poll waits for packets, or a request for the application's answer.
    HttpBusy { client: Option<u32>, waited: Waited },
    /// The application answers a request piece by piece.
    HttpStream,
    /// A client reads events, and says nothing.
    EventStream { client: u32 },
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
            layer: None,
            generation: 0,
            kind: LinkKind::Http,
            peer: peer.ip(),
            peer_port: peer.port(),
            origin: None,
            has_credentials: false,
            is_proxied: false,
            awaits_proxy_header: false,
            is_kept: false,
            waits: Waits::default(),
            standing: Standing::default(),
            input: Input::default(),
            output: Output::default(),
            patience: Patience::new(),
        }
    }

    /// It comes into a table of sockets, where it has this generation; what timers and queues knew of it is another shard's.
    pub(crate) fn arrive(&mut self, generation: u32) {
        self.generation = generation;
        self.waits = Waits::default();
        self.standing.arrive();
        self.input.forget_timer();
        self.output.forget_timer();
        self.patience.forget_timer();
    }

    pub(crate) fn generation(&self) -> u32 {
        self.generation
    }

    /// What is spoken on it.
    pub(crate) fn kind(&self) -> &LinkKind {
        &self.kind
    }

    /// Who is there: the other end, or whom a trusted proxy named in the last request.
    pub(crate) fn peer(&self) -> SocketAddr {
        SocketAddr::new(self.peer, self.peer_port)
    }

    /// A trusted proxy names whom the request is of.
    pub(crate) fn set_peer(&mut self, peer: SocketAddr) {
        (self.peer, self.peer_port) = (peer.ip(), peer.port());
    }

    /// Whether the other end is a trusted proxy.
    pub(crate) fn is_proxied(&self) -> bool {
        self.is_proxied
    }

    pub(crate) fn set_proxied(&mut self, is_proxied: bool) {
        self.is_proxied = is_proxied;
    }

    /// Whether the proxy is still to say for whom it speaks.
    pub(crate) fn awaits_proxy_header(&self) -> bool {
        self.awaits_proxy_header
    }

    /// The proxy is to say for whom it speaks.
    pub(crate) fn expect_proxy_header(&mut self) {
        self.awaits_proxy_header = true;
    }

    /// What the page may do that asked last.
    pub(crate) fn page(&self) -> PageAccess<'_> {
        PageAccess::kept(self.origin.as_deref(), self.has_credentials)
    }

    pub(crate) fn set_access(&mut self, access: KeptAccess) {
        let (origin, has_credentials) = access.unzip();
        self.origin = origin;
        self.has_credentials = has_credentials.unwrap_or_default();
    }

    /// The kernel keeps it at its place for batched sends where `keep` says so; it is asked once.
    pub(crate) fn keep_in_ring(&mut self, keep: impl FnOnce(RawFd) -> bool) -> bool {
        self.is_kept = self.is_kept || keep(self.stream.as_raw_fd());
        self.is_kept
    }

    /// Whether the kernel keeps it and must be told to let go; asked when it goes.
    pub(crate) fn leave_ring(&mut self) -> bool {
        std::mem::take(&mut self.is_kept)
    }

    /// A request waits for its answer: the application's, or that of a client that polls.
    pub(crate) fn wait_for_answer(&mut self, client: Option<u32>, waited: Waited) {
        self.kind = LinkKind::HttpBusy { client, waited };
    }

    /// The request that waits is answered: the next one may come. `None` where none waits.
    pub(crate) fn end_wait(&mut self) -> Option<Waited> {
        let LinkKind::HttpBusy { waited, .. } = self.kind else { return None };
        self.kind = LinkKind::Http;
        Some(waited)
    }

    /// The application begins to answer the request that waits piece by piece; `None` where none of its waits.
    pub(crate) fn begin_stream(&mut self) -> Option<Waited> {
        let LinkKind::HttpBusy { client: None, waited } = self.kind else { return None };
        self.kind = LinkKind::HttpStream;
        Some(waited)
    }

    /// The application has given all pieces: the connection closes once they were taken.
    pub(crate) fn end_stream(&mut self) {
        self.kind = LinkKind::Http;
        self.output.close_when_sent();
    }

    /// Whether it waits for an answer of the application's, or for the rest of one.
    pub(crate) fn is_the_applications(&self) -> bool {
        matches!(self.kind, LinkKind::HttpBusy { client: None, .. } | LinkKind::HttpStream)
    }

    /// Whether the application answers piece by piece.
    pub(crate) fn is_streaming(&self) -> bool {
        matches!(self.kind, LinkKind::HttpStream)
    }

    /// A client's WebSocket from now on, or one that is probed to become it.
    pub(crate) fn become_websocket(&mut self, client: u32) {
        self.kind = LinkKind::WebSocket { client, decoder: MessageDecoder::default() };
    }

    /// A client's stream of events from now on.
    pub(crate) fn become_event_stream(&mut self, client: u32) {
        self.kind = LinkKind::EventStream { client };
    }

    /// The kernel gives the connection up where its peer acknowledges nothing for so long of what is under way. Nothing else
    /// tells of a peer that says nothing that it is gone without a word.
    pub(crate) fn give_up_after(&self, patience: Duration) {
        // Where that fails the socket has ended already.
        let _ = SockRef::from(&self.stream).set_tcp_user_timeout(Some(patience));
    }

    /// Takes the decoder of a WebSocket, to be [given back](Self::give_decoder_back).
    pub(crate) fn take_decoder(&mut self) -> Option<(u32, MessageDecoder)> {
        match &mut self.kind {
            LinkKind::WebSocket { client, decoder } => Some((*client, std::mem::take(decoder))),
            _ => None,
        }
    }

    /// Gives a decoder back; nothing happens where the link is a WebSocket no more.
    pub(crate) fn give_decoder_back(&mut self, decoder: MessageDecoder) {
        if let LinkKind::WebSocket { decoder: own, .. } = &mut self.kind {
            *own = decoder;
        }
    }

    /// Its client is called so on this shard.
    pub(crate) fn name_client(&mut self, name: u32) {
        match &mut self.kind {
            LinkKind::WebSocket { client, .. } | LinkKind::EventStream { client } => {
                *client = name;
            }
            LinkKind::HttpBusy { client, .. } => *client = Some(name),
            LinkKind::Http | LinkKind::HttpStream | LinkKind::Draining => {}
        }
    }

    /// Nothing is read any more: our side ends once everything was taken.
    pub(crate) fn begin_draining(&mut self) {
        self.kind = LinkKind::Draining;
        self.input.discard();
        if self.output.is_empty() {
            self.say_farewell();
        }
        if self.output.is_empty() {
            // Where that fails the socket has ended already.
            let _ = self.stream.shutdown(Shutdown::Write);
        } else {
            self.output.close_when_sent();
        }
    }

    pub(crate) fn is_draining(&self) -> bool {
        matches!(self.kind, LinkKind::Draining)
    }

    /// The client whose transport, probe or waiting poll it is.
    pub(crate) fn client(&self) -> Option<u32> {
        match self.kind {
            LinkKind::WebSocket { client, .. } | LinkKind::EventStream { client } => Some(client),
            LinkKind::HttpBusy { client, .. } => client,
            LinkKind::Http | LinkKind::HttpStream | LinkKind::Draining => None,
        }
    }

    /// Memory of what was read and not used, or written and not taken, and of what encrypts.
    pub(crate) fn buffered_bytes(&self) -> usize {
        let layer = self.layer.as_ref().map_or(0, |layer| layer.held_bytes());
        self.input.capacity() + self.output.capacity() + layer
    }

    /// Whether a request that is `elapsed_ms` old may go on: what its head says is enough, and it does not come too slowly.
    pub(crate) fn may_go_on(&self, elapsed_ms: u64) -> bool {
        self.input.may_go_on(elapsed_ms.saturating_mul(REQUEST_BYTES_PER_SECOND_MIN) / 1_000)
    }

    /// Whether more than enough was read ahead of the answer that the link waits for.
    pub(crate) fn is_ahead(&self) -> bool {
        matches!(self.kind, LinkKind::HttpBusy { .. } | LinkKind::HttpStream)
            && self.input.unread_bytes() >= READ_AHEAD_BYTES_MAX
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

    /// The socket, its encryption, and what waits to be written as it is: for who speaks on it from now on.
    pub(crate) fn into_parts(mut self) -> (TcpStream, Option<Box<TlsLayer>>, Vec<u8>) {
        (self.stream, self.layer, self.output.take())
    }

    /// What the kernel calls the socket, for sends that go out together.
    pub(crate) fn descriptor(&self) -> RawFd {
        self.stream.as_raw_fd()
    }
}

/// What the answer to a request that waits must know of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waited {
    /// The connection may stay for another one.
    pub(crate) keep_alive: bool,
    /// Its answer is sent without the body.
    pub(crate) head_only: bool,
    /// Who asks reads a body in chunks: HTTP/1.1.
    pub(crate) is_chunkable: bool,
}

impl Waited {
    pub(crate) fn new(head: &Head<'_>) -> Self {
        Self {
            keep_alive: head.keep_alive,
            head_only: head.method == "HEAD",
            is_chunkable: head.is_1_1(),
        }
    }
}
