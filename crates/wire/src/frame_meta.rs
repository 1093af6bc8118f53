//! What a client's queue must know of a frame that waits in it.

/// How urgent a frame is among others that wait in a client's queue. Packets of the protocol itself are urgent.
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

/// What a client's queue must know of a frame: who makes the frame says it, and the queue never looks into the bytes.
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
/// A client's frames come from one log, in its order: when a frame at an offset is sent, every entry for this client at or
/// below that offset was sent before, or is the frame itself. So an entry that is sent once more goes without a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPlace {
    /// An entry's own offset; of any other frame, where the log stood for its recipient when it was made.
    pub offset: u64,
    /// Whether the frame is the log's entry at that offset.
    pub is_entry: bool,
}

impl FrameMeta {
    /// That of a packet of the protocol itself.
    pub const CONTROL: Self = Self {
        urgency: Urgency::Urgent,
        entity: 0,
        droppable: false,
        conflates: false,
        place: None,
    };
}
