//! Polling clients that were closed between two polls: what was left to say waits for the next one.

use std::collections::VecDeque;

use ahash::HashMap;

use crate::delivery_queue::DeliveryQueue;
use crate::sid::Sid;

/// How long last words wait: a client of the library polls again at once, from however far away.
pub(crate) const LAST_WORDS_MS: u64 = 5_000;

/// The backlog of a client that was closed.
pub(crate) type LastWords = Option<Box<DeliveryQueue>>;

/// Last words by session, oldest first.
#[derive(Default)]
pub(crate) struct Parted {
    words: HashMap<Sid, LastWords>,
    deadlines: VecDeque<(u64, Sid)>,
}

impl Parted {
    /// Keeps a closed client's backlog until `deadline_ms`, which is no earlier than the ones before. Returns whether
    /// nobody else waits: then nothing is timed yet.
    pub(crate) fn insert(&mut self, sid: Sid, words: LastWords, deadline_ms: u64) -> bool {
        let is_first = self.deadlines.is_empty();
        self.words.insert(sid, words);
        self.deadlines.push_back((deadline_ms, sid));
        is_first
    }

    pub(crate) fn contains(&self, sid: &Sid) -> bool {
        self.words.contains_key(sid)
    }

    pub(crate) fn take(&mut self, sid: &Sid) -> Option<LastWords> {
        self.words.remove(sid)
    }

    /// A session whose last words nobody came for, or came for meanwhile.
    pub(crate) fn expire(&mut self, now_ms: u64) -> Option<Sid> {
        let (_, sid) = self.deadlines.pop_front_if(|(deadline_ms, _)| *deadline_ms <= now_ms)?;
        self.words.remove(&sid);
        Some(sid)
    }

    /// When to look again.
    pub(crate) fn deadline_ms(&self) -> Option<u64> {
        self.deadlines.front().map(|(deadline_ms, _)| *deadline_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sid::SidSource;

    #[test]
    fn last_words_wait_until_their_deadline_and_no_longer() {
        let (mut parted, mut sids) = (Parted::default(), SidSource::new());
        let (first, second) = (sids.next(), sids.next());
        assert!(parted.insert(first, None, 100), "the first is to be timed");
        assert!(!parted.insert(second, None, 150), "a timer is out already");
        assert_eq!(parted.expire(99), None);
        assert!(parted.contains(&first));
        assert_eq!(parted.expire(100), Some(first));
        assert!(!parted.contains(&first) && parted.contains(&second));
        assert_eq!((parted.expire(100), parted.deadline_ms()), (None, Some(150)));
    }

    #[test]
    fn last_words_are_said_once() {
        let (mut parted, sid) = (Parted::default(), SidSource::new().next());
        parted.insert(sid, None, 100);
        assert!(parted.take(&sid).is_some());
        assert!(parted.take(&sid).is_none() && !parted.contains(&sid));
    }
}
