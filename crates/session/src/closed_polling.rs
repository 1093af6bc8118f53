//! Polling clients that were closed: what was left to say waits for their next polls, and is said again where an answer is
//! lost. The word that it is the end comes alone: clients of the library end at once when they read it, and hear what came
//! in the same answer only afterwards, where it is too late.

use std::collections::VecDeque;

use ahash::HashMap;

use crate::link_id::LinkId;
use crate::poll_body::{Backlog, LastPacket, poll_body};
use crate::request_replay::{Carrier, PollReplay, RequestId, RequestReplay};
use foodtrack_wire::Sid;

/// What a client that was closed is still to be told, or may ask for again.
#[derive(Debug)]
pub struct FinalPoll<B> {
    backlog: Option<Box<B>>,
    replay: Box<RequestReplay>,
    is_told: bool,
}

impl<B: Backlog> FinalPoll<B> {
    /// That of a client that was closed between two polls: its backlog, and the word that it is the end.
    pub(crate) fn untold(backlog: Option<Box<B>>, replay: RequestReplay) -> Self {
        Self { backlog, replay: Box::new(replay), is_told: false }
    }

    /// That of a client whose last poll was answered with the word that it is the end.
    pub(crate) fn told(replay: RequestReplay) -> Self {
        Self { backlog: None, replay: Box::new(replay), is_told: true }
    }

    /// What a poll is answered with that comes on `link`; `None` where a new one comes behind the end.
    pub(crate) fn answer(
        &mut self,
        id: Option<RequestId>,
        link: LinkId,
        bytes_max: usize,
        carrier: impl Fn(LinkId) -> Carrier,
    ) -> Option<Vec<u8>> {
        if let PollReplay::Again(answer) = self.replay.replay_poll(id, link, carrier) {
            return Some(answer);
        }
        if self.is_told {
            return None;
        }
        let mut body = poll_body(&mut self.backlog, bytes_max, None);
        if body.is_empty() {
            body = poll_body(&mut self.backlog, bytes_max, Some(LastPacket::Close));
            self.is_told = true;
        }
        self.replay.begin_poll(id);
        self.replay.keep_answer(&body, link);
        Some(body)
    }

    /// Whether the client was told of the end and cannot ask for it again.
    pub fn is_over(&self) -> bool {
        self.is_told && !self.replay.is_repeatable()
    }
}

/// Closed sessions whose clients may come for the rest, oldest first.
#[derive(Debug)]
pub struct ClosedPolling<B> {
    sessions: HashMap<Sid, FinalPoll<B>>,
    deadlines: VecDeque<(u64, Sid)>,
}

impl<B> Default for ClosedPolling<B> {
    fn default() -> Self {
        Self { sessions: HashMap::default(), deadlines: VecDeque::new() }
    }
}

impl<B: Backlog> ClosedPolling<B> {
    /// How long the end waits for a poll: a client of the library polls again at once, from however far away.
    pub const WAIT_MS: u64 = 5_000;

    /// Keeps a closed session for its next polls. Returns when to [expire](Self::expire) it, where nobody else waits: then
    /// nothing is timed yet.
    pub fn insert(&mut self, sid: Sid, last: FinalPoll<B>, now_ms: u64) -> Option<u64> {
        let is_first = self.deadlines.is_empty();
        let deadline_ms = now_ms + Self::WAIT_MS;
        self.sessions.insert(sid, last);
        self.deadlines.push_back((deadline_ms, sid));
        is_first.then_some(deadline_ms)
    }

    /// Whether a session was closed and its client may come for the rest.
    pub fn contains(&self, sid: &Sid) -> bool {
        self.sessions.contains_key(sid)
    }

    /// Answers a poll of a closed session, with what there is to say, and whether that was the last
    /// of it, so that the session's id means nothing any more.
    pub fn answer(
        &mut self,
        sid: &Sid,
        id: Option<RequestId>,
        link: LinkId,
        bytes_max: usize,
        carrier: impl Fn(LinkId) -> Carrier,
    ) -> Option<(Vec<u8>, bool)> {
        let last = self.sessions.get_mut(sid)?;
        let body = last.answer(id, link, bytes_max, carrier)?;
        let is_over = last.is_over();
        if is_over {
            self.sessions.remove(sid);
        }
        Some((body, is_over))
    }

    /// A session whose client did not come in time, or has had all of it.
    pub fn expire(&mut self, now_ms: u64) -> Option<Sid> {
        let (_, sid) = self.deadlines.pop_front_if(|(deadline_ms, _)| *deadline_ms <= now_ms)?;
        self.sessions.remove(&sid);
        Some(sid)
    }

    /// When to look again.
    pub fn deadline_ms(&self) -> Option<u64> {
        self.deadlines.front().map(|(deadline_ms, _)| *deadline_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::poll_body::tests::Texts;

    const FIRST: LinkId = LinkId::new(1, 1);
    const SECOND: LinkId = LinkId::new(2, 1);

    fn sid(n: u8) -> Sid {
        Sid::from_random([n; Sid::RANDOM_BYTES])
    }

    fn nothing_more() -> FinalPoll<Texts> {
        FinalPoll::untold(None, RequestReplay::default())
    }

    fn answer(
        last: &mut FinalPoll<Texts>,
        id: Option<RequestId>,
        link: LinkId,
        carrier: Carrier,
    ) -> Option<String> {
        let body = last.answer(id, link, 100, |_| carrier)?;
        Some(String::from_utf8(body).unwrap())
    }

    #[test]
    fn the_end_waits_until_its_deadline_and_no_longer() {
        let mut closed = ClosedPolling::default();
        let wait_ms = ClosedPolling::<Texts>::WAIT_MS;
        assert_eq!(closed.insert(sid(1), nothing_more(), 100), Some(100 + wait_ms), "to be timed");
        assert_eq!(closed.insert(sid(2), nothing_more(), 150), None, "a timer is out already");
        assert_eq!(closed.expire(99 + wait_ms), None);
        assert!(closed.contains(&sid(1)));
        assert_eq!(closed.expire(100 + wait_ms), Some(sid(1)));
        assert!(!closed.contains(&sid(1)) && closed.contains(&sid(2)));
        let next_ms = closed.deadline_ms();
        assert_eq!((closed.expire(100 + wait_ms), next_ms), (None, Some(150 + wait_ms)));
    }

    #[test]
    fn one_poll_is_told_of_the_end() {
        let (one, other) = (RequestId::parse("one"), RequestId::parse("other"));
        let mut last = nothing_more();
        assert_eq!(answer(&mut last, one, FIRST, Carrier::Ended).as_deref(), Some("1"));
        let again = answer(&mut last, one, SECOND, Carrier::Ended);
        assert_eq!(again.as_deref(), Some("1"), "which may be repeated");
        assert_eq!(answer(&mut last, one, FIRST, Carrier::Open), None, "where it was lost");
        assert_eq!(answer(&mut last, other, FIRST, Carrier::Ended), None);
        assert_eq!(answer(&mut last, None, FIRST, Carrier::Ended), None);
        assert!(!last.is_over());
        let mut last = nothing_more();
        assert_eq!(answer(&mut last, None, FIRST, Carrier::Ended).as_deref(), Some("1"));
        assert!(last.is_over());
        assert_eq!(answer(&mut last, None, FIRST, Carrier::Ended), None);
    }

    #[test]
    fn what_was_answered_before_the_end_can_still_be_repeated() {
        let (before, end) = (RequestId::parse("before"), RequestId::parse("end"));
        let mut replay = RequestReplay::default();
        replay.begin_poll(before);
        replay.keep_answer(b"42[1]", FIRST);
        let mut last = FinalPoll::untold(Texts::of(&["42[2]"]), replay);
        let mut poll = |id| answer(&mut last, id, SECOND, Carrier::Ended);
        assert_eq!(poll(before).as_deref(), Some("42[1]"));
        assert_eq!(poll(RequestId::parse("rest")).as_deref(), Some("42[2]"));
        assert_eq!(poll(end).as_deref(), Some("1"));
        assert_eq!(poll(before), None);
    }

    #[test]
    fn a_session_is_forgotten_once_its_end_cannot_be_asked_for_again() {
        let mut closed = ClosedPolling::default();
        closed.insert(sid(1), nothing_more(), 0);
        let mut poll = || closed.answer(&sid(1), None, FIRST, 100, |_| Carrier::Ended);
        assert_eq!(poll(), Some((b"1".to_vec(), true)));
        assert_eq!(poll(), None);
        assert!(!closed.contains(&sid(1)));
    }
}
