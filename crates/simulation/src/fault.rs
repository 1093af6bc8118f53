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

    /// The rule's number.
    pub fn rule(self) -> usize {
        Self::ALL.iter().position(|fault| *fault == self).map_or(0, |place| place + 1)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {} broken ({self:?})", self.rule())
    }
}
