//! A back end that does not answer is left alone for a while: nobody waits for it in vain, and it can recover.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many failures in a row, and it is left alone.
const FAILURES_MAX: u32 = 5;
/// For so long; then one request tries.
const PAUSE: Duration = Duration::from_secs(5);

/// Whether the back end is asked.
#[derive(Debug, Default)]
pub(super) struct CircuitBreaker(Mutex<State>);

#[derive(Clone, Copy, Debug)]
enum State {
    /// It is asked.
    Closed { failures: u32 },
    /// It is not, until then.
    Open { until: Instant },
    /// One request is with it, to see; the others wait for what becomes of it, at most until then.
    Trying { until: Instant },
}

impl Default for State {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

/// What an outcome changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    None,
    /// It is left alone from now on.
    Opened,
    /// It is asked again.
    Closed,
}

impl CircuitBreaker {
    /// Whether it may be asked now.
    ///
    /// # Errors
    /// When to try again.
    pub(super) fn admit(&self, now: Instant) -> Result<(), Duration> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match *state {
            State::Closed { .. } => Ok(()),
            State::Open { until } | State::Trying { until } if now < until => Err(until - now),
            State::Open { .. } | State::Trying { .. } => {
                *state = State::Trying { until: now + PAUSE };
                Ok(())
            }
        }
    }

    /// Notes what became of a request that was let through.
    pub(super) fn note(&self, is_healthy: bool, now: Instant) -> Change {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *state;
        *state = match (before, is_healthy) {
            (_, true) => State::Closed { failures: 0 },
            (State::Closed { failures }, false) if failures + 1 < FAILURES_MAX => {
                State::Closed { failures: failures + 1 }
            }
            // What was asked before it was left alone does not keep it so for longer.
            (State::Open { until }, false) => State::Open { until },
            (State::Closed { .. } | State::Trying { .. }, false) => {
                State::Open { until: now + PAUSE }
            }
        };
        match (before, *state) {
            (State::Closed { .. }, State::Open { .. }) => Change::Opened,
            (State::Open { .. } | State::Trying { .. }, State::Closed { .. }) => Change::Closed,
            _ => Change::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_again_and_again_is_left_alone_and_then_tried_once() {
        let (breaker, start) = (CircuitBreaker::default(), Instant::now());
        for _ in 1..FAILURES_MAX {
            assert_eq!(breaker.note(false, start), Change::None);
        }
        assert_eq!(breaker.note(true, start), Change::None, "not in a row");
        for _ in 1..FAILURES_MAX {
            breaker.note(false, start);
        }
        assert_eq!(breaker.admit(start), Ok(()));
        assert_eq!(breaker.note(false, start), Change::Opened);
        assert_eq!(breaker.admit(start + PAUSE / 2), Err(PAUSE / 2));
        // A late failure of an earlier request.
        assert_eq!(breaker.note(false, start + PAUSE / 2), Change::None);
        let later = start + PAUSE;
        assert_eq!(breaker.admit(later), Ok(()));
        assert_eq!(breaker.admit(later), Err(PAUSE), "one tries");
        assert_eq!(breaker.note(false, later), Change::None);
        assert_eq!(breaker.admit(later + PAUSE), Ok(()));
        assert_eq!(breaker.note(true, later + PAUSE), Change::Closed);
        assert_eq!(breaker.admit(later + PAUSE), Ok(()));
    }
}
