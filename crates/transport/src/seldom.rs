//! What is said now and then, however often there is a reason and whichever shard has it.

use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) struct Seldom {
    interval_ms: u64,
    due_ms: AtomicU64,
}

impl Seldom {
    pub(crate) const fn every(interval_ms: u64) -> Self {
        Self { interval_ms, due_ms: AtomicU64::new(0) }
    }

    /// Whether it is time; once in the interval, whoever asks.
    pub(crate) fn is_due(&self, now_ms: u64) -> bool {
        let (due_ms, next_ms) = (self.due_ms.load(Ordering::Relaxed), now_ms + self.interval_ms);
        let take =
            || self.due_ms.compare_exchange(due_ms, next_ms, Ordering::Relaxed, Ordering::Relaxed);
        now_ms >= due_ms && take().is_ok()
    }
}
