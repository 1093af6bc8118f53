//! What is erased while the hub runs: one person by an administrator of their tenant, and a whole tenant by who runs the hub.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use foodtrack_contract::{ErrorCode, Refusal, TenantId, is_identifier};
use foodtrack_tenant_log::{EraseError, Erased, Erasure, Person};
use serde::{Deserialize, Serialize};

use super::ApiError;
use super::act::Act;
use super::caller::{Administrator, Operator};
use super::disk_work;
use super::error::{Data, Success};
use super::extract::{Body, Segments, malformed};
use crate::hub::Hub;

/// How long a tenant is waited for that is being opened.
const BUSY_MAX: Duration = Duration::from_secs(5);
/// How long between two attempts.
const AGAIN: Duration = Duration::from_millis(50);

/// Whose events are to be erased: a user's, or those of one order.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({ "user": "ada" }))]
pub(crate) struct NewErasure {
    /// The user, as tokens name them.
    user: Option<String>,
    /// An order of somebody who may have no login, in the place of a user.
    order: Option<String>,
}

/// That it is meant.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({ "confirm": "pizza-roma" }))]
pub(crate) struct Confirmation {
    /// The tenant once more: nothing brings it back.
    confirm: String,
}

/// What was erased.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErasureReport {
    tenant: String,
    /// Entries of the log: of a tenant those that were there, of a person those that are tombstones now and were not before.
    entries: u64,
    /// Orders, assignments, notes, places of subscribers and dead letters that went or lost their customer.
    others: u64,
    /// Entries that could not be read, and are as they were.
    damaged: u64,
    /// Whether the log's file was written anew. Where not, there was nothing to erase, or it is large: pieces of rows that were moved about
    /// earlier may then be in it until `log compact --rewrite`.
    is_rewritten: bool,
}

impl NewErasure {
    fn read(&self) -> Result<Person<'_>, Refusal> {
        match (&self.user, &self.order) {
            (Some(user), None) if is_identifier(user) => Ok(Person::User(user)),
            (None, Some(order)) if is_identifier(order) => Ok(Person::OfOrder(order)),
            (Some(_), None) | (None, Some(_)) => {
                Err(malformed("an id has 1 to 128 characters").at("", "length"))
            }
            _ => Err(malformed("name a user or an order, and not both").at("", "oneOf")),
        }
    }
}

/// Erases what concerns one person of the tenant: their entries become tombstones, and what else names them goes. The tenant's clients
/// reconnect meanwhile. Events that come later are kept.
#[utoipa::path(post, path = "/api/v1/erasures", operation_id = "erasePerson", tag = "erasing", request_body = NewErasure,
    responses((status = 200, body = Success<ErasureReport>)))]
pub(crate) async fn erase_person(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    act: Act,
    Body(new): Body<NewErasure>,
) -> Result<Data<ErasureReport>, ApiError> {
    let person = new.read()?;
    act.is_about(match person {
        Person::User(user) => format!("user {user}"),
        Person::OfOrder(order) => format!("order {order}"),
    });
    check_erases(&hub)?;
    let tenant = caller.tenant().clone();
    let work = erase_and_report(Arc::clone(&hub), tenant.clone(), person.into());
    Ok(Data(disk_work::erase(&hub, &tenant, work).await?))
}

/// Erases a tenant whole: its keys are destroyed, its log goes, and what it declared, revoked and made API keys of. All tokens that it has are
/// refused from then on; whoever comes with one that is made later than a minute after begins a new log.
#[utoipa::path(post, path = "/api/v1/tenants/{tenant}/erase", operation_id = "eraseTenant", tag = "erasing",
    params(("tenant" = String, Path, description = "The restaurant")), request_body = Confirmation,
    responses((status = 200, body = Success<ErasureReport>)))]
pub(crate) async fn erase_tenant(
    State(hub): State<Arc<Hub>>,
    _operator: Operator,
    Segments(name): Segments<String>,
    Body(confirmation): Body<Confirmation>,
) -> Result<Data<ErasureReport>, ApiError> {
    let tenant = TenantId::parse(&name).map_err(|_| malformed("the path names no tenant"))?;
    if confirmation.confirm != name {
        let sentence = "confirm names the tenant of the path once more";
        return Err(malformed(sentence).at("/confirm", "const").into());
    }
    check_erases(&hub)?;
    let work = erase_all(Arc::clone(&hub), tenant.clone());
    Ok(Data(disk_work::erase(&hub, &tenant, work).await?))
}

/// With for how long others waited for it.
type Timed<T> = (Result<T, ApiError>, Duration);

async fn erase_all(hub: Arc<Hub>, tenant: TenantId) -> Timed<ErasureReport> {
    // Nobody is to write anything more, neither back ends with their keys nor anybody with a token.
    let refuse = |hub: &Hub, tenant: &TenantId| {
        hub.api_keys.forget(tenant)?;
        hub.revocations.erase(tenant)
    };
    if let Err(error) = disk_work::change_kept(&hub, &tenant, refuse).await {
        return (Err(error), Duration::ZERO);
    }
    let (erased, took) = erase_and_report(Arc::clone(&hub), tenant.clone(), Erasure::Tenant).await;
    let Ok(report) = erased else { return (erased, took) };
    let forget = |hub: &Hub, tenant: &TenantId| hub.declarations.forget(tenant);
    (disk_work::change_kept(&hub, &tenant, forget).await.map(|()| report), took)
}

async fn erase_and_report(
    hub: Arc<Hub>,
    tenant: TenantId,
    erasure: Erasure,
) -> Timed<ErasureReport> {
    let (erased, took) = erase(&hub, &tenant, erasure).await;
    let report = erased.map_err(|error| refusal(&error).into()).map(|erased| {
        let Erased { entries, damaged, others, is_rewritten, took: _ } = erased;
        ErasureReport { tenant: tenant.to_string(), entries, others, damaged, is_rewritten }
    });
    (report, took)
}

fn check_erases(hub: &Hub) -> Result<(), Refusal> {
    if hub.log.erases() {
        return Ok(());
    }
    let sentence = "the log is in the cluster's Redis, where nothing is erased while nodes run; docs/operating/encryption.md says what to do";
    Err(Refusal::new(ErrorCode::Conflict, sentence))
}

async fn erase(
    hub: &Hub,
    tenant: &TenantId,
    erasure: Erasure,
) -> (Result<Erased, EraseError>, Duration) {
    let until = Instant::now() + BUSY_MAX;
    loop {
        let began = Instant::now();
        let erased = hub.shards.erase(tenant, erasure.clone()).await;
        match erased {
            Ok(erased) => return (Ok(erased), erased.took),
            Err(EraseError::Busy) if Instant::now() < until => tokio::time::sleep(AGAIN).await,
            // Nothing was done.
            Err(EraseError::Busy) => return (erased, Duration::ZERO),
            Err(_) => return (erased, began.elapsed()),
        }
    }
}

fn refusal(error: &EraseError) -> Refusal {
    let code = match error {
        EraseError::Busy => ErrorCode::Overloaded,
        EraseError::DiskFull => ErrorCode::StorageFull,
        EraseError::Interrupted => ErrorCode::Timeout,
        // The log's writer has told it.
        EraseError::Failed(_) => ErrorCode::Degraded,
    };
    let sentence = match error {
        // It may name files of the node's.
        EraseError::Failed(_) => {
            "not all is erased: see the log line about it, and erase again".into()
        }
        told => told.to_string(),
    };
    let refusal = Refusal::new(code, sentence);
    if *error == EraseError::Busy { refusal.retry_after_ms(1_000) } else { refusal }
}
