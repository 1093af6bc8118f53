//! A node's line to the stream.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What passes on it, and how fast. It outlives the node's processes.
#[derive(Clone, Debug)]
pub struct StreamLine(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    now_ms: u64,
    usual_ms_max: u64,
    latency_ms_max: u64,
    slow_until_ms: u64,
    cut_until_ms: u64,
    full_until_ms: u64,
}

impl StreamLine {
    pub(super) fn new(latency_ms_max: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            now_ms: 0,
            usual_ms_max: latency_ms_max,
            latency_ms_max,
            slow_until_ms: 0,
            cut_until_ms: 0,
            full_until_ms: 0,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Time has passed.
    pub fn set_now(&self, now_ms: u64) {
        self.state().now_ms = now_ms;
    }

    /// Nothing passes until then.
    pub fn cut(&self, until_ms: u64) {
        let mut state = self.state();
        state.cut_until_ms = state.cut_until_ms.max(until_ms);
    }

    /// What passes takes up to so long until then.
    pub fn slow_down(&self, latency_ms_max: u64, until_ms: u64) {
        let mut state = self.state();
        (state.latency_ms_max, state.slow_until_ms) = (latency_ms_max, until_ms);
    }

    /// The stream takes nothing from here until then.
    pub fn fill(&self, until_ms: u64) {
        let mut state = self.state();
        state.full_until_ms = state.full_until_ms.max(until_ms);
    }

    /// All is well from now on.
    pub fn mend(&self) {
        let mut state = self.state();
        let now_ms = state.now_ms;
        state.cut_until_ms = state.cut_until_ms.min(now_ms);
        state.slow_until_ms = state.slow_until_ms.min(now_ms);
        state.full_until_ms = state.full_until_ms.min(now_ms);
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.state().now_ms
    }

    pub(super) fn is_cut(&self) -> bool {
        let state = self.state();
        state.now_ms < state.cut_until_ms
    }

    /// When nothing is cut any more; `None` where nothing is.
    pub(super) fn cut_until_ms(&self) -> Option<u64> {
        let state = self.state();
        (state.now_ms < state.cut_until_ms).then_some(state.cut_until_ms)
    }

    pub(super) fn is_full(&self) -> bool {
        let state = self.state();
        state.now_ms < state.full_until_ms
    }

    pub(super) fn latency_ms_max(&self) -> u64 {
        let state = self.state();
        match state.now_ms < state.slow_until_ms {
            true => state.latency_ms_max,
            false => state.usual_ms_max,
        }
    }
}
