//! A queue in which one tenant's work leaves room for others'.

use std::sync::Arc;

use foodtrack_contract::{ErrorCode, Refusal, TenantId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::tenant_places::{Place, TenantPlaces};

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
    places: TenantPlaces,
    at_once: Arc<Semaphore>,
}

/// The work may be done; it is over once this is dropped.
pub(super) struct Turn {
    _place: Place,
    _at_once: OwnedSemaphorePermit,
}

impl TenantQueue {
    pub(super) fn new(limits: QueueLimits) -> Self {
        let places = TenantPlaces::new(limits.in_all, limits.per_tenant);
        Self { places, at_once: Arc::new(Semaphore::new(limits.at_once)) }
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
        let place = self.places.take(tenant).ok_or_else(overloaded)?;
        // Nobody closes it.
        let turn = Arc::clone(&self.at_once).acquire_owned().await.map_err(|_| overloaded())?;
        Ok(Turn { _place: place, _at_once: turn })
    }
}
