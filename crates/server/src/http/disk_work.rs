//! What waits for the disk: on threads of its own, so that publishing does not wait behind it, and not too much.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use foodtrack_contract::{ErrorCode, Refusal, TenantId};
use http::StatusCode;
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::ApiError;
use crate::data::Declarations;
use crate::hub::Hub;

/// How much of one kind may wait.
const WAITING_MAX: usize = 64;
/// How much of that may be one tenant's.
const WAITING_PER_TENANT_MAX: usize = 8;
/// How many reads are done at a time; changes are made one after the other.
const READS_AT_ONCE: usize = 2;
/// Threads for both.
pub(crate) const THREADS: usize = READS_AT_ONCE + 1;

/// What waits for the disk, of each kind.
pub(crate) struct DiskWork {
    changes: Queue,
    reads: Queue,
}

impl Default for DiskWork {
    fn default() -> Self {
        Self { changes: Queue::new(1), reads: Queue::new(READS_AT_ONCE) }
    }
}

/// Work that is done in the order in which it came, so much at a time.
struct Queue {
    /// How much waits or is being done, of each tenant that has any.
    waiting: Arc<Mutex<HashMap<TenantId, usize>>>,
    at_once: Arc<Semaphore>,
}

/// A place in a queue; free again once it is dropped.
struct Place {
    waiting: Arc<Mutex<HashMap<TenantId, usize>>>,
    tenant: TenantId,
}

impl Queue {
    fn new(at_once: usize) -> Self {
        Self { waiting: Arc::default(), at_once: Arc::new(Semaphore::new(at_once)) }
    }

    fn place(&self, tenant: &TenantId) -> Result<Place, Refusal> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let of_tenant = waiting.get(tenant).copied().unwrap_or_default();
        if of_tenant >= WAITING_PER_TENANT_MAX || waiting.values().sum::<usize>() >= WAITING_MAX {
            let sentence = "too many requests wait for the disk; try again shortly";
            return Err(Refusal::new(ErrorCode::Overloaded, sentence));
        }
        waiting.insert(tenant.clone(), of_tenant + 1);
        Ok(Place { waiting: Arc::clone(&self.waiting), tenant: tenant.clone() })
    }

    /// Does something in its turn; `None` where it panicked, or the server is about to stop.
    async fn run<T: Send + 'static>(
        &self,
        tenant: &TenantId,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Option<T>, Refusal> {
        let place = self.place(tenant)?;
        let Ok(turn) = Arc::clone(&self.at_once).acquire_owned().await else { return Ok(None) };
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop((place, turn));
            done
        });
        Ok(done.await.ok())
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

/// Whether a change is only to be tried.
#[derive(Clone, Copy, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DryRun {
    /// `true`: says what would be in force, or why not, and changes nothing; 200.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

impl DryRun {
    /// The status of an answer of success.
    pub(crate) fn status(self) -> StatusCode {
        if self.dry_run { StatusCode::OK } else { StatusCode::CREATED }
    }
}

/// Makes a change of what `tenant` declared, in its turn.
///
/// # Errors
/// `change`'s, or [`ErrorCode::Overloaded`]: too many wait, or the server is about to stop.
pub(super) async fn change<T: Send + 'static>(
    hub: Arc<Hub>,
    tenant: &TenantId,
    change: impl FnOnce(&Declarations, &TenantId) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, ApiError> {
    let (of, owner) = (Arc::clone(&hub), tenant.clone());
    let changed = hub.disk_work.changes.run(tenant, move || change(&of.declarations, &owner));
    match changed.await? {
        Some(changed) => Ok(changed?),
        None => {
            let sentence = "the change was not made, or nobody knows; ask what is declared";
            Err(Refusal::new(ErrorCode::Timeout, sentence).into())
        }
    }
}

/// Looks at the disk for `tenant`, in its turn.
///
/// # Errors
/// `read`'s, or [`ErrorCode::Overloaded`]: too many wait, or the server is about to stop.
pub(super) async fn read<T: Send + 'static>(
    hub: &Arc<Hub>,
    tenant: &TenantId,
    read: impl FnOnce(&Hub, &TenantId) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, ApiError> {
    let (of, owner) = (Arc::clone(hub), tenant.clone());
    match hub.disk_work.reads.run(tenant, move || read(&of, &owner)).await? {
        Some(found) => Ok(found?),
        None => {
            let sentence = "what was asked could not be looked up; try again shortly";
            Err(Refusal::new(ErrorCode::Timeout, sentence).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_tenants_work_leaves_room_for_others_and_all_together_is_bounded() {
        let queue = Queue::new(1);
        let tenant = |n: usize| TenantId::parse(&format!("t{n}")).unwrap();
        let mut places: Vec<Place> =
            (0..WAITING_PER_TENANT_MAX).map(|_| queue.place(&tenant(0)).unwrap()).collect();
        assert_eq!(queue.place(&tenant(0)).err().unwrap().code(), ErrorCode::Overloaded);
        for n in WAITING_PER_TENANT_MAX..WAITING_MAX {
            places.push(queue.place(&tenant(n)).unwrap());
        }
        assert_eq!(queue.place(&tenant(99)).err().unwrap().code(), ErrorCode::Overloaded);
        places.pop();
        places.push(queue.place(&tenant(99)).unwrap());
        places.clear();
        assert!(queue.waiting.lock().unwrap().is_empty());
    }
}
