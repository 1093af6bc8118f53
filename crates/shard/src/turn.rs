//! What a tenant works with while it has its turn, and when it has another.

use crate::clock::Now;
use crate::counters::Counters;
use crate::intake::EmissionKey;
use crate::page_limits::PageLimits;
use crate::policies::Policies;
use crate::retry_policy::RetryPolicy;
use crate::session_key::SessionKey;
use crate::shard_config::{RecoveryConfig, TenantLimits};

/// What a tenant works with while it has its turn.
pub(crate) struct Turn<'t, E> {
    pub(crate) now: Now<'t>,
    pub(crate) effects: &'t mut E,
    pub(crate) policies: &'t Policies,
    pub(crate) limits: &'t TenantLimits,
    pub(crate) retry: &'t RetryPolicy,
    pub(crate) recovery: &'t RecoveryConfig,
    pub(crate) page: PageLimits,
    pub(crate) session_key: &'t SessionKey,
    pub(crate) emission_key: &'t EmissionKey,
    pub(crate) counters: &'t Counters,
    /// Counts whatever needs a number of its own.
    pub(crate) serial: &'t mut u32,
    /// Whether other tenants are at work too: then the turn is bounded.
    pub(crate) has_others: bool,
    /// Set when the tenant has more to do than fits into its turn.
    pub(crate) has_more: &'t mut bool,
}

impl<E> Turn<'_, E> {
    pub(crate) fn next_serial(&mut self) -> u32 {
        *self.serial = self.serial.wrapping_add(1);
        *self.serial
    }

    /// A number for jitter: spread well, and no secret.
    pub(crate) fn chance(&mut self) -> u64 {
        u64::from(self.next_serial()).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
    }
}
