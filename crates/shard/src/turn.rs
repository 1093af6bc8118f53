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

impl Turn<'_> {
    pub(crate) fn schedule(&mut self, after_ms: u64, what: Deadline) {
        self.io.schedule(after_ms, what.number(self.tenant));
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
