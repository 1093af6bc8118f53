//! A log in memory: for tests and simulations, and for what need not outlive its process.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ahash::AHashMap;
use foodtrack_contract::{Cursor, Epoch, Offset, TenantId};

use crate::retention::Tally;
use crate::{
    Completion, DeadLetter, Head, LogEntry, OnCompletion, Page, RECENT_IDS_MAX, ReadError,
    ReadRequest, RefusedReason, Retention, SavedCursor, SubmitError, SubscriberKey, TenantLog,
    TenantStats,
};

/// What memory logs keep. It outlives them, as a disk does.
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<Mutex<AHashMap<TenantId, Tenant>>>);

struct Tenant {
    epoch: Epoch,
    next: Offset,
    trimmed_through: Offset,
    last: Tally,
    entries: VecDeque<(LogEntry, Tally)>,
    cursors: AHashMap<SubscriberKey, SavedCursor>,
    dead_letters: BTreeMap<(Offset, SubscriberKey), DeadLetter>,
    is_open: bool,
}

impl Tenant {
    fn trim(&mut self, retention: Retention, now_ms: u64) {
        let last = self.last;
        while let Some((entry, _)) = self
            .entries
            .pop_front_if(|(entry, tally)| retention.lets_go(*tally, entry.at_ms, last, now_ms))
        {
            self.trimmed_through = entry.offset;
        }
    }
}

/// A log in memory. It tells completions on the caller's thread, before the call returns.
pub struct MemoryLog {
    store: MemoryStore,
    retention: Retention,
    on_completion: Mutex<OnCompletion>,
}

impl MemoryLog {
    /// A log of what `store` keeps.
    pub fn new(store: MemoryStore, retention: Retention, on_completion: OnCompletion) -> Self {
        Self { store, retention, on_completion: Mutex::new(on_completion) }
    }

    /// Works on the store, then tells what came of it; in this order for all callers.
    fn tell(&self, work: impl FnOnce(&mut AHashMap<TenantId, Tenant>) -> Completion) {
        let on_completion = lock(&self.on_completion);
        let completion = work(&mut lock(&self.store.0));
        on_completion(completion);
    }

    fn with<T>(&self, tenant: &TenantId, read: impl FnOnce(&Tenant) -> T) -> Result<T, ReadError> {
        let tenants = lock(&self.store.0);
        tenants.get(tenant).map(read).ok_or_else(|| ReadError::UnknownTenant(tenant.clone()))
    }

    fn change(&self, tenant: &TenantId, change: impl FnOnce(&mut Tenant)) {
        if let Some(tenant) = lock(&self.store.0).get_mut(tenant) {
            change(tenant);
        }
    }
}

/// A panic elsewhere leaves the store as whole as it was: every change here is one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl TenantLog for MemoryLog {
    fn open(&self, tenant: &TenantId) -> Result<(), SubmitError> {
        self.tell(|tenants| {
            let known = tenants.entry(tenant.clone()).or_insert_with(|| Tenant {
                epoch: random_epoch(),
                next: Offset::ZERO.next(),
                trimmed_through: Offset::ZERO,
                last: Tally::default(),
                entries: VecDeque::new(),
                cursors: AHashMap::new(),
                dead_letters: BTreeMap::new(),
                is_open: false,
            });
            known.is_open = true;
            let first = known.entries.len().saturating_sub(RECENT_IDS_MAX);
            let recent = known.entries.range(first..).map(|(it, _)| (it.id, it.offset)).collect();
            // What is in memory is there: nothing shown can be lost but with all the rest.
            let reserved_through = Offset::MAX;
            let head = Head { epoch: known.epoch, next: known.next, reserved_through, recent };
            Completion::Opened { tenant: tenant.clone(), head }
        });
        Ok(())
    }

    fn close(&self, tenant: &TenantId) -> Result<(), SubmitError> {
        self.change(tenant, |tenant| tenant.is_open = false);
        Ok(())
    }

    fn submit(&self, tenant: &TenantId, entry: LogEntry) -> Result<(), SubmitError> {
        self.tell(|tenants| {
            let (tenant, offset) = (tenant.clone(), entry.offset);
            match tenants.get_mut(&tenant) {
                Some(known) if known.is_open && known.next == offset => {
                    let now_ms = entry.at_ms;
                    known.next = offset.next();
                    known.last = known.last.plus(entry.bytes());
                    known.entries.push_back((entry, known.last));
                    known.trim(self.retention, now_ms);
                    let reserved_through = Offset::MAX;
                    Completion::Committed { tenant, through: offset, reserved_through }
                }
                _ => {
                    let reason = RefusedReason::OutOfSequence;
                    Completion::Refused { tenant, from: offset, through: offset, reason }
                }
            }
        });
        Ok(())
    }

    fn save_cursor(
        &self,
        tenant: &TenantId,
        subscriber: &SubscriberKey,
        saved: SavedCursor,
    ) -> Result<(), SubmitError> {
        self.change(tenant, |tenant| {
            tenant.cursors.insert(subscriber.clone(), saved);
        });
        Ok(())
    }

    fn bury(&self, tenant: &TenantId, letter: DeadLetter) -> Result<(), SubmitError> {
        self.change(tenant, |tenant| {
            tenant.dead_letters.insert((letter.offset, letter.subscriber.clone()), letter);
        });
        Ok(())
    }

    fn unbury(
        &self,
        tenant: &TenantId,
        offset: Offset,
        subscriber: &SubscriberKey,
    ) -> Result<(), SubmitError> {
        self.change(tenant, |tenant| {
            tenant.dead_letters.remove(&(offset, subscriber.clone()));
        });
        Ok(())
    }

    fn trim(&self, now_ms: u64) -> Result<(), SubmitError> {
        let mut tenants = lock(&self.store.0);
        tenants.values_mut().for_each(|tenant| tenant.trim(self.retention, now_ms));
        Ok(())
    }

    fn read(&self, request: &ReadRequest) -> Result<Page, ReadError> {
        self.with(&request.tenant, |tenant| {
            let epoch = tenant.epoch;
            let is_foreign = request.epoch.is_some_and(|epoch| epoch != tenant.epoch);
            if is_foreign || request.after >= tenant.next {
                return Page::reset(epoch);
            }
            let mut page = Page::starting(epoch, request, tenant.trimmed_through);
            let first = tenant.entries.partition_point(|(it, _)| it.offset <= page.next);
            let mut bytes = 0;
            for (entry, _) in tenant.entries.range(first..) {
                bytes += entry.bytes();
                if entry.offset > request.through {
                    break;
                }
                if page.is_full(request, bytes) {
                    page.is_last = false;
                    break;
                }
                page.next = entry.offset;
                page.entries.push(entry.clone());
            }
            page
        })
    }

    fn cursor(
        &self,
        tenant: &TenantId,
        subscriber: &SubscriberKey,
    ) -> Result<Option<SavedCursor>, ReadError> {
        self.with(tenant, |tenant| tenant.cursors.get(subscriber).cloned())
    }

    fn dead_letters(
        &self,
        tenant: &TenantId,
        after: Offset,
        letters_max: usize,
    ) -> Result<Vec<DeadLetter>, ReadError> {
        self.with(tenant, |tenant| {
            let letters = tenant.dead_letters.values().filter(|letter| letter.offset > after);
            let mut taken: Vec<DeadLetter> = Vec::new();
            for letter in letters {
                if taken.len() >= letters_max
                    && taken.last().is_none_or(|last| last.offset != letter.offset)
                {
                    break;
                }
                taken.push(letter.clone());
            }
            taken
        })
    }

    fn stats(&self, tenant: &TenantId) -> Result<TenantStats, ReadError> {
        self.with(tenant, |tenant| {
            let last = tenant.entries.back().map_or(tenant.trimmed_through, |(it, _)| it.offset);
            TenantStats {
                last: Cursor::new(tenant.epoch, last),
                trimmed_through: tenant.trimmed_through,
                entries: tenant.entries.len() as u64,
                bytes: tenant.entries.iter().map(|(entry, _)| entry.bytes()).sum(),
                dead_letters: tenant.dead_letters.len() as u64,
            }
        })
    }
}

/// 40 bits: eight characters at most, and no two incarnations of one tenant's log alike in practice.
pub(crate) fn random_epoch() -> Epoch {
    Epoch::new((uuid::Uuid::new_v4().as_u128() & 0xff_ffff_ffff) as u64)
}
