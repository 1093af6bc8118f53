//! The Socket.IO side of one client.

use std::borrow::Cow;

use foodtrack_wire::NamespaceId;
use foodtrack_wire::msgpack::{self, MsgpackError};
use foodtrack_wire::plain_json::PlainJsonError;
use foodtrack_wire::socket_io::{self, PacketError, PacketType, Reassembly};
use smallvec::SmallVec;

/// The namespaces a server has, in a fixed order: at most [`NamespaceId::COUNT_MAX`].
#[derive(Clone, Debug)]
pub struct Namespaces(SmallVec<[Box<str>; 2]>);

impl Namespaces {
    /// The namespaces with these names, each starting with `/`.
    ///
    /// # Panics
    /// For more than [`NamespaceId::COUNT_MAX`] names: the set is part of the program, not input.
    pub fn new(names: &[&str]) -> Self {
        assert!(names.len() <= NamespaceId::COUNT_MAX, "a server has too many namespaces");
        Self(names.iter().map(|name| Box::from(*name)).collect())
    }

    /// The namespace's name.
    pub fn name(&self, id: NamespaceId) -> &str {
        self.0.get(id.place()).map_or("/", |name| name)
    }

    fn find(&self, name: &str) -> Option<NamespaceId> {
        self.0.iter().position(|known| **known == *name).and_then(NamespaceId::at)
    }
}

/// Which encoding the client's packets have; with Socket.IO its first packet tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Parser {
    /// Nothing came yet.
    #[default]
    Unknown,
    /// The default parser: text with binary attachments behind.
    Json,
    /// `socket.io-msgpack-parser`: one binary message a packet.
    Msgpack,
    /// Not Socket.IO's: one JSON object a message. Of a client that came so.
    PlainJson,
    /// Not Socket.IO's: server-sent events, whose client says nothing. Of a client that came so.
    EventStream,
}

/// An event or an acknowledgement of a client.
#[derive(Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// Where it was sent.
    pub namespace: NamespaceId,
    /// The acknowledgement id: asked for by an event, answered by an acknowledgement.
    pub id: Option<u64>,
    /// The arguments as the raw text of a JSON array, not checked yet; binary is a placeholder.
    pub data: Cow<'a, str>,
    /// The binary that the placeholders stand for.
    pub attachments: Vec<Vec<u8>>,
}

/// What a client's packet asks of the server.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// Nothing yet: a part of a binary packet.
    Nothing,
    /// Join a namespace; answer by [`Session::accept`] or [`Session::refuse`].
    Connect {
        /// Which one.
        namespace: NamespaceId,
        /// The raw JSON of the handshake's `auth`, not checked yet.
        auth: Option<Cow<'a, str>>,
    },
    /// Join a namespace that the server does not have.
    ConnectUnknown {
        /// Its name.
        namespace: Cow<'a, str>,
    },
    /// An event.
    Event(Event<'a>),
    /// The answer to an event that asked for one; `id` is always there.
    Acknowledged(Event<'a>),
    /// Leave a namespace.
    Disconnect {
        /// Which one.
        namespace: NamespaceId,
    },
}

/// Why a client's transport must be closed.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// A packet does not parse.
    #[error("malformed Socket.IO packet: {0}")]
    Packet(#[from] PacketError),
    /// A packet of the msgpack parser does not parse.
    #[error("malformed msgpack packet: {0}")]
    Msgpack(#[from] MsgpackError),
    /// A text where binary is due, or binary where none is.
    #[error("binary and text are out of step")]
    OutOfStep,
    /// A packet for a namespace that was not joined, or a second CONNECT for one that was.
    #[error("packet does not fit the state of its namespace")]
    NamespaceState,
    /// A packet that only servers send.
    #[error("packet of a type that clients do not send")]
    Direction,
    /// A message in plain JSON does not parse.
    #[error(transparent)]
    PlainJson(#[from] PlainJsonError),
    /// The parts of a binary packet are larger together than a message may be, or a packet in msgpack is as JSON.
    #[error(
        "packet over the limit of {bytes_max} bytes (limits.payloadBytesMax), its binary and its JSON text together"
    )]
    TooLarge {
        /// The limit.
        bytes_max: usize,
    },
}

/// One client's namespaces and half-received packet.
#[derive(Default)]
pub struct Session {
    joined: u16,
    asked: u16,
    parser: Parser,
    partial: Option<Box<Reassembly>>,
}

impl Session {
    /// Of a client that speaks so from the start.
    pub fn speaking(parser: Parser) -> Self {
        Self { parser, ..Self::default() }
    }

    /// The parser that the client's first packet showed.
    pub fn parser(&self) -> Parser {
        self.parser
    }

    /// Whether the client is in `namespace`.
    pub fn is_in(&self, namespace: NamespaceId) -> bool {
        self.joined & bit(namespace) != 0
    }

    /// Whether the client is in no namespace, and has asked for none.
    pub fn is_idle(&self) -> bool {
        self.joined | self.asked == 0
    }

    /// The client may join.
    pub fn accept(&mut self, namespace: NamespaceId) {
        self.asked &= !bit(namespace);
        self.joined |= bit(namespace);
    }

    /// The client may not join.
    pub fn refuse(&mut self, namespace: NamespaceId) {
        self.asked &= !bit(namespace);
    }

    /// The client is taken out of a namespace. Returns whether it was in it.
    pub fn leave(&mut self, namespace: NamespaceId) -> bool {
        let was_in = self.is_in(namespace);
        self.joined &= !bit(namespace);
        was_in
    }

    /// The namespaces that the client is in.
    pub fn joined(&self) -> impl Iterator<Item = NamespaceId> + use<> {
        let joined = self.joined;
        (0..NamespaceId::COUNT_MAX)
            .filter_map(NamespaceId::at)
            .filter(move |namespace| joined & bit(*namespace) != 0)
    }

    /// Takes an Engine.IO text message.
    ///
    /// # Errors
    /// [`SessionError`]: close the transport.
    pub fn handle_text<'a>(
        &mut self,
        text: &'a str,
        namespaces: &Namespaces,
    ) -> Result<Step<'a>, SessionError> {
        if self.partial.is_some() || self.parser == Parser::Msgpack {
            return Err(SessionError::OutOfStep);
        }
        let packet = socket_io::decode(text)?;
        self.parser = Parser::Json;
        if matches!(packet.kind, PacketType::BinaryEvent | PacketType::BinaryAck) {
            self.find_joined(packet.namespace, namespaces)?;
            self.partial = Some(Box::new(Reassembly::new(&packet)));
            return Ok(Step::Nothing);
        }
        self.step(
            packet.kind,
            Cow::Borrowed(packet.namespace),
            packet.id,
            packet.data.map(Cow::Borrowed),
            Vec::new(),
            namespaces,
        )
    }

    /// Takes an Engine.IO binary message.
    ///
    /// # Errors
    /// [`SessionError`]: close the transport.
    pub fn handle_binary(
        &mut self,
        bytes: &[u8],
        bytes_max: usize,
        namespaces: &Namespaces,
    ) -> Result<Step<'static>, SessionError> {
        if let Some(mut partial) = self.partial.take() {
            if partial.bytes() + bytes.len() > bytes_max {
                return Err(SessionError::TooLarge { bytes_max });
            }
            if !partial.push(bytes.to_vec()) {
                self.partial = Some(partial);
                return Ok(Step::Nothing);
            }
            let packet = partial.packet();
            let kind = match packet.kind {
                PacketType::BinaryAck => PacketType::Ack,
                _ => PacketType::Event,
            };
            let (namespace, id) = (packet.namespace.to_owned(), packet.id);
            let data = packet.data.map(|data| Cow::Owned(data.to_owned()));
            let attachments = partial.attachments().to_vec();
            return self.step(kind, Cow::Owned(namespace), id, data, attachments, namespaces);
        }
        if self.parser == Parser::Json {
            return Err(SessionError::OutOfStep);
        }
        let packet = msgpack::decode(bytes, bytes_max).map_err(|error| match error {
            MsgpackError::TooLarge { bytes_max } => SessionError::TooLarge { bytes_max },
            error => error.into(),
        })?;
        self.parser = Parser::Msgpack;
        let (namespace, data) = (Cow::Owned(packet.namespace), packet.data.map(Cow::Owned));
        self.step(packet.kind, namespace, packet.id, data, packet.attachments, namespaces)
    }

    pub(crate) fn step<'a>(
        &mut self,
        kind: PacketType,
        namespace: Cow<'a, str>,
        id: Option<u64>,
        data: Option<Cow<'a, str>>,
        attachments: Vec<Vec<u8>>,
        namespaces: &Namespaces,
    ) -> Result<Step<'a>, SessionError> {
        if kind == PacketType::Connect {
            let Some(known) = namespaces.find(&namespace) else {
                return Ok(Step::ConnectUnknown { namespace });
            };
            if (self.joined | self.asked) & bit(known) != 0 {
                return Err(SessionError::NamespaceState);
            }
            self.asked |= bit(known);
            return Ok(Step::Connect { namespace: known, auth: data });
        }
        let namespace = self.find_joined(&namespace, namespaces)?;
        let event = |data: Option<Cow<'a, str>>| {
            data.map(|data| Event { namespace, id, data, attachments })
                .ok_or(SessionError::Packet(PacketError::InvalidData))
        };
        match kind {
            PacketType::Event => event(data).map(Step::Event),
            PacketType::Ack if id.is_some() => event(data).map(Step::Acknowledged),
            PacketType::Disconnect => {
                self.leave(namespace);
                Ok(Step::Disconnect { namespace })
            }
            _ => Err(SessionError::Direction),
        }
    }

    fn find_joined(
        &self,
        name: &str,
        namespaces: &Namespaces,
    ) -> Result<NamespaceId, SessionError> {
        // Nearly every packet is for `/`: do not search for it.
        let namespace = if name == "/" { Some(NamespaceId::ROOT) } else { namespaces.find(name) };
        namespace.filter(|namespace| self.is_in(*namespace)).ok_or(SessionError::NamespaceState)
    }
}

const fn bit(namespace: NamespaceId) -> u16 {
    1 << namespace.place()
}
