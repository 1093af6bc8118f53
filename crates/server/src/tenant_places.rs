//! Places for work, of which no tenant has all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use foodtrack_contract::TenantId;

/// Bounds how much is there, of each tenant and in all.
#[derive(Debug)]
pub(crate) struct TenantPlaces {
    in_all: usize,
    per_tenant: usize,
    counts: Arc<Mutex<HashMap<TenantId, usize>>>,
}

/// One of them; free again once it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    counts: Arc<Mutex<HashMap<TenantId, usize>>>,
    tenant: TenantId,
}

impl TenantPlaces {
    /// So many in all, and of them so many for one tenant.
    pub(crate) fn new(in_all: usize, per_tenant: usize) -> Self {
        Self { in_all, per_tenant, counts: Arc::default() }
    }

    /// One more for a tenant; `None` where there may be no more.
    pub(crate) fn take(&self, tenant: &TenantId) -> Option<Place> {
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
    fn one_tenants_work_leaves_room_for_others_and_all_together_is_bounded() {
        let tenant = |n: usize| TenantId::parse(&format!("t{n}")).unwrap();
        let all = TenantPlaces::new(5, 2);
        let mut places: Vec<_> = (0..2).map(|_| all.take(&tenant(0)).unwrap()).collect();
        assert!(all.take(&tenant(0)).is_none());
        places.extend((1..4).map(|n| all.take(&tenant(n)).unwrap()));
        assert!(all.take(&tenant(9)).is_none());
        places.remove(0);
        places.push(all.take(&tenant(9)).unwrap());
        drop(places);
        assert!(all.counts.lock().unwrap().is_empty());
    }
}
