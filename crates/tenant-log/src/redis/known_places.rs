//! How far the logs of open tenants are known here, so that a log that went back is found out.

use std::sync::{Mutex, PoisonError};

use ahash::{AHashMap, AHashSet};
use foodtrack_contract::{Epoch, Offset, TenantId};
use uuid::Uuid;

/// A place that a log is known to have had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KnownPlace {
    pub(super) epoch: Epoch,
    /// The last offset that is known.
    pub(super) last: Offset,
    /// Which message stands there, where that is known.
    pub(super) id: Option<Uuid>,
    /// In which listening of the follower everything was heard that was noted since the log was opened.
    pub(super) heard_since: u64,
}

/// Those of every tenant that is open.
#[derive(Debug, Default)]
pub(super) struct KnownPlaces {
    places: Mutex<AHashMap<TenantId, KnownPlace>>,
    /// To whose logs something was sent of which nobody knows whether it is there.
    in_doubt: Mutex<AHashSet<TenantId>>,
}

impl KnownPlaces {
    fn with<T>(&self, work: impl FnOnce(&mut AHashMap<TenantId, KnownPlace>) -> T) -> T {
        // Each change is one step: a panic elsewhere leaves it whole.
        work(&mut self.places.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn get(&self, tenant: &TenantId) -> Option<KnownPlace> {
        self.with(|known| known.get(tenant).copied())
    }

    pub(super) fn tenants(&self) -> Vec<TenantId> {
        self.with(|known| known.keys().cloned().collect())
    }

    pub(super) fn set(&self, tenant: &TenantId, place: KnownPlace) {
        self.with(|known| _ = known.insert(tenant.clone(), place));
    }

    /// Something was sent to a log, and may come to be there yet: nobody here is told of it by an answer.
    pub(super) fn doubt(&self, tenant: &TenantId) {
        self.in_doubt.lock().unwrap_or_else(PoisonError::into_inner).insert(tenant.clone());
    }

    /// Something was answered that came behind it: what is before that is read.
    pub(super) fn end_doubt(&self, tenant: &TenantId) {
        self.in_doubt.lock().unwrap_or_else(PoisonError::into_inner).remove(tenant);
    }

    pub(super) fn is_in_doubt(&self, tenant: &TenantId) -> bool {
        self.in_doubt.lock().unwrap_or_else(PoisonError::into_inner).contains(tenant)
    }

    pub(super) fn remove(&self, tenant: &TenantId) -> bool {
        self.end_doubt(tenant);
        self.with(|known| known.remove(tenant).is_some())
    }

    /// A log was seen further on. Returns `false` where the tenant was open with another incarnation: it is not open any more.
    pub(super) fn advance(&self, tenant: &TenantId, seen: KnownPlace) -> bool {
        self.with(|known| match known.get_mut(tenant) {
            Some(place) if place.epoch == seen.epoch => {
                if place.last < seen.last {
                    *place = KnownPlace { heard_since: place.heard_since, ..seen };
                }
                true
            }
            Some(_) => {
                known.remove(tenant);
                false
            }
            None => true,
        })
    }
}
