//! How long things took, in buckets.

use std::time::Duration;

use crate::Counter;

/// The upper bounds of the buckets in microseconds, ascending. As seconds, each is a number that all formats write alike. What took longer is in one bucket more.
pub const BOUNDS_US: [u64; 17] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 15_000_000, 60_000_000,
];

/// How many buckets there are.
pub const BUCKETS: usize = BOUNDS_US.len() + 1;

/// How long things took. One thread writes.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Counter; BUCKETS],
    sum_us: Counter,
}

impl Histogram {
    /// Notes that something took so long.
    pub fn observe(&self, took: Duration) {
        self.observe_us(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }

    /// The same in milliseconds.
    pub fn observe_ms(&self, ms: u64) {
        self.observe_us(ms.saturating_mul(1_000));
    }

    /// The same in microseconds.
    pub fn observe_us(&self, us: u64) {
        self.buckets[BOUNDS_US.partition_point(|bound| *bound < us)].add(1);
        self.sum_us.add(us);
    }

    /// What was noted so far. While its owner writes, the sum may be that of one more or less.
    pub fn read(&self) -> HistogramReading {
        HistogramReading {
            buckets: self.buckets.each_ref().map(Counter::get),
            sum_us: self.sum_us.get(),
        }
    }
}

/// What a [`Histogram`] said at one moment, or several of them together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistogramReading {
    /// How often something took longer than the bound before and no longer than the bucket's own.
    pub buckets: [u64; BUCKETS],
    /// All of it together, in microseconds.
    pub sum_us: u64,
}

impl HistogramReading {
    /// How often something was noted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Adds what another one said.
    pub fn add(&mut self, other: &Self) {
        for (mine, others) in self.buckets.iter_mut().zip(other.buckets) {
            *mine = mine.wrapping_add(others);
        }
        self.sum_us = self.sum_us.wrapping_add(other.sum_us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_the_bucket_of_the_first_bound_that_it_does_not_pass() {
        let histogram = Histogram::default();
        for us in [0, 100, 101, 1_000, 60_000_000, 60_000_001, u64::MAX / 2] {
            histogram.observe_us(us);
        }
        let reading = histogram.read();
        let of = |us: u64| reading.buckets[BOUNDS_US.partition_point(|bound| *bound < us)];
        assert_eq!((of(100), of(101), of(1_000), of(60_000_000)), (2, 1, 1, 1));
        assert_eq!((reading.buckets[BUCKETS - 1], reading.count()), (2, 7));
    }

    #[test]
    fn readings_of_several_owners_add_up() {
        let (one, other) = (Histogram::default(), Histogram::default());
        one.observe_ms(2);
        other.observe(Duration::from_micros(40));
        let mut both = one.read();
        both.add(&other.read());
        assert_eq!((both.count(), both.sum_us), (2, 2_040));
        assert_eq!(both.buckets[0], 1);
    }
}
