//! Requests that come twice. A browser repeats one by itself when its connection, used before, is reset without an answer.
//! The repeated one bears the same `t`: by that it is known, and answered as the first was. Where the connection lives that
//! carried the answer, it is another request: some clients take `t` from a clock that stands still for a while.

use ahash::RandomState;

use crate::http;

/// What a client calls one request: the `t` of its query, another one in each request that is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestId {
    bytes: [u8; Self::BYTES_MAX],
    length: u8,
}

impl RequestId {
    /// Clients of the library send 8, Python's some 18. What is longer names nothing.
    const BYTES_MAX: usize = 23;
    /// Seconds since 1970, as they are written for some centuries.
    const SECONDS_DIGITS: usize = 10;

    /// The id in a query, if there is one. Whole seconds, as .NET's clients send them, name every request of a second.
    pub(crate) fn in_query(query: &str) -> Option<Self> {
        let id = http::query_value(query, "t").filter(|id| !id.is_empty())?.as_bytes();
        if id.len() == Self::SECONDS_DIGITS && id.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let mut bytes = [0; Self::BYTES_MAX];
        bytes.get_mut(..id.len())?.copy_from_slice(id);
        Some(Self { bytes, length: u8::try_from(id.len()).ok()? })
    }
}

/// A socket that carried an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Carrier {
    pub(crate) link: u32,
    pub(crate) serial: u32,
}

/// The last poll and the last post of a polling session.
///
/// Cost: the body of one answer, from when it was given until the next poll comes; nothing where requests bear no id.
#[derive(Debug, Default)]
pub(crate) struct Repeats {
    poll: Option<RequestId>,
    /// The answer to that poll, once it was given.
    answer: Option<Box<[u8]>>,
    answered_on: Option<Carrier>,
    post: Option<(RequestId, u64)>,
    post_answered_on: Option<Carrier>,
}

impl Repeats {
    /// Whether a poll is the last one again.
    pub(crate) fn is_last_poll(&self, id: Option<RequestId>) -> bool {
        id.is_some() && self.poll == id
    }

    /// What a poll was answered with before, if it is the last one again.
    pub(crate) fn answer_to(&self, id: Option<RequestId>) -> Option<&[u8]> {
        self.answer.as_deref().filter(|_| self.is_last_poll(id))
    }

    /// A new poll came: who asks again has read the answer before.
    pub(crate) fn begin_poll(&mut self, id: Option<RequestId>) {
        (self.poll, self.answer, self.answered_on) = (id, None, None);
    }

    /// Which socket carried the answer to the last poll; `None` where it is not on this shard.
    pub(crate) fn answered_on(&self) -> Option<Carrier> {
        self.answered_on
    }

    /// Which socket carried the answer to the last post; `None` where it is not on this shard.
    pub(crate) fn post_answered_on(&self) -> Option<Carrier> {
        self.post_answered_on
    }

    /// The session moves to another shard, where these sockets are not.
    pub(crate) fn forget_carriers(&mut self) {
        (self.answered_on, self.post_answered_on) = (None, None);
    }

    /// Whether the answer to the last poll can be given again, so that nothing it takes is lost.
    pub(crate) fn is_repeatable(&self) -> bool {
        self.poll.is_some()
    }

    /// The last poll is answered with this.
    pub(crate) fn keep_answer(&mut self, body: Vec<u8>, carrier: Option<Carrier>) {
        self.answered_on = carrier;
        if self.is_repeatable() {
            self.answer = Some(body.into());
        }
    }

    /// Whether a post is the last one again. Python's clients take their ids from a clock that stands still for
    /// milliseconds on some systems, so it must say the same, too.
    pub(crate) fn is_last_post(&self, id: Option<RequestId>, body: &[u8]) -> bool {
        id.is_some() && self.post == id.map(|id| (id, hash(body)))
    }

    /// A post is taken.
    pub(crate) fn note_post(
        &mut self,
        id: Option<RequestId>,
        body: &[u8],
        carrier: Option<Carrier>,
    ) {
        self.post_answered_on = carrier;
        self.post = id.map(|id| (id, hash(body)));
    }
}

/// The same on each shard. Whoever finds another body for it has fooled its own session alone.
fn hash(body: &[u8]) -> u64 {
    RandomState::with_seeds(1, 2, 3, 4).hash_one(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_what_tells_requests_apart() {
        for query in ["", "EIO=4&sid=t", "t", "t=", "t=1764114000", "t=123456789012345678901234"] {
            assert_eq!(RequestId::in_query(query), None, "{query}");
        }
        let id = |query| RequestId::in_query(query).unwrap_or_else(|| panic!("{query}"));
        for query in ["t=x7Qdz.1", "a=1&t=vq3kx0ab&b=2", "t=1764114000.5172517", "t=1764114000517"]
        {
            assert_eq!(id(query), id(query));
        }
        assert_ne!(id("t=1"), id("t=10"));
        assert_ne!(id("t=12345678901234567890123"), id("t=12345678901234567890124"));
    }

    #[test]
    fn an_answer_is_kept_until_the_next_poll_and_only_for_its_own() {
        let (first, second) = (RequestId::in_query("t=a"), RequestId::in_query("t=b"));
        let mut repeats = Repeats::default();
        repeats.begin_poll(first);
        assert!(repeats.is_last_poll(first) && repeats.answer_to(first).is_none());
        repeats.keep_answer(b"2".to_vec(), None);
        assert_eq!(repeats.answer_to(first), Some(&b"2"[..]));
        assert_eq!((repeats.answer_to(second), repeats.answer_to(None)), (None, None));
        repeats.begin_poll(None);
        assert!(!repeats.is_repeatable() && !repeats.is_last_poll(None));
        repeats.keep_answer(b"2".to_vec(), None);
        assert!(repeats.answer.is_none(), "nobody can ask for it");
    }
}
