//! Tenants that have as many orders as are remembered.

use std::sync::{Mutex, PoisonError};

use ahash::AHashSet;
use foodtrack_contract::TenantId;

#[derive(Debug)]
pub(super) struct FullTenants {
    orders_max: u64,
    tenants: Mutex<AHashSet<TenantId>>,
}

impl FullTenants {
    pub(super) fn new(orders_max: u64) -> Self {
        Self { orders_max, tenants: Mutex::default() }
    }

    /// Notes of how many orders of a tenant it is known whose they are.
    pub(super) fn note(&self, tenant: &TenantId, orders: u64) {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if orders >= self.orders_max {
            tenants.insert(tenant.clone());
        } else if !tenants.is_empty() {
            tenants.remove(tenant);
        }
    }

    pub(super) fn has_room(&self, tenant: &TenantId) -> bool {
        !self.tenants.lock().unwrap_or_else(PoisonError::into_inner).contains(tenant)
    }
}
