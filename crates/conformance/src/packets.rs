//! Events in and out, their arguments as raw JSON.

use std::borrow::Cow;

use foodtrack_session::{Event, NamespaceId};
use foodtrack_transport::{ClientKey, FrameId, FrameMeta, PacketKind, PacketParts, Reactor};
use foodtrack_wire::socket_io::{self, Arguments, PacketError, split_arguments};

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
    pub(crate) namespace: NamespaceId,
    pub(crate) kind: Kind<'a>,
    pub(crate) arguments: &'a [&'a str],
    pub(crate) attachments: &'a [Vec<u8>],
}

impl<'a> Outgoing<'a> {
    fn parts(&self, meta: FrameMeta) -> PacketParts<'a> {
        let kind = match self.kind {
            Kind::Event(_, ack_id) => PacketKind::Event { ack_id },
            Kind::Ack(id) => PacketKind::Ack { id },
        };
        let (namespace, attachments) = (self.namespace, self.attachments);
        PacketParts { kind, namespace, suffix: None, attachments, meta }
    }

    fn write_arguments(&self, out: &mut Vec<u8>) {
        let mut is_first = true;
        if let Kind::Event(name, _) = self.kind {
            socket_io::write_json_string(out, name);
            is_first = false;
        }
        for argument in self.arguments {
            if !std::mem::take(&mut is_first) {
                out.push(b',');
            }
            out.extend_from_slice(argument.as_bytes());
        }
    }

    /// Sends it to one client.
    pub(crate) fn send(&self, io: &mut Reactor, client: ClientKey, meta: FrameMeta) {
        io.send_packet(client, &self.parts(meta), |out| self.write_arguments(out));
    }

    /// Encodes it for many.
    pub(crate) fn frame(&self, io: &mut Reactor) -> FrameId {
        io.frame(&self.parts(FrameMeta::default()), |out| self.write_arguments(out))
    }
}
