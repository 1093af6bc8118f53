//! A log in memory: for tests and simulations, and for what need not outlive its process.

mod orders;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ahash::{AHashMap, AHashSet};
use foodtrack_contract::{Cursor, Epoch, Offset, TenantId};
use uuid::Uuid;

use crate::retention::Tally;
use crate::{
    Completion, DeadLetter, EntryRef, HEAD_EMISSIONS_AGE_MS_MAX, HEAD_EMISSIONS_MAX,
    HEAD_ORDERS_MAX, HEAD_TAIL_BYTES_MAX, HEAD_TAIL_ENTRIES_MAX, Head, LastEmission, LogEntry,
    Newest, Note, NoteKind, OnCompletion, OrderOwner, Outline, OutlinePage, Page, RECENT_IDS_MAX,
    ReadError, ReadRequest, RefusedReason, Retention, SavedCursor, SubmitError, Submitter,
    SubscriberKey, TenantLog, TenantStats,
};

pub use orders::MEMORY_ORDERS_MAX;
use orders::Orders;

/// How many subscribers' cursors a tenant has in memory; beyond it the older half goes.
const CURSORS_MAX: usize = 65_536;

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
    notes: BTreeMap<(NoteKind, Box<str>), Note>,
    orders: Orders,
    is_open: bool,
}

impl Tenant {
    fn new() -> Self {
        Self {
            epoch: random_epoch(),
            next: Offset::ZERO.next(),
            trimmed_through: Offset::ZERO,
            last: Tally::default(),
            entries: VecDeque::new(),
            cursors: AHashMap::new(),
            dead_letters: BTreeMap::new(),
            notes: BTreeMap::new(),
            orders: Orders::default(),
            is_open: false,
        }
    }

    fn head(&self, now_ms: u64) -> Head {
        let first = self.entries.len().saturating_sub(RECENT_IDS_MAX);
        Head {
            epoch: self.epoch,
            next: self.next,
            // What is in memory is there: nothing shown can be lost but with all the rest.
            reserved_through: Offset::MAX,
            recent: self.entries.range(first..).map(|(it, _)| (it.id, it.offset)).collect(),
            trimmed_through: self.trimmed_through,
            orders: self.orders.newest(HEAD_ORDERS_MAX),
            emissions: self.emissions(now_ms),
            notes: self.notes.values().filter(|note| note.is_alive(now_ms)).cloned().collect(),
            tail: self.tail(),
        }
    }

    fn emissions(&self, now_ms: u64) -> Vec<LastEmission> {
        let since_ms = now_ms.saturating_sub(HEAD_EMISSIONS_AGE_MS_MAX);
        let newest_first = self.entries.iter().rev().map(|(entry, _)| entry).take(RECENT_IDS_MAX);
        let mut seen = AHashSet::new();
        let mut emissions: Vec<_> = newest_first
            .take_while(|entry| entry.at_ms >= since_ms)
            .filter_map(|entry| {
                let (order, fingerprint) = (entry.entity.clone()?, entry.fingerprint?);
                let (id, offset) = (entry.id, entry.offset);
                seen.insert(order.clone()).then_some(LastEmission {
                    order,
                    fingerprint,
                    id,
                    offset,
                })
            })
            .take(HEAD_EMISSIONS_MAX)
            .collect();
        emissions.reverse();
        emissions
    }

    fn tail(&self) -> Vec<LogEntry> {
        let mut bytes = 0;
        let newest_first = self.entries.iter().rev().map(|(entry, _)| entry);
        let fits = newest_first.take(HEAD_TAIL_ENTRIES_MAX).take_while(|entry| {
            bytes += entry.bytes();
            bytes <= HEAD_TAIL_BYTES_MAX
        });
        let mut tail: Vec<_> = fits.cloned().collect();
        tail.reverse();
        tail
    }

    /// The entries after a place, oldest first.
    fn after(&self, after: Offset) -> impl Iterator<Item = &LogEntry> {
        let first = self.entries.partition_point(|(it, _)| it.offset <= after);
        self.entries.range(first..).map(|(entry, _)| entry)
    }

    fn note(&mut self, note: Note) {
        let key = (note.kind, note.key.clone());
        if note.value.is_some() {
            self.notes.insert(key, note);
        } else {
            self.notes.remove(&key);
        }
    }

    fn save_cursor(&mut self, subscriber: SubscriberKey, saved: SavedCursor) {
        self.cursors.insert(subscriber, saved);
        if self.cursors.len() > CURSORS_MAX {
            let mut times: Vec<u64> = self.cursors.values().map(|it| it.updated_at_ms).collect();
            let (_, middle, _) = times.select_nth_unstable(CURSORS_MAX / 2);
            let middle = *middle;
            self.cursors.retain(|_, it| it.updated_at_ms > middle);
        }
    }

    fn trim(&mut self, retention: Retention, now_ms: u64) {
        let last = self.last;
        while let Some((entry, _)) = self
            .entries
            .pop_front_if(|(entry, tally)| retention.lets_go(*tally, entry.at_ms, last, now_ms))
        {
            self.trimmed_through = entry.offset;
        }
        if let Some(first_kept) = self.dead_letters.keys().next()
            && first_kept.0 <= self.trimmed_through
        {
            let through = self.trimmed_through;
            self.dead_letters.retain(|(offset, _), _| *offset > through);
        }
    }
}

/// A log in memory. It tells completions on the caller's thread, before the call returns.
#[derive(Clone)]
pub struct MemoryLog {
    store: MemoryStore,
    retention: Retention,
    on_completion: Arc<Mutex<OnCompletion>>,
}

impl MemoryLog {
    /// A log of what `store` keeps.
    pub fn new(store: MemoryStore, retention: Retention, on_completion: OnCompletion) -> Self {
        Self { store, retention, on_completion: Arc::new(Mutex::new(on_completion)) }
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

impl Submitter for MemoryLog {
    fn submit(&mut self, tenant: &TenantId, entry: &EntryRef<'_>) -> Result<(), SubmitError> {
        self.tell(|tenants| {
            let (tenant, offset) = (tenant.clone(), entry.offset);
            match tenants.get_mut(&tenant) {
                Some(known) if known.is_open && known.next == offset => {
                    let now_ms = entry.at_ms;
                    known.next = offset.next();
                    if let (Some(owner), Some(order)) = (entry.creates_order, entry.entity) {
                        known.orders.add(order, owner);
                    }
                    known.last = known.last.plus(1, entry.bytes());
                    known.entries.push_back((entry.to_entry(), known.last));
                    known.trim(self.retention, now_ms);
                    Completion::Committed {
                        tenant,
                        through: offset,
                        reserved_through: Offset::MAX,
                        is_awaited: false,
                    }
                }
                _ => {
                    let reason = RefusedReason::OutOfSequence;
                    Completion::Refused { tenant, from: offset, through: offset, reason }
                }
            }
        });
        Ok(())
    }

    /// Each is there as soon as it is submitted.
    fn hand_over(&mut self) {}
}

impl TenantLog for MemoryLog {
    fn open(&self, tenant: &TenantId, now_ms: u64) -> Result<(), SubmitError> {
        self.tell(|tenants| {
            let known = tenants.entry(tenant.clone()).or_insert_with(Tenant::new);
            known.is_open = true;
            Completion::Opened { tenant: tenant.clone(), head: known.head(now_ms) }
        });
        Ok(())
    }

    fn close(&self, tenant: &TenantId) -> Result<(), SubmitError> {
        self.change(tenant, |tenant| tenant.is_open = false);
        Ok(())
    }

    fn submitter(&self) -> Box<dyn Submitter> {
        Box::new(self.clone())
    }

    fn save_cursor(
        &self,
        tenant: &TenantId,
        subscriber: &SubscriberKey,
        saved: SavedCursor,
    ) -> Result<(), SubmitError> {
        self.change(tenant, |tenant| {
            tenant.save_cursor(subscriber.clone(), saved);
        });
        Ok(())
    }

    fn begin_cursor(
        &self,
        tenant: &TenantId,
        subscriber: &SubscriberKey,
        first: SavedCursor,
    ) -> Result<(), SubmitError> {
        self.change(tenant, |tenant| {
            if !tenant.cursors.contains_key(subscriber) {
                tenant.save_cursor(subscriber.clone(), first);
            }
        });
        Ok(())
    }

    fn save_note(
        &self,
        tenant: &TenantId,
        note: Note,
        ticket: Option<u64>,
    ) -> Result<(), SubmitError> {
        let Some(ticket) = ticket else {
            self.change(tenant, |tenant| tenant.note(note));
            return Ok(());
        };
        self.tell(|tenants| {
            let name = tenant.clone();
            match tenants.get_mut(tenant) {
                Some(known) => {
                    known.note(note);
                    Completion::Noted { tenant: name, ticket }
                }
                None => {
                    let reason = RefusedReason::OutOfSequence;
                    Completion::NoteRefused { tenant: name, ticket, reason }
                }
            }
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
        for tenant in tenants.values_mut() {
            tenant.trim(self.retention, now_ms);
            tenant.notes.retain(|_, note| note.is_alive(now_ms));
        }
        Ok(())
    }

    fn newest(&self, tenant: &TenantId) -> Newest {
        // Reading waits for no disk here.
        let last = |tenant: &Tenant| Offset::ZERO.plus(tenant.next.get().saturating_sub(1));
        let last = self.with(tenant, last);
        Newest::nothing(last.unwrap_or(Offset::MAX))
    }

    fn read(&self, request: &ReadRequest) -> Result<Page, ReadError> {
        self.with(&request.tenant, |tenant| {
            let epoch = tenant.epoch;
            let is_foreign = request.epoch.is_some_and(|epoch| epoch != tenant.epoch);
            if is_foreign || request.after >= tenant.next {
                return Page::reset(epoch);
            }
            let mut page = Page::starting(epoch, request, tenant.trimmed_through);
            let mut bytes = 0;
            for entry in tenant.after(page.next) {
                bytes += entry.bytes();
                if entry.offset > request.through {
                    break;
                }
                if page.is_full(request, bytes) {
                    page.is_last = false;
                    break;
                }
                page.next = entry.offset;
                page.entries.push(LogEntry::clone(entry));
            }
            page
        })
    }

    fn outline(
        &self,
        tenant: &TenantId,
        epoch: Option<Epoch>,
        after: Offset,
        through: Offset,
        entries_max: usize,
    ) -> Result<OutlinePage, ReadError> {
        self.with(tenant, |known| {
            if epoch.is_some_and(|epoch| epoch != known.epoch) {
                return Err(ReadError::OtherEpoch { tenant: tenant.clone(), epoch: known.epoch });
            }
            let entries = known.after(after).take_while(|entry| entry.offset <= through);
            let entries = entries.take(entries_max).map(Outline::from).collect();
            Ok(OutlinePage::new(known.trimmed_through, entries, through, entries_max))
        })?
    }

    fn read_at(&self, tenant: &TenantId, offsets: &[Offset]) -> Result<Vec<LogEntry>, ReadError> {
        self.with(tenant, |tenant| {
            let at = |offset: &Offset| {
                let place = tenant.entries.binary_search_by_key(offset, |(it, _)| it.offset);
                place
                    .ok()
                    .and_then(|place| tenant.entries.get(place))
                    .map(|(it, _)| LogEntry::clone(it))
            };
            ascending(offsets).iter().filter_map(at).collect()
        })
    }

    fn entity_history(
        &self,
        tenant: &TenantId,
        entity: &str,
        entries_max: usize,
    ) -> Result<Vec<LogEntry>, ReadError> {
        self.with(tenant, |tenant| {
            let newest_first = tenant.entries.iter().rev().map(|(entry, _)| entry);
            let about = newest_first.filter(|entry| entry.entity.as_deref() == Some(entity));
            let mut history: Vec<_> = about.take(entries_max).cloned().collect();
            history.reverse();
            history
        })
    }

    fn find(&self, tenant: &TenantId, id: Uuid) -> Result<Option<Offset>, ReadError> {
        self.with(tenant, |tenant| {
            tenant.entries.iter().rev().find(|(it, _)| it.id == id).map(|(it, _)| it.offset)
        })
    }

    fn tenants(&self) -> Result<Vec<TenantId>, ReadError> {
        let mut tenants: Vec<_> = lock(&self.store.0).keys().cloned().collect();
        tenants.sort_unstable();
        Ok(tenants)
    }

    fn cursor(
        &self,
        tenant: &TenantId,
        subscriber: &SubscriberKey,
    ) -> Result<Option<SavedCursor>, ReadError> {
        self.with(tenant, |tenant| tenant.cursors.get(subscriber).cloned())
    }

    fn order_owner(&self, tenant: &TenantId, order: &str) -> Result<Option<OrderOwner>, ReadError> {
        self.with(tenant, |tenant| tenant.orders.owner(order))
    }

    fn has_room_for_orders(&self, tenant: &TenantId) -> bool {
        self.with(tenant, |tenant| tenant.orders.has_room()).unwrap_or(true)
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

    fn survives_restart(&self) -> bool {
        false
    }
}

/// Each once.
pub(crate) fn ascending(offsets: &[Offset]) -> Vec<Offset> {
    let mut offsets = offsets.to_vec();
    offsets.sort_unstable();
    offsets.dedup();
    offsets
}

/// 40 bits: eight characters at most, and no two incarnations of one tenant's log alike in practice.
pub(crate) fn random_epoch() -> Epoch {
    Epoch::new((uuid::Uuid::new_v4().as_u128() & 0xff_ffff_ffff) as u64)
}
