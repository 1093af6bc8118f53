//! What is known of an issuer's keys, for metrics and `/health`.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What one issuer's keys are like. Written by the thread that fetches, read by whoever asks.
#[derive(Debug, Default)]
pub(crate) struct KeyCounts {
    fetched: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
    keys: AtomicU64,
    /// When they were fetched last; seconds since the Unix epoch, 0 for never.
    fetched_at_s: AtomicU64,
    is_failing: AtomicBool,
}

impl KeyCounts {
    /// A set of so many keys is in force.
    pub(super) fn took(&self, keys: usize, at_s: u64) {
        self.keys.store(keys as u64, Ordering::Relaxed);
        self.took_again(at_s);
    }

    /// The set that is in force was there again.
    pub(super) fn took_again(&self, at_s: u64) {
        self.fetched.fetch_add(1, Ordering::Relaxed);
        self.fetched_at_s.store(at_s, Ordering::Relaxed);
        self.is_failing.store(false, Ordering::Relaxed);
    }

    /// A set of so many keys is in force that was fetched before.
    pub(super) fn holds(&self, keys: usize, at_s: u64) {
        self.keys.store(keys as u64, Ordering::Relaxed);
        self.fetched_at_s.store(at_s, Ordering::Relaxed);
    }

    /// There was no set.
    pub(super) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        self.is_failing.store(true, Ordering::Relaxed);
    }

    /// There was one that cannot be used.
    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        self.is_failing.store(true, Ordering::Relaxed);
    }

    /// Looks for keys, by what came of them.
    pub(crate) fn fetches(&self) -> [(&'static str, u64); 3] {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        [("taken", of(&self.fetched)), ("failed", of(&self.failed)), ("refused", of(&self.refused))]
    }

    /// How many keys are in force.
    pub(crate) fn keys(&self) -> u64 {
        self.keys.load(Ordering::Relaxed)
    }

    /// How old they are, in seconds; `None` where there are none yet.
    pub(crate) fn age_s(&self, now_s: u64) -> Option<u64> {
        let at_s = self.fetched_at_s.load(Ordering::Relaxed);
        (at_s > 0).then(|| now_s.saturating_sub(at_s))
    }

    /// Whether the last look found none that can be used, or there are none yet.
    pub(crate) fn are_missing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed) || self.keys() == 0
    }
}
