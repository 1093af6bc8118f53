//! When the client library tries again.

use std::time::Duration;

use fastrand::Rng;

/// The Manager's delays: doubled each time up to a bound, each half less or half more by chance.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// The first delay. The library's is 1 s.
    pub delay: Duration,
    /// The longest. The library's is 5 s.
    pub delay_max: Duration,
    attempts: u32,
}

impl Backoff {
    /// As the library does it by default.
    pub const LIBRARY: Self = Self::new(Duration::from_secs(1), Duration::from_secs(5));

    /// With other delays.
    pub const fn new(delay: Duration, delay_max: Duration) -> Self {
        Self { delay, delay_max, attempts: 0 }
    }

    /// How long to wait before the next attempt.
    pub fn next(&mut self, rng: &mut Rng) -> Duration {
        let doubled = self.delay.saturating_mul(1 << self.attempts.min(16));
        self.attempts += 1;
        doubled.mul_f64(0.5 + rng.f64()).min(self.delay_max)
    }

    /// Starts over, after a success.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_bound_and_start_over() {
        let mut rng = Rng::with_seed(1);
        let mut backoff = Backoff::LIBRARY;
        for nominal_s in [1.0, 2.0, 4.0] {
            let delay_s = backoff.next(&mut rng).as_secs_f64();
            let range = nominal_s * 0.5..=f64::min(nominal_s * 1.5, 5.0);
            assert!(range.contains(&delay_s), "{delay_s} is not in {range:?}");
        }
        backoff.reset();
        assert!(backoff.next(&mut rng) <= Duration::from_millis(1_500));
    }
}
