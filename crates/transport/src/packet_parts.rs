//! What is sent, in its parts: who sends it names them, and nobody looks for them in the bytes again.

use foodtrack_session::NamespaceId;
use foodtrack_wire::FrameMeta;
use foodtrack_wire::socket_io::{Packet, PacketType};

/// What a packet is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketKind {
    /// An event; with an id, one that asks for an acknowledgement.
    Event {
        /// What the acknowledgement will name.
        ack_id: Option<u64>,
    },
    /// The answer to an event that asked for one.
    Ack {
        /// The id of that event.
        id: u64,
    },
}

/// The cursor that ends an event's arguments, `"EPOCH-OFFSET"`, the offset in decimal: the same for all recipients.
///
/// A frame that overtakes others in a queue gets its recipient's own in its place: `"EPOCH-THROUGH+A,B"`, all up to THROUGH,
/// and A and B.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CursorSuffix<'a> {
    /// Which log the offset is one of; text that needs no escapes in JSON.
    pub epoch: &'a [u8],
    /// That of the packet's [`LogPlace`](crate::LogPlace).
    pub offset: u64,
}

/// An event or an acknowledgement, but for its arguments.
#[derive(Clone, Copy, Debug)]
pub struct PacketParts<'a> {
    /// What it is for.
    pub kind: PacketKind,
    /// In which namespace.
    pub namespace: NamespaceId,
    /// What ends its arguments.
    pub suffix: Option<CursorSuffix<'a>>,
    /// What the placeholders in its arguments stand for.
    pub attachments: &'a [Vec<u8>],
    /// What a queue must know of it.
    pub meta: FrameMeta,
}

impl PacketParts<'static> {
    /// An event that asks for nothing.
    pub fn event(namespace: NamespaceId, meta: FrameMeta) -> Self {
        let kind = PacketKind::Event { ack_id: None };
        Self { kind, namespace, suffix: None, attachments: &[], meta }
    }

    /// The answer to the event with this id.
    pub fn ack(namespace: NamespaceId, id: u64) -> Self {
        let kind = PacketKind::Ack { id };
        Self { kind, namespace, suffix: None, attachments: &[], meta: FrameMeta::default() }
    }
}

impl PacketParts<'_> {
    /// Whether the cursor at its end and its place in the log are of one offset.
    pub(crate) fn is_consistent(&self) -> bool {
        let place = self.meta.place.map(|place| place.offset);
        self.suffix.is_none_or(|suffix| Some(suffix.offset) == place)
    }

    /// The head of its text. `namespace` is the name of its namespace.
    pub(crate) fn head<'n>(&self, namespace: &'n str) -> Packet<'n> {
        let is_binary = !self.attachments.is_empty();
        let (kind, id) = match (self.kind, is_binary) {
            (PacketKind::Event { ack_id }, false) => (PacketType::Event, ack_id),
            (PacketKind::Event { ack_id }, true) => (PacketType::BinaryEvent, ack_id),
            (PacketKind::Ack { id }, false) => (PacketType::Ack, Some(id)),
            (PacketKind::Ack { id }, true) => (PacketType::BinaryAck, Some(id)),
        };
        let attachments = u8::try_from(self.attachments.len()).unwrap_or(u8::MAX);
        Packet { kind, attachments, namespace, id, data: None }
    }
}
