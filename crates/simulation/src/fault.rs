//! Faults that are planted to see whether they are found: each breaks one of the rules that make delivery true.

use std::fmt;

/// A rule, broken outside the product: in the model of what surrounds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 1: an entry is shown in front of the one before it.
    ReleasesOutOfOrder,
    /// 2: an offset that was shown, and whose entry a crash took, is given out again.
    ReusesOffsets,
    /// 3: the cursor on a frame says more than was written before it.
    RunsAheadWithCursors,
    /// 4: an urgent event overtakes earlier ones of its own entity.
    OvertakesOwnEntity,
    /// 5: an acknowledgement moves nothing.
    IgnoresAcknowledgements,
    /// 6: the rooms of a session are not as they were when it is replayed to.
    ForgetsRooms,
    /// 7: the server's cursor moves when something is written.
    ConfirmsOnWrite,
    /// 8: what was missed goes out in front of the answer to CONNECT.
    ReplaysBeforeConnect,
    /// 9: a frame is shared beyond its form: with who else has an event of the same id.
    SharesFramesAcrossTenants,
    /// 10: a log that nodes share does not know an entry again that comes through another node.
    TakesTwice,
    /// 11: of what others wrote to it, a node does not read all.
    SkipsOthers,
    /// 12: a node that does not reach it says that it has an entry.
    AnswersTooSoon,
    /// 13: a node does not hear what others note beside it.
    KeepsNotesToItself,
}

impl Fault {
    /// All of them, in the rules' order.
    pub const ALL: [Self; 9] = [
        Self::ReleasesOutOfOrder,
        Self::ReusesOffsets,
        Self::RunsAheadWithCursors,
        Self::OvertakesOwnEntity,
        Self::IgnoresAcknowledgements,
        Self::ForgetsRooms,
        Self::ConfirmsOnWrite,
        Self::ReplaysBeforeConnect,
        Self::SharesFramesAcrossTenants,
    ];

    /// Those that only nodes can break that share a log.
    pub const OF_NODES: [Self; 4] =
        [Self::TakesTwice, Self::SkipsOthers, Self::AnswersTooSoon, Self::KeepsNotesToItself];

    /// The rule's number.
    pub fn rule(self) -> usize {
        let mut all = Self::ALL.iter().chain(&Self::OF_NODES);
        all.position(|fault| *fault == self).map_or(0, |place| place + 1)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {} broken ({self:?})", self.rule())
    }
}
