//! The writer's bounded queue. Submitting never blocks: a full queue is an error that the submitter handles.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ahash::AHashMap;
use foodtrack_contract::{Offset, TenantId};

use super::submitter::Part;
use super::tail_cache::TailCache;
use crate::packing::Packer;
use crate::record_batch::RecordBatch;
use crate::{
    Completion, DeadLetter, Erasure, Note, OnErased, SavedCursor, SubmitError, SubscriberKey,
    TailSnapshot,
};

/// How many requests may wait, besides what threads have gathered.
pub(super) const QUEUE_REQUESTS_MAX: usize = 131_072;
/// How many bytes of messages may wait.
const QUEUE_BYTES_MAX: u64 = 64 << 20;
/// How long recoverable entries wait for others, or for a durable entry whose fsync they share.
pub(super) const DELAY: Duration = Duration::from_millis(50);
/// How long notes and cursors wait, and recoverable entries once [`LOAD_MIN`] of them wait: under load, fewer commits count more.
pub(super) const LONG_DELAY: Duration = Duration::from_millis(250);
const LOAD_MIN: usize = 4_096;
/// With so much in the queue the writer begins at once.
const PATIENT_REQUESTS_MAX: usize = 65_536;
const PATIENT_BYTES_MAX: u64 = 32 << 20;

/// A request to the writer.
#[derive(Debug)]
pub(super) enum Request {
    Open(TenantId, u64),
    Close(TenantId),
    /// The tenant's next entries.
    Append(TenantId, Arc<RecordBatch>),
    SaveCursor(TenantId, SubscriberKey, Box<SavedCursor>),
    BeginCursor(TenantId, SubscriberKey, Box<SavedCursor>),
    SaveNote(TenantId, Box<Note>, Option<u64>),
    PutDeadLetter(TenantId, Box<DeadLetter>),
    RemoveDeadLetter(TenantId, Offset, SubscriberKey),
    Trim {
        now_ms: u64,
    },
    Compact,
    /// Of a tenant that was closed.
    Erase(TenantId, Erasure, OnErased),
}

impl Request {
    /// How long it may wait for others to share its commit.
    fn delay(&self) -> Duration {
        match self {
            Self::SaveCursor(..)
            | Self::BeginCursor(..)
            | Self::PutDeadLetter(..)
            | Self::RemoveDeadLetter(..)
            | Self::SaveNote(_, _, None) => LONG_DELAY,
            _ => Duration::ZERO,
        }
    }

    /// How many bytes it counts for in the queue.
    fn bytes(&self) -> u64 {
        match self {
            Self::Append(_, batch) => batch.bytes,
            Self::SaveNote(_, note, _) => note.bytes(),
            _ => 0,
        }
    }

    /// How many bytes it adds to a transaction, without its row.
    pub(super) fn written_bytes(&self) -> u64 {
        match self {
            Self::Append(_, batch) => batch.encoded.len() as u64,
            _ => self.bytes(),
        }
    }
}

/// How long the writer may sleep while no request is due; `None` is for ever.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Nap {
    /// Whatever is in the queue.
    pub(super) at_most: Option<Duration>,
    /// Only while the queue is empty: work of the writer's own can share the commit of what is in it.
    pub(super) in_quiet: Option<Duration>,
}

/// What was taken off the queue.
pub(super) struct Taken {
    /// How many entries and other requests.
    pub(super) count: usize,
    /// Whether the queue goes on.
    pub(super) may_be_more: bool,
}

/// A bounded queue of requests with one reader.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    /// Whether [`State::refusal`] refused one byte at the last change, to be read without the lock.
    may_refuse: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    requests: Vec<Request>,
    /// The newest entries of every tenant that was opened.
    tails: AHashMap<TenantId, TailCache>,
    /// Tenants that have entries which are not among the requests yet.
    gathering: Vec<TenantId>,
    packer: Packer,
    /// Entries, and requests of other kinds.
    count: usize,
    bytes: u64,
    /// The shortest patience of those that wait, and when it ends; `None` when nothing waits.
    due: Option<(Duration, Instant)>,
    /// What the writer sleeps for; `None` while it is awake and must not be notified.
    sleep: Option<Sleep>,
    is_stopped: bool,
    is_poisoned: bool,
}

#[derive(Clone, Copy, Debug)]
enum Sleep {
    /// For the first of `due`, or for something with less patience than it knows of.
    Patience(Option<Duration>),
    /// For so many.
    Gathering(usize),
}

impl State {
    /// Whether the writer should begin.
    fn is_due(&self) -> bool {
        self.count >= PATIENT_REQUESTS_MAX
            || self.bytes >= PATIENT_BYTES_MAX
            || self.due.is_some_and(|(delay, _)| delay.is_zero())
    }

    /// Takes in a tenant's next entries.
    fn take_over(&mut self, tenant: TenantId, part: Part) {
        let (first, entries, bytes, is_durable) = match &part {
            Part::Finished(batch) => (batch.first, batch.entries, batch.bytes, batch.has_durable),
            Part::Open(batch) => {
                (batch.first(), batch.entries(), batch.bytes(), batch.has_durable())
            }
        };
        let delay = if is_durable { Duration::ZERO } else { DELAY };
        self.note_added(delay, usize::try_from(entries).unwrap_or(usize::MAX), bytes);
        // Those of a tenant that is not open are refused.
        let tail = self.tails.entry(tenant.clone()).or_insert_with(|| TailCache::before(first));
        let is_joined = matches!(&part, Part::Open(batch) if tail.takes_builder(batch));
        if tail.has_gathered() && !is_joined {
            let batch = tail.finish(&mut self.packer);
            self.requests.push(Request::Append(tenant.clone(), batch));
        }
        match part {
            Part::Finished(batch) => {
                tail.push_batch(Arc::clone(&batch));
                self.requests.push(Request::Append(tenant, batch));
            }
            Part::Open(batch) => {
                tail.gather(batch);
                if !std::mem::replace(&mut tail.is_noted, true) {
                    self.gathering.push(tenant);
                }
            }
        }
    }

    /// Finishes the batch that was gathered of a tenant, as a request.
    fn finish(&mut self, tenant: &TenantId) {
        let Some(tail) = self.tails.get_mut(tenant) else { return };
        if tail.has_gathered() {
            let batch = tail.finish(&mut self.packer);
            self.requests.push(Request::Append(tenant.clone(), batch));
        }
    }

    fn finish_all(&mut self) {
        for tenant in std::mem::take(&mut self.gathering) {
            self.finish(&tenant);
            if let Some(tail) = self.tails.get_mut(&tenant) {
                tail.is_noted = false;
            }
        }
    }

    /// Why so many more bytes are refused, if they are.
    fn refusal(&self, bytes: u64) -> Option<SubmitError> {
        let is_too_much = self.bytes + bytes > QUEUE_BYTES_MAX && self.bytes > 0;
        if self.is_poisoned {
            Some(SubmitError::Poisoned)
        } else if self.is_stopped {
            Some(SubmitError::Stopped)
        } else {
            (self.count >= QUEUE_REQUESTS_MAX || is_too_much).then_some(SubmitError::Overloaded)
        }
    }

    /// Counts a request, and moves the time forward at which the writer begins, if it must.
    fn note_added(&mut self, delay: Duration, count: usize, bytes: u64) {
        let before = self.count;
        self.count += count;
        self.bytes += bytes;
        if self.due.is_none_or(|(shortest, _)| delay < shortest) {
            self.due = Some((delay, Instant::now() + delay));
        }
        if let Some((DELAY, due)) = &mut self.due
            && (before + 1..=self.count).contains(&LOAD_MIN)
        {
            *due += LONG_DELAY.saturating_sub(DELAY);
        }
    }

    /// Whether the writer must be woken because of the last request.
    fn must_wake(&self) -> bool {
        match self.sleep {
            None => false,
            Some(Sleep::Gathering(wanted)) => self.count >= wanted,
            // Once it knows when to look it need not be told of more.
            Some(Sleep::Patience(known)) => {
                self.is_due() || self.due.map(|(delay, _)| delay) != known
            }
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change of the state is complete before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for something.
    pub(super) fn push(&self, request: Request) -> Result<(), SubmitError> {
        let (delay, bytes) = (request.delay(), request.bytes());
        self.add(delay, bytes, |state| {
            if let Request::Open(tenant, _) | Request::Close(tenant) = &request {
                // What was submitted before it stays before it.
                state.finish(tenant);
            }
            if let Request::Close(tenant) = &request {
                state.tails.remove(tenant);
            }
            state.requests.push(request);
        })
    }

    /// Whether entries are accepted. Usually takes no lock.
    pub(super) fn takes_entries(&self) -> Result<(), SubmitError> {
        match self.may_refuse.load(Ordering::Relaxed) {
            false => Ok(()),
            true => self.lock().refusal(1).map_or(Ok(()), Err),
        }
    }

    /// Takes in what a thread has gathered. By then it is too late to refuse anything: what cannot be written is told by the
    /// writer.
    pub(super) fn take_over(&self, gathered: &mut Vec<(TenantId, Part)>) {
        let mut state = self.lock();
        for (tenant, part) in gathered.drain(..) {
            state.take_over(tenant, part);
        }
        self.wake_if_due(state);
    }

    fn add(
        &self,
        delay: Duration,
        bytes: u64,
        add: impl FnOnce(&mut State),
    ) -> Result<(), SubmitError> {
        let mut state = self.lock();
        if let Some(refusal) = state.refusal(bytes) {
            return Err(refusal);
        }
        state.note_added(delay, 1, bytes);
        add(&mut state);
        self.wake_if_due(state);
        Ok(())
    }

    fn wake_if_due(&self, mut state: MutexGuard<'_, State>) {
        self.note_refusal(&state);
        if state.must_wake() {
            state.sleep = None;
            drop(state);
            self.filled.notify_one();
        }
    }

    /// Updates what [`Queue::takes_entries`] reads without the lock.
    fn note_refusal(&self, state: &State) {
        self.may_refuse.store(state.refusal(1).is_some(), Ordering::Relaxed);
    }

    /// Applies a completion to the tenant's tail.
    pub(super) fn heed(&self, completion: &Completion) {
        let state = &mut *self.lock();
        match completion {
            Completion::Opened { tenant, head, .. } => {
                let tail = state.tails.entry(tenant.clone());
                tail.or_insert(TailCache::before(head.next)).opened(head, &mut state.packer);
            }
            Completion::Committed { tenant, through, .. } => {
                if let Some(tail) = state.tails.get_mut(tenant) {
                    tail.committed(*through);
                }
            }
            Completion::Refused { tenant, from, through, .. } => {
                if let Some(tail) = state.tails.get_mut(tenant) {
                    tail.refused(*from, *through);
                }
            }
            Completion::OpenFailed { .. }
            | Completion::Claimed { .. }
            | Completion::Abandoned { .. }
            | Completion::Answered { .. }
            | Completion::Grown { .. }
            | Completion::Lost { .. }
            | Completion::NotedElsewhere { .. }
            | Completion::PassedOn { .. }
            | Completion::Noted { .. }
            | Completion::NoteRefused { .. } => {}
        }
    }

    /// The newest entries of an open tenant that are in memory; `None` where the tenant is not open.
    pub(super) fn tail(&self, tenant: &TenantId) -> Option<TailSnapshot> {
        self.lock().tails.get(tenant).map(TailCache::snapshot)
    }

    /// Waits until something is due, at most as long as `nap`, then a moment for those that are about to come: at most
    /// `gather_max` for `expected` in all. Moves everything into `requests`, which is nothing where `nap` ended first.
    pub(super) fn take(
        &self,
        requests: &mut Vec<Request>,
        nap: Nap,
        expected: usize,
        gather_max: Duration,
    ) -> Taken {
        let mut state = self.wait_until_due(self.lock(), nap);
        if state.is_due() && state.count < expected {
            state = self.gather(state, expected, gather_max);
        }
        let mut count = 0;
        let is_patient = state.due.is_some_and(|(_, at)| at > Instant::now());
        if !is_patient || state.is_due() || state.is_stopped {
            state.finish_all();
            std::mem::swap(requests, &mut state.requests);
            (state.bytes, state.due) = (0, None);
            count = std::mem::take(&mut state.count);
            self.note_refusal(&state);
        }
        Taken { count, may_be_more: !state.is_stopped }
    }

    fn wait_until_due<'q>(
        &self,
        mut state: MutexGuard<'q, State>,
        nap: Nap,
    ) -> MutexGuard<'q, State> {
        let start = Instant::now();
        let [end, quiet_end] = [nap.at_most, nap.in_quiet].map(|it| it.map(|it| start + it));
        while !state.is_due() && !state.is_stopped {
            let due = state.due.map(|(_, at)| at);
            let until = due.or(quiet_end).into_iter().chain(end).min();
            state.sleep = Some(Sleep::Patience(state.due.map(|(delay, _)| delay)));
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                break;
            }
            state = self.sleep(state, left);
        }
        state.sleep = None;
        state
    }

    fn gather<'q>(
        &self,
        mut state: MutexGuard<'q, State>,
        wanted: usize,
        gather_max: Duration,
    ) -> MutexGuard<'q, State> {
        let end = Instant::now() + gather_max;
        while state.count < wanted && !state.is_stopped {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state.sleep = Some(Sleep::Gathering(wanted));
            state = self.sleep(state, Some(left));
        }
        state.sleep = None;
        state
    }

    fn sleep<'q>(
        &self,
        state: MutexGuard<'q, State>,
        left: Option<Duration>,
    ) -> MutexGuard<'q, State> {
        match left {
            None => self.filled.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(left) => {
                self.filled.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    pub(super) fn stop(&self) {
        let mut state = self.lock();
        state.is_stopped = true;
        self.note_refusal(&state);
        drop(state);
        self.filled.notify_one();
    }

    pub(super) fn poison(&self) {
        let mut state = self.lock();
        state.is_poisoned = true;
        self.note_refusal(&state);
    }

    /// How much waits for the writer, and its bytes.
    pub(super) fn waiting(&self) -> (usize, u64) {
        let state = self.lock();
        (state.count, state.bytes)
    }

    pub(super) fn is_poisoned(&self) -> bool {
        self.lock().is_poisoned
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LogWriter;
    use crate::encoding::samples::plain;
    use crate::sqlite::submitter::QueueSubmitter;

    #[test]
    fn recoverable_entries_wait_longer_under_load() {
        let (queue, tenant) = (Arc::new(Queue::default()), TenantId::parse("t").unwrap());
        let mut submitter = QueueSubmitter::new(Arc::clone(&queue));
        let start = Instant::now();
        let mut due_after = |count: usize| {
            let before = queue.lock().count;
            for n in before + 1..=count {
                submitter.submit(&tenant, &plain(n as u64).by_ref()).unwrap();
            }
            submitter.flush();
            queue.lock().due.unwrap().1
        };
        let alone = due_after(1);
        assert!(alone >= start + DELAY);
        assert_eq!(due_after(LOAD_MIN - 1), alone);
        let under_load = alone + (LONG_DELAY - DELAY);
        assert_eq!(due_after(LOAD_MIN), under_load);
        assert_eq!(due_after(50_000), under_load, "and no longer");
        assert!(!queue.lock().is_due());
        due_after(PATIENT_REQUESTS_MAX);
        assert!(queue.lock().is_due());
    }
}
