//! A client: one Engine.IO session, over whichever sockets it uses.

mod alarm;
mod backlog;
mod joining;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::num::NonZeroU32;

use foodtrack_session::{EngineSession, Parser, Session, Sid};

use crate::allowance::Allowance;
use crate::delivery_queue::DeliveryQueue;

use alarm::Alarm;
pub(crate) use alarm::Ring;
use joining::Joining;

/// A client of this shard: its place, and the generation of that place. The next client there has another, so a key that
/// outlives its client finds nobody. Keys come from the reactor alone: who was not given one cannot address the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientKey {
    place: u32,
    generation: Generation,
}

/// Which of the clients that were in a place one after another; never 0, so that the absence of a key takes no room.
pub(crate) type Generation = NonZeroU32;

/// That of no client.
pub(crate) const NOBODY: Generation = Generation::MAX;

impl ClientKey {
    /// No client's.
    pub const NOBODY: Self = Self::new(u32::MAX, NOBODY);

    pub(crate) const fn new(place: u32, generation: Generation) -> Self {
        Self { place, generation }
    }

    pub(crate) const fn place(self) -> u32 {
        self.place
    }

    pub(crate) const fn generation(self) -> Generation {
        self.generation
    }

    pub(crate) const fn index(self) -> usize {
        self.place as usize
    }
}

/// What a client told when it opened its session; kept until the application takes it.
#[derive(Clone, Debug)]
pub struct HandshakeInfo {
    /// What is spoken where it came.
    pub protocol: Protocol,
    /// The peer's address.
    pub address: SocketAddr,
    /// `User-Agent`
    pub user_agent: Option<Box<str>>,
    /// `Authorization`
    pub authorization: Option<Box<str>>,
    /// `Cookie`
    pub cookie: Option<Box<str>>,
    /// `Origin`
    pub origin: Option<Box<str>>,
}

impl HandshakeInfo {
    /// Memory of what it told.
    fn held_bytes(&self) -> usize {
        let texts = [&self.user_agent, &self.authorization, &self.cookie, &self.origin];
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
    /// One JSON object a WebSocket message: what Socket.IO says, for clients without its library.
    PlainJson,
    /// Server-sent events: one answer to a request, for clients that only listen.
    EventStream,
}

impl Protocol {
    /// Whether clients join a namespace, and are strangers before that.
    pub(crate) fn has_namespaces(self) -> bool {
        matches!(self, Self::SocketIo | Self::PlainJson | Self::EventStream)
    }
}

/// Whether the application wants to know when a client has no backlog.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum DrainedWatch {
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
    generation: Generation,
    protocol: Protocol,
    sid: Sid,
    /// How it is reached, whether it is there, and how it ends.
    pub(crate) engine: EngineSession,
    pub(crate) session: Session,
    /// Frames that a slow or polling client has yet to take.
    queue: Option<Box<DeliveryQueue>>,
    pub(crate) joining: Joining,
    pub(crate) alarm: Alarm,
    pub(crate) allowance: Allowance,
    handshake: Option<Box<HandshakeInfo>>,
    /// Packets of a polling body that wait until others have had their turn.
    posted: Option<Box<Packets>>,
    /// The application's own.
    tag: u64,
    /// What the strangers' budget counts it for.
    counted_bytes: u32,
    drained_watch: DrainedWatch,
}

// Every idle connection pays for it.
const _: () = assert!(size_of::<Client>() <= 200);

impl Client {
    pub(crate) fn new(
        protocol: Protocol,
        sid: Sid,
        engine: EngineSession,
        handshake: Option<Box<HandshakeInfo>>,
    ) -> Self {
        let session = match protocol {
            Protocol::PlainJson => Session::speaking(Parser::PlainJson),
            Protocol::EventStream => Session::speaking(Parser::EventStream),
            Protocol::SocketIo | Protocol::EngineIo | Protocol::WebSocket => Session::default(),
        };
        Self {
            generation: NOBODY,
            protocol,
            sid,
            engine,
            session,
            queue: None,
            joining: Joining::default(),
            alarm: Alarm::default(),
            allowance: Allowance::default(),
            handshake,
            posted: None,
            tag: 0,
            counted_bytes: 0,
            drained_watch: DrainedWatch::Off,
        }
    }

    /// It comes into a table of clients, where it has this generation; what timers and lists knew of it is another shard's.
    pub(crate) fn arrive(&mut self, generation: Generation) {
        self.generation = generation;
        self.joining.forget_timer();
        self.drained_watch = DrainedWatch::Off;
    }

    /// What it is called by what waits for it, while it is in this place.
    pub(crate) fn key(&self, place: u32) -> ClientKey {
        ClientKey::new(place, self.generation)
    }

    /// What it speaks.
    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// What requests call it.
    pub(crate) fn sid(&self) -> &Sid {
        &self.sid
    }

    /// Whether nothing is known of who it is.
    pub(crate) fn is_stranger(&self) -> bool {
        self.protocol.has_namespaces() && !self.joining.has_joined()
    }

    /// The application's own number of it; 0 before it is set.
    pub(crate) fn tag(&self) -> u64 {
        self.tag
    }

    pub(crate) fn set_tag(&mut self, tag: u64) {
        self.tag = tag;
    }

    /// What it told when it opened its session, to be [given back](Self::give_handshake_back).
    pub(crate) fn take_handshake(&mut self) -> Option<Box<HandshakeInfo>> {
        self.handshake.take()
    }

    pub(crate) fn give_handshake_back(&mut self, info: Box<HandshakeInfo>) {
        self.handshake = Some(info);
    }

    /// Memory of what it told.
    pub(crate) fn handshake_bytes(&self) -> usize {
        self.handshake.as_deref().map_or(0, HandshakeInfo::held_bytes)
    }

    /// What the strangers' budget counts it for.
    pub(crate) fn counted_bytes(&self) -> u32 {
        self.counted_bytes
    }

    /// The strangers' budget counts it for so much from now on. Returns what it was before.
    pub(crate) fn count(&mut self, bytes: u32) -> u32 {
        std::mem::replace(&mut self.counted_bytes, bytes)
    }

    /// Keeps packets of a polling body until others have had their turn.
    pub(crate) fn post_later(&mut self, packets: Packets) {
        self.posted = Some(Box::new(packets));
    }

    /// Packets of a polling body that wait.
    pub(crate) fn take_posted(&mut self) -> Option<Packets> {
        self.posted.take().map(|packets| *packets)
    }

    pub(crate) fn has_posted(&self) -> bool {
        self.posted.is_some()
    }

    /// The application wants to know when it has no backlog. Returns whether it is to be looked at at the end of the turn: not
    /// where it is already.
    pub(crate) fn watch_drained(&mut self) -> bool {
        let is_new = self.drained_watch == DrainedWatch::Off && !self.engine.is_closing();
        if is_new {
            self.drained_watch = DrainedWatch::Due;
        }
        is_new
    }

    /// Its backlog is gone. Returns whether it is to be looked at at the end of the turn.
    pub(crate) fn note_drained(&mut self) -> bool {
        let is_awaited = self.drained_watch == DrainedWatch::Backlogged;
        if is_awaited {
            self.drained_watch = DrainedWatch::Due;
        }
        is_awaited
    }

    /// It is looked at at the end of the turn. Returns whether the application is told: its backlog is gone.
    pub(crate) fn look_at_backlog(&mut self, is_backlogged: bool) -> bool {
        // There still, or again: its end is noted.
        let watch = if is_backlogged { DrainedWatch::Backlogged } else { DrainedWatch::Off };
        self.drained_watch = watch;
        !is_backlogged
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
