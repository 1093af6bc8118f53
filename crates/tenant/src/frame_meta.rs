//! What a queue must know of a frame: how urgent it is, what it is about, and where it stands in the log.

/// How urgent a frame is in a queue of what a client has yet to take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
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
    /// Whether it, being droppable, takes the place of an earlier one about the same entity that still waits.
    pub conflates: bool,
    /// Where it stands in the log; `None` for a frame that says nothing of the log.
    pub place: Option<LogPlace>,
}

/// Where a frame stands in its tenant's log.
///
/// A client's frames come in the log's order: when a frame at an offset is sent, every entry for this client at or below that
/// offset was sent before, or is the frame itself. So an entry that is sent once more goes without a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPlace {
    /// An entry's own offset; of any other frame, where the log stood for its recipient when it was made.
    pub offset: u64,
    /// Whether the frame is the log's entry at that offset.
    pub is_entry: bool,
}
