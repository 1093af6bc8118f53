//! The newest entries of a tenant in memory: those that wait for the disk, and some that no longer do. Who was away for a
//! moment needs no disk.

use std::collections::VecDeque;
use std::sync::Arc;

use foodtrack_contract::Offset;

use crate::packing::Packer;
use crate::run::Run;
use crate::sealed_run::SealedRun;
use crate::{Head, LogEntry, Outline, TailEntries, TailSnapshot};

/// So many bytes of entries are kept, and those that are not on disk yet in any case.
const TAIL_BYTES: u64 = 64 << 10;

/// One tenant's. An entry stands here once, whoever waits for it.
#[derive(Debug)]
pub(super) struct TailCache {
    /// Ascending. None of them is empty.
    sealed: VecDeque<Arc<SealedRun>>,
    /// By [`crate::LogEntry::bytes`], of what is sealed.
    bytes: u64,
    /// What comes next is gathered here.
    gathering: Run,
    /// Whether the queue knows that something is gathered.
    pub(super) is_noted: bool,
    after: Offset,
    committed: Offset,
}

impl TailCache {
    /// Of a tenant whose next entry this is.
    pub(super) fn before(next: Offset) -> Self {
        let after = Offset::ZERO.plus(next.get().saturating_sub(1));
        Self {
            sealed: VecDeque::new(),
            bytes: 0,
            gathering: Run::default(),
            is_noted: false,
            after,
            committed: after,
        }
    }

    /// Takes up what is on disk of a tenant that was opened. What was submitted since stays.
    pub(super) fn opened(&mut self, head: &Head, packer: &mut Packer) {
        self.sealed.retain(|run| run.first >= head.next);
        let since = std::mem::take(&mut self.sealed);
        let mut run = Run::default();
        for entry in &head.tail {
            let entry = entry.by_ref();
            if !run.takes(&entry) {
                self.sealed.push_back(Arc::new(std::mem::take(&mut run).seal(packer)));
            }
            run.push(&entry);
        }
        if !run.is_empty() {
            self.sealed.push_back(Arc::new(run.seal(packer)));
        }
        self.sealed.extend(since);
        let first = head.tail.first().map_or(head.next, |entry| entry.offset);
        self.after = Offset::ZERO.plus(first.get().saturating_sub(1));
        self.committed = Offset::ZERO.plus(head.next.get().saturating_sub(1));
        self.bytes = self.sealed.iter().map(|run| run.bytes).sum();
    }

    /// Whether something is gathered that is not sealed yet.
    pub(super) fn has_gathered(&self) -> bool {
        !self.gathering.is_empty()
    }

    /// Whether these entries, which are the next, can be gathered with those before them.
    pub(super) fn takes_run(&self, run: &Run) -> bool {
        self.gathering.takes_run(run)
    }

    /// Gathers entries that it takes, as [`Run::append`] does.
    pub(super) fn gather(&mut self, run: Run) {
        self.gathering.append(run);
    }

    /// What was gathered, for the disk. It stays here until it is there.
    pub(super) fn seal(&mut self, packer: &mut Packer) -> Arc<SealedRun> {
        let run = Arc::new(std::mem::take(&mut self.gathering).seal(packer));
        self.push_sealed(Arc::clone(&run));
        run
    }

    /// Takes in the next entries, where nothing else is gathered. They stay until they are on the disk.
    pub(super) fn push_sealed(&mut self, run: Arc<SealedRun>) {
        self.bytes += run.bytes;
        self.sealed.push_back(run);
        self.let_go();
    }

    /// Everything up to here that was not refused is on disk.
    pub(super) fn committed(&mut self, through: Offset) {
        self.committed = self.committed.max(through);
        self.let_go();
    }

    /// These are not kept.
    pub(super) fn refused(&mut self, from: Offset, through: Offset) {
        self.sealed.retain(|run| run.last() < from || through < run.first);
        self.bytes = self.sealed.iter().map(|run| run.bytes).sum();
    }

    /// Lets the oldest go, but none that the disk cannot tell yet.
    fn let_go(&mut self) {
        while let Some(oldest) = self.sealed.pop_front_if(|oldest| {
            oldest.last() <= self.committed && self.bytes - oldest.bytes >= TAIL_BYTES
        }) {
            self.bytes -= oldest.bytes;
            self.after = oldest.last();
        }
    }

    pub(super) fn snapshot(&self) -> TailSnapshot {
        let gathering = self.has_gathered().then(|| Arc::new(self.gathering.snapshot()));
        let runs: Vec<_> = self.sealed.iter().cloned().chain(gathering).collect();
        TailSnapshot::new(self.after, Box::new(runs))
    }
}

/// Ascending.
impl TailEntries for Vec<Arc<SealedRun>> {
    fn outline(&self, after: Offset, through: Offset) -> Vec<Outline> {
        let from = self.partition_point(|run| run.last() <= after);
        let runs = self[from..].iter().take_while(|run| run.first <= through);
        runs.flat_map(|run| run.unpack_heads().outline(after, through).collect::<Vec<_>>())
            .collect()
    }

    fn read_at(&self, offsets: &[Offset], bytes_max: u64) -> Vec<LogEntry> {
        let (mut entries, mut bytes, mut last) = (Vec::new(), 0, None);
        for offset in offsets {
            let place = self.partition_point(|run| run.last() < *offset);
            let Some(run) = self.get(place) else { break };
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
