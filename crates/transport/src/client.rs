//! A client: one Engine.IO session, over whichever sockets it uses.

use crate::allowance::Allowance;
use std::collections::VecDeque;
use std::net::SocketAddr;

use foodtrack_session::{EngineSession, Session, Sid};

use crate::delivery_queue::DeliveryQueue;

/// A client of this shard, for as long as [`Application::closed`](crate::Application::closed) has not named it. Keys
/// come from the reactor alone: who was not given one cannot address the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientKey(pub(crate) u32);

impl ClientKey {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }

    /// The key as a dense index, for tables beside the reactor's.
    pub fn dense(self) -> usize {
        self.index()
    }

    /// The key that had this index; for who keeps it where nothing of the transport is known.
    pub fn from_dense(index: u32) -> Self {
        Self(index)
    }
}

/// A client that something waits for: its place, and the generation of that place. The next client there has another, so an id
/// that outlives its client finds nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientId {
    place: u32,
    generation: u32,
}

impl ClientId {
    pub(crate) const fn new(place: u32, generation: u32) -> Self {
        Self { place, generation }
    }

    pub(crate) const fn place(self) -> u32 {
        self.place
    }
}

/// What a client told when it opened its session; kept until the application takes it.
#[derive(Clone, Debug)]
pub struct HandshakeInfo {
    /// The peer's address.
    pub address: SocketAddr,
    /// `User-Agent`
    pub user_agent: Option<Box<str>>,
    /// `Authorization`
    pub authorization: Option<Box<str>>,
    /// `Cookie`
    pub cookie: Option<Box<str>>,
}

impl HandshakeInfo {
    /// Memory of what it told.
    pub(crate) fn held_bytes(&self) -> usize {
        let texts = [&self.user_agent, &self.authorization, &self.cookie];
        texts.into_iter().flatten().map(|text| text.len()).sum()
    }
}

/// What is spoken at an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Socket.IO over Engine.IO.
    SocketIo,
    /// Engine.IO messages, as they are.
    EngineIo,
    /// WebSocket messages, as they are: no handshake, no heartbeat.
    WebSocket,
}

/// Whether the application wants to know when a client has no backlog.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum DrainedWatch {
    /// It does not.
    #[default]
    Off,
    /// It does; the client is looked at when the turn is flushed.
    Due,
    /// It does; the end of the client's backlog brings the look.
    Backlogged,
}

pub(crate) struct Client {
    /// Tells this client from others in the same place.
    pub(crate) generation: u32,
    pub(crate) protocol: Protocol,
    pub(crate) sid: Sid,
    /// How it is reached, whether it is there, and how it ends.
    pub(crate) engine: EngineSession,
    pub(crate) session: Session,
    /// Frames that a slow or polling client has yet to take.
    pub(crate) queue: Option<Box<DeliveryQueue>>,
    pub(crate) drained_watch: DrainedWatch,
    pub(crate) handshake: Option<Box<HandshakeInfo>>,
    /// The application's own.
    pub(crate) tag: u64,
    /// Whether it was ever in a namespace; before that it is a stranger's.
    pub(crate) has_joined: bool,
    /// What the strangers' budget counts it for.
    pub(crate) counted_bytes: u32,
    pub(crate) allowance: Allowance,
    /// Packets of a polling body that wait until others have had their turn.
    pub(crate) posted: Option<Box<Packets>>,
    /// CONNECT packets that came.
    pub(crate) connects: u8,
    /// By when it must have joined, however often it tries; 0 before that began.
    pub(crate) join_deadline_ms: u64,
    /// By when it must be in a namespace.
    pub(crate) connect_deadline_ms: u64,
    /// When the application wants to look at the client; never where it does not.
    pub(crate) alarm_ms: u64,
    /// The earliest entry for it in the wheel: there is no more than one that matters.
    pub(crate) alarm_timer_ms: u64,
    /// Whether the wheel will ask about that.
    pub(crate) is_connect_timed: bool,
}

impl Client {
    /// What it is called by what waits for it, while it is in this place.
    pub(crate) fn id(&self, place: u32) -> ClientId {
        ClientId::new(place, self.generation)
    }

    /// Whether nothing is known of who it is.
    pub(crate) fn is_stranger(&self) -> bool {
        self.protocol == Protocol::SocketIo && !self.has_joined
    }
}

/// Packets of a polling body that wait while their client moves to another shard.
pub(crate) type Packets = VecDeque<OwnedPacket>;

#[derive(Debug)]
pub(crate) enum OwnedPacket {
    Text(String),
    Binary(Vec<u8>),
    Close,
    Pong,
    Other,
}
