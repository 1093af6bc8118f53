//! The stream as one process reaches it: what it submits, and what it is told, and when.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fastrand::Rng;
use foodtrack_contract::{Offset, TenantId};
use foodtrack_tenant_log::{
    Answer, Completion, EntryRef, Leases, LogReader as _, LogWriter, MemoryLog, Openings,
    ReadError, RefusedReason, SavedCursor, SubmitError, Submitted, SubscriberKey,
    SubscriberStore as _, TenantLog,
};

use super::StreamLine;
use crate::Fault;
use crate::hub_log::HubLog;

/// How long a process waits for an answer before it says that nobody knows.
const PATIENCE_MS: u64 = 500;
/// One notice in so many is lost, and one is repeated.
const STRANGE_ONE_IN: u8 = 8;

/// What processes went through with the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamCounts {
    /// Entries of which nobody knew whether they came through.
    pub doubted: u64,
    /// Entries that came to nothing since the stream was out of reach.
    pub unreached: u64,
    /// Entries for which there was no room.
    pub full: u64,
    /// Entries that were there before.
    pub repeated: u64,
    /// Notices that were lost.
    pub notices_lost: u64,
    /// Notices that came twice.
    pub notices_repeated: u64,
    /// Notes of other nodes that were heard.
    pub notes_heard: u64,
    /// Times that a process looked anew for what it could not hear.
    pub reopened: u64,
}

/// The stream as one process reaches it. What it was told and has not heard ends with the process.
#[derive(Clone)]
pub struct NodeLog {
    pub(super) log: MemoryLog,
    pub(super) line: StreamLine,
    pub(super) fault: Option<Fault>,
    told: Arc<Mutex<Vec<Completion>>>,
    counts: Arc<Mutex<StreamCounts>>,
    state: Arc<Mutex<State>>,
    pub(super) openings: Arc<Openings>,
}

struct State {
    rng: Rng,
    /// What is on its way, by when it is heard, and in the order in which it was said.
    coming: Vec<(u64, Completion)>,
    last_answer_ms: u64,
    last_notice_ms: u64,
    open: BTreeSet<TenantId>,
    /// Tickets of entries whose answers do not come.
    doubted: BTreeSet<u64>,
    /// Whether it was found out that nothing passes.
    knows_cut: bool,
    was_cut: bool,
    /// Where subscribers begin, to be saved once something passes.
    owed_cursors: Vec<(TenantId, SubscriberKey, SavedCursor)>,
}

impl NodeLog {
    pub(super) fn new(
        log: MemoryLog,
        told: Arc<Mutex<Vec<Completion>>>,
        line: StreamLine,
        counts: Arc<Mutex<StreamCounts>>,
        rng: Rng,
        fault: Option<Fault>,
    ) -> Self {
        let state = State {
            rng,
            coming: Vec::new(),
            last_answer_ms: 0,
            last_notice_ms: 0,
            open: BTreeSet::new(),
            doubted: BTreeSet::new(),
            knows_cut: false,
            was_cut: false,
            owed_cursors: Vec::new(),
        };
        let (state, openings) = (Arc::new(Mutex::new(state)), Arc::default());
        Self { log, line, fault, told, counts, state, openings }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // One thread alone comes here; the locks are the traits'.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, change: impl FnOnce(&mut StreamCounts)) {
        change(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Why nothing can be read, if it cannot.
    pub(super) fn reach(&self) -> Result<(), ReadError> {
        match self.line.is_cut() {
            true => Err(ReadError::Store(String::from("nothing passes"))),
            false => Ok(()),
        }
    }

    /// Puts a completion of this process's own on its way: it comes behind those before it.
    pub(super) fn answer(&self, completion: Completion) {
        let after_ms = if self.state().knows_cut { 0 } else { PATIENCE_MS };
        let at_ms = self.line.now_ms() + after_ms;
        self.state().answer_at(at_ms, completion);
    }

    /// Takes in what the stream has said since.
    fn take_in(&self) {
        let told = {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *told)
        };
        for completion in told {
            match completion {
                Completion::Grown { .. }
                | Completion::NotedElsewhere { .. }
                | Completion::PassedOn { .. } => self.take_in_notice(completion),
                Completion::Opened { tenant, head, .. } => {
                    let noted_meanwhile = self.openings.begin(&tenant);
                    self.take_in_answer(Completion::Opened { tenant, head, noted_meanwhile });
                }
                _ => self.take_in_answer(completion),
            }
        }
    }

    fn take_in_answer(&self, completion: Completion) {
        let now_ms = self.line.now_ms();
        let mut state = self.state();
        let late_ms = state.rng.u64(0..=self.line.latency_ms_max());
        match completion {
            Completion::Answered { tenant, ticket, .. } if state.doubted.remove(&ticket) => {
                let answer = Answer::Refused(RefusedReason::Unknown);
                let unknown = Completion::Answered { tenant, ticket, answer };
                state.answer_at(now_ms + PATIENCE_MS, unknown);
            }
            other => state.answer_at(now_ms + late_ms, other),
        }
    }

    fn take_in_notice(&self, notice: Completion) {
        if self.line.is_cut() {
            return self.count(|it| it.notices_lost += 1);
        }
        let is_note = matches!(notice, Completion::NotedElsewhere { .. });
        if is_note && self.fault == Some(Fault::KeepsNotesToItself) {
            return;
        }
        let now_ms = self.line.now_ms();
        let mut state = self.state();
        let late_ms = state.rng.u64(0..=self.line.latency_ms_max());
        let is_of_log = matches!(notice, Completion::Grown { .. });
        match state.rng.u8(0..STRANGE_ONE_IN) {
            0 if is_of_log => self.count(|it| it.notices_lost += 1),
            1 if is_of_log => {
                self.count(|it| it.notices_repeated += 1);
                state.notice_at(now_ms + late_ms, notice.clone());
                state.notice_at(now_ms + 3 * late_ms, notice);
            }
            _ => state.notice_at(now_ms + late_ms, notice),
        }
    }

    /// Saves where a subscriber begins once something passes.
    pub(super) fn owe_cursor(&self, tenant: &TenantId, who: &SubscriberKey, first: SavedCursor) {
        self.state().owed_cursors.push((tenant.clone(), who.clone(), first));
    }

    fn save_owed_cursors(&self) {
        let owed = std::mem::take(&mut self.state().owed_cursors);
        for (tenant, subscriber, first) in owed {
            // Nobody waits for it.
            let _ = self.log.begin_cursor(&tenant, &subscriber, first);
        }
    }

    /// What could not be heard is looked for anew.
    fn open_again(&self, now_ms: u64) {
        let open = {
            let mut state = self.state();
            state.knows_cut = false;
            state.open.clone()
        };
        for tenant in open {
            self.count(|it| it.reopened += 1);
            // It is answered, whatever becomes of it.
            let _ = self.log.open(&tenant, now_ms);
        }
    }
}

impl State {
    fn answer_at(&mut self, at_ms: u64, completion: Completion) {
        self.last_answer_ms = self.last_answer_ms.max(at_ms);
        self.coming.push((self.last_answer_ms, completion));
    }

    fn notice_at(&mut self, at_ms: u64, completion: Completion) {
        self.last_notice_ms = self.last_notice_ms.max(at_ms);
        self.coming.push((self.last_notice_ms, completion));
    }
}

impl HubLog for NodeLog {
    fn advance(&self, now_ms: u64) -> Vec<Completion> {
        let is_cut = self.line.is_cut();
        let was_cut = std::mem::replace(&mut self.state().was_cut, is_cut);
        self.take_in();
        if was_cut && !is_cut {
            self.save_owed_cursors();
            self.open_again(now_ms);
            self.take_in();
        }
        let mut state = self.state();
        let is_due = |it: &mut (u64, Completion)| it.0 <= now_ms;
        let due: Vec<Completion> = state.coming.extract_if(.., is_due).map(|it| it.1).collect();
        let unknown = |it: &Completion| {
            matches!(
                it,
                Completion::Answered { answer: Answer::Refused(RefusedReason::Unknown), .. }
            )
        };
        state.knows_cut |= is_cut && due.iter().any(unknown);
        for completion in &due {
            match completion {
                Completion::Answered { answer: Answer::Repeated(_), .. } => {
                    self.count(|it| it.repeated += 1);
                }
                Completion::NotedElsewhere { tenant, note } => {
                    self.openings.noted(tenant, note);
                    self.count(|it| it.notes_heard += 1);
                }
                _ => {}
            }
        }
        due
    }

    fn next_ms(&self) -> Option<u64> {
        self.take_in();
        let state = self.state();
        let until_ms = self.line.cut_until_ms().filter(|_| state.was_cut);
        let now_ms = state.was_cut.then(|| self.line.now_ms()).filter(|_| until_ms.is_none());
        state.coming.iter().map(|(at_ms, _)| *at_ms).chain(until_ms).chain(now_ms).min()
    }

    fn is_ill(&self) -> bool {
        self.line.is_cut() || self.line.is_full()
    }

    fn heard_by_ms(&self, now_ms: u64) -> Option<u64> {
        self.take_in();
        let state = self.state();
        // What could not be heard is known once its log was opened again.
        let is_known = !self.line.is_cut() && !state.was_cut;
        is_known.then(|| state.last_notice_ms.max(state.last_answer_ms).max(now_ms))
    }
}

impl LogWriter for NodeLog {
    fn submit(
        &mut self,
        tenant: &TenantId,
        entry: &EntryRef<'_>,
    ) -> Result<Submitted, SubmitError> {
        if self.line.is_cut() {
            let comes_through = {
                let mut state = self.state();
                !state.knows_cut && state.rng.bool()
            };
            if self.fault == Some(Fault::AnswersTooSoon) {
                return Ok(self.answer_too_soon(tenant, entry));
            }
            if !comes_through {
                self.count(|it| it.unreached += 1);
                let is_known = self.state().knows_cut;
                self.log.refuse_next(match is_known {
                    true => RefusedReason::Away,
                    false => RefusedReason::Unknown,
                });
                return self.log.submit(tenant, entry);
            }
            self.count(|it| it.doubted += 1);
            let submitted = self.log.submit(tenant, entry)?;
            if let Submitted::Later(ticket) = submitted {
                self.state().doubted.insert(ticket);
            }
            return Ok(submitted);
        }
        if self.line.is_full() {
            self.count(|it| it.full += 1);
            self.log.refuse_next(RefusedReason::DiskFull);
        }
        match self.fault {
            // The stream does not know it again.
            Some(Fault::TakesTwice) => {
                let id = uuid::Uuid::from_u64_pair(self.state().rng.u64(..), 0);
                let as_another = EntryRef { id, ..*entry };
                self.log.submit(tenant, &as_another)
            }
            _ => self.log.submit(tenant, entry),
        }
    }

    fn pass_on(&mut self, tenant: &TenantId, entry: &EntryRef<'_>) {
        if !self.line.is_cut() {
            self.log.pass_on(tenant, entry);
        }
    }

    fn flush(&mut self) {}
}

impl NodeLog {
    /// Says that an entry is in the stream that never came there.
    fn answer_too_soon(&mut self, tenant: &TenantId, entry: &EntryRef<'_>) -> Submitted {
        self.log.refuse_next(RefusedReason::Away);
        let Ok(Submitted::Later(ticket)) = self.log.submit(tenant, entry) else {
            return Submitted::At(Offset::ZERO);
        };
        // Its refusal is not told.
        self.told.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let last = self.last_of(tenant);
        let answer = Answer::Committed(last.next());
        let completion = Completion::Answered { tenant: tenant.clone(), ticket, answer };
        let now_ms = self.line.now_ms();
        self.state().answer_at(now_ms, completion);
        Submitted::Later(ticket)
    }
}

impl Leases for NodeLog {}

impl TenantLog for NodeLog {
    fn open(&self, tenant: &TenantId, now_ms: u64) -> Result<(), SubmitError> {
        if self.line.is_cut() {
            let (tenant, reason) = (tenant.clone(), RefusedReason::Away);
            self.answer(Completion::OpenFailed { tenant, reason });
            return Ok(());
        }
        self.state().open.insert(tenant.clone());
        self.log.open(tenant, now_ms)?;
        self.take_in();
        // What is noted from now on is heard: it is listened to before the log is opened.
        let _ = self.log.follow(tenant);
        Ok(())
    }

    fn close(&self, tenant: &TenantId) -> Result<(), SubmitError> {
        self.state().open.remove(tenant);
        self.log.close(tenant)
    }

    fn writer(&self) -> Box<dyn LogWriter> {
        Box::new(self.clone())
    }

    fn survives_restart(&self) -> bool {
        true
    }

    fn is_shared(&self) -> bool {
        true
    }
}
