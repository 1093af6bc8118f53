//! What follows from what came in.

use super::application::Flow;

/// What follows from a packet for whoever reads on.
pub(super) enum Next<T> {
    Continue,
    /// The client or its socket is not this reader's any more.
    Stop,
    Pause(Flow),
    HandOver {
        shard: usize,
        namespace: foodtrack_session::NamespaceId,
        transfer: T,
    },
    /// The peer broke the protocol.
    Violation,
    /// What came is larger than it may be, in bytes, once it is read.
    TooLarge(usize),
}

/// What became of the front of the bytes on a link.
pub(super) enum Progress {
    Used(usize),
    NeedMore,
    /// The link is gone, or moved with the rest of the bytes.
    Gone,
}
