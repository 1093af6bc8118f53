//! The newest entries of a tenant in memory: those that wait for the disk, and some that are on it already, so that clients
//! that were away for a moment are served without reading the disk.

use std::collections::VecDeque;
use std::sync::Arc;

use foodtrack_contract::Offset;

use crate::batch_builder::BatchBuilder;
use crate::packing::Packer;
use crate::record_batch::RecordBatch;
use crate::{Head, LogEntry, Outline, TailEntries, TailSnapshot};

/// So many bytes of entries are kept, and those that are not on disk yet in any case.
const TAIL_BYTES: u64 = 64 << 10;

/// The end of one tenant's log. An entry is here once, no matter how many wait for it.
#[derive(Debug)]
pub(super) struct TailCache {
    /// Ascending. None of them is empty.
    batches: VecDeque<Arc<RecordBatch>>,
    /// By [`crate::LogEntry::bytes`], without what is gathered.
    bytes: u64,
    /// What comes next is gathered here.
    gathering: BatchBuilder,
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
            batches: VecDeque::new(),
            bytes: 0,
            gathering: BatchBuilder::default(),
            is_noted: false,
            after,
            committed: after,
        }
    }

    /// Takes up what is on disk of a tenant that was opened. What was submitted since stays.
    pub(super) fn opened(&mut self, head: &Head, packer: &mut Packer) {
        self.batches.retain(|batch| batch.first >= head.next);
        let since = std::mem::take(&mut self.batches);
        let mut batch = BatchBuilder::default();
        for entry in &head.tail {
            let entry = entry.by_ref();
            if !batch.takes(&entry) {
                self.batches.push_back(Arc::new(std::mem::take(&mut batch).finish(packer)));
            }
            batch.push(&entry);
        }
        if !batch.is_empty() {
            self.batches.push_back(Arc::new(batch.finish(packer)));
        }
        self.batches.extend(since);
        let first = head.tail.first().map_or(head.next, |entry| entry.offset);
        self.after = Offset::ZERO.plus(first.get().saturating_sub(1));
        self.committed = Offset::ZERO.plus(head.next.get().saturating_sub(1));
        self.bytes = self.batches.iter().map(|batch| batch.bytes).sum();
    }

    /// Whether something is gathered that is not a batch yet.
    pub(super) fn has_gathered(&self) -> bool {
        !self.gathering.is_empty()
    }

    /// Whether these entries, which are the next, can be gathered with those before them.
    pub(super) fn takes_builder(&self, batch: &BatchBuilder) -> bool {
        self.gathering.takes_builder(batch)
    }

    /// Gathers entries that it takes, as [`BatchBuilder::append`] does.
    pub(super) fn gather(&mut self, batch: BatchBuilder) {
        self.gathering.append(batch);
    }

    /// Finishes the batch that was gathered, for the disk. It stays here until it is there.
    pub(super) fn finish(&mut self, packer: &mut Packer) -> Arc<RecordBatch> {
        let batch = Arc::new(std::mem::take(&mut self.gathering).finish(packer));
        self.push_batch(Arc::clone(&batch));
        batch
    }

    /// Takes in the next entries, where nothing else is gathered. They stay until they are on the disk.
    pub(super) fn push_batch(&mut self, batch: Arc<RecordBatch>) {
        self.bytes += batch.bytes;
        self.batches.push_back(batch);
        self.let_go();
    }

    /// Everything up to here that was not refused is on disk.
    pub(super) fn committed(&mut self, through: Offset) {
        self.committed = self.committed.max(through);
        self.let_go();
    }

    /// These are not kept.
    pub(super) fn refused(&mut self, from: Offset, through: Offset) {
        self.batches.retain(|batch| batch.last() < from || through < batch.first);
        self.bytes = self.batches.iter().map(|batch| batch.bytes).sum();
    }

    /// Lets the oldest go, but none that the disk cannot tell yet.
    fn let_go(&mut self) {
        while let Some(oldest) = self.batches.pop_front_if(|oldest| {
            oldest.last() <= self.committed && self.bytes - oldest.bytes >= TAIL_BYTES
        }) {
            self.bytes -= oldest.bytes;
            self.after = oldest.last();
        }
    }

    pub(super) fn snapshot(&self) -> TailSnapshot {
        let gathering = self.has_gathered().then(|| Arc::new(self.gathering.snapshot()));
        let batches: Vec<_> = self.batches.iter().cloned().chain(gathering).collect();
        TailSnapshot::new(self.after, Box::new(batches))
    }
}

/// Ascending.
impl TailEntries for Vec<Arc<RecordBatch>> {
    fn outline(&self, after: Offset, through: Offset) -> Vec<Outline> {
        let from = self.partition_point(|batch| batch.last() <= after);
        let batches = self[from..].iter().take_while(|batch| batch.first <= through);
        batches
            .flat_map(|batch| batch.unpack_heads().outline(after, through).collect::<Vec<_>>())
            .collect()
    }

    fn read_at(&self, offsets: &[Offset], bytes_max: u64) -> Vec<LogEntry> {
        let (mut entries, mut bytes, mut last) = (Vec::new(), 0, None);
        for offset in offsets {
            let place = self.partition_point(|batch| batch.last() < *offset);
            let Some(batch) = self.get(place) else { break };
            let unpacked = match last.take() {
                Some((of, unpacked)) if of == place => unpacked,
                _ => batch.unpack(),
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
