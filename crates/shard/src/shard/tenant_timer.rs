//! A tenant's timer.

/// When a tenant's timer comes, on the shard's clock. There is one, whatever waits in the tenant and however much of it: whoever
/// has had a turn says what is next.
#[derive(Clone, Copy, Debug)]
pub(super) struct TenantTimer {
    next_ms: u64,
}

impl Default for TenantTimer {
    fn default() -> Self {
        Self { next_ms: u64::MAX }
    }
}

impl TenantTimer {
    /// Whether a timer has to be set for `due_ms`: none that is set comes as early.
    pub(super) fn sets(&mut self, due_ms: u64) -> bool {
        let is_earlier = due_ms < self.next_ms;
        if is_earlier {
            self.next_ms = due_ms;
        }
        is_earlier
    }

    /// Whether a timer that has come is the one that counts, and not one that an earlier took the place of.
    pub(super) fn has_come(&mut self, now_ms: u64) -> bool {
        let has_come = self.next_ms <= now_ms;
        if has_come {
            self.next_ms = u64::MAX;
        }
        has_come
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_has_one_timer_however_much_waits() {
        let mut timer = TenantTimer::default();
        // A thousand that wait, each due a little later; and each time one is due, the next is asked for by all.
        let mut timers: Vec<u64> = Vec::new();
        for due_ms in 1_000..2_000 {
            timers.extend(timer.sets(due_ms).then_some(due_ms));
        }
        assert_eq!(timers, [1_000]);
        for now_ms in 1_000..2_000 {
            assert!(timer.has_come(now_ms));
            let set = (0..20).filter(|_| timer.sets(now_ms + 1)).count();
            assert_eq!(set, 1);
        }
    }

    #[test]
    fn what_is_due_earlier_comes_earlier_and_the_later_timer_means_nothing() {
        let mut timer = TenantTimer::default();
        assert!(timer.sets(9_000));
        assert!(timer.sets(3_000));
        assert!(timer.has_come(3_000));
        assert!(timer.sets(12_000));
        assert!(!timer.has_come(9_000));
        assert!(timer.has_come(12_000));
    }
}
