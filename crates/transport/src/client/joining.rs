//! By when a client must be in a namespace, and how often it tries.

use crate::limits::{CONNECT_TRIES, CONNECTS_MAX};

/// A client's tries to join.
#[derive(Default)]
pub(crate) struct Joining {
    /// By when it must have joined, however often it tries; 0 before that began.
    last_deadline_ms: u64,
    /// By when it must be in a namespace.
    deadline_ms: u64,
    /// CONNECT packets that came.
    connects: u8,
    has_joined: bool,
    /// The wheel will ask about the deadline.
    is_timed: bool,
}

impl Joining {
    /// Whether it was ever in a namespace; before that it is a stranger's.
    pub(crate) fn has_joined(&self) -> bool {
        self.has_joined
    }

    /// It is in a namespace. Returns whether it is so for the first time.
    pub(crate) fn join(&mut self) -> bool {
        !std::mem::replace(&mut self.has_joined, true)
    }

    /// A CONNECT packet came. Returns whether it may: there are 32 a transport at most.
    pub(crate) fn note_connect(&mut self) -> bool {
        let may_connect = self.connects < CONNECTS_MAX;
        self.connects += u8::from(may_connect);
        may_connect
    }

    /// Gives it `timeout_ms` for a try, and a stranger twice as long for all of them. Returns by when it must have joined.
    pub(crate) fn begin_try(&mut self, is_stranger: bool, timeout_ms: u64, now_ms: u64) -> u64 {
        if self.last_deadline_ms == 0 {
            self.last_deadline_ms = now_ms + CONNECT_TRIES * timeout_ms;
        }
        let deadline_ms = now_ms + timeout_ms;
        // Refusals do not keep a stranger here for ever.
        self.deadline_ms =
            if is_stranger { deadline_ms.min(self.last_deadline_ms) } else { deadline_ms };
        self.deadline_ms
    }

    /// By when it must have joined, however often it tries.
    pub(crate) fn last_deadline_ms(&self) -> u64 {
        self.last_deadline_ms
    }

    /// By when it must be in a namespace.
    pub(crate) fn deadline_ms(&self) -> u64 {
        self.deadline_ms
    }

    /// The wheel is to ask about the deadline. Returns whether it does not know yet: there is one entry a client, however often it
    /// is refused.
    pub(crate) fn time(&mut self) -> bool {
        !std::mem::replace(&mut self.is_timed, true)
    }

    /// The wheel has no entry for it any more.
    pub(crate) fn forget_timer(&mut self) {
        self.is_timed = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_has_twice_the_time_of_a_try_for_all_of_them() {
        let mut joining = Joining::default();
        let deadlines = [0, 30, 60, 90].map(|now_ms| joining.begin_try(true, 45, 5 + now_ms));
        assert_eq!(deadlines, [50, 80, 95, 95]);
        assert_eq!(joining.begin_try(false, 45, 95), 140, "who has joined has a try's time again");
    }

    #[test]
    fn a_transport_may_connect_a_limited_number_of_times() {
        let mut joining = Joining::default();
        assert!((0..CONNECTS_MAX).all(|_| joining.note_connect()));
        assert!(!joining.note_connect() && !joining.note_connect());
    }
}
