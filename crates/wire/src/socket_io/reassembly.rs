use super::packet::{Packet, PacketType};

/// A binary packet whose attachments are still arriving.
#[derive(Clone, PartialEq, Eq)]
pub struct Reassembly {
    kind: PacketType,
    attachments_expected: u8,
    namespace: Box<str>,
    id: Option<u64>,
    data: Option<Box<str>>,
    attachments: Vec<Vec<u8>>,
    attachment_bytes: usize,
}

impl Reassembly {
    /// Keeps `packet` until it is complete. Nothing is reserved for what has not arrived.
    pub fn new(packet: &Packet<'_>) -> Self {
        Self {
            kind: packet.kind,
            attachments_expected: packet.attachments,
            namespace: packet.namespace.into(),
            id: packet.id,
            data: packet.data.map(Box::from),
            attachments: Vec::new(),
            attachment_bytes: 0,
        }
    }

    /// Takes the next attachment, in the order they are sent; true: that was the last.
    ///
    /// # Panics
    /// When the packet was complete already.
    pub fn push(&mut self, attachment: Vec<u8>) -> bool {
        assert!(!self.is_complete(), "an attachment for a packet that is complete");
        self.attachment_bytes += attachment.len();
        self.attachments.push(attachment);
        self.is_complete()
    }

    /// Every attachment has arrived.
    pub fn is_complete(&self) -> bool {
        self.attachments.len() >= usize::from(self.attachments_expected)
    }

    /// The packet as it came, its data still with placeholders.
    pub fn packet(&self) -> Packet<'_> {
        Packet {
            kind: self.kind,
            attachments: self.attachments_expected,
            namespace: &self.namespace,
            id: self.id,
            data: self.data.as_deref(),
        }
    }

    /// What has arrived; a placeholder's `num` is an index into it.
    pub fn attachments(&self) -> &[Vec<u8>] {
        &self.attachments
    }

    /// Bytes of data and attachments held, for the caller's limit.
    pub fn bytes(&self) -> usize {
        self.namespace.len()
            + self.data.as_ref().map_or(0, |data| data.len())
            + self.attachment_bytes
    }
}
