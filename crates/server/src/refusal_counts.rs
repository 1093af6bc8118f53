//! What was refused, by its code.

use std::sync::atomic::{AtomicU64, Ordering};

use foodtrack_contract::ErrorCode;

/// Counts by code: a closed set, so it is bounded.
pub(crate) struct RefusalCounts(Box<[AtomicU64]>);

impl Default for RefusalCounts {
    fn default() -> Self {
        Self(ErrorCode::ALL.iter().map(|_| AtomicU64::default()).collect())
    }
}

impl RefusalCounts {
    pub(crate) fn add(&self, code: ErrorCode) {
        if let Some(count) = self.count(code) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn of(&self, code: ErrorCode) -> u64 {
        self.count(code).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    fn count(&self, code: ErrorCode) -> Option<&AtomicU64> {
        let place = ErrorCode::ALL.iter().position(|other| *other == code)?;
        self.0.get(place)
    }
}
