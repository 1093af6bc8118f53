//! Events in and out, their arguments as raw JSON.

use std::borrow::Cow;

use foodtrack_session::Event;
use foodtrack_transport::{ClientKey, FrameId, FrameMeta, Reactor};
use foodtrack_wire::socket_io::{
    self, Arguments, Packet, PacketError, PacketType, split_arguments,
};

/// A client's event, its name apart from its arguments.
pub(crate) struct Incoming<'a> {
    pub(crate) name: Cow<'a, str>,
    elements: Arguments<'a>,
}

impl<'a> Incoming<'a> {
    /// # Errors
    /// Where the client broke the protocol: close it.
    pub(crate) fn parse(event: &'a Event<'_>) -> Result<Self, PacketError> {
        let elements = split_arguments(&event.data)?;
        let name = socket_io::event_name(elements.first().ok_or(PacketError::InvalidEventName)?)?;
        Ok(Self { name, elements })
    }

    /// The arguments behind the name.
    pub(crate) fn arguments(&self) -> &[&'a str] {
        &self.elements[1..]
    }

    /// An argument that is a string.
    pub(crate) fn text(&self, place: usize) -> Option<String> {
        serde_json::from_str(self.arguments().get(place)?).ok()
    }
}

/// What a packet is about.
#[derive(Clone, Copy)]
pub(crate) enum Kind<'a> {
    /// An event of this name; with an id, one to be acknowledged.
    Event(&'a str, Option<u64>),
    /// The answer to the event of this id.
    Ack(u64),
}

/// A packet to be sent: raw JSON arguments, whose placeholders stand for the attachments.
#[derive(Clone, Copy)]
pub(crate) struct Outgoing<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) kind: Kind<'a>,
    pub(crate) arguments: &'a [&'a str],
    pub(crate) attachments: &'a [Vec<u8>],
}

impl Outgoing<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        let binary = !self.attachments.is_empty();
        let (name, id, kind) = match (self.kind, binary) {
            (Kind::Event(name, id), false) => (Some(name), id, PacketType::Event),
            (Kind::Event(name, id), true) => (Some(name), id, PacketType::BinaryEvent),
            (Kind::Ack(id), false) => (None, Some(id), PacketType::Ack),
            (Kind::Ack(id), true) => (None, Some(id), PacketType::BinaryAck),
        };
        let attachments = u8::try_from(self.attachments.len()).unwrap_or(u8::MAX);
        let namespace = self.namespace;
        socket_io::write_packet(out, &Packet { kind, attachments, namespace, id, data: None });
        out.push(b'[');
        if let Some(name) = name {
            socket_io::write_json_string(out, name);
        }
        for (place, argument) in self.arguments.iter().enumerate() {
            if place > 0 || name.is_some() {
                out.push(b',');
            }
            out.extend_from_slice(argument.as_bytes());
        }
        out.push(b']');
    }

    /// Sends it to one client.
    pub(crate) fn send(&self, io: &mut Reactor, client: ClientKey, meta: FrameMeta) {
        io.send_packet(client, meta, |out| self.write(out), self.attachments);
    }

    /// Encodes it for many.
    pub(crate) fn frame(&self, io: &mut Reactor) -> FrameId {
        io.frame(FrameMeta::default(), |out| self.write(out), self.attachments)
    }
}
