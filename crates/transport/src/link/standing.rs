//! What is known of who has a socket.

use crate::turned_away::TurnedAway;

/// Whether somebody known has a socket, and what it is counted for while nobody known does.
#[derive(Default)]
pub(crate) struct Standing {
    /// What the strangers' budget counts it for.
    counted_bytes: u32,
    /// Somebody has it who has joined.
    is_known: bool,
    /// It is counted with the sockets of its address.
    is_listed: bool,
    /// A request was answered and the next one has not begun.
    is_resting: bool,
    /// There is no room for it, which it is told when it asks.
    turned_away: Option<TurnedAway>,
}

impl Standing {
    pub(crate) fn is_known(&self) -> bool {
        self.is_known
    }

    /// Somebody has it who has joined, or nobody known any more. Returns whether that is new.
    pub(crate) fn set_known(&mut self, is_known: bool) -> bool {
        std::mem::replace(&mut self.is_known, is_known) != is_known
    }

    pub(crate) fn is_listed(&self) -> bool {
        self.is_listed
    }

    /// It is counted with the sockets of its address from now on.
    pub(crate) fn set_listed(&mut self) {
        self.is_listed = true;
    }

    /// It is counted with the sockets of its address no more. Returns whether it was.
    pub(crate) fn take_listed(&mut self) -> bool {
        std::mem::take(&mut self.is_listed)
    }

    /// What the strangers' budget counts it for.
    pub(crate) fn counted_bytes(&self) -> usize {
        self.counted_bytes as usize
    }

    /// The strangers' budget counts it for so much from now on. Returns what it was before.
    pub(crate) fn count(&mut self, bytes: usize) -> usize {
        // No socket buffers 4 GiB.
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        std::mem::replace(&mut self.counted_bytes, bytes) as usize
    }

    /// A request was answered and the next one has not begun.
    pub(crate) fn rest(&mut self) {
        self.is_resting = true;
    }

    pub(crate) fn is_resting(&self) -> bool {
        self.is_resting
    }

    /// A request begins. Returns whether the one before was answered.
    pub(crate) fn end_rest(&mut self) -> bool {
        std::mem::take(&mut self.is_resting)
    }

    /// There is no room for it, which it is told when it asks.
    pub(crate) fn turn_away(&mut self, why: TurnedAway) {
        self.turned_away = Some(why);
    }

    pub(crate) fn turned_away(&self) -> Option<TurnedAway> {
        self.turned_away
    }

    /// It comes to another shard, where it is counted anew.
    pub(crate) fn arrive(&mut self) {
        (self.counted_bytes, self.is_listed) = (0, false);
    }
}
