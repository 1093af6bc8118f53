//! How many records a tenant may make: or else one could push out what others did.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use foodtrack_contract::TenantId;

/// How long a window is.
const WINDOW: Duration = Duration::from_secs(60);
/// Tenants that are told apart at once; further ones are not bounded until the minute is over.
const TENANTS_MAX: usize = 16_384;

/// What each tenant has made in its minute.
pub(super) struct TenantBudget {
    records_max: u64,
    windows: Mutex<HashMap<TenantId, Window>>,
}

struct Window {
    since: Instant,
    records: u64,
}

impl TenantBudget {
    pub(super) fn new(records_max: u32) -> Self {
        Self { records_max: records_max.into(), windows: Mutex::default() }
    }

    /// Whether a record of this tenant is written; otherwise it is counted.
    pub(super) fn admit(&self, tenant: &TenantId, now: Instant) -> bool {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(window) = windows.get_mut(tenant) {
            window.records += 1;
            return window.records <= self.records_max;
        }
        if windows.len() < TENANTS_MAX {
            windows.insert(tenant.clone(), Window { since: now, records: 1 });
        }
        true
    }

    /// The tenants whose minute is over, with how many of their records were left out; `is_end`: all of them.
    pub(super) fn sweep(&self, now: Instant, is_end: bool) -> Vec<(TenantId, u64)> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |window: &Window| is_end || now.duration_since(window.since) >= WINDOW;
        let over = windows.extract_if(|_, window| is_over(window));
        let left_out = |window: Window| window.records.saturating_sub(self.records_max);
        over.map(|(tenant, window)| (tenant, left_out(window))).filter(|(_, n)| *n > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_s_records_beyond_its_budget_are_counted_and_others_are_written() {
        let [one, other] = ["t1", "t2"].map(|name| TenantId::parse(name).unwrap());
        let (budget, now) = (TenantBudget::new(3), Instant::now());
        let admitted = (0..10).filter(|_| budget.admit(&one, now)).count();
        assert_eq!(admitted, 3);
        assert!(budget.admit(&other, now));
        assert!(budget.sweep(now, false).is_empty());
        assert_eq!(budget.sweep(now + WINDOW, false), [(one.clone(), 7)]);
        assert!(budget.admit(&one, now), "its next minute");
        assert!(budget.sweep(now, true).is_empty());
    }
}
