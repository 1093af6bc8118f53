//! Which pongs answer which pings, and what the answers prove.

use std::num::NonZeroU64;

/// The pings of one client that no pong has answered, and the mark on one of them.
///
/// Engine.IO's pongs name no ping, but each ping gets one, in order. So a ping is marked only while no other is out: then the
/// next pong is the answer to it, and one that comes late answers what it was sent for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pings {
    unanswered: u8,
    /// The mark on the oldest unanswered one.
    mark: Option<NonZeroU64>,
}

impl Pings {
    /// Whether a ping that goes out now may bear a mark.
    pub(crate) fn may_mark(&self) -> bool {
        self.unanswered == 0
    }

    /// A ping goes out with a mark, or with 0 for none. A mark is not kept where it may not be.
    pub(crate) fn sent(&mut self, mark: u64) {
        if self.may_mark() {
            self.mark = NonZeroU64::new(mark);
        }
        self.unanswered = self.unanswered.saturating_add(1);
    }

    /// Whether a pong that comes while `waiting` of the pings have not been written yet answers one of them.
    pub(crate) fn is_awaited(&self, waiting: u8) -> bool {
        self.unanswered > waiting
    }

    /// A pong came while `waiting` of the pings have not been written yet. Returns the mark that it confirms.
    pub(crate) fn answered(&mut self, waiting: u8) -> Option<u64> {
        // Beyond that it is not known how many are out: nothing is confirmed any more, which is all that follows.
        if !self.is_awaited(waiting) || self.unanswered == u8::MAX {
            return None;
        }
        self.unanswered -= 1;
        self.mark.take().map(NonZeroU64::get)
    }

    /// Confirms nothing by the pings that are out.
    pub(crate) fn forget_mark(&mut self) {
        self.mark = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pong_confirms_the_mark_of_its_ping_once() {
        let mut pings = Pings::default();
        pings.sent(7);
        assert_eq!(pings.answered(0), Some(7));
        assert_eq!(pings.answered(0), None);
    }

    #[test]
    fn a_late_pong_does_not_confirm_a_later_pings_mark() {
        let mut pings = Pings::default();
        pings.sent(1);
        assert!(!pings.may_mark());
        pings.sent(2);
        assert_eq!(pings.answered(0), Some(1), "the first pong answers the first ping");
        pings.sent(3);
        assert_eq!(pings.answered(0), None, "that was the second's");
        assert_eq!(pings.answered(0), None, "and that the third's, which bore no mark");
        assert!(pings.may_mark());
        pings.sent(4);
        assert_eq!(pings.answered(0), Some(4));
    }

    #[test]
    fn pongs_that_nobody_asked_for_confirm_nothing() {
        let mut pings = Pings::default();
        assert_eq!(pings.answered(0), None);
        pings.sent(5);
        assert!(!pings.is_awaited(1) && pings.is_awaited(0));
        assert_eq!(pings.answered(1), None, "the ping has not left yet");
        assert_eq!(pings.answered(0), Some(5));
    }

    #[test]
    fn a_forgotten_mark_is_not_confirmed_and_its_pong_is_still_counted() {
        let mut pings = Pings::default();
        pings.sent(1);
        pings.forget_mark();
        assert_eq!(pings.answered(0), None);
        pings.sent(2);
        assert_eq!(pings.answered(0), Some(2));
    }

    #[test]
    fn who_left_too_many_unanswered_is_never_marked_again() {
        let mut pings = Pings::default();
        (0..300).for_each(|_| pings.sent(0));
        assert!((0..400).all(|_| pings.answered(0).is_none()));
        assert!(!pings.may_mark());
    }
}
