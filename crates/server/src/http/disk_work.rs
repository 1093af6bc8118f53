//! What waits for the disk: on threads of its own, so that publishing does not wait behind it, and not too much.

use std::sync::Arc;
use std::time::Duration;

use foodtrack_contract::{ErrorCode, Refusal, TenantId};
use http::StatusCode;
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::ApiError;
use super::erasure_turns::ErasureTurns;
use super::tenant_queue::{QueueLimits, TenantQueue};
use crate::data::Declarations;
use crate::hub::Hub;

/// Changes are made one after the other.
const CHANGES: QueueLimits = QueueLimits { at_once: 1, in_all: 64, per_tenant: 8 };
const READS: QueueLimits = QueueLimits { at_once: READS_AT_ONCE, ..CHANGES };
const READS_AT_ONCE: usize = 2;
/// Threads for all: changes, reads, and the operator's.
pub(crate) const THREADS: usize = READS_AT_ONCE + 2;

/// What waits for the disk, of each kind.
pub(crate) struct DiskWork {
    changes: TenantQueue,
    reads: TenantQueue,
    erasures: ErasureTurns,
    /// What the operator looks at: of all tenants, so in nobody's place.
    of_operator: Arc<Semaphore>,
}

impl Default for DiskWork {
    fn default() -> Self {
        Self {
            changes: TenantQueue::new(CHANGES),
            reads: TenantQueue::new(READS),
            erasures: ErasureTurns::default(),
            of_operator: Arc::new(Semaphore::new(1)),
        }
    }
}

/// Erases something of `tenant` in its turn, which goes on where nobody waits for it any more. `erase` tells also for how long others
/// waited for it.
///
/// # Errors
/// `erase`'s, or [`ErrorCode::Overloaded`], with when it is worth asking again.
pub(super) async fn erase<T: Send + 'static>(
    hub: &Arc<Hub>,
    tenant: &TenantId,
    erase: impl Future<Output = (Result<T, ApiError>, Duration)> + Send + 'static,
) -> Result<T, ApiError> {
    let turn = hub.disk_work.erasures.turn(tenant).await?;
    let erased = tokio::spawn(async move {
        let (erased, took) = erase.await;
        turn.end(took);
        erased
    });
    erased.await.unwrap_or_else(|_| {
        let sentence = "what was erased nobody knows; erase it again";
        Err(Refusal::new(ErrorCode::Timeout, sentence).into())
    })
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

/// Does something in its turn; `None` where it panicked, or the server is about to stop.
async fn run<T: Send + 'static>(
    queue: &TenantQueue,
    tenant: &TenantId,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<Option<T>, Refusal> {
    let turn = queue.turn(tenant, "too many requests wait for the disk; try again shortly").await?;
    let done = tokio::task::spawn_blocking(move || {
        let done = work();
        drop(turn);
        done
    });
    Ok(done.await.ok())
}

/// Makes a change of what `tenant` declared, or tries it, in its turn.
///
/// # Errors
/// Those of [`change_kept`].
pub(super) async fn change<T: Send + 'static>(
    hub: Arc<Hub>,
    tenant: &TenantId,
    dry: DryRun,
    change: impl FnOnce(&Declarations, &TenantId) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, ApiError> {
    let changed =
        change_kept(&hub, tenant, move |hub, tenant| change(&hub.declarations, tenant)).await?;
    // Who is told that it is done may ask another node at once.
    if !dry.dry_run {
        hub.cluster.tell_of_changes().await;
    }
    Ok(changed)
}

/// Makes a change of what is kept of `tenant`, in its turn. Other nodes are not told.
///
/// # Errors
/// `change`'s, or [`ErrorCode::Overloaded`]: too many wait, or the server is about to stop.
pub(super) async fn change_kept<T: Send + 'static>(
    hub: &Arc<Hub>,
    tenant: &TenantId,
    change: impl FnOnce(&Hub, &TenantId) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, ApiError> {
    let (of, owner) = (Arc::clone(hub), tenant.clone());
    match run(&hub.disk_work.changes, tenant, move || change(&of, &owner)).await? {
        Some(changed) => Ok(changed?),
        None => {
            let sentence = "the change was not made, or nobody knows; ask what there is";
            Err(Refusal::new(ErrorCode::Timeout, sentence).into())
        }
    }
}

/// Looks at the disk for the operator, one request at a time; a second one is refused.
///
/// # Errors
/// `read`'s, or [`ErrorCode::Overloaded`]: another one is looking, or the server is about to stop.
pub(super) async fn read_as_operator<T: Send + 'static>(
    hub: &Arc<Hub>,
    read: impl FnOnce(&Hub) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, ApiError> {
    let busy = || {
        let sentence = "the operator's last request is being answered; try again shortly";
        Refusal::new(ErrorCode::Overloaded, sentence).retry_after_ms(500)
    };
    let queue = Arc::clone(&hub.disk_work.of_operator);
    let turn = queue.try_acquire_owned().map_err(|_| busy())?;
    let of = Arc::clone(hub);
    let found = tokio::task::spawn_blocking(move || {
        let found = read(&of);
        drop(turn);
        found
    });
    Ok(found.await.map_err(|_| busy())??)
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
    match run(&hub.disk_work.reads, tenant, move || read(&of, &owner)).await? {
        Some(found) => Ok(found?),
        None => {
            let sentence = "what was asked could not be looked up; try again shortly";
            Err(Refusal::new(ErrorCode::Timeout, sentence).into())
        }
    }
}
