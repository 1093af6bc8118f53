//! A connection's and a tenant's rates, once the tenant is known.

/// So many a second, and how many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Steadily; 0 lifts the limit.
    pub per_second: u32,
    /// At once, after a pause.
    pub burst: u32,
}

impl Rate {
    /// No limit.
    pub const UNLIMITED: Self = Self { per_second: 0, burst: 0 };

    /// So many tenths of it; where it is a limit, so is that.
    pub(crate) fn tenths(self, tenths: u32) -> Self {
        let of = |number: u32| {
            let part = u64::from(number) * u64::from(tenths) / 10;
            u32::try_from(part).unwrap_or(u32::MAX).max(number.min(1))
        };
        Self { per_second: of(self.per_second), burst: of(self.burst) }
    }
}

/// What is left of a rate. Starts full; costs eight bytes a connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bucket {
    /// What was spent and did not come back yet, in units.
    spent: u32,
    /// The last time it was looked at, in milliseconds of the shard's clock. Wraps after 49 days, which gives a bucket
    /// that was idle so long one burst too few at worst.
    at_ms: u32,
}

impl Bucket {
    /// Spends `cost`, or says after how many milliseconds it can be spent.
    ///
    /// # Errors
    /// The milliseconds.
    pub fn spend(&mut self, rate: Rate, cost: u32, now_ms: u64) -> Result<(), u32> {
        if rate.per_second == 0 {
            return Ok(());
        }
        #[expect(clippy::cast_possible_truncation, reason = "wraps, as its field says")]
        let now_ms = now_ms as u32;
        let elapsed_ms = u64::from(now_ms.wrapping_sub(self.at_ms));
        let back = elapsed_ms * u64::from(rate.per_second) / 1_000;
        if back > 0 {
            self.spent = self.spent.saturating_sub(u32::try_from(back).unwrap_or(u32::MAX));
            self.at_ms = now_ms;
        }
        // A cost above the burst could never be spent: it goes when the bucket is full, and is owed for.
        let room = rate.burst.max(1).saturating_sub(self.spent);
        if room >= cost || self.spent == 0 {
            self.spent = self.spent.saturating_add(cost);
            return Ok(());
        }
        let missing = u64::from(cost.min(rate.burst.max(1)) - room);
        Err(u32::try_from((missing * 1_000).div_ceil(u64::from(rate.per_second)))
            .unwrap_or(u32::MAX))
    }
}

impl Bucket {
    /// Whether all that was spent is back: it is as good as a new one.
    pub(crate) fn is_full(&self, rate: Rate, now_ms: u64) -> bool {
        #[expect(clippy::cast_possible_truncation, reason = "wraps, as its field says")]
        let elapsed_ms = u64::from((now_ms as u32).wrapping_sub(self.at_ms));
        rate.per_second == 0
            || elapsed_ms * u64::from(rate.per_second) / 1_000 >= u64::from(self.spent)
    }

    /// Takes back what was spent in vain.
    pub(crate) fn give_back(&mut self, cost: u32) {
        self.spent = self.spent.saturating_sub(cost);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_second: 100, burst: 20 };

    #[test]
    fn a_burst_passes_and_then_the_steady_rate() {
        let mut bucket = Bucket::default();
        let passed = |bucket: &mut Bucket, now_ms| {
            (0..1_000).filter(|_| bucket.spend(RATE, 1, now_ms).is_ok()).count()
        };
        assert_eq!(passed(&mut bucket, 5), 20);
        assert_eq!(passed(&mut bucket, 105), 10);
        assert_eq!(bucket.spend(RATE, 1, 105), Err(10));
        assert_eq!(passed(&mut bucket, 10_000), 20);
    }

    #[test]
    fn looking_often_does_not_stop_time() {
        let mut bucket = Bucket::default();
        let passed = (0..10_000).filter(|now_ms| bucket.spend(RATE, 1, *now_ms).is_ok()).count();
        assert!((1_000..=1_021).contains(&passed), "{passed}");
    }

    #[test]
    fn a_cost_above_the_burst_is_owed_for() {
        let mut bucket = Bucket::default();
        assert_eq!(bucket.spend(RATE, 100, 0), Ok(()));
        assert!(bucket.spend(RATE, 1, 100).is_err());
        assert_eq!(bucket.spend(RATE, 1, 1_000), Ok(()));
    }

    #[test]
    fn no_rate_is_no_limit() {
        let mut bucket = Bucket::default();
        assert!((0..1_000).all(|_| bucket.spend(Rate::UNLIMITED, 1_000_000, 0).is_ok()));
    }
}
