//! The newest entries of one tenant's log, in memory: who was away for a moment needs no disk.

use std::collections::VecDeque;
use std::sync::Arc;

use foodtrack_contract::Offset;
use foodtrack_tenant_log::LogEntry;

/// How many bytes of entries are kept; those that are not on disk yet are kept in any case.
const TAIL_BYTES_MAX: u64 = 64 << 10;

/// Every shown entry after [`Tail::after`]; ascending.
#[derive(Debug)]
pub(crate) struct Tail {
    entries: VecDeque<Arc<LogEntry>>,
    bytes: u64,
    after: Offset,
}

impl Tail {
    /// Starts with what the store read at the end of the log; `shown` is the last offset that was ever given out.
    pub(crate) fn new(entries: Vec<LogEntry>, shown: Offset) -> Self {
        let before = |entry: &LogEntry| Offset::ZERO.plus(entry.offset.get().saturating_sub(1));
        let after = entries.first().map_or(shown, before);
        let bytes = entries.iter().map(LogEntry::bytes).sum();
        Self { entries: entries.into_iter().map(Arc::new).collect(), bytes, after }
    }

    /// Everything shown after here is in the tail.
    pub(crate) fn after(&self) -> Offset {
        self.after
    }

    /// Adds an entry that is being shown. Lets the oldest go, but none after `committed`: the disk cannot tell those yet.
    pub(crate) fn push(&mut self, entry: Arc<LogEntry>, committed: Offset) {
        self.bytes += entry.bytes();
        self.entries.push_back(entry);
        while self.bytes > TAIL_BYTES_MAX
            && let Some(oldest) = self.entries.pop_front_if(|oldest| oldest.offset <= committed)
        {
            self.bytes -= oldest.bytes();
            self.after = oldest.offset;
        }
    }

    /// The entries after `after`.
    pub(crate) fn since(&self, after: Offset) -> impl Iterator<Item = &Arc<LogEntry>> {
        let first = self.entries.partition_point(|entry| entry.offset <= after);
        self.entries.range(first..)
    }

    /// One entry, if the tail has it.
    pub(crate) fn get(&self, offset: Offset) -> Option<&Arc<LogEntry>> {
        let place = self.entries.binary_search_by_key(&offset, |entry| entry.offset).ok()?;
        self.entries.get(place)
    }
}
