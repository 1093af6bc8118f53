//! What the pongs of a connection say of what has arrived.

/// How far a connection's pongs have come. That a client's handlers ran is known by the second pong: it answers a ping that was
/// sent after the first one's answer (docs/decisions/pong-confirms.md).
#[derive(Debug, Default)]
pub(crate) struct Pongs {
    /// Up to here everything has reached the client's process, as its last pong says.
    arrived: u64,
    /// Whether the ping that is out is the second of a round: the one that confirms what the first one's answer proved.
    asked_twice: bool,
}

impl Pongs {
    /// Takes in a pong: what was sent up to `mark` has reached the client's process. Returns up to where its handlers have run,
    /// and whether it is to be asked once more now.
    pub(crate) fn take(&mut self, mark: u64) -> (u64, bool) {
        let handled = std::mem::replace(&mut self.arrived, mark);
        self.asked_twice = mark > handled && !self.asked_twice;
        (handled, self.asked_twice)
    }
}
