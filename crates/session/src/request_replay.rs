//! Requests that come twice. A browser repeats one by itself when its connection, used before, is reset without an answer.
//! The repeated one bears the same `t`: by that it is known, and answered as the first was. Where the connection lives that
//! carried the answer, it is another request where it comes at about the same time: some clients take `t` from a clock, which
//! may stand still for a while.
//!
//! The first of two may also come behind the second one, and behind what the client asked next: nobody listens there.

use ahash::RandomState;

use crate::link_id::LinkId;

/// What a client calls one request: the `t` of its query, another one in each request that is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId {
    bytes: [u8; Self::BYTES_MAX],
    length: u8,
}

impl RequestId {
    /// Clients of the library send 8, Python's some 18. What is longer names nothing.
    const BYTES_MAX: usize = 23;
    /// Seconds since 1970, as they are written for some centuries.
    const SECONDS_DIGITS: usize = 10;

    /// The id that `t` is, if it names one request. Whole seconds, as .NET's clients send them, name every request of a second.
    pub fn parse(t: &str) -> Option<Self> {
        let id = t.as_bytes();
        if id.is_empty() || id.len() == Self::SECONDS_DIGITS && id.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let mut bytes = [0; Self::BYTES_MAX];
        bytes.get_mut(..id.len())?.copy_from_slice(id);
        Some(Self { bytes, length: u8::try_from(id.len()).ok()? })
    }

    /// Whether it is a time, as Dart's and Python's clients send it: two requests of one moment are called the same. Others add
    /// what makes each request another.
    pub(crate) fn is_time(&self) -> bool {
        let id = self.bytes.get(..usize::from(self.length)).unwrap_or_default();
        id.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
    }
}

/// What is known of a connection that carried an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// It is gone, or its peer has ended it.
    Ended,
    /// Its peer has yet to take some of the answer.
    Untaken,
    /// It lives, and the answer is on its way.
    Open,
}

/// What a poll is beside those before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PollReplay {
    /// Another one.
    New,
    /// Called as the last one, whose answer went by another connection, which lives: by a proxy it may be the same.
    Doubtful,
    /// The last one again: answer this again.
    Again(Vec<u8>),
}

/// What a poll is answered that nobody waits for: a noop.
const NOTHING: &[u8] = b"6";
/// So many polls are remembered besides the last one.
const FORMER_POLLS: usize = 2;

/// The last poll and the last post of a polling session.
///
/// Cost: the body of one answer, from when it was given until the next poll comes; nothing where requests bear no id.
#[derive(Debug, Default)]
pub(crate) struct RequestReplay {
    poll: Option<RequestId>,
    /// The answer to that poll, once it was given.
    answer: Option<Box<[u8]>>,
    answered_on: Option<LinkId>,
    /// Hashes of the ids of the polls before it, the newest first, and which connections carried their answers.
    former: [Option<(u64, LinkId)>; FORMER_POLLS],
    post: Option<(RequestId, u64)>,
    post_answered_on: Option<LinkId>,
}

impl RequestReplay {
    /// Whether a poll is the last one again.
    pub(crate) fn is_last_poll(&self, id: Option<RequestId>) -> bool {
        id.is_some() && self.poll == id
    }

    /// Whether the answer to the last poll can be given again, so that nothing it takes is lost.
    pub(crate) fn is_repeatable(&self) -> bool {
        self.poll.is_some()
    }

    /// Which connection carried the answer to the last poll; `None` where it was not on this shard.
    pub(crate) fn answered_on(&self) -> Option<LinkId> {
        self.answered_on
    }

    /// A poll came on `link`: says what it is, and where it is the last one again notes that its answer goes there.
    pub(crate) fn replay_poll(
        &mut self,
        id: Option<RequestId>,
        link: LinkId,
        carrier: impl Fn(LinkId) -> Carrier,
    ) -> PollReplay {
        if self.is_former_poll(id, link) {
            return PollReplay::Again(NOTHING.to_vec());
        }
        let Some(answer) = self.answer.as_deref().filter(|_| self.is_last_poll(id)) else {
            return PollReplay::New;
        };
        if was_lost(self.answered_on, link, carrier) {
            let answer = answer.to_vec();
            self.answered_on = Some(link);
            return PollReplay::Again(answer);
        }
        if self.answered_on == Some(link) { PollReplay::New } else { PollReplay::Doubtful }
    }

    /// Whether a poll is an earlier one again, by another connection: its client has asked on, and does not listen there.
    fn is_former_poll(&self, id: Option<RequestId>, link: LinkId) -> bool {
        let Some(id) = id.filter(|id| self.poll != Some(*id)).map(|id| hash(&id.bytes)) else {
            return false;
        };
        self.former.iter().flatten().any(|(former, carrier)| id == *former && *carrier != link)
    }

    /// A new poll came: who asks again has read the answer before.
    pub(crate) fn begin_poll(&mut self, id: Option<RequestId>) {
        // A time is another client's of the same moment, or the same one's once more.
        let last = self.poll.filter(|last| !last.is_time()).map(|last| hash(&last.bytes));
        let last = last.zip(self.answered_on);
        if last.is_some() && !self.is_last_poll(id) {
            self.former.rotate_right(1);
            self.former[0] = last;
        }
        (self.poll, self.answer, self.answered_on) = (id, None, None);
    }

    /// The last poll is answered with this.
    pub(crate) fn keep_answer(&mut self, body: &[u8], link: LinkId) {
        self.answered_on = Some(link);
        if self.is_repeatable() {
            self.answer = Some(body.into());
        }
    }

    /// A post came on `link`: whether it is the last one again, whose answer was lost. Python's clients take their ids from a
    /// clock that stands still for milliseconds on some systems, so it must say the same, too.
    pub(crate) fn is_post_again(
        &mut self,
        id: Option<RequestId>,
        body: &[u8],
        link: LinkId,
        carrier: impl Fn(LinkId) -> Carrier,
    ) -> bool {
        let is_last = id.is_some() && self.post == id.map(|id| (id, hash(body)));
        let is_again = is_last && was_lost(self.post_answered_on, link, carrier);
        if is_again {
            self.post_answered_on = Some(link);
        }
        is_again
    }

    /// A post is taken, and answered on `link`.
    pub(crate) fn note_post(&mut self, id: Option<RequestId>, body: &[u8], link: LinkId) {
        self.post_answered_on = Some(link);
        self.post = id.map(|id| (id, hash(body)));
    }

    /// The session moves to another shard, where these connections are not.
    pub(crate) fn forget_carriers(&mut self) {
        (self.answered_on, self.post_answered_on) = (None, None);
        self.former = [None; FORMER_POLLS];
    }
}

/// Whether the answer that went `before` may not have arrived, now that a request with the same `t` comes on `link`.
fn was_lost(before: Option<LinkId>, link: LinkId, carrier: impl Fn(LinkId) -> Carrier) -> bool {
    before.is_none_or(|before| before != link && carrier(before) != Carrier::Open)
}

/// The same on each shard. Whoever finds another body for it has fooled its own session alone.
fn hash(body: &[u8]) -> u64 {
    RandomState::with_seeds(1, 2, 3, 4).hash_one(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: LinkId = LinkId::new(1, 1);
    const SECOND: LinkId = LinkId::new(2, 1);

    fn again(answer: &[u8]) -> PollReplay {
        PollReplay::Again(answer.to_vec())
    }

    #[test]
    fn an_id_is_what_tells_requests_apart() {
        for t in ["", "1764114000", "123456789012345678901234"] {
            assert_eq!(RequestId::parse(t), None, "{t}");
        }
        let id = |t| RequestId::parse(t).unwrap_or_else(|| panic!("{t}"));
        for t in ["x7Qdz.1", "vq3kx0ab", "1764114000.5172517", "1764114000517"] {
            assert_eq!(id(t), id(t));
        }
        assert_ne!(id("1"), id("10"));
        assert_ne!(id("12345678901234567890123"), id("12345678901234567890124"));
    }

    #[test]
    fn an_answer_is_kept_until_the_next_poll_and_only_for_its_own() {
        let (first, second) = (RequestId::parse("a"), RequestId::parse("b"));
        let mut replay = RequestReplay::default();
        let ended = |_| Carrier::Ended;
        replay.begin_poll(first);
        assert_eq!(replay.replay_poll(first, SECOND, ended), PollReplay::New, "not answered yet");
        replay.keep_answer(b"2", FIRST);
        assert_eq!(replay.replay_poll(second, SECOND, ended), PollReplay::New);
        assert_eq!(replay.replay_poll(None, SECOND, ended), PollReplay::New);
        assert_eq!(replay.replay_poll(first, SECOND, ended), again(b"2"));
        assert_eq!(replay.answered_on(), Some(SECOND));
        replay.begin_poll(None);
        assert!(!replay.is_repeatable() && !replay.is_last_poll(None));
        replay.keep_answer(b"2", FIRST);
        assert!(replay.answer.is_none(), "nobody can ask for it");
    }

    #[test]
    fn an_answer_is_given_again_where_its_connection_ended_before_it_was_taken() {
        let id = RequestId::parse("a");
        let mut replay = RequestReplay::default();
        replay.begin_poll(id);
        replay.keep_answer(b"42", FIRST);
        assert_eq!(replay.replay_poll(id, FIRST, |_| Carrier::Ended), PollReplay::New);
        assert_eq!(replay.replay_poll(id, SECOND, |_| Carrier::Open), PollReplay::Doubtful);
        assert_eq!(replay.replay_poll(id, SECOND, |_| Carrier::Untaken), again(b"42"));
        replay.forget_carriers();
        assert_eq!(replay.replay_poll(id, SECOND, |_| Carrier::Open), again(b"42"));
    }

    #[test]
    fn a_place_with_another_connection_is_not_the_carrier() {
        let id = RequestId::parse("a");
        let mut replay = RequestReplay::default();
        replay.begin_poll(id);
        replay.keep_answer(b"42", FIRST);
        let next_in_its_place = LinkId::new(FIRST.place(), FIRST.generation() + 1);
        assert_eq!(replay.replay_poll(id, next_in_its_place, |_| Carrier::Ended), again(b"42"));
    }

    #[test]
    fn a_poll_that_comes_behind_the_next_one_takes_nothing_away() {
        let (first, second, third) =
            (RequestId::parse("a"), RequestId::parse("b"), RequestId::parse("c"));
        let mut replay = RequestReplay::default();
        let open = |_| Carrier::Open;
        for id in [first, second] {
            replay.begin_poll(id);
            replay.keep_answer(b"42", FIRST);
        }
        replay.begin_poll(third);
        // Answered or not: nobody listens on a connection that the client has left.
        for id in [first, second] {
            assert_eq!(replay.replay_poll(id, SECOND, open), again(b"6"));
        }
        // A client that names its polls in turns has one connection, as a rule.
        assert_eq!(replay.replay_poll(first, FIRST, open), PollReplay::New);
        // Nobody tells two requests apart that are called after the time.
        let mut replay = RequestReplay::default();
        let times = [RequestId::parse("1764114000517"), RequestId::parse("1764114000518")];
        for id in times {
            replay.begin_poll(id);
            replay.keep_answer(b"42", FIRST);
        }
        assert_eq!(replay.replay_poll(times[0], SECOND, open), PollReplay::New);
    }

    #[test]
    fn a_post_is_repeated_by_its_id_and_body_once_its_answer_was_lost() {
        let (id, ended) = (RequestId::parse("a"), |_| Carrier::Ended);
        let mut replay = RequestReplay::default();
        assert!(!replay.is_post_again(id, b"42", SECOND, ended));
        replay.note_post(id, b"42", FIRST);
        assert!(!replay.is_post_again(id, b"43", SECOND, ended), "it says something else");
        assert!(!replay.is_post_again(None, b"42", SECOND, ended));
        assert!(!replay.is_post_again(id, b"42", SECOND, |_| Carrier::Open));
        assert!(replay.is_post_again(id, b"42", SECOND, ended));
        // That one was answered there.
        assert!(!replay.is_post_again(id, b"42", SECOND, ended));
        replay.note_post(None, b"42", FIRST);
        assert!(!replay.is_post_again(None, b"42", SECOND, ended), "nobody can repeat it");
    }
}
