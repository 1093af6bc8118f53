//! Writes a history down while it happens.

use std::io::{self, BufRead, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Record, What};

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

/// Writes one JSON object a line.
///
/// # Errors
/// The output does not take it.
pub fn write_lines(records: &[Record], out: &mut impl Write) -> io::Result<()> {
    for record in records {
        serde_json::to_writer(&mut *out, record)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// Reads what [`write_lines`] wrote; empty lines are nothing.
///
/// # Errors
/// The input does not read, or a line is no record.
pub fn read_lines(input: impl BufRead) -> io::Result<Vec<Record>> {
    let mut records = Vec::new();
    for line in input.lines() {
        let line = line?;
        if !line.trim().is_empty() {
            records.push(serde_json::from_str(&line)?);
        }
    }
    Ok(records)
}

/// Makes one history of several, by their times; those of one time keep their order.
pub fn merge(histories: impl IntoIterator<Item = Vec<Record>>) -> Vec<Record> {
    let mut records: Vec<Record> = histories.into_iter().flatten().collect();
    records.sort_by_key(|record| record.at_us);
    records
}
