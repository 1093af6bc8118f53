//! What a socket has not taken yet.

/// The rest of what was written to a socket: it goes before everything else.
#[derive(Default)]
pub(crate) struct Output {
    unsent: Vec<u8>,
    /// When the peer last took some of it, while more of it waits.
    progress_ms: u64,
    /// The socket takes no more at the moment; an event will tell.
    is_blocked: bool,
    /// The wheel will ask whether the peer takes some.
    is_timed: bool,
    closes_when_sent: bool,
}

impl Output {
    pub(crate) fn is_blocked(&self) -> bool {
        self.is_blocked
    }

    /// The socket takes no more at the moment.
    pub(super) fn block(&mut self) {
        self.is_blocked = true;
    }

    /// The socket may take more.
    pub(super) fn unblock(&mut self) {
        self.is_blocked = false;
    }

    /// Whether something waits to be taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.unsent.is_empty()
    }

    /// Bytes that wait to be taken.
    pub(crate) fn bytes(&self) -> usize {
        self.unsent.len()
    }

    /// Memory of what waits.
    pub(crate) fn capacity(&self) -> usize {
        self.unsent.capacity()
    }

    /// Keeps what the socket did not take.
    pub(super) fn keep(&mut self, rest: &[u8]) {
        self.unsent.extend_from_slice(rest);
    }

    /// Keeps what the socket did not take behind the first `at` bytes that wait, and before the others.
    pub(super) fn keep_at(&mut self, at: usize, rest: &[u8]) {
        let at = at.min(self.unsent.len());
        self.unsent.splice(at..at, rest.iter().copied());
    }

    /// Takes what waits behind the first `at` bytes.
    pub(super) fn take_behind(&mut self, at: usize) -> Vec<u8> {
        self.unsent.split_off(at.min(self.unsent.len()))
    }

    /// Takes what waits, to write it.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.unsent)
    }

    /// Throws away what waits: the socket has failed.
    pub(crate) fn discard(&mut self) {
        self.unsent.clear();
    }

    /// The peer has taken some.
    pub(crate) fn note_progress(&mut self, now_ms: u64) {
        self.progress_ms = now_ms;
    }

    /// Gives what waits a deadline by the wheel, where it has none. Returns whether one is to be set.
    #[inline]
    pub(crate) fn time(&mut self, now_ms: u64) -> bool {
        if !self.is_blocked || self.is_timed {
            return false;
        }
        (self.is_timed, self.progress_ms) = (true, now_ms);
        true
    }

    /// The deadline came. Returns when to look again, which is now or before where the peer took nothing for `timeout_ms`;
    /// `None` where nothing waits.
    pub(crate) fn deadline_ms(&mut self, timeout_ms: u64, now_ms: u64) -> Option<u64> {
        let deadline_ms = self.is_blocked.then_some(self.progress_ms + timeout_ms);
        self.is_timed = deadline_ms.is_some_and(|deadline_ms| deadline_ms > now_ms);
        deadline_ms
    }

    /// No timer runs for it any more: the socket is another shard's.
    pub(crate) fn forget_timer(&mut self) {
        self.is_timed = false;
    }

    /// The socket closes once everything was taken.
    pub(crate) fn close_when_sent(&mut self) {
        self.closes_when_sent = true;
    }

    pub(crate) fn closes_when_sent(&self) -> bool {
        self.closes_when_sent
    }

    /// Everything was taken, and the socket closes. Returns whether it was to.
    pub(crate) fn take_close(&mut self) -> bool {
        std::mem::take(&mut self.closes_when_sent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_takes_nothing_has_one_deadline_which_progress_moves() {
        let mut output = Output::default();
        assert!(!output.time(0), "nothing waits");
        output.block();
        assert!(output.time(100) && !output.time(200));
        output.note_progress(150);
        assert_eq!(output.deadline_ms(50, 180), Some(200));
        assert_eq!(output.deadline_ms(50, 200), Some(200));
        assert!(output.time(200), "the deadline was not renewed");
        output.unblock();
        assert_eq!(output.deadline_ms(50, 300), None);
    }
}
