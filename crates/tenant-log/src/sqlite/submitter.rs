//! A thread's way to the queue. Entries that do not wait for the disk are gathered in the thread and flushed together: the
//! queue's lock is taken once a turn.
//!
//! To take a lock, a processor waits until its earlier writes have reached its caches. An entry has just been written then, so
//! a lock for each entry would cost that wait twice an entry.

use std::sync::Arc;

use foodtrack_contract::TenantId;

use super::queue::Queue;
use crate::batch_builder::BatchBuilder;
use crate::packing::Packer;
use crate::record_batch::RecordBatch;
use crate::{Durability, EntryRef, LogWriter, SubmitError, Submitted};

/// How many bytes of entries are gathered before they are flushed.
const GATHERED_BYTES_MAX: u64 = 4 << 20;

/// Consecutive entries of one tenant on their way to the queue.
pub(super) enum Part {
    /// A full batch.
    Finished(Arc<RecordBatch>),
    /// A batch that may still grow.
    Open(BatchBuilder),
}

/// What a thread has gathered.
#[derive(Default)]
struct Gathered {
    /// Ready to go, each tenant's in their order.
    parts: Vec<(TenantId, Part)>,
    /// By [`crate::LogEntry::bytes`].
    bytes: u64,
    /// Whose the last entries are.
    last: Option<TenantId>,
    /// They themselves.
    batch: BatchBuilder,
    packer: Packer,
}

/// What a thread has gathered, and where it goes.
pub(super) struct QueueSubmitter {
    gathered: Gathered,
    queue: Arc<Queue>,
}

impl QueueSubmitter {
    pub(super) fn new(queue: Arc<Queue>) -> Self {
        Self { gathered: Gathered::default(), queue }
    }
}

impl LogWriter for QueueSubmitter {
    fn submit(
        &mut self,
        tenant: &TenantId,
        entry: &EntryRef<'_>,
    ) -> Result<Submitted, SubmitError> {
        self.queue.takes_entries()?;
        self.gathered.push(tenant, entry);
        let waits = entry.durability == Durability::Durable;
        if waits || self.gathered.bytes >= GATHERED_BYTES_MAX {
            self.flush();
        }
        Ok(Submitted::At(entry.offset))
    }

    fn flush(&mut self) {
        self.gathered.end_batch();
        if !self.gathered.parts.is_empty() {
            self.queue.take_over(&mut self.gathered.parts);
            self.gathered.bytes = 0;
        }
    }
}

/// Flushes what was submitted.
impl Drop for QueueSubmitter {
    fn drop(&mut self) {
        self.flush();
    }
}

impl Gathered {
    fn push(&mut self, tenant: &TenantId, entry: &EntryRef<'_>) {
        if self.last.as_ref() != Some(tenant) {
            self.end_batch();
            self.last = Some(tenant.clone());
        } else if !self.batch.takes(entry) {
            let finished = Arc::new(std::mem::take(&mut self.batch).finish(&mut self.packer));
            self.parts.push((tenant.clone(), Part::Finished(finished)));
        }
        self.batch.push(entry);
        self.bytes += entry.bytes();
    }

    /// Ends the batch at hand, however small it is.
    fn end_batch(&mut self) {
        if let Some(tenant) = &self.last
            && !self.batch.is_empty()
        {
            let batch = std::mem::take(&mut self.batch);
            self.parts.push((tenant.clone(), Part::Open(batch)));
        }
    }
}
