//! How often an event that is not acknowledged is sent again, and when.

/// Exponential backoff with jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often an event is sent in all; at least once.
    pub attempts_max: u32,
    /// Before it is sent the second time, in milliseconds.
    pub base_delay_ms: u32,
    /// No longer than this between two, in milliseconds.
    pub delay_ms_max: u32,
    /// How much longer each wait is than the one before, in per cent: 200 doubles it.
    pub backoff_percent: u32,
    /// Each wait is longer or shorter by up to so much, in per cent.
    pub jitter_percent: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts_max: 5,
            base_delay_ms: 1_000,
            delay_ms_max: 30_000,
            backoff_percent: 200,
            jitter_percent: 25,
        }
    }
}

impl RetryPolicy {
    /// How long to wait for an acknowledgement after so many attempts, in milliseconds. `chance` is any number.
    pub fn delay_ms(&self, attempts: u32, chance: u64) -> u64 {
        let mut delay = u64::from(self.base_delay_ms);
        let longest = u64::from(self.delay_ms_max.max(self.base_delay_ms));
        for _ in 1..attempts {
            let next = (delay * u64::from(self.backoff_percent) / 100).min(longest);
            // However many there are, it does not change any more.
            if next == std::mem::replace(&mut delay, next) {
                break;
            }
        }
        let spread = delay * u64::from(self.jitter_percent.min(100)) / 100;
        delay - spread + chance % (2 * spread + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_differ_by_a_quarter() {
        let policy = RetryPolicy::default();
        for (attempts, expected_ms) in [
            (1, 1_000),
            (2, 2_000),
            (3, 4_000),
            (4, 8_000),
            (5, 16_000),
            (6, 30_000),
            (u32::MAX, 30_000),
        ] {
            for chance in [0, 1, 77, u64::MAX] {
                let delay_ms = policy.delay_ms(attempts, chance);
                assert!(
                    delay_ms.abs_diff(expected_ms) <= expected_ms / 4,
                    "{attempts}: {delay_ms}"
                );
            }
        }
        assert_eq!(policy.delay_ms(1, 0), 750);
        let steady = RetryPolicy { jitter_percent: 0, ..policy };
        assert_eq!(steady.delay_ms(3, 12_345), 4_000);
    }
}
