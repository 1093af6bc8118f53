//! Whether a receiver takes what it is sent, and when it is asked again.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::receiver::Failure;

/// What is known of a receiver.
#[derive(Debug, Default)]
pub(super) struct ReceiverHealth(Mutex<Known>);

#[derive(Clone, Debug, Default)]
struct Known {
    failures: u32,
    last_error: Option<String>,
    last_success_ms: Option<u64>,
    /// Nothing is sent before.
    rests_until: Option<Instant>,
}

/// The same, for people.
#[derive(Clone, Debug)]
pub(super) struct HealthReport {
    /// How often in a row it was away.
    pub(super) failures: u32,
    pub(super) last_error: Option<String>,
    pub(super) last_success_ms: Option<u64>,
}

impl ReceiverHealth {
    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It took something. Whether it had been away.
    pub(super) fn note_success(&self, now_ms: u64) -> bool {
        let mut known = self.known();
        known.last_success_ms = Some(now_ms);
        known.rests_until = None;
        known.last_error = None;
        std::mem::take(&mut known.failures) > 0
    }

    /// It found fault with an event.
    pub(super) fn note_refusal(&self, failure: &Failure) {
        self.known().last_error = Some(failure.to_string());
    }

    /// It was away for a request that began at `begun_at`, and rests for a while. Whether that is news.
    pub(super) fn note_failure(
        &self,
        failure: &Failure,
        begun_at: Instant,
        delay: impl FnOnce(u32) -> Duration,
    ) -> bool {
        let mut known = self.known();
        known.last_error = Some(failure.to_string());
        let now = Instant::now();
        // Requests that were under way together count once.
        if known.rests_until.is_some_and(|until| until > begun_at) {
            return false;
        }
        known.failures += 1;
        known.rests_until = Some(now + delay(known.failures));
        known.failures == 1
    }

    /// It may be sent to at once.
    pub(super) fn end_rest(&self) {
        self.known().rests_until = None;
    }

    /// For how long nothing is to be sent.
    pub(super) fn rest(&self) -> Duration {
        let until = self.known().rests_until;
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }

    pub(super) fn report(&self) -> HealthReport {
        let Known { failures, last_error, last_success_ms, .. } = self.known().clone();
        HealthReport { failures, last_error, last_success_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::posting::NoAnswer;

    #[test]
    fn requests_that_fail_together_count_once_and_a_success_ends_the_rest() {
        let health = ReceiverHealth::default();
        let (begun_at, delay) = (Instant::now(), |_| Duration::from_secs(60));
        assert!(health.note_failure(&NoAnswer::Timeout.into(), begun_at, delay));
        assert!(!health.note_failure(&NoAnswer::Timeout.into(), begun_at, delay));
        assert_eq!(health.report().failures, 1);
        assert!(health.rest() > Duration::from_secs(50));
        assert!(health.note_success(7));
        assert_eq!(health.rest(), Duration::ZERO);
        assert!(!health.note_success(8), "it had not been away");
        let report = health.report();
        assert_eq!(
            (report.failures, report.last_error, report.last_success_ms),
            (0, None, Some(8))
        );
    }
}
