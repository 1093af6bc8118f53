//! How many connections the nodes of a cluster have of their large tenants: a tenant's limit counts those at other nodes too.

use std::sync::{Mutex, PoisonError, RwLock};

use ahash::AHashMap;
use foodtrack_contract::TenantId;

/// A node tells of no tenant of which it has less than this part of the limit.
const TOLD_PART: usize = 16;

/// Connections of a tenant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crowd {
    /// All of them.
    pub connections: usize,
    /// Those of the customers' application.
    pub customers: usize,
}

impl Crowd {
    /// Both together. What other nodes say may be anything.
    #[must_use]
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            connections: self.connections.saturating_add(other.connections),
            customers: self.customers.saturating_add(other.customers),
        }
    }

    /// Whether other nodes are told of it, where a tenant may have so many; 0 for no limit.
    pub(crate) fn is_told(self, connections_max: usize) -> bool {
        connections_max > 0 && self.connections >= connections_max.div_ceil(TOLD_PART)
    }
}

/// Of which tenants this node has many connections, and how many the other nodes say that they have.
#[derive(Debug, Default)]
pub struct Crowds {
    here: Mutex<AHashMap<TenantId, Crowd>>,
    elsewhere: RwLock<AHashMap<TenantId, Crowd>>,
}

impl Crowds {
    /// What this node has of a tenant from now on; `None`: too few to tell.
    pub fn set_here(&self, tenant: &TenantId, crowd: Option<Crowd>) {
        // Each change is one step: a panic elsewhere leaves it whole.
        let mut here = self.here.lock().unwrap_or_else(PoisonError::into_inner);
        match crowd {
            Some(crowd) => _ = here.insert(tenant.clone(), crowd),
            None => _ = here.remove(tenant),
        }
    }

    /// What is to be told of this node's tenants, the largest first.
    pub fn here(&self) -> Vec<(TenantId, Crowd)> {
        let here = self.here.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = here.iter().map(|(tenant, crowd)| (tenant.clone(), *crowd)).collect();
        drop(here);
        all.sort_by(|(one, a), (other, b)| (b.connections, one).cmp(&(a.connections, other)));
        all
    }

    /// What the other nodes say now, in place of what they said before.
    pub fn set_elsewhere(&self, crowds: impl Iterator<Item = (TenantId, Crowd)>) {
        let mut elsewhere = AHashMap::<TenantId, Crowd>::new();
        for (tenant, crowd) in crowds {
            let all = elsewhere.entry(tenant).or_default();
            *all = all.and(crowd);
        }
        *self.elsewhere.write().unwrap_or_else(PoisonError::into_inner) = elsewhere;
    }

    /// What the other nodes have of a tenant, as far as they have said.
    pub fn elsewhere(&self, tenant: &TenantId) -> Crowd {
        let elsewhere = self.elsewhere.read().unwrap_or_else(PoisonError::into_inner);
        elsewhere.get(tenant).copied().unwrap_or_default()
    }
}
