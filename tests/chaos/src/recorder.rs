//! Writes a history down while it happens.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use foodtrack_history_checker::{Record, What};

/// A history that several threads write. Clones share it.
#[derive(Clone, Default)]
pub struct Recorder {
    records: Arc<Mutex<Vec<Record>>>,
}

impl Recorder {
    /// Notes that something happens now.
    pub fn note(&self, what: What) {
        // A writer that panicked leaves a list that is whole.
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock: the order of the list is the order of the times.
        let at_us = now_us();
        records.push(Record { at_us, what });
    }

    /// Everything that was written until now.
    pub fn take(&self) -> Vec<Record> {
        std::mem::take(&mut self.records.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Microseconds since the Unix epoch.
pub fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
