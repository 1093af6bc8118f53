//! What waits for the writer. Whoever fills it does not wait: a full queue makes them decide.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use foodtrack_contract::{Offset, TenantId};

use crate::{DeadLetter, LogEntry, Note, SavedCursor, SubmitError, SubscriberKey};

/// How many requests may wait.
const QUEUE_REQUESTS_MAX: usize = 65_536;
/// How many bytes of messages may wait.
const QUEUE_BYTES_MAX: u64 = 64 << 20;

/// What the writer is asked for.
#[derive(Debug)]
pub(super) enum Request {
    Open(TenantId, u64),
    Close(TenantId),
    Append(TenantId, Box<LogEntry>),
    SaveCursor(TenantId, SubscriberKey, Box<SavedCursor>),
    SaveNote(TenantId, Box<Note>, Option<u64>),
    Bury(TenantId, Box<DeadLetter>),
    Unbury(TenantId, Offset, SubscriberKey),
    Trim { now_ms: u64 },
    Compact,
}

impl Request {
    fn bytes(&self) -> u64 {
        match self {
            Self::Append(_, entry) => entry.bytes(),
            Self::SaveNote(_, note, _) => note.bytes(),
            _ => 0,
        }
    }
}

/// A bounded queue of requests with one reader.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
}

#[derive(Debug, Default)]
struct State {
    requests: Vec<Request>,
    bytes: u64,
    /// The writer sleeps until so many wait; zero while it is awake, so that nobody wakes it in vain.
    wanted: usize,
    is_stopped: bool,
    is_poisoned: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change of the state is one step: a panic leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, request: Request) -> Result<(), SubmitError> {
        let mut state = self.lock();
        if state.is_poisoned {
            return Err(SubmitError::Poisoned);
        }
        if state.is_stopped {
            return Err(SubmitError::Stopped);
        }
        let bytes = request.bytes();
        let is_too_much = state.bytes + bytes > QUEUE_BYTES_MAX && state.bytes > 0;
        if state.requests.len() >= QUEUE_REQUESTS_MAX || is_too_much {
            return Err(SubmitError::Overloaded);
        }
        state.bytes += bytes;
        state.requests.push(request);
        if state.wanted != 0 && state.requests.len() >= state.wanted {
            state.wanted = 0;
            drop(state);
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Waits for the first request, at most `wait_max`, then a moment for those that are about to come: at most
    /// `gather_max` for `expected` in all. Moves everything into `batch`. Returns whether more may come.
    pub(super) fn take(
        &self,
        batch: &mut Vec<Request>,
        wait_max: Option<Duration>,
        expected: usize,
        gather_max: Duration,
    ) -> bool {
        let mut state = self.lock();
        state = self.wait(state, 1, wait_max);
        if expected > 1 && !state.requests.is_empty() && state.requests.len() < expected {
            state = self.wait(state, expected, Some(gather_max));
        }
        std::mem::swap(batch, &mut state.requests);
        state.bytes = 0;
        !state.is_stopped
    }

    fn wait<'q>(
        &self,
        mut state: MutexGuard<'q, State>,
        wanted: usize,
        wait_max: Option<Duration>,
    ) -> MutexGuard<'q, State> {
        let deadline = wait_max.map(|wait_max| Instant::now() + wait_max);
        while state.requests.len() < wanted && !state.is_stopped {
            state.wanted = wanted;
            match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                None => {
                    state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                Some(Duration::ZERO) => break,
                Some(left) => {
                    state = self
                        .filled
                        .wait_timeout(state, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0;
                }
            }
        }
        state.wanted = 0;
        state
    }

    pub(super) fn stop(&self) {
        self.lock().is_stopped = true;
        self.filled.notify_one();
    }

    pub(super) fn poison(&self) {
        self.lock().is_poisoned = true;
    }

    pub(super) fn is_poisoned(&self) -> bool {
        self.lock().is_poisoned
    }
}
