//! A queue in which one tenant's work leaves room for others'.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use foodtrack_contract::{ErrorCode, Refusal, TenantId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How much a queue holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct QueueLimits {
    /// So much is done at a time.
    pub(super) at_once: usize,
    /// So much waits or is being done.
    pub(super) in_all: usize,
    /// So much of that is one tenant's.
    pub(super) per_tenant: usize,
}

/// Work that is done in the order in which it came; what finds no room is refused.
pub(crate) struct TenantQueue {
    limits: QueueLimits,
    /// How much waits or is being done, of each tenant that has any.
    waiting: Arc<Mutex<HashMap<TenantId, usize>>>,
    at_once: Arc<Semaphore>,
}

/// A place in a queue; free again once it is dropped.
struct Place {
    waiting: Arc<Mutex<HashMap<TenantId, usize>>>,
    tenant: TenantId,
}

/// The work may be done; it is over once this is dropped.
pub(super) struct Turn {
    _place: Place,
    _at_once: OwnedSemaphorePermit,
}

impl TenantQueue {
    pub(super) fn new(limits: QueueLimits) -> Self {
        let at_once = Arc::new(Semaphore::new(limits.at_once));
        Self { limits, waiting: Arc::default(), at_once }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// [`ErrorCode::Overloaded`], with `sentence`: there is no room.
    pub(super) async fn turn(
        &self,
        tenant: &TenantId,
        sentence: &'static str,
    ) -> Result<Turn, Refusal> {
        let overloaded = || Refusal::new(ErrorCode::Overloaded, sentence).retry_after_ms(1_000);
        let place = self.place(tenant).ok_or_else(overloaded)?;
        // Nobody closes it.
        let turn = Arc::clone(&self.at_once).acquire_owned().await.map_err(|_| overloaded())?;
        Ok(Turn { _place: place, _at_once: turn })
    }

    fn place(&self, tenant: &TenantId) -> Option<Place> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let of_tenant = waiting.get(tenant).copied().unwrap_or_default();
        if of_tenant >= self.limits.per_tenant
            || waiting.values().sum::<usize>() >= self.limits.in_all
        {
            return None;
        }
        waiting.insert(tenant.clone(), of_tenant + 1);
        Some(Place { waiting: Arc::clone(&self.waiting), tenant: tenant.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match waiting.get_mut(&self.tenant) {
            Some(of_tenant) if *of_tenant > 1 => *of_tenant -= 1,
            _ => drop(waiting.remove(&self.tenant)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_tenants_work_leaves_room_for_others_and_all_together_is_bounded() {
        let queue = TenantQueue::new(QueueLimits { at_once: 1, in_all: 20, per_tenant: 8 });
        let tenant = |n: usize| TenantId::parse(&format!("t{n}")).unwrap();
        let place = |n| queue.place(&tenant(n));
        let mut places: Vec<Place> = (0..8).map(|_| place(0).unwrap()).collect();
        assert!(place(0).is_none());
        places.extend((8..20).map(|n| place(n).unwrap()));
        assert!(place(99).is_none());
        places.pop();
        places.push(place(99).unwrap());
        places.clear();
        assert!(queue.waiting.lock().unwrap().is_empty());
    }
}
