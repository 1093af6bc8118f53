//! The newest entries of one tenant's log, in memory: who was away for a moment needs no disk.

use std::collections::VecDeque;

use foodtrack_contract::Offset;
use foodtrack_tenant_log::{EntryRef, LogEntry, Outline, Run};

/// So many bytes of entries are kept, and those that are not on disk yet in any case.
const TAIL_BYTES: u64 = 64 << 10;

/// Every shown entry after [`Tail::after`]; ascending.
#[derive(Debug)]
pub(crate) struct Tail {
    /// None of them is empty.
    runs: VecDeque<Run>,
    bytes: u64,
    after: Offset,
    /// The memory of a run that went.
    spare: Option<Run>,
}

impl Tail {
    /// Starts with what the store read at the end of the log; `shown` is the last offset that was ever given out.
    pub(crate) fn new(entries: &[LogEntry], shown: Offset) -> Self {
        let before = |entry: &LogEntry| Offset::ZERO.plus(entry.offset.get().saturating_sub(1));
        let after = entries.first().map_or(shown, before);
        let mut tail = Self { runs: VecDeque::new(), bytes: 0, after, spare: None };
        entries.iter().for_each(|entry| tail.push(&entry.by_ref(), Offset::ZERO));
        tail
    }

    /// Everything shown after here is in the tail.
    pub(crate) fn after(&self) -> Offset {
        self.after
    }

    /// Adds an entry that is being shown. Lets the oldest go, but none after `committed`: the disk cannot tell those yet.
    pub(crate) fn push(&mut self, entry: &EntryRef<'_>, committed: Offset) {
        self.bytes += entry.bytes();
        match self.runs.back_mut() {
            Some(run) if run.takes(entry) => run.push(entry),
            _ => {
                let like_last = || self.runs.back().map(Run::with_the_same_room);
                let mut run = self.spare.take().or_else(like_last).unwrap_or_default();
                run.push(entry);
                self.runs.push_back(run);
            }
        }
        while let Some(oldest) = self.runs.front()
            && oldest.last() <= committed
            && self.bytes - oldest.bytes() >= TAIL_BYTES
            && let Some(mut oldest) = self.runs.pop_front()
        {
            self.bytes -= oldest.bytes();
            self.after = oldest.last();
            oldest.clear();
            self.spare = Some(oldest);
        }
    }

    /// The entries after `after`, ascending.
    pub(crate) fn since(&self, after: Offset) -> impl Iterator<Item = LogEntry> {
        self.runs_since(after).flat_map(move |run| run.since(after))
    }

    /// What the entries after `after` are about, ascending.
    pub(crate) fn outline(&self, after: Offset) -> Vec<Outline> {
        self.runs_since(after).flat_map(|run| run.outline(after)).collect()
    }

    fn runs_since(&self, after: Offset) -> impl Iterator<Item = &Run> {
        self.runs.range(self.runs.partition_point(|run| run.last() <= after)..)
    }

    /// One entry, if the tail has it.
    pub(crate) fn get(&self, offset: Offset) -> Option<LogEntry> {
        let before = Offset::ZERO.plus(offset.get().saturating_sub(1));
        self.since(before).next().filter(|entry| entry.offset == offset)
    }
}
