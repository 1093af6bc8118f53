//! A log in memory: for tests and simulations, and for what need not outlive its process.

mod answers;
mod erasing;
mod log_admin;
mod orders;
mod tenant;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ahash::AHashMap;
use foodtrack_contract::{Epoch, Offset, TenantId};
use uuid::Uuid;

use crate::{
    Answer, Assignment, Completion, DeadLetter, EntryRef, LogEntry, LogReader, LogWriter, Note,
    NoteKind, NotedMeanwhile, OnCompletion, OrderOwner, Outline, OutlinePage, Page, ReadError,
    ReadRequest, RefusedReason, Retention, SavedCursor, SubmitError, Submitted, SubscriberKey,
    SubscriberStore, TailSnapshot, TenantLog,
};

use answers::Answers;
pub use orders::MEMORY_ORDERS_MAX;
use tenant::{Tenant, Writers};

/// What memory logs keep. It outlives them, as a disk does.
#[derive(Clone, Default)]
pub struct MemoryStore {
    tenants: Arc<Mutex<AHashMap<TenantId, Tenant>>>,
    /// How many logs there were.
    logs: Arc<AtomicU64>,
    /// The incarnation of every log, where chance does not decide it.
    epoch: Option<Epoch>,
}

impl MemoryStore {
    /// A store whose logs are all of one incarnation: for simulations, which must come out the same again.
    pub fn of_epoch(epoch: Epoch) -> Self {
        Self { epoch: Some(epoch), ..Self::default() }
    }
}

/// A log in memory. It tells completions on the caller's thread, before the call returns, unless it is told to wait.
///
/// A second log of the same store that opens a tenant takes it over: the first one is fenced.
#[derive(Clone)]
pub struct MemoryLog {
    store: MemoryStore,
    retention: Retention,
    answers: Arc<Mutex<Answers>>,
    /// Which of its store's logs it is.
    no: u64,
    is_shared: bool,
}

impl MemoryLog {
    /// A log of what `store` keeps.
    pub fn new(store: MemoryStore, retention: Retention, on_completion: OnCompletion) -> Self {
        let no = store.logs.fetch_add(1, Ordering::Relaxed);
        let answers = Arc::new(Mutex::new(Answers::new(on_completion)));
        Self { store, retention, answers, no, is_shared: false }
    }

    /// The same, beside others like it that append to the same tenants: the store counts the offsets
    /// ([`Submitted::Later`]), and knows repeats by their ids.
    pub fn shared(store: MemoryStore, retention: Retention, on_completion: OnCompletion) -> Self {
        Self { is_shared: true, ..Self::new(store, retention, on_completion) }
    }

    /// Holds completions back, as a slow disk does, until [`MemoryLog::release_answers`].
    pub fn hold_answers(&self) {
        lock(&self.answers).hold();
    }

    /// Tells what was held back, and holds nothing back any more.
    pub fn release_answers(&self) {
        lock(&self.answers).release();
    }

    /// Refuses the next entry, and after it those of further calls.
    pub fn refuse_next(&self, reason: RefusedReason) {
        lock(&self.answers).refuse_next(reason);
    }

    /// Works on the store, then tells what came of it; in this order for all callers.
    fn tell(&self, work: impl FnOnce(&mut AHashMap<TenantId, Tenant>) -> Completion) {
        let mut answers = lock(&self.answers);
        let completion = work(&mut lock(&self.store.tenants));
        answers.tell(completion);
    }

    /// Why a tenant takes nothing of this log's, if it does not.
    fn refusal(&self, known: Option<&Tenant>) -> Option<RefusedReason> {
        match known.map(|known| known.writers) {
            Some(Writers::Shared) if self.is_shared => None,
            Some(Writers::One(no)) if no == self.no => None,
            None | Some(Writers::Nobody) => Some(RefusedReason::OutOfSequence),
            Some(Writers::Shared | Writers::One(_)) => Some(RefusedReason::Fenced),
        }
    }

    fn submit_next(&self, tenant: &TenantId, entry: &EntryRef<'_>) -> Submitted {
        let refused = lock(&self.answers).take_refusal();
        let (tenant, offset) = (tenant.clone(), entry.offset);
        self.tell(|tenants| {
            let fenced = self.refusal(tenants.get(&tenant));
            let reason = match tenants.get_mut(&tenant) {
                Some(known) if fenced.is_none() && known.next == offset => match refused {
                    None => {
                        let through = known.append(entry, self.retention);
                        let reserved_through = Offset::MAX;
                        let is_awaited = false;
                        return Completion::Committed {
                            tenant,
                            through,
                            reserved_through,
                            is_awaited,
                        };
                    }
                    Some(reason) => {
                        // It stays unused for ever.
                        known.next = offset.next();
                        reason
                    }
                },
                _ => fenced.unwrap_or(RefusedReason::OutOfSequence),
            };
            Completion::Refused { tenant, from: offset, through: offset, reason }
        });
        Submitted::At(offset)
    }

    fn submit_shared(&self, tenant: &TenantId, entry: &EntryRef<'_>) -> Submitted {
        let (ticket, refused) = {
            let mut answers = lock(&self.answers);
            (answers.next_ticket(), answers.take_refusal())
        };
        let mut followers = Vec::new();
        let mut through = Offset::ZERO;
        self.tell(|tenants| {
            let refused = self.refusal(tenants.get(tenant)).or(refused);
            let answer = match (refused, tenants.get_mut(tenant)) {
                (None, Some(known)) => match known.offset_of(entry.id) {
                    Some(offset) => Answer::Repeated(offset),
                    None => {
                        through = known.append(entry, self.retention);
                        followers = known.followers_but(self.no);
                        Answer::Committed(through)
                    }
                },
                (refused, _) => Answer::Refused(refused.unwrap_or(RefusedReason::OutOfSequence)),
            };
            Completion::Answered { tenant: tenant.clone(), ticket, answer }
        });
        // Without a lock of its own: they may be telling this one.
        for follower in followers {
            lock(&follower).tell(Completion::Grown { tenant: tenant.clone(), through });
        }
        Submitted::Later(ticket)
    }

    /// Tells the other nodes that follow a tenant what was noted here.
    fn tell_of_note(&self, tenant: &TenantId, note: Option<Note>) {
        let Some(note) = note else { return };
        let followers = self.with(tenant, |tenant| tenant.followers_but(self.no));
        for follower in followers.into_iter().flatten() {
            let (tenant, note) = (tenant.clone(), note.clone());
            lock(&follower).tell(Completion::NotedElsewhere { tenant, note });
        }
    }

    fn with<T>(&self, tenant: &TenantId, read: impl FnOnce(&Tenant) -> T) -> Result<T, ReadError> {
        let tenants = lock(&self.store.tenants);
        tenants.get(tenant).map(read).ok_or_else(|| ReadError::UnknownTenant(tenant.clone()))
    }

    fn change(&self, tenant: &TenantId, change: impl FnOnce(&mut Tenant)) {
        if let Some(tenant) = lock(&self.store.tenants).get_mut(tenant) {
            change(tenant);
        }
    }
}

/// A panic elsewhere leaves the store as whole as it was: every change here is one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LogWriter for MemoryLog {
    fn submit(
        &mut self,
        tenant: &TenantId,
        entry: &EntryRef<'_>,
    ) -> Result<Submitted, SubmitError> {
        Ok(match self.is_shared {
            false => self.submit_next(tenant, entry),
            true => self.submit_shared(tenant, entry),
        })
    }

    fn pass_on(&mut self, tenant: &TenantId, entry: &EntryRef<'_>) {
        if !self.is_shared {
            return;
        }
        let followers = self.with(tenant, |tenant| tenant.followers_but(self.no));
        for follower in followers.into_iter().flatten() {
            let (tenant, entry) = (tenant.clone(), Box::new(entry.to_entry()));
            lock(&follower).tell(Completion::PassedOn { tenant, entry });
        }
    }

    /// Each is there as soon as it is submitted.
    fn flush(&mut self) {}
}

impl TenantLog for MemoryLog {
    fn open(&self, tenant: &TenantId, now_ms: u64) -> Result<(), SubmitError> {
        self.tell(|tenants| {
            let known = tenants
                .entry(tenant.clone())
                .or_insert_with(|| Tenant::new(self.store.epoch.unwrap_or_else(random_epoch)));
            known.writers = if self.is_shared { Writers::Shared } else { Writers::One(self.no) };
            let noted_meanwhile = NotedMeanwhile::default();
            Completion::Opened { tenant: tenant.clone(), head: known.head(now_ms), noted_meanwhile }
        });
        Ok(())
    }

    fn close(&self, tenant: &TenantId) -> Result<(), SubmitError> {
        // Others that share it go on.
        self.change(tenant, |tenant| {
            if tenant.writers == Writers::One(self.no) {
                tenant.writers = Writers::Nobody;
            }
        });
        Ok(())
    }

    fn writer(&self) -> Box<dyn LogWriter> {
        Box::new(self.clone())
    }

    fn survives_restart(&self) -> bool {
        false
    }

    fn is_shared(&self) -> bool {
        self.is_shared
    }
}

impl LogReader for MemoryLog {
    fn tail(&self, tenant: &TenantId, _: Offset) -> TailSnapshot {
        // Reading waits for no disk here.
        let last = |tenant: &Tenant| Offset::ZERO.plus(tenant.next.get().saturating_sub(1));
        let last = self.with(tenant, last);
        TailSnapshot::nothing(last.unwrap_or(Offset::MAX))
    }

    fn follow(&self, tenant: &TenantId) -> Result<(), ReadError> {
        if lock(&self.store.tenants).get(tenant).is_none() {
            return Err(ReadError::UnknownTenant(tenant.clone()));
        }
        self.change(tenant, |tenant| {
            tenant.followers.retain(|(no, _)| *no != self.no);
            tenant.followers.push((self.no, Arc::downgrade(&self.answers)));
        });
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
            page.fill(request, tenant.after(page.next));
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
        self.with(tenant, |tenant| tenant.offset_of(id))
    }

    fn order_owner(&self, tenant: &TenantId, order: &str) -> Result<Option<OrderOwner>, ReadError> {
        self.with(tenant, |tenant| tenant.orders.owner(order))
    }

    fn assignment(&self, tenant: &TenantId, order: &str) -> Result<Option<Assignment>, ReadError> {
        self.with(tenant, |tenant| tenant.orders.assignment(order))
    }

    fn has_room_for_orders(&self, tenant: &TenantId) -> bool {
        self.with(tenant, |tenant| tenant.orders.has_room()).unwrap_or(true)
    }
}

impl SubscriberStore for MemoryLog {
    fn save_cursor(
        &self,
        tenant: &TenantId,
        subscriber: &SubscriberKey,
        saved: SavedCursor,
    ) -> Result<(), SubmitError> {
        self.change(tenant, |tenant| {
            let is_behind = |known: &SavedCursor| {
                known.cursor.epoch() == saved.cursor.epoch()
                    && known.cursor.through() > saved.cursor.through()
            };
            if !(self.is_shared && tenant.cursors.get(subscriber).is_some_and(is_behind)) {
                tenant.save_cursor(subscriber.clone(), saved);
            }
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

    fn cursor(
        &self,
        tenant: &TenantId,
        subscriber: &SubscriberKey,
    ) -> Result<Option<SavedCursor>, ReadError> {
        self.with(tenant, |tenant| tenant.cursors.get(subscriber).cloned())
    }

    fn cursors(
        &self,
        tenant: &TenantId,
        after: Option<&SubscriberKey>,
        cursors_max: usize,
    ) -> Result<Vec<(SubscriberKey, SavedCursor)>, ReadError> {
        self.with(tenant, |tenant| {
            let wanted = tenant.cursors.iter().filter(|(key, _)| after.is_none_or(|it| *key > it));
            let mut cursors: Vec<_> = wanted.map(|(key, it)| (key.clone(), it.clone())).collect();
            cursors.sort_unstable_by(|a, b| a.0.cmp(&b.0));
            cursors.truncate(cursors_max);
            cursors
        })
    }

    fn notes(&self, tenant: &TenantId, kind: NoteKind) -> Result<Vec<Note>, ReadError> {
        self.with(tenant, |tenant| {
            tenant.notes.values().filter(|note| note.kind == kind).cloned().collect()
        })
    }

    fn save_note(
        &self,
        tenant: &TenantId,
        note: Note,
        ticket: Option<u64>,
    ) -> Result<(), SubmitError> {
        let heard = self.is_shared.then(|| note.clone());
        let Some(ticket) = ticket else {
            self.change(tenant, |tenant| tenant.note(note));
            self.tell_of_note(tenant, heard);
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
        self.tell_of_note(tenant, heard);
        Ok(())
    }

    fn put_dead_letter(&self, tenant: &TenantId, letter: DeadLetter) -> Result<(), SubmitError> {
        self.change(tenant, |tenant| {
            tenant.dead_letters.insert((letter.offset, letter.subscriber.clone()), letter);
        });
        Ok(())
    }

    fn remove_dead_letter(
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
