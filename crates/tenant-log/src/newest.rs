//! The newest entries of a tenant's log as its store has them in memory.

use std::sync::Arc;

use foodtrack_contract::Offset;

use crate::sealed_run::SealedRun;
use crate::{LogEntry, Outline};

/// What a store has in memory at the end of a tenant's log, those entries included that are not on disk yet.
///
/// It may have some that must not be shown yet: bound it by what was shown.
#[derive(Debug)]
pub struct Newest {
    after: Offset,
    runs: Vec<Arc<SealedRun>>,
}

impl Newest {
    pub(crate) fn new(after: Offset, runs: Vec<Arc<SealedRun>>) -> Self {
        Self { after, runs }
    }

    /// Of a tenant that is not open: whatever there is is elsewhere.
    pub(crate) fn nothing() -> Self {
        Self { after: Offset::MAX, runs: Vec::new() }
    }

    /// Every entry after here that was not refused is in it. Those up to here are on disk.
    pub fn after(&self) -> Offset {
        self.after
    }

    /// What the entries after `after` and up to `through` are about, ascending.
    pub fn outline(&self, after: Offset, through: Offset) -> Vec<Outline> {
        let from = self.runs.partition_point(|run| run.last() <= after);
        let runs = self.runs[from..].iter().take_while(|run| run.first <= through);
        runs.flat_map(|run| run.unpack_heads().outline(after, through).collect::<Vec<_>>())
            .collect()
    }

    /// The entries at `offsets`, in their order: up to the first that is not in it, and until they have `bytes_max`.
    pub fn read_at(&self, offsets: &[Offset], bytes_max: u64) -> Vec<LogEntry> {
        let (mut entries, mut bytes, mut last) = (Vec::new(), 0, None);
        for offset in offsets {
            let place = self.runs.partition_point(|run| run.last() < *offset);
            let Some(run) = self.runs.get(place) else { break };
            let unpacked = match last.take() {
                Some((of, unpacked)) if of == place => unpacked,
                _ => run.unpack(),
            };
            let entry = unpacked.get(*offset);
            last = Some((place, unpacked));
            let Some(entry) = entry else { break };
            bytes += entry.bytes();
            entries.push(entry);
            if bytes >= bytes_max {
                break;
            }
        }
        entries
    }
}
