//! A message in its final bytes, shared by every recipient.

/// How urgent a frame is in a backlogged queue. Control packets are urgent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Urgency {
    /// Goes last.
    Low,
    /// The default.
    #[default]
    Medium,
    /// Before medium.
    High,
    /// Before everything.
    Urgent,
}

/// What a queue must know of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameMeta {
    /// Its place among other entities' frames.
    pub urgency: Urgency,
    /// What it is about, as a hash; 0 for nothing. Frames about one entity never overtake each other.
    pub entity: u64,
    /// Whether a slow reader may miss it.
    pub droppable: bool,
    /// Whether it, being droppable, takes the place of an earlier one like it (droppable, conflating, about the same
    /// entity) that still waits. Of an entity, only one kind of frames should conflate: another kind's is no newer value.
    pub conflates: bool,
    /// Where it stands in its tenant's log; `None` for a frame that says nothing of the log.
    pub place: Option<LogPlace>,
}

/// Where a frame stands in its tenant's log.
///
/// A stamped frame's text ends with the cursor: `..,"EPOCH-OFFSET"]`, the offset in decimal. A frame that overtakes
/// others in a queue gets another one in its place: `EPOCH-THROUGH+A,B`, all up to THROUGH, and A and B.
///
/// A client's frames come from one log, in its order: when a frame at an offset is sent, every entry for this client at or
/// below that offset was sent before, or is the frame itself. So an entry that is sent once more goes without a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPlace {
    /// An entry's own offset; of any other frame, where the log stood for its recipient when it was made.
    pub offset: u64,
    /// Whether the frame is the log's entry at that offset.
    pub is_entry: bool,
    /// Whether its text ends with the cursor. An event that asks for an acknowledgement has none.
    pub is_stamped: bool,
}

impl FrameMeta {
    /// A packet of the protocol itself.
    pub(crate) const CONTROL: Self = Self {
        urgency: Urgency::Urgent,
        entity: 0,
        droppable: false,
        conflates: false,
        place: None,
    };

    pub(crate) const fn lane(&self) -> usize {
        self.urgency as usize
    }
}

/// One Socket.IO packet as WebSocket frames: the text, then its binary attachments; or one msgpack message.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) bytes: Box<[u8]>,
    pub(crate) meta: FrameMeta,
}

impl Frame {
    /// How many Engine.IO packets it is.
    pub(crate) fn packets(&self) -> usize {
        let mut packets = 0;
        each_server_frame(&self.bytes, |_, _| packets += 1);
        packets
    }
}

/// Splits the first of the WebSocket frames that this server wrote off `bytes`: whether it is text, its payload, and the
/// frames behind it.
pub(crate) fn split_server_frame(bytes: &[u8]) -> Option<(bool, &[u8], &[u8])> {
    let [first, length, rest @ ..] = bytes else { return None };
    let (payload_bytes, rest) = match *length {
        126 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        127 => {
            let (length, rest) = rest.split_first_chunk::<8>()?;
            (usize::try_from(u64::from_be_bytes(*length)).unwrap_or(usize::MAX), rest)
        }
        short => (usize::from(short), rest),
    };
    let (payload, rest) = rest.split_at_checked(payload_bytes)?;
    Some((first & 0x0f == 1, payload, rest))
}

/// Calls `each` with every WebSocket frame in `bytes` that this server wrote: whether it is text, and its payload.
pub(crate) fn each_server_frame(mut bytes: &[u8], mut each: impl FnMut(bool, &[u8])) {
    while let Some((is_text, payload, rest)) = split_server_frame(bytes) {
        each(is_text, payload);
        bytes = rest;
    }
}
