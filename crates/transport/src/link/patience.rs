//! How long a socket may take.

/// Until when a socket is waited for, unless it is a client's or waits for an answer then.
pub(crate) struct Patience {
    deadline_ms: u64,
    /// When the wheel will ask about it; `u64::MAX` for never.
    timer_ms: u64,
}

impl Patience {
    pub(crate) fn new() -> Self {
        Self { deadline_ms: 0, timer_ms: u64::MAX }
    }

    /// Waits until `deadline_ms` from now on. Returns whether the wheel is to be told: it knows of an earlier time otherwise.
    pub(crate) fn set(&mut self, deadline_ms: u64) -> bool {
        self.deadline_ms = deadline_ms;
        let is_earlier = deadline_ms < self.timer_ms;
        if is_earlier {
            self.timer_ms = deadline_ms;
        }
        is_earlier
    }

    pub(crate) fn deadline_ms(&self) -> u64 {
        self.deadline_ms
    }

    /// The wheel asks. Returns whether it is time; not where an older entry of the wheel asks.
    pub(crate) fn has_come(&mut self, now_ms: u64) -> bool {
        if self.timer_ms > now_ms && self.timer_ms != u64::MAX {
            return false;
        }
        self.timer_ms = u64::MAX;
        true
    }

    /// The wheel will ask again then, whatever the deadline was.
    pub(crate) fn look_again(&mut self, timer_ms: u64) {
        self.timer_ms = timer_ms;
    }

    /// No timer runs for it any more: the socket is another shard's.
    pub(crate) fn forget_timer(&mut self) {
        self.timer_ms = u64::MAX;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wheel_is_told_of_an_earlier_time_alone() {
        let mut patience = Patience::new();
        assert!(patience.set(100) && !patience.set(200) && patience.set(50));
        assert!(!patience.has_come(20));
        assert!(patience.has_come(50));
        assert!(patience.set(200), "the wheel knows of none any more");
    }
}
