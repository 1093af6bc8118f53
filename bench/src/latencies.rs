//! Latencies of one measured window.

/// Every sample is kept: a window has at most a few million, and percentiles are then exact.
#[derive(Default)]
pub(crate) struct Latencies {
    samples_ns: Vec<u64>,
}

impl Latencies {
    pub(crate) fn push(&mut self, sample_ns: u64) {
        self.samples_ns.push(sample_ns);
    }

    pub(crate) fn clear(&mut self) {
        self.samples_ns.clear();
    }

    pub(crate) fn sort(&mut self) {
        self.samples_ns.sort_unstable();
    }

    pub(crate) fn len(&self) -> usize {
        self.samples_ns.len()
    }

    /// The nearest-rank percentile in microseconds: the smallest sample that at least `per_mille` of a thousand do not
    /// exceed. Call [`Latencies::sort`] first. `None` without samples.
    pub(crate) fn percentile_us(&self, per_mille: usize) -> Option<f64> {
        let rank = (self.samples_ns.len() * per_mille).div_ceil(1000).max(1);
        self.samples_ns.get(rank - 1).map(|&ns| ns as f64 / 1000.0)
    }
}

/// The middle value; of an even number of values the mean of the two in the middle. `None` without values.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(upper, values[values.len() / 2 - 1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(samples_us: impl IntoIterator<Item = u64>, per_mille: usize, expected: Option<f64>) {
        let mut latencies = Latencies::default();
        samples_us.into_iter().for_each(|us| latencies.push(us * 1000));
        latencies.sort();
        assert_eq!(latencies.percentile_us(per_mille), expected);
    }

    #[test]
    fn a_percentile_is_a_sample_at_its_nearest_rank() {
        check((1..=1000).rev(), 500, Some(500.0));
        check(1..=1000, 990, Some(990.0));
        check(1..=1000, 999, Some(999.0));
        check(1..=1000, 1000, Some(1000.0));
        check(1..=3, 500, Some(2.0));
        check(1..=3, 990, Some(3.0));
        check([7], 1, Some(7.0));
        check([], 500, None);
    }

    #[test]
    fn the_median_is_in_the_middle_whatever_the_order() {
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median([]), None);
    }
}
