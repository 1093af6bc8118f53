//! The newest entries of a tenant's log as its store has them in memory.

use std::fmt::Debug;

use foodtrack_contract::Offset;

use crate::{LogEntry, Outline};

/// What a store has in memory at the end of a tenant's log, those entries included that are not on disk yet.
///
/// It may have some that must not be shown yet: bound it by what was shown.
#[derive(Debug)]
pub struct TailSnapshot {
    after: Offset,
    entries: Box<dyn TailEntries>,
}

/// The entries of a [`TailSnapshot`], in whatever form their store has them.
pub trait TailEntries: Debug + Send {
    /// As [`TailSnapshot::outline`].
    fn outline(&self, after: Offset, through: Offset) -> Vec<Outline>;

    /// As [`TailSnapshot::read_at`].
    fn read_at(&self, offsets: &[Offset], bytes_max: u64) -> Vec<LogEntry>;
}

impl TailSnapshot {
    /// Every entry after `after` that was not refused is among `entries`.
    pub fn new(after: Offset, entries: Box<dyn TailEntries>) -> Self {
        Self { after, entries }
    }

    /// Nothing is in memory after `after`: whatever there is, reading finds.
    pub fn nothing(after: Offset) -> Self {
        Self::new(after, Box::new(Nothing))
    }

    /// Every entry after here that was not refused is in it. Those up to here are on disk.
    pub fn after(&self) -> Offset {
        self.after
    }

    /// What the entries after `after` and up to `through` are about, ascending.
    pub fn outline(&self, after: Offset, through: Offset) -> Vec<Outline> {
        self.entries.outline(after, through)
    }

    /// The entries at `offsets`, in their order: up to the first that is not in it, and until they have `bytes_max`.
    pub fn read_at(&self, offsets: &[Offset], bytes_max: u64) -> Vec<LogEntry> {
        self.entries.read_at(offsets, bytes_max)
    }
}

#[derive(Debug)]
struct Nothing;

impl TailEntries for Nothing {
    fn outline(&self, _: Offset, _: Offset) -> Vec<Outline> {
        Vec::new()
    }

    fn read_at(&self, _: &[Offset], _: u64) -> Vec<LogEntry> {
        Vec::new()
    }
}
