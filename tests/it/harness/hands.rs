//! The hands of a clock, moved by the test.

use std::sync::{Arc, Mutex};

use foodtrack_shard::{Clock, TimeSource};

use super::now_s;

/// The wall clock and the one that nobody sets.
#[derive(Clone)]
pub(crate) struct Hands(Arc<Mutex<(u64, u64)>>);

impl Hands {
    /// At the present time.
    pub(crate) fn now() -> Self {
        Self(Arc::new(Mutex::new((now_s() * 1_000, 1_000_000))))
    }

    pub(crate) fn clock(&self) -> Clock {
        Clock::new(Arc::new(self.clone()))
    }

    /// Time passes.
    pub(crate) fn pass_s(&self, seconds: u64) {
        let mut hands = self.0.lock().unwrap();
        *hands = (hands.0 + seconds * 1_000, hands.1 + seconds * 1_000);
    }

    /// Somebody sets the wall clock.
    pub(crate) fn set_by_s(&self, seconds: i64) {
        let mut hands = self.0.lock().unwrap();
        hands.0 = hands.0.checked_add_signed(seconds * 1_000).unwrap();
    }
}

impl TimeSource for Hands {
    fn wall_ms(&self) -> u64 {
        self.0.lock().unwrap().0
    }

    fn steady_ms(&self) -> u64 {
        self.0.lock().unwrap().1
    }
}
