//! Times of a run, in order.

use std::fmt;
use std::time::Duration;

/// Nearest-rank percentiles of a number of times.
#[derive(Clone, Debug, Default)]
pub struct Percentiles {
    sorted: Vec<Duration>,
}

impl Percentiles {
    /// Of these times.
    pub fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self { sorted: times }
    }

    /// The smallest time that so many of a hundred do not exceed; zero of none.
    pub fn at(&self, percent: usize) -> Duration {
        let rank = (self.sorted.len() * percent).div_ceil(100).max(1);
        self.sorted.get(rank - 1).copied().unwrap_or_default()
    }

    /// How many times there are.
    pub fn count(&self) -> usize {
        self.sorted.len()
    }
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p95, p99, last] = [50, 95, 99, 100].map(|percent| self.at(percent).as_secs_f64());
        write!(f, "p50 {p50:.3} s, p95 {p95:.3} s, p99 {p99:.3} s, last {last:.3} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_time_at_its_nearest_rank() {
        let times = Percentiles::of((1..=200).rev().map(Duration::from_millis).collect());
        let ms = [50, 95, 99, 100].map(|percent| times.at(percent).as_millis());
        assert_eq!(ms, [100, 190, 198, 200]);
        assert_eq!(Percentiles::default().at(50), Duration::ZERO);
    }
}
