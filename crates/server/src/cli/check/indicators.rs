//! What was measured: service level indicators.

use std::time::Duration;

use serde_json::{Value, json};

/// Durations of one kind.
#[derive(Debug, Default)]
pub(super) struct Durations(Vec<Duration>);

impl Durations {
    pub(super) fn note(&mut self, took: Duration) {
        self.0.push(took);
    }

    /// The duration that so many of a hundred did not exceed, in milliseconds; 0 of nothing.
    fn percentile_ms(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        sorted.get(place).map_or(0.0, |took| took.as_secs_f64() * 1_000.0)
    }

    pub(super) fn p99_ms(&self) -> f64 {
        self.percentile_ms(99)
    }

    fn to_json(&self) -> Value {
        let of = |percent| (self.percentile_ms(percent) * 1_000.0).round() / 1_000.0;
        json!({ "count": self.0.len(), "p50Ms": of(50), "p95Ms": of(95), "p99Ms": of(99), "maxMs": of(100) })
    }

    fn line(&self, about: &str) -> String {
        let [p50, p95, p99, max] = [50, 95, 99, 100].map(|percent| self.percentile_ms(percent));
        format!(
            "{about:<28} {:>6}  p50 {p50:>8.2} ms  p95 {p95:>8.2} ms  p99 {p99:>8.2} ms  max {max:>8.2} ms",
            self.0.len()
        )
    }
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Indicators {
    pub(super) is_ready: bool,
    /// `/health` as it is.
    pub(super) health: Value,
    /// From the first request to the session's id.
    pub(super) handshake: Durations,
    /// From the token to the answer to it.
    pub(super) join: Durations,
    /// From publishing to the answer.
    pub(super) publish: Durations,
    /// From publishing to the event's being there.
    pub(super) delivery: Durations,
}

impl Indicators {
    fn status(&self) -> &str {
        self.health["status"].as_str().unwrap_or("unknown")
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "ready": self.is_ready,
            "status": self.status(),
            "conditions": self.health["conditions"],
            "handshake": self.handshake.to_json(),
            "join": self.join.to_json(),
            "publish": self.publish.to_json(),
            "delivery": self.delivery.to_json(),
        })
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let ready = if self.is_ready { "yes" } else { "NO" };
        let mut lines = vec![format!("ready {ready}, health {}", self.status())];
        for condition in self.health["conditions"].as_array().into_iter().flatten() {
            let text = |field: &str| condition[field].as_str().unwrap_or("?").to_owned();
            lines.push(format!("  {}: {}", text("condition"), text("message")));
        }
        lines.push(self.handshake.line("handshake"));
        lines.push(self.join.line("join, with the token"));
        lines.push(self.publish.line("publish, until the answer"));
        lines.push(self.delivery.line("publish, until it is there"));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_duration_that_so_many_of_a_hundred_did_not_exceed() {
        let mut durations = Durations::default();
        assert_eq!(durations.p99_ms(), 0.0);
        (1..=200).rev().for_each(|ms| durations.note(Duration::from_millis(ms)));
        assert_eq!(durations.to_json()["p50Ms"], 100.0);
        assert_eq!((durations.p99_ms(), durations.percentile_ms(100)), (198.0, 200.0));
    }
}
