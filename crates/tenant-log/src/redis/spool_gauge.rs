//! How much waits on disk until Redis has it, for who submits and for who watches.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use ahash::AHashSet;
use foodtrack_contract::TenantId;

use super::spool::Spool;
use crate::SpooledEvents;

/// Written by the task that writes to Redis.
#[derive(Debug, Default)]
pub(super) struct SpoolGauge {
    is_there: AtomicBool,
    takes_entries: AtomicBool,
    events: AtomicU64,
    bytes: AtomicU64,
    /// Of whom something waits. Looked at only where something does.
    tenants: RwLock<AHashSet<TenantId>>,
}

impl SpoolGauge {
    pub(super) fn note(&self, spool: &Spool) {
        let (events, bytes) = spool.waiting();
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        tenants.clear();
        tenants.extend(spool.tenants().cloned());
        drop(tenants);
        self.is_there.store(true, Ordering::Relaxed);
        self.takes_entries.store(spool.takes_entries(), Ordering::Relaxed);
        self.bytes.store(bytes, Ordering::Relaxed);
        self.events.store(events, Ordering::Relaxed);
    }

    /// Whether durable entries are kept on disk while Redis is away.
    pub(super) fn takes_entries(&self) -> bool {
        self.takes_entries.load(Ordering::Relaxed)
    }

    /// Whether something of a tenant waits, as far as is known on this thread.
    pub(super) fn has(&self, tenant: &TenantId) -> bool {
        self.events.load(Ordering::Relaxed) > 0
            && self.tenants.read().unwrap_or_else(PoisonError::into_inner).contains(tenant)
    }

    pub(super) fn waiting(&self) -> Option<SpooledEvents> {
        self.is_there.load(Ordering::Relaxed).then(|| SpooledEvents {
            events: self.events.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        })
    }
}
