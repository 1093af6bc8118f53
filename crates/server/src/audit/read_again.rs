//! Who reads the same again and again, as a page does that somebody watches: that is told once a minute, or else it would push out what
//! people did.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const WINDOW: Duration = Duration::from_secs(60);
/// So many reads are known at once. Beyond it further ones are told each time.
const READS_MAX: usize = 16_384;

/// What was read within the last minute.
#[derive(Default)]
pub(super) struct ReadAgain {
    hasher: RandomState,
    told: Mutex<HashMap<u64, Instant>>,
}

impl ReadAgain {
    /// Whether this read, by who reads what, was not told within the last minute.
    pub(super) fn is_news(&self, read: impl Hash, now: Instant) -> bool {
        let key = self.hasher.hash_one(read);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |at: &Instant| now.saturating_duration_since(*at) >= WINDOW;
        if told.get(&key).is_some_and(|at| !is_over(at)) {
            return false;
        }
        if told.len() >= READS_MAX {
            told.retain(|_, at| !is_over(at));
        }
        if told.len() < READS_MAX {
            told.insert(key, now);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_read_is_told_once_a_minute_and_another_at_once() {
        let (reads, now) = (ReadAgain::default(), Instant::now());
        assert!(reads.is_news(("ada", "/log"), now));
        assert!(!reads.is_news(("ada", "/log"), now + WINDOW / 2));
        assert!(reads.is_news(("bob", "/log"), now) && reads.is_news(("ada", "/orders/1"), now));
        assert!(reads.is_news(("ada", "/log"), now + WINDOW));
    }

    #[test]
    fn reads_without_end_take_no_more_room_and_are_told() {
        let (reads, now) = (ReadAgain::default(), Instant::now());
        assert!((0..READS_MAX + 10).all(|read| reads.is_news(read, now)));
        assert_eq!(reads.told.lock().unwrap().len(), READS_MAX);
    }
}
