//! Refusals of those of whom nothing is known: so many of each code, summed in one record a minute.

use std::fmt::Write;
use std::time::{Duration, Instant};

use foodtrack_contract::ErrorCode;

use super::record::AuditEntry;
use crate::refusal_counts::RefusalCounts;

/// How often they are told.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// What was told of them.
pub(super) struct Strangers {
    told: Vec<u64>,
    told_at: Instant,
}

impl Strangers {
    pub(super) fn new() -> Self {
        Self { told: vec![0; ErrorCode::ALL.len()], told_at: Instant::now() }
    }

    /// What there is to tell, once a minute; `is_end`: now.
    pub(super) fn sum(&mut self, counts: &RefusalCounts, is_end: bool) -> Option<AuditEntry> {
        if !is_end && self.told_at.elapsed() < TOLD_EVERY {
            return None;
        }
        self.told_at = Instant::now();
        let (mut text, mut sum) = (String::new(), 0);
        for (code, told) in ErrorCode::ALL.iter().zip(&mut self.told) {
            let count = counts.of(*code);
            let new = count - std::mem::replace(told, count);
            if new > 0 {
                let comma = if text.is_empty() { "" } else { ", " };
                // Writing to a string does not fail.
                let _ = write!(text, "{comma}{} {new}", code.as_str());
                sum += new;
            }
        }
        let entry = || AuditEntry::new("strangers.refused").counting(sum).because(text);
        (sum > 0).then(entry)
    }
}
