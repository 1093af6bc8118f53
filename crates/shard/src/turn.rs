//! What a tenant works with while it has its turn, and when it has another.

use foodtrack_transport::Reactor;

use crate::clock::ShardClock;
use crate::counters::Counters;
use crate::log_link::LogLink;
use crate::page_limits::PageLimits;
use crate::policies::Policies;
use crate::repeats::EmissionKey;
use crate::retry_policy::RetryPolicy;
use crate::session_key::SessionKey;
use crate::shard_config::{RecoveryConfig, TenantLimits};

/// What a tenant works with while it has its turn.
pub(crate) struct Turn<'t> {
    /// The tenant's place among the shard's.
    pub(crate) tenant: u32,
    pub(crate) io: &'t mut Reactor,
    pub(crate) log: &'t mut LogLink,
    pub(crate) policies: &'t Policies,
    pub(crate) limits: &'t TenantLimits,
    pub(crate) retry: &'t RetryPolicy,
    pub(crate) recovery: &'t RecoveryConfig,
    pub(crate) page: PageLimits,
    pub(crate) session_key: &'t SessionKey,
    pub(crate) emission_key: &'t EmissionKey,
    pub(crate) clock: &'t mut ShardClock,
    pub(crate) counters: &'t Counters,
    /// Counts whatever needs a number of its own.
    pub(crate) serial: &'t mut u32,
    /// Whether other tenants are at work too: then the turn is bounded.
    pub(crate) has_others: bool,
    /// Set when the tenant has more to do than fits into its turn.
    pub(crate) has_more: &'t mut bool,
    pub(crate) deadlines: &'t mut Deadlines,
}

/// What a tenant has looked at when its time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Deadline {
    /// Events that are to be acknowledged.
    Retries,
    /// Events that are to be confirmed.
    Watches,
    /// A log that was away.
    Reopen,
}

impl Deadline {
    const ALL: [Self; 3] = [Self::Retries, Self::Watches, Self::Reopen];

    /// The deadline of a tenant as the reactor's number.
    fn number(self, tenant: u32) -> u64 {
        u64::from(tenant) << 8 | self as u64
    }

    /// Whose deadline a number is, and which.
    pub(crate) fn read(number: u64) -> Option<(u32, Self)> {
        let kind = Self::ALL.into_iter().find(|it| *it as u64 == number & 0xff)?;
        Some((u32::try_from(number >> 8).ok()?, kind))
    }
}

/// When the next timer of each kind comes for a tenant, on the shard's clock. So however many things wait for one, and however
/// often that is asked for, there is one timer: whoever has looked asks for what is next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadlines {
    next_ms: [u64; Deadline::ALL.len()],
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { next_ms: [u64::MAX; Deadline::ALL.len()] }
    }
}

impl Deadlines {
    /// Whether a timer has to be set for `due_ms`: none that is set comes as early.
    fn sets(&mut self, what: Deadline, due_ms: u64) -> bool {
        let next_ms = &mut self.next_ms[what as usize];
        let is_earlier = due_ms < *next_ms;
        if is_earlier {
            *next_ms = due_ms;
        }
        is_earlier
    }

    /// Whether a timer that has come is the one that counts, and not one that an earlier took the place of.
    pub(crate) fn has_come(&mut self, what: Deadline, now_ms: u64) -> bool {
        let next_ms = &mut self.next_ms[what as usize];
        let has_come = *next_ms <= now_ms;
        if has_come {
            *next_ms = u64::MAX;
        }
        has_come
    }
}

impl Turn<'_> {
    /// Has the tenant looked at in so many milliseconds, or before.
    pub(crate) fn schedule(&mut self, after_ms: u64, what: Deadline) {
        if self.deadlines.sets(what, self.io.now_ms() + after_ms) {
            self.io.schedule(after_ms, what.number(self.tenant));
        }
    }

    pub(crate) fn next_serial(&mut self) -> u32 {
        *self.serial = self.serial.wrapping_add(1);
        *self.serial
    }

    /// A number for jitter: spread well, and no secret.
    pub(crate) fn chance(&mut self) -> u64 {
        u64::from(self.next_serial()).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_has_one_timer_of_a_kind_however_much_waits() {
        let mut deadlines = Deadlines::default();
        // A thousand that wait, each due a little later; and each time one is due, the next is asked for by all.
        let mut timers: Vec<u64> = Vec::new();
        for due_ms in 1_000..2_000 {
            timers.extend(deadlines.sets(Deadline::Retries, due_ms).then_some(due_ms));
        }
        assert_eq!(timers, [1_000]);
        for now_ms in 1_000..2_000 {
            assert!(deadlines.has_come(Deadline::Retries, now_ms));
            let set = (0..20).filter(|_| deadlines.sets(Deadline::Retries, now_ms + 1)).count();
            assert_eq!(set, 1);
        }
        assert!(deadlines.sets(Deadline::Watches, 5_000), "another kind has its own");
    }

    #[test]
    fn what_is_due_earlier_comes_earlier_and_the_later_timer_means_nothing() {
        let mut deadlines = Deadlines::default();
        assert!(deadlines.sets(Deadline::Watches, 9_000));
        assert!(deadlines.sets(Deadline::Watches, 3_000));
        assert!(deadlines.has_come(Deadline::Watches, 3_000));
        assert!(deadlines.sets(Deadline::Watches, 12_000));
        assert!(!deadlines.has_come(Deadline::Watches, 9_000));
        assert!(deadlines.has_come(Deadline::Watches, 12_000));
    }
}
