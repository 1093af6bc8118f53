//! One tenant's log in memory, and what is beside it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, Weak};

use ahash::{AHashMap, AHashSet};
use foodtrack_contract::{Epoch, Offset};
use uuid::Uuid;

use super::answers::Answers;
use super::orders::Orders;
use crate::retention::Tally;
use crate::{
    DeadLetter, EntryRef, HEAD_EMISSIONS_AGE_MS_MAX, HEAD_EMISSIONS_MAX, HEAD_ORDERS_MAX,
    HEAD_TAIL_BYTES_MAX, HEAD_TAIL_ENTRIES_MAX, Head, LastEmission, LogEntry, Note, NoteKind,
    RECENT_IDS_MAX, Retention, SavedCursor, SubscriberKey,
};

/// How many subscribers' cursors a tenant has in memory; beyond it the older half goes.
const CURSORS_MAX: usize = 65_536;

pub(super) struct Tenant {
    pub(super) epoch: Epoch,
    pub(super) next: Offset,
    pub(super) trimmed_through: Offset,
    pub(super) last: Tally,
    pub(super) entries: VecDeque<(LogEntry, Tally)>,
    /// Where the newest message of each id is.
    offsets: AHashMap<Uuid, Offset>,
    pub(super) cursors: AHashMap<SubscriberKey, SavedCursor>,
    pub(super) dead_letters: BTreeMap<(Offset, SubscriberKey), DeadLetter>,
    pub(super) notes: BTreeMap<(NoteKind, Box<str>), Note>,
    pub(super) orders: Orders,
    pub(super) writers: Writers,
    /// Logs that want to be told what others append.
    pub(super) followers: Vec<(u64, Weak<Mutex<Answers>>)>,
}

/// Who may append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writers {
    Nobody,
    /// The log of this number.
    One(u64),
    /// Every log that shares it.
    Shared,
}

impl Tenant {
    pub(super) fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            next: Offset::ZERO.next(),
            trimmed_through: Offset::ZERO,
            last: Tally::default(),
            entries: VecDeque::new(),
            offsets: AHashMap::new(),
            cursors: AHashMap::new(),
            dead_letters: BTreeMap::new(),
            notes: BTreeMap::new(),
            orders: Orders::default(),
            writers: Writers::Nobody,
            followers: Vec::new(),
        }
    }

    pub(super) fn head(&self, now_ms: u64) -> Head {
        let first = self.entries.len().saturating_sub(RECENT_IDS_MAX);
        Head {
            epoch: self.epoch,
            next: self.next,
            // What is in memory is there: nothing shown can be lost but with all the rest.
            reserved_through: Offset::MAX,
            recent: self.entries.range(first..).map(|(it, _)| (it.id, it.offset)).collect(),
            trimmed_through: self.trimmed_through,
            orders: self.orders.newest(HEAD_ORDERS_MAX),
            has_assignments: self.orders.has_assignments(),
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

    /// The logs that follow it, but this one.
    pub(super) fn followers_but(&self, no: u64) -> Vec<Arc<Mutex<Answers>>> {
        let others = self.followers.iter().filter(|(it, _)| *it != no);
        others.filter_map(|(_, answers)| answers.upgrade()).collect()
    }

    /// Appends an entry, whose offset is the next. Returns the offset.
    pub(super) fn append(&mut self, entry: &EntryRef<'_>, retention: Retention) -> Offset {
        let offset = self.next;
        self.next = offset.next();
        self.orders.note(&EntryRef { offset, ..*entry });
        self.last = self.last.plus(1, entry.bytes());
        self.offsets.insert(entry.id, offset);
        self.entries.push_back((LogEntry { offset, ..entry.to_entry() }, self.last));
        self.trim(retention, entry.at_ms);
        offset
    }

    /// Where the message of an id is, if it is one of the newest [`RECENT_IDS_MAX`]; the newest, where there are two.
    pub(super) fn offset_of(&self, id: Uuid) -> Option<Offset> {
        let offset = *self.offsets.get(&id)?;
        let oldest = self.entries.len().saturating_sub(RECENT_IDS_MAX);
        self.entries.get(oldest).is_some_and(|(it, _)| it.offset <= offset).then_some(offset)
    }

    /// The entries after a place, oldest first.
    pub(super) fn after(&self, after: Offset) -> impl Iterator<Item = &LogEntry> {
        let first = self.entries.partition_point(|(it, _)| it.offset <= after);
        self.entries.range(first..).map(|(entry, _)| entry)
    }

    pub(super) fn note(&mut self, note: Note) {
        let key = (note.kind, note.key.clone());
        if note.value.is_some() {
            self.notes.insert(key, note);
        } else {
            self.notes.remove(&key);
        }
    }

    pub(super) fn save_cursor(&mut self, subscriber: SubscriberKey, saved: SavedCursor) {
        self.cursors.insert(subscriber, saved);
        if self.cursors.len() > CURSORS_MAX {
            let mut times: Vec<u64> = self.cursors.values().map(|it| it.updated_at_ms).collect();
            let (_, middle, _) = times.select_nth_unstable(CURSORS_MAX / 2);
            let middle = *middle;
            self.cursors.retain(|_, it| it.updated_at_ms > middle);
        }
    }

    pub(super) fn trim(&mut self, retention: Retention, now_ms: u64) {
        let last = self.last;
        while let Some((entry, _)) = self
            .entries
            .pop_front_if(|(entry, tally)| retention.lets_go(*tally, entry.at_ms, last, now_ms))
        {
            self.trimmed_through = entry.offset;
            if self.offsets.get(&entry.id) == Some(&entry.offset) {
                self.offsets.remove(&entry.id);
            }
        }
        if let Some(first_kept) = self.dead_letters.keys().next()
            && first_kept.0 <= self.trimmed_through
        {
            let through = self.trimmed_through;
            self.dead_letters.retain(|(offset, _), _| *offset > through);
        }
    }
}
