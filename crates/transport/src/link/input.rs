//! What came in on a socket, and whether reading goes on.

use crate::request_reader::RequestReader;

/// The bytes that were read and not used yet, and what reading waits for.
#[derive(Default)]
pub(crate) struct Input {
    /// The start of something that is not all here yet.
    unread: Vec<u8>,
    /// How far the request was read that `unread` begins with; nothing between requests.
    request: Option<Box<RequestReader>>,
    /// Before then a pause does not end, whoever asks.
    resume_ms: u64,
    /// Reading waits: for its turn, for its rate, or for the answer to the request before.
    is_paused: bool,
    /// The wheel will end a pause.
    is_resume_timed: bool,
    /// The kernel may hold bytes that were not read while reading waited.
    is_readable: bool,
    /// Reading waits for the peer to take what it was sent.
    is_stalled: bool,
    has_ended: bool,
}

impl Input {
    /// Bytes that were read and not used yet.
    pub(crate) fn unread_bytes(&self) -> usize {
        self.unread.len()
    }

    /// Takes what was read and not used yet, to use it or to read more behind it.
    pub(crate) fn take_unread(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.unread)
    }

    /// Keeps what was not used.
    pub(crate) fn keep_unread(&mut self, unread: Vec<u8>) {
        self.unread = unread;
    }

    /// As [`Self::keep_unread`], before what was kept meanwhile.
    pub(crate) fn keep_unread_first(&mut self, mut unread: Vec<u8>) {
        unread.append(&mut self.unread);
        self.unread = unread;
    }

    /// Throws away what was read, and everything that comes, without a pause.
    pub(crate) fn discard(&mut self) {
        self.unread = Vec::new();
        self.is_paused = false;
    }

    /// How far a request was read that is not all here, to go on with it.
    pub(crate) fn take_request(&mut self) -> Option<Box<RequestReader>> {
        self.request.take()
    }

    /// Keeps how far a request was read.
    pub(crate) fn keep_request(&mut self, request: Box<RequestReader>) {
        self.request = Some(request);
    }

    /// Whether nothing of a request or frame is kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.unread.is_empty() && self.request.is_none()
    }

    /// Memory of what was read and not used.
    pub(crate) fn capacity(&self) -> usize {
        self.unread.capacity() + self.request.as_ref().map_or(0, |request| request.capacity())
    }

    /// Whether the request that waits for the rest of its body may go on for so long that it has brought `bytes_min`.
    pub(crate) fn may_go_on(&self, bytes_min: u64) -> bool {
        self.request.as_ref().is_some_and(|request| request.may_take_long())
            && self.unread.len() as u64 >= bytes_min
    }

    /// Reading waits until `resume_ms` at the earliest. What the kernel holds is not announced again.
    pub(crate) fn pause(&mut self, resume_ms: u64) {
        self.is_paused = true;
        self.resume_ms = resume_ms;
        self.is_readable = true;
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Until when a pause lasts that is not over yet.
    pub(crate) fn paused_until_ms(&self, now_ms: u64) -> Option<u64> {
        (self.is_paused && now_ms < self.resume_ms).then_some(self.resume_ms)
    }

    /// A pause is to be ended by the wheel. Returns whether it does not know yet: there is one entry a socket.
    pub(crate) fn time_resume(&mut self) -> bool {
        !std::mem::replace(&mut self.is_resume_timed, true)
    }

    /// The wheel has no entry for the socket's pause any more.
    pub(crate) fn forget_timer(&mut self) {
        self.is_resume_timed = false;
    }

    /// Ends a pause. Returns whether the kernel may hold bytes.
    pub(crate) fn resume(&mut self) -> bool {
        self.is_paused = false;
        std::mem::take(&mut self.is_readable)
    }

    /// The kernel may hold bytes.
    pub(crate) fn note_readable(&mut self) {
        self.is_readable = true;
    }

    /// Whether something may be there for the next request.
    pub(crate) fn has_more(&self) -> bool {
        self.is_readable || !self.unread.is_empty()
    }

    /// Whether the kernel may hold bytes that nobody announces again.
    pub(crate) fn is_readable(&self) -> bool {
        self.is_readable
    }

    /// Nothing is read until the peer takes what it was sent.
    pub(crate) fn stall(&mut self) {
        (self.is_readable, self.is_stalled) = (true, true);
    }

    /// The peer has taken what it was sent. Returns whether reading waited for that.
    pub(crate) fn end_stall(&mut self) -> bool {
        std::mem::take(&mut self.is_stalled)
    }

    /// The peer has ended its side, and all of it was read.
    pub(crate) fn end(&mut self) {
        self.has_ended = true;
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_lasts_until_its_time_and_has_one_timer() {
        let mut input = Input::default();
        input.pause(50);
        assert_eq!((input.paused_until_ms(49), input.paused_until_ms(50)), (Some(50), None));
        assert!(input.time_resume() && !input.time_resume());
        input.forget_timer();
        assert!(input.time_resume());
        assert!(input.resume(), "what the kernel holds is not announced again");
        assert!(!input.is_paused() && !input.is_readable());
    }

    #[test]
    fn what_was_not_used_goes_before_what_was_kept_meanwhile() {
        let mut input = Input::default();
        input.keep_unread(b"ab".to_vec());
        let unread = input.take_unread();
        input.keep_unread(b"cd".to_vec());
        input.keep_unread_first(unread);
        assert_eq!(input.take_unread(), b"abcd");
    }
}
