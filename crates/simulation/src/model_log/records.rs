//! What a disk holds: changes, and what they amount to.

use std::collections::{BTreeMap, HashSet};

use foodtrack_contract::{Epoch, Offset, TenantId};
use foodtrack_tenant_log::{
    Assignment, DeadLetter, Head, LastEmission, LogEntry, Note, NoteKind, SavedCursor,
    SubscriberKey,
};

/// How long before an opening an emission may have been that is known again, in milliseconds.
const EMISSIONS_AGE_MS_MAX: u64 = 5 * 60_000;

/// One change of what is stored.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Reserve(TenantId, Offset),
    Entry(TenantId, LogEntry),
    Cursor(TenantId, SubscriberKey, SavedCursor),
    Begin(TenantId, SubscriberKey, SavedCursor),
    Note(TenantId, Note),
    Letter(TenantId, DeadLetter),
    NoLetter(TenantId, Offset, SubscriberKey),
}

/// What the changes amount to, by tenant.
#[derive(Debug, Default)]
pub(super) struct Records(BTreeMap<TenantId, TenantRecords>);

/// One tenant's log, and what is beside it.
#[derive(Debug)]
pub(super) struct TenantRecords {
    pub(super) epoch: Epoch,
    pub(super) reserved_through: Offset,
    pub(super) entries: BTreeMap<Offset, LogEntry>,
    pub(super) cursors: BTreeMap<SubscriberKey, SavedCursor>,
    pub(super) notes: BTreeMap<(NoteKind, Box<str>), Note>,
    pub(super) letters: BTreeMap<(Offset, SubscriberKey), DeadLetter>,
    /// Customers by order, and the orders, oldest first.
    pub(super) orders: BTreeMap<Box<str>, Option<Box<str>>>,
    made: Vec<Box<str>>,
    pub(super) assignments: BTreeMap<Box<str>, Assignment>,
}

impl Records {
    pub(super) fn of(changes: &[Change]) -> Self {
        let mut records = Self::default();
        changes.iter().for_each(|change| records.apply(change));
        records
    }

    pub(super) fn tenant(&self, tenant: &TenantId) -> Option<&TenantRecords> {
        self.0.get(tenant)
    }

    pub(super) fn tenants(&self) -> impl Iterator<Item = &TenantId> {
        self.0.keys()
    }

    pub(super) fn apply(&mut self, change: &Change) {
        match change {
            Change::Reserve(tenant, through) => self.change(tenant, |it| {
                it.reserved_through = it.reserved_through.max(*through);
            }),
            Change::Entry(tenant, entry) => self.change(tenant, |it| it.append(entry)),
            Change::Cursor(tenant, key, saved) => {
                self.change(tenant, |it| _ = it.cursors.insert(key.clone(), saved.clone()));
            }
            Change::Begin(tenant, key, first) => self.change(tenant, |it| {
                it.cursors.entry(key.clone()).or_insert_with(|| first.clone());
            }),
            Change::Note(tenant, note) => self.change(tenant, |it| {
                let key = (note.kind, note.key.clone());
                match note.value {
                    Some(_) => _ = it.notes.insert(key, note.clone()),
                    None => _ = it.notes.remove(&key),
                }
            }),
            Change::Letter(tenant, letter) => self.change(tenant, |it| {
                let key = (letter.offset, letter.subscriber.clone());
                it.letters.insert(key, letter.clone());
            }),
            Change::NoLetter(tenant, offset, subscriber) => self.change(tenant, |it| {
                it.letters.remove(&(*offset, subscriber.clone()));
            }),
        }
    }

    fn change(&mut self, tenant: &TenantId, change: impl FnOnce(&mut TenantRecords)) {
        // The same incarnation for everybody: a cursor of one tenant must mean nothing to another by its own place alone.
        change(self.0.entry(tenant.clone()).or_insert_with(|| TenantRecords::new(Epoch::new(1))));
    }
}

impl TenantRecords {
    fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            reserved_through: Offset::ZERO,
            entries: BTreeMap::new(),
            cursors: BTreeMap::new(),
            notes: BTreeMap::new(),
            letters: BTreeMap::new(),
            orders: BTreeMap::new(),
            made: Vec::new(),
            assignments: BTreeMap::new(),
        }
    }

    fn append(&mut self, entry: &LogEntry) {
        if let (Some(owner), Some(order)) = (&entry.creates_order, &entry.entity)
            && !self.orders.contains_key(order)
        {
            self.orders.insert(order.clone(), owner.customer.clone());
            self.made.push(order.clone());
        }
        if let Some((order, assignment)) = entry.by_ref().assignment() {
            self.assignments.insert(order.into(), assignment);
        }
        self.entries.insert(entry.offset, entry.clone());
    }

    /// The last entry's place.
    pub(super) fn last(&self) -> Offset {
        self.entries.keys().next_back().copied().unwrap_or(Offset::ZERO)
    }

    /// The head for a writer that starts at `next`.
    pub(super) fn head(&self, next: Offset, now_ms: u64) -> Head {
        let alive = |note: &&Note| note.expires_at_ms.is_none_or(|at_ms| at_ms > now_ms);
        let orders = self.made.iter();
        let orders = orders.filter_map(|it| Some((it.clone(), self.orders.get(it)?.clone())));
        Head {
            epoch: self.epoch,
            next,
            reserved_through: self.reserved_through,
            recent: self.entries.values().map(|it| (it.id, it.offset)).collect(),
            trimmed_through: Offset::ZERO,
            orders: orders.collect(),
            has_assignments: !self.assignments.is_empty(),
            emissions: self.emissions(now_ms),
            notes: self.notes.values().filter(alive).cloned().collect(),
            tail: self.entries.values().cloned().collect(),
        }
    }

    fn emissions(&self, now_ms: u64) -> Vec<LastEmission> {
        let since_ms = now_ms.saturating_sub(EMISSIONS_AGE_MS_MAX);
        let mut seen = HashSet::new();
        let newest_first = self.entries.values().rev().take_while(|it| it.at_ms >= since_ms);
        let mut emissions: Vec<LastEmission> = newest_first
            .filter_map(|entry| {
                let (order, fingerprint) = (entry.entity.clone()?, entry.fingerprint?);
                let (id, offset) = (entry.id, entry.offset);
                let is_last = seen.insert(order.clone());
                is_last.then_some(LastEmission { order, fingerprint, id, offset })
            })
            .collect();
        emissions.reverse();
        emissions
    }
}
