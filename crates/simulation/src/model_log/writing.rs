//! Submitting to the store, commits, and what they answer.

use foodtrack_contract::{Offset, TenantId};
use foodtrack_tenant_log::{
    Completion, DeadLetter, DeadLetterReason, Durability, EntryRef, Leases, LogWriter, Note,
    NoteKind, NotedMeanwhile, ReadError, RefusedReason, SavedCursor, SubmitError, Submitted,
    SubscriberKey, SubscriberStore, TenantLog,
};

use super::{Change, LAZY_MS, ModelLog, Open, RESERVE, State, Told, Waiting};

impl State {
    /// Takes a change that goes with the next commit, and has that begin at once where it is urgent.
    fn submit(&mut self, change: Change, told: Told, is_urgent: bool) -> Result<(), SubmitError> {
        if self.disk.has_failed() {
            return Err(SubmitError::Poisoned);
        }
        self.lazy_at_ms.get_or_insert(self.now_ms + LAZY_MS);
        self.waiting.push(Waiting { change, told, is_urgent });
        Ok(())
    }

    /// When a commit begins.
    pub(super) fn begins_at_ms(&self) -> Option<u64> {
        let is_urgent = self.waiting.iter().any(|waiting| waiting.is_urgent);
        if is_urgent { Some(self.now_ms) } else { self.lazy_at_ms }
    }

    pub(super) fn advance(&mut self, now_ms: u64) {
        self.now_ms = self.now_ms.max(now_ms);
        if let Some(result) = self.disk.finish_sync(now_ms) {
            let batch = std::mem::take(&mut self.in_flight);
            match result {
                Ok(_) => self.committed(&batch),
                Err(_) => {
                    self.counts.failed += 1;
                    self.refused(&batch, RefusedReason::Unknown);
                    let waiting = std::mem::take(&mut self.waiting);
                    self.refused(&waiting, RefusedReason::Poisoned);
                    (self.lazy, self.lazy_at_ms) = (Vec::new(), None);
                }
            }
        }
        if self.disk.sync_over_ms().is_none() && self.begins_at_ms().is_some_and(|at| at <= now_ms)
        {
            self.begin(now_ms);
        }
    }

    fn begin(&mut self, now_ms: u64) {
        if self.lazy_at_ms.is_some_and(|at_ms| at_ms <= now_ms) {
            let lazy = std::mem::take(&mut self.lazy).into_iter();
            let told = Told::Nobody;
            self.waiting.extend(lazy.map(|change| Waiting { change, told, is_urgent: false }));
        }
        self.lazy_at_ms = (!self.lazy.is_empty()).then_some(now_ms + LAZY_MS);
        let batch = std::mem::take(&mut self.waiting);
        if batch.is_empty() {
            return;
        }
        if !self.disk.has_room_for(batch.len()) {
            self.counts.full += 1;
            return self.refused(&batch, RefusedReason::DiskFull);
        }
        for waiting in &batch {
            if self.disk.append(waiting.change.clone()).is_err() {
                return self.refused(&batch, RefusedReason::Poisoned);
            }
        }
        self.in_flight = batch;
        self.disk.begin_sync(now_ms);
    }

    fn committed(&mut self, batch: &[Waiting]) {
        self.counts.commits += 1;
        batch.iter().for_each(|waiting| self.records.apply(&waiting.change));
        for waiting in batch {
            let completion = match (&waiting.change, waiting.told) {
                (Change::Reserve(tenant, _), Told::Open { now_ms }) => self.opened(tenant, now_ms),
                (Change::Entry(tenant, entry), _) => {
                    let reserved = self.records.tenant(tenant).map(|it| it.reserved_through);
                    Some(Completion::Committed {
                        tenant: tenant.clone(),
                        through: entry.offset,
                        reserved_through: reserved.unwrap_or(entry.offset),
                        is_awaited: true,
                    })
                }
                (Change::Note(tenant, _), Told::Note(ticket)) => {
                    Some(Completion::Noted { tenant: tenant.clone(), ticket })
                }
                _ => None,
            };
            self.completions.extend(completion);
        }
    }

    fn opened(&mut self, tenant: &TenantId, now_ms: u64) -> Option<Completion> {
        let next = self.open.get(tenant)?.next;
        let head = self.records.tenant(tenant)?.head(next, now_ms);
        let noted_meanwhile = NotedMeanwhile::default();
        Some(Completion::Opened { tenant: tenant.clone(), head, noted_meanwhile })
    }

    fn refused(&mut self, batch: &[Waiting], reason: RefusedReason) {
        for waiting in batch {
            let completion = match (&waiting.change, waiting.told) {
                (Change::Reserve(tenant, _), told) => {
                    // What was to be reserved is asked for again with the next entry.
                    let reserved = self.records.tenant(tenant).map(|it| it.reserved_through);
                    if let Some(open) = self.open.get_mut(tenant) {
                        open.asked_through = reserved.unwrap_or(Offset::ZERO);
                    }
                    let tenant = tenant.clone();
                    let reason = match reason {
                        RefusedReason::Unknown => RefusedReason::Poisoned,
                        reason => reason,
                    };
                    matches!(told, Told::Open { .. })
                        .then_some(Completion::OpenFailed { tenant, reason })
                }
                (Change::Entry(tenant, entry), _) => Some(Completion::Refused {
                    tenant: tenant.clone(),
                    from: entry.offset,
                    through: entry.offset,
                    reason,
                }),
                (Change::Note(tenant, _), Told::Note(ticket)) => {
                    Some(Completion::NoteRefused { tenant: tenant.clone(), ticket, reason })
                }
                // What nobody is told of is tried again, as the product's stores do it.
                (change, _) if reason == RefusedReason::DiskFull => {
                    let (change, told, is_urgent) = (change.clone(), Told::Nobody, false);
                    self.lazy_at_ms.get_or_insert(self.now_ms + LAZY_MS);
                    self.waiting.push(Waiting { change, told, is_urgent });
                    None
                }
                _ => None,
            };
            self.completions.extend(completion);
        }
    }

    fn append(&mut self, tenant: &TenantId, entry: &EntryRef<'_>) -> Result<(), SubmitError> {
        if self.disk.has_failed() {
            return Err(SubmitError::Poisoned);
        }
        let Some(open) = self.open.get_mut(tenant).filter(|open| open.next == entry.offset) else {
            let (tenant, from) = (tenant.clone(), entry.offset);
            let reason = RefusedReason::OutOfSequence;
            let refused = Completion::Refused { tenant, from, through: from, reason };
            self.completions.push(refused);
            return Ok(());
        };
        open.next = entry.offset.next();
        let is_short = entry.offset.plus(RESERVE / 2) > open.asked_through;
        if is_short {
            open.asked_through = entry.offset.plus(RESERVE);
            let through = open.asked_through;
            self.submit(Change::Reserve(tenant.clone(), through), Told::Nobody, false)?;
        }
        let is_urgent = is_short || entry.durability == Durability::Durable;
        self.submit(Change::Entry(tenant.clone(), entry.to_entry()), Told::Entry, is_urgent)
    }

    fn open(&mut self, tenant: &TenantId, now_ms: u64) -> Result<(), SubmitError> {
        let known = self.records.tenant(tenant);
        let last = known.map_or(Offset::ZERO, |known| known.last());
        let reserved = known.map_or(Offset::ZERO, |known| known.reserved_through);
        let fresh = if self.reuses_offsets { last.next() } else { last.max(reserved).next() };
        let next = self.open.get(tenant).map_or(fresh, |open| open.next);
        let asked_through = next.plus(RESERVE);
        self.open.insert(tenant.clone(), Open { next, asked_through });
        self.submit(Change::Reserve(tenant.clone(), asked_through), Told::Open { now_ms }, true)
    }
}

impl LogWriter for ModelLog {
    fn submit(
        &mut self,
        tenant: &TenantId,
        entry: &EntryRef<'_>,
    ) -> Result<Submitted, SubmitError> {
        self.state().append(tenant, entry)?;
        Ok(Submitted::At(entry.offset))
    }

    fn flush(&mut self) {}
}

impl Leases for ModelLog {}

impl TenantLog for ModelLog {
    fn open(&self, tenant: &TenantId, now_ms: u64) -> Result<(), SubmitError> {
        self.state().open(tenant, now_ms)
    }

    fn close(&self, _tenant: &TenantId) -> Result<(), SubmitError> {
        self.state().counts.closed += 1;
        Ok(())
    }

    fn writer(&self) -> Box<dyn LogWriter> {
        Box::new(self.clone())
    }

    fn survives_restart(&self) -> bool {
        true
    }
}

impl SubscriberStore for ModelLog {
    fn save_cursor(
        &self,
        tenant: &TenantId,
        subscriber: &SubscriberKey,
        saved: SavedCursor,
    ) -> Result<(), SubmitError> {
        let mut state = self.state();
        if state.disk.has_failed() {
            return Err(SubmitError::Poisoned);
        }
        let at_ms = state.now_ms + LAZY_MS;
        state.lazy_at_ms.get_or_insert(at_ms);
        state.lazy.push(Change::Cursor(tenant.clone(), subscriber.clone(), saved));
        Ok(())
    }

    fn begin_cursor(
        &self,
        tenant: &TenantId,
        subscriber: &SubscriberKey,
        first: SavedCursor,
    ) -> Result<(), SubmitError> {
        let change = Change::Begin(tenant.clone(), subscriber.clone(), first);
        self.state().submit(change, Told::Nobody, false)
    }

    fn cursor(
        &self,
        tenant: &TenantId,
        subscriber: &SubscriberKey,
    ) -> Result<Option<SavedCursor>, ReadError> {
        let state = self.state();
        let waiting = state.in_flight.iter().chain(&state.waiting).map(|it| &it.change);
        let mut found = state.records.tenant(tenant).and_then(|it| it.cursors.get(subscriber));
        for change in waiting.chain(&state.lazy) {
            match change {
                Change::Cursor(of, key, saved) if of == tenant && key == subscriber => {
                    found = Some(saved);
                }
                Change::Begin(of, key, first) if of == tenant && key == subscriber => {
                    found = found.or(Some(first));
                }
                _ => {}
            }
        }
        Ok(found.cloned())
    }

    fn cursors(
        &self,
        _tenant: &TenantId,
        _after: Option<&SubscriberKey>,
        _cursors_max: usize,
    ) -> Result<Vec<(SubscriberKey, SavedCursor)>, ReadError> {
        // The simulator's hubs have no operators.
        Ok(Vec::new())
    }

    fn notes(&self, _tenant: &TenantId, _kind: NoteKind) -> Result<Vec<Note>, ReadError> {
        Ok(Vec::new())
    }

    fn save_note(
        &self,
        tenant: &TenantId,
        note: Note,
        ticket: Option<u64>,
    ) -> Result<(), SubmitError> {
        let mut state = self.state();
        let told = ticket.map_or(Told::Nobody, Told::Note);
        if state.forgets_rooms && note.kind == NoteKind::Session {
            let tenant = tenant.clone();
            let noted = ticket.map(|ticket| Completion::Noted { tenant, ticket });
            state.completions.extend(noted);
            return Ok(());
        }
        state.submit(Change::Note(tenant.clone(), note), told, ticket.is_some())
    }

    fn put_dead_letter(&self, tenant: &TenantId, letter: DeadLetter) -> Result<(), SubmitError> {
        debug_assert!(matches!(
            letter.reason,
            DeadLetterReason::Failed | DeadLetterReason::Expired
        ));
        self.state().submit(Change::Letter(tenant.clone(), letter), Told::Nobody, false)
    }

    fn remove_dead_letter(
        &self,
        tenant: &TenantId,
        offset: Offset,
        subscriber: &SubscriberKey,
    ) -> Result<(), SubmitError> {
        let change = Change::NoLetter(tenant.clone(), offset, subscriber.clone());
        self.state().submit(change, Told::Nobody, false)
    }

    fn dead_letters(
        &self,
        tenant: &TenantId,
        after: Offset,
        letters_max: usize,
    ) -> Result<Vec<DeadLetter>, ReadError> {
        let state = self.state();
        let letters = state.records.tenant(tenant).map(|it| it.letters.values());
        let after = letters.into_iter().flatten().filter(|letter| letter.offset > after);
        Ok(after.take(letters_max).cloned().collect())
    }
}
