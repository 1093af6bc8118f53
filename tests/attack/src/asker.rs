//! Who asks, waits for the answer, and asks again.

use std::time::{Duration, Instant};

use crate::attack::Hostile;

/// A connection with one request after the other. It counts those that the hub accepts.
pub(crate) struct Asker<F> {
    /// The request of a turn, whole.
    ask: F,
    turn: usize,
    accepted: usize,
    is_waiting: bool,
}

impl<F: FnMut(usize) -> String + Send + 'static> Asker<F> {
    /// `ask` gives the request of each turn; the first is 0.
    pub(crate) fn boxed(ask: F) -> Box<dyn Hostile> {
        Box::new(Self { ask, turn: 0, accepted: 0, is_waiting: false })
    }
}

impl<F: FnMut(usize) -> String + Send> Hostile for Asker<F> {
    fn opened(&mut self, _out: &mut Vec<u8>) {
        self.is_waiting = false;
    }

    fn received(&mut self, bytes: &[u8], _out: &mut Vec<u8>) {
        self.is_waiting = false;
        self.accepted += usize::from(bytes.starts_with(b"HTTP/1.1 2"));
    }

    fn more(&mut self, _now: Instant, out: &mut Vec<u8>) {
        if !self.is_waiting {
            self.is_waiting = true;
            out.extend_from_slice((self.ask)(self.turn).as_bytes());
            self.turn += 1;
        }
    }

    fn accepted(&self) -> usize {
        self.accepted
    }

    fn comes_again_after(&self) -> Duration {
        Duration::from_millis(200)
    }
}
