//! What a tenant works with while it handles an input.

use crate::counters::Counters;
use crate::intake::EmissionKey;
use crate::now::Now;
use crate::page_limits::PageLimits;
use crate::policies::Policies;
use crate::retry_policy::RetryPolicy;
use crate::session_key::SessionKey;
use crate::settings::{RecoveryConfig, Settings, TenantLimits};

/// What a tenant works with while it handles an input.
pub(crate) struct Turn<'t, E> {
    pub(crate) now: Now<'t>,
    pub(crate) effects: &'t mut E,
    pub(crate) settings: &'t Settings,
    pub(crate) policies: &'t Policies,
    pub(crate) limits: &'t TenantLimits,
    pub(crate) retry: &'t RetryPolicy,
    pub(crate) recovery: &'t RecoveryConfig,
    pub(crate) page: PageLimits,
    pub(crate) session_key: &'t SessionKey,
    pub(crate) emission_key: &'t EmissionKey,
    pub(crate) counters: &'t Counters,
    /// Whether other tenants are at work too: then the turn is bounded.
    pub(crate) has_others: bool,
}

impl<'t, E> Turn<'t, E> {
    pub(crate) fn new(now: Now<'t>, settings: &'t Settings, effects: &'t mut E) -> Self {
        Self {
            now,
            effects,
            settings,
            policies: &settings.policies,
            limits: &settings.limits,
            retry: &settings.retry,
            recovery: &settings.recovery,
            page: settings.page,
            session_key: &settings.session_key,
            emission_key: &settings.emission_key,
            counters: &settings.counters,
            has_others: now.has_others,
        }
    }
}
