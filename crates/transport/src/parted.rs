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
