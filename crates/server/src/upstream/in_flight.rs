//! How many requests are with the back end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use foodtrack_contract::TenantId;

/// Bounds the requests that are with the back end, of each tenant and of all.
#[derive(Debug)]
pub(super) struct InFlight {
    in_all: usize,
    per_tenant: usize,
    counts: Arc<Mutex<HashMap<TenantId, usize>>>,
}

/// One of them; over once this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    counts: Arc<Mutex<HashMap<TenantId, usize>>>,
    tenant: TenantId,
}

impl InFlight {
    pub(super) fn new(in_all: usize, per_tenant: usize) -> Self {
        Self { in_all, per_tenant, counts: Arc::default() }
    }

    /// One more of a tenant's; `None` where there may be no more.
    pub(super) fn take(&self, tenant: &TenantId) -> Option<Place> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let of_tenant = counts.get(tenant).copied().unwrap_or_default();
        if of_tenant >= self.per_tenant || counts.values().sum::<usize>() >= self.in_all {
            return None;
        }
        counts.insert(tenant.clone(), of_tenant + 1);
        Some(Place { counts: Arc::clone(&self.counts), tenant: tenant.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        match counts.get_mut(&self.tenant) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(counts.remove(&self.tenant)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_tenants_requests_leave_room_for_others_and_all_together_are_bounded() {
        let tenant = |n: usize| TenantId::parse(&format!("t{n}")).unwrap();
        let limits = InFlight::new(5, 2);
        let mut places: Vec<_> = (0..2).map(|_| limits.take(&tenant(0)).unwrap()).collect();
        assert!(limits.take(&tenant(0)).is_none());
        places.extend((1..4).map(|n| limits.take(&tenant(n)).unwrap()));
        assert!(limits.take(&tenant(9)).is_none());
        places.remove(0);
        places.push(limits.take(&tenant(9)).unwrap());
        drop(places);
        assert!(limits.counts.lock().unwrap().is_empty());
    }
}
