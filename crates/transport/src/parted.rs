//! Polling clients that were closed: what was left to say waits for their next polls, and is said again where an answer is
//! lost. The word that it is the end comes alone: clients of the library end at once when they read it, and hear what came
//! in the same answer only afterwards, where it is too late.

use std::collections::VecDeque;

use ahash::HashMap;

use crate::delivery_queue::DeliveryQueue;
use crate::polling::poll_body;
use crate::repeats::{Carrier, Repeats, RequestId};
use crate::sid::Sid;

/// How long last words wait: a client of the library polls again at once, from however far away.
pub(crate) const LAST_WORDS_MS: u64 = 5_000;

/// The packet that ends a session.
pub(crate) const CLOSE: &[u8] = b"1";

/// What a client that was closed is still to be told, or may ask for again.
pub(crate) struct LastWords {
    backlog: Option<Box<DeliveryQueue>>,
    repeats: Repeats,
    is_said: bool,
}

impl LastWords {
    /// Those of a client that was closed between two polls: its backlog, and the word that it is the last.
    pub(crate) fn unsaid(backlog: Option<Box<DeliveryQueue>>, repeats: Repeats) -> Self {
        Self { backlog, repeats, is_said: false }
    }

    /// Those of a client whose last poll was answered with the word that it is the end.
    pub(crate) fn said(repeats: Repeats) -> Self {
        Self { backlog: None, repeats, is_said: true }
    }

    /// Which socket carried the last answer.
    pub(crate) fn answered_on(&self) -> Option<Carrier> {
        self.repeats.answered_on()
    }

    /// What a poll is answered with that comes on `carrier`; `None` where a new one comes behind the last word. `was_lost`:
    /// the answer before may not have arrived.
    pub(crate) fn answer(
        &mut self,
        id: Option<RequestId>,
        bytes_max: usize,
        was_lost: bool,
        carrier: Option<Carrier>,
    ) -> Option<Vec<u8>> {
        if let Some(answer) = self.repeats.answer_to(id).filter(|_| was_lost).map(<[u8]>::to_vec) {
            self.repeats.keep_answer(answer.clone(), carrier);
            return Some(answer);
        }
        if self.is_said {
            return None;
        }
        let mut body = poll_body(&mut self.backlog, bytes_max, None);
        if body.is_empty() {
            body = CLOSE.to_vec();
            self.is_said = true;
        }
        self.repeats.begin_poll(id);
        self.repeats.keep_answer(body.clone(), carrier);
        Some(body)
    }

    /// Whether they were said and cannot be asked for again.
    pub(crate) fn is_over(&self) -> bool {
        self.is_said && !self.repeats.is_repeatable()
    }
}

/// Last words by session, oldest first.
#[derive(Default)]
pub(crate) struct Parted {
    words: HashMap<Sid, LastWords>,
    deadlines: VecDeque<(u64, Sid)>,
}

impl Parted {
    /// Keeps a closed client's last words until `deadline_ms`, which is no earlier than the ones before. Returns whether
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

    pub(crate) fn get_mut(&mut self, sid: &Sid) -> Option<&mut LastWords> {
        self.words.get_mut(sid)
    }

    pub(crate) fn remove(&mut self, sid: &Sid) {
        self.words.remove(sid);
    }

    /// A session whose last words nobody came for, or which have been said.
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

    fn nothing_more() -> LastWords {
        LastWords::unsaid(None, Repeats::default())
    }

    #[test]
    fn last_words_wait_until_their_deadline_and_no_longer() {
        let (mut parted, mut sids) = (Parted::default(), SidSource::new());
        let (first, second) = (sids.next(), sids.next());
        assert!(parted.insert(first, nothing_more(), 100), "the first is to be timed");
        assert!(!parted.insert(second, nothing_more(), 150), "a timer is out already");
        assert_eq!(parted.expire(99), None);
        assert!(parted.contains(&first));
        assert_eq!(parted.expire(100), Some(first));
        assert!(!parted.contains(&first) && parted.contains(&second));
        assert_eq!((parted.expire(100), parted.deadline_ms()), (None, Some(150)));
    }

    #[test]
    fn last_words_are_said_to_one_poll() {
        let (one, other) = (RequestId::in_query("t=one"), RequestId::in_query("t=other"));
        let mut words = nothing_more();
        assert_eq!(words.answer(one, 100, true, None), Some(b"1".to_vec()));
        assert_eq!(
            words.answer(one, 100, true, None),
            Some(b"1".to_vec()),
            "which may be repeated"
        );
        assert_eq!(words.answer(one, 100, false, None), None, "where it may have been lost");
        assert_eq!(
            (words.answer(other, 100, true, None), words.answer(None, 100, true, None)),
            (None, None)
        );
        assert!(!words.is_over());
        let mut words = nothing_more();
        assert_eq!(words.answer(None, 100, true, None), Some(b"1".to_vec()));
        assert!(words.is_over());
        assert_eq!(words.answer(None, 100, true, None), None);
    }

    #[test]
    fn what_was_answered_before_the_end_can_still_be_repeated() {
        let (before, last) = (RequestId::in_query("t=before"), RequestId::in_query("t=last"));
        let mut repeats = Repeats::default();
        repeats.begin_poll(before);
        repeats.keep_answer(b"42[1]".to_vec(), None);
        let mut words = LastWords::unsaid(None, repeats);
        assert_eq!(words.answer(before, 100, true, None), Some(b"42[1]".to_vec()));
        assert_eq!(words.answer(last, 100, true, None), Some(b"1".to_vec()));
        assert_eq!(words.answer(before, 100, true, None), None);
    }
}
