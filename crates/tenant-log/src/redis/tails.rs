//! The newest entries of followed tenants, as they were published: who reads on from there need not ask Redis.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use ahash::AHashMap;
use foodtrack_contract::{Epoch, Offset, TenantId};

use crate::{LogEntry, Outline, Page, ReadRequest, TailEntries, TailSnapshot};

/// How many bytes of entries a tenant has here, by [`LogEntry::bytes`].
const TENANT_BYTES_MAX: u64 = 256 << 10;

#[derive(Debug, Default)]
pub(super) struct Tails {
    tenants: Mutex<AHashMap<TenantId, Tail>>,
}

#[derive(Debug)]
struct Tail {
    epoch: Epoch,
    /// Without gaps, to the newest that was published.
    entries: VecDeque<Arc<LogEntry>>,
    bytes: u64,
}

impl Tails {
    fn with<T>(&self, work: impl FnOnce(&mut AHashMap<TenantId, Tail>) -> T) -> T {
        // Each change is one step: a panic elsewhere leaves it whole.
        work(&mut self.tenants.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn forget(&self, tenant: &TenantId) {
        self.with(|tenants| _ = tenants.remove(tenant));
    }

    pub(super) fn forget_all(&self) {
        self.with(|tenants| tenants.clear());
    }

    /// Takes in what was published last. Where something is missing before it, what was there goes.
    pub(super) fn add(&self, tenant: &TenantId, epoch: Epoch, new: Vec<Arc<LogEntry>>) {
        self.with(|tenants| {
            if new.is_empty() {
                // It was too large to be published.
                tenants.remove(tenant);
                return;
            }
            let tail = tenants.entry(tenant.clone()).or_insert_with(|| Tail::new(epoch));
            let goes_on = tail.entries.back().zip(new.first());
            if tail.epoch != epoch || goes_on.is_some_and(|(a, b)| a.offset.next() != b.offset) {
                *tail = Tail::new(epoch);
            }
            tail.add(new);
        });
    }

    /// What is here of a log that goes on to `last`, where it goes as far as that.
    pub(super) fn snapshot(
        &self,
        tenant: &TenantId,
        epoch: Epoch,
        last: Offset,
    ) -> Option<TailSnapshot> {
        self.with(|tenants| {
            let tail = tenants.get(tenant).filter(|tail| tail.epoch == epoch)?;
            let (first, newest) = (tail.entries.front()?.offset, tail.entries.back()?.offset);
            (newest >= last).then(|| {
                let after = Offset::ZERO.plus(first.get().saturating_sub(1));
                let entries = Snapshot(tail.entries.iter().cloned().collect());
                TailSnapshot::new(after, Box::new(entries))
            })
        })
    }

    /// The page that was asked for, where all of it is here.
    pub(super) fn read(&self, request: &ReadRequest) -> Option<Page> {
        self.with(|tenants| {
            let tail = tenants.get(&request.tenant)?;
            if request.epoch.is_some_and(|epoch| epoch != tail.epoch) {
                return None;
            }
            let (first, last) = (tail.entries.front()?.offset, tail.entries.back()?.offset);
            // What lies beyond may be there, and not have been heard of.
            let is_here = request.after.next() >= first && request.through <= last;
            is_here.then(|| tail.page(request))
        })
    }
}

/// Entries without a gap.
#[derive(Debug)]
struct Snapshot(Vec<Arc<LogEntry>>);

impl TailEntries for Snapshot {
    fn outline(&self, after: Offset, through: Offset) -> Vec<Outline> {
        let wanted = self.0.iter().filter(|it| after < it.offset && it.offset <= through);
        wanted.map(|it| Outline::from(&**it)).collect()
    }

    fn read_at(&self, offsets: &[Offset], bytes_max: u64) -> Vec<LogEntry> {
        let mut bytes = 0;
        let found = offsets.iter().map_while(|offset| {
            let place = self.0.binary_search_by_key(offset, |it| it.offset).ok()?;
            self.0.get(place)
        });
        let fits = found.take_while(|entry| {
            let fits = bytes < bytes_max;
            bytes += entry.bytes();
            fits
        });
        fits.map(|entry| LogEntry::clone(entry)).collect()
    }
}

impl Tail {
    fn new(epoch: Epoch) -> Self {
        Self { epoch, entries: VecDeque::new(), bytes: 0 }
    }

    fn add(&mut self, new: Vec<Arc<LogEntry>>) {
        self.bytes += new.iter().map(|it| it.bytes()).sum::<u64>();
        self.entries.extend(new);
        while self.bytes > TENANT_BYTES_MAX
            && let Some(oldest) = self.entries.pop_front()
        {
            self.bytes -= oldest.bytes();
        }
    }

    fn page(&self, request: &ReadRequest) -> Page {
        let start = self.entries.partition_point(|it| it.offset <= request.after);
        let mut page = Page::starting(self.epoch, request, Offset::ZERO);
        page.fill(request, self.entries.range(start..).map(|it| &**it));
        page
    }
}
