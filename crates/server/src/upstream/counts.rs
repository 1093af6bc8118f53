//! What became of requests to the business back end.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use foodtrack_measures::Histogram;

/// Counted by the back end's thread alone.
#[derive(Debug, Default)]
pub(crate) struct UpstreamCounts {
    answered: AtomicU64,
    failed: AtomicU64,
    left_alone: AtomicU64,
    is_away: AtomicBool,
    /// How long each took that it was asked.
    pub(crate) took: Histogram,
}

impl UpstreamCounts {
    /// It was asked; `is_healthy` where it gave an answer.
    pub(super) fn asked(&self, is_healthy: bool, took: Duration) {
        let counter = if is_healthy { &self.answered } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
        self.took.observe(took);
    }

    /// It was not asked, since it did not answer lately.
    pub(super) fn left_alone(&self) {
        self.left_alone.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether it is left alone from now on.
    pub(super) fn set_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::Relaxed);
    }

    pub(crate) fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Relaxed)
    }

    /// How often each of what may become of a request did.
    pub(crate) fn outcomes(&self) -> [(&'static str, u64); 3] {
        [
            ("answered", self.answered.load(Ordering::Relaxed)),
            ("failed", self.failed.load(Ordering::Relaxed)),
            ("left_alone", self.left_alone.load(Ordering::Relaxed)),
        ]
    }
}
