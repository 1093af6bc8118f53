//! What a server is, beyond its sockets: the hub's shards and the conformance server implement this.

use std::borrow::Cow;

use foodtrack_session::{CloseReason, Event, LinkId, NamespaceId};

use super::Reactor;
use crate::client::ClientKey;
use crate::door::DoorRefusal;
use crate::handover::Handover;
use crate::passed_on::{PassOn, PassedSocket};

/// May a client join?
#[derive(Debug)]
pub enum Verdict<T> {
    /// It may; the answer to CONNECT goes out before anything else.
    Accept {
        /// The JSON object of the CONNECT packet.
        answer: String,
    },
    /// It may not.
    Refuse {
        /// The JSON of the CONNECT_ERROR packet: a string or an object.
        error: String,
    },
    /// It belongs to another shard of this server, which gets the client and `transfer`.
    HandOver {
        /// Which one.
        shard: usize,
        /// What the other shard needs to go on.
        transfer: T,
    },
}

/// Whether reading from a client goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flow {
    /// It does.
    Continue,
    /// Others have their turn first.
    Yield,
    /// Not before so many milliseconds: the client is over its rate.
    PauseMs(u32),
}

/// An Engine.IO or WebSocket message as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data<'a> {
    /// Text.
    Text(&'a str),
    /// Binary.
    Binary(&'a [u8]),
}

/// A request that is not for an Engine.IO endpoint.
#[derive(Debug)]
pub struct HttpRequest {
    /// Such as `GET`. HEAD comes as GET; the body of the answer is left out on its way.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// In their order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Whole.
    pub body: Vec<u8>,
    /// Who asks.
    pub peer: std::net::SocketAddr,
    /// The certificate that the connection was begun with and that was verified, as DER.
    pub certificate: Option<Vec<u8>>,
    /// It is about a session of another node's, which is to answer it.
    pub pass_on: Option<PassOn>,
}

/// Where the answer to a request goes: to the socket it came on, if that is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HttpTicket {
    pub(crate) link: LinkId,
}

/// What the reactor asks and tells. Every call gets the reactor, to send and to close; closing takes effect after the call.
pub trait Application: Sized {
    /// What goes with a client from shard to shard.
    type Transfer: Send;

    /// A client asks to join a namespace; `auth` is raw JSON, not checked yet.
    fn connect(
        &mut self,
        io: &mut Reactor,
        client: ClientKey,
        namespace: NamespaceId,
        auth: Option<Cow<'_, str>>,
    ) -> Verdict<Self::Transfer>;

    /// The client joined, and its CONNECT answer is on its way: what is sent from now on comes after it.
    fn connected(&mut self, io: &mut Reactor, client: ClientKey, namespace: NamespaceId);

    /// A client was handed over to this shard, before its CONNECT was answered: judge it here.
    fn adopt(
        &mut self,
        io: &mut Reactor,
        client: ClientKey,
        namespace: NamespaceId,
        transfer: Self::Transfer,
    ) -> Verdict<Self::Transfer>;

    /// Takes a client or a request to another shard. Dropping it closes the socket.
    fn hand_over(&mut self, shard: usize, handover: Handover<Self::Transfer>);

    /// A client of the namespace sent an event.
    fn event(&mut self, io: &mut Reactor, client: ClientKey, event: Event<'_>) -> Flow;

    /// A client acknowledged an event. Returns whether that was asked for: who sends too many others is closed.
    fn acknowledged(&mut self, io: &mut Reactor, client: ClientKey, event: Event<'_>) -> bool;

    /// A ping goes out to a client behind everything it was sent before. What this returns comes back in
    /// [`Application::ponged`]; 0 asks for nothing.
    fn pinged(&mut self, _io: &mut Reactor, _client: ClientKey) -> u64 {
        0
    }

    /// A client was sent something of the log a second or two ago. What of it is not known to have arrived: as
    /// [`Application::pinged`]; 0 where nothing is to be asked.
    fn unconfirmed(&mut self, _io: &mut Reactor, _client: ClientKey) -> u64 {
        0
    }

    /// A client answered the ping that [`Application::pinged`] marked: everything it was sent before that ping arrived. Not
    /// called where that is not proven: for a client that polls, or once got entries of the log by polls, without a `t` in
    /// its requests.
    fn ponged(&mut self, _io: &mut Reactor, _client: ClientKey, _mark: u64) {}

    /// A client says that it has dealt with everything through this cursor, which is not checked yet. From then on it is not asked
    /// whether what it was sent arrived.
    fn confirmed(&mut self, _io: &mut Reactor, _client: ClientKey, _cursor: &str) {}

    /// A client that [`Reactor::tell_when_drained`] was called for has taken everything it was sent.
    fn drained(&mut self, _io: &mut Reactor, _client: ClientKey) {}

    /// A client left a namespace by itself.
    fn left(&mut self, io: &mut Reactor, client: ClientKey, namespace: NamespaceId);

    /// A client is gone: its key means nothing from now on.
    fn closed(&mut self, io: &mut Reactor, client: ClientKey, reason: CloseReason);

    /// A message at an endpoint without Socket.IO.
    fn message(&mut self, _io: &mut Reactor, _client: ClientKey, _data: Data<'_>) {}

    /// An HTTP request for the application; answer it through [`Reactor::respond`], now or later.
    fn http(&mut self, io: &mut Reactor, request: HttpRequest, ticket: HttpTicket);

    /// A request for the WebSocket of a session of another node's, which goes there with its socket. Dropping that closes it.
    fn pass_on(&mut self, _io: &mut Reactor, _request: HttpRequest, _socket: PassedSocket) {}

    /// A request for a stream of events is refused before its client is known; answer it through [`Reactor::respond`] now.
    fn stream_refused(
        &mut self,
        io: &mut Reactor,
        ticket: HttpTicket,
        _why: DoorRefusal,
        _retry_after_ms: Option<u64>,
    ) {
        io.respond(ticket, 403, &[], b"");
    }

    /// The peer of a [stream](Reactor::begin_stream) has taken everything that it was given, after a piece was refused.
    fn stream_drained(&mut self, _io: &mut Reactor, _ticket: HttpTicket) {}

    /// The peer of a stream is gone, took nothing for too long, or was given nothing for too long: its ticket means nothing from
    /// now on.
    fn stream_ended(&mut self, _io: &mut Reactor, _ticket: HttpTicket) {}

    /// The reactor was woken, or took a turn: take what came by other ways than sockets.
    fn turn(&mut self, io: &mut Reactor);

    /// The time of [`Reactor::set_alarm`] has come.
    fn alarm(&mut self, _io: &mut Reactor, _client: ClientKey) {}

    /// A deadline of [`Reactor::schedule`] has passed.
    fn deadline(&mut self, _io: &mut Reactor, _what: u64) {}
}
