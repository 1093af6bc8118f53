//! `/api/v1/redactions`: which fields of its events some of a tenant's recipients do not get.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use foodtrack_router::Redaction;

use super::ApiError;
use super::act::Act;
use super::caller::Administrator;
use super::disk_work::{DryRun, change};
use super::error::{Data, Success};
use super::extract::{Body, Parameters, Segments};
use super::rules::Removed;
use crate::hub::Hub;

/// Lists the redactions that hold for the tenant: those for every tenant, and its own.
#[utoipa::path(get, path = "/api/v1/redactions", operation_id = "listRedactions", tag = "rules",
    responses((status = 200, body = Success<Vec<Redaction>>)))]
pub(crate) async fn list(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
) -> Data<Vec<Redaction>> {
    Data(hub.policies.current().redactions.of_tenant(caller.tenant()).cloned().collect())
}

/// Hides fields of the tenant's events from some of those who get them, or replaces what does: the same request twice is the same as once.
#[utoipa::path(post, path = "/api/v1/redactions", operation_id = "addRedaction", tag = "rules", request_body = Redaction,
    params(DryRun),
    responses((status = 201, body = Success<Redaction>), (status = 200, description = "It would be taken; `dryRun`", body = Success<Redaction>)))]
pub(crate) async fn add(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    act: Act,
    Parameters(dry): Parameters<DryRun>,
    Body(redaction): Body<Redaction>,
) -> Result<(StatusCode, Data<Redaction>), ApiError> {
    act.is_about(&redaction.id);
    let added = change(hub, caller.tenant(), dry, move |declarations, tenant| match dry.dry_run {
        true => declarations.rehearse_redaction(tenant, redaction),
        false => declarations.add_redaction(tenant, redaction),
    })
    .await?;
    Ok((dry.status(), Data(added)))
}

/// Shows again what a redaction hid that was added over HTTP.
#[utoipa::path(delete, path = "/api/v1/redactions/{id}", operation_id = "removeRedaction", tag = "rules", params(("id" = String, Path, description = "The redaction's id")),
    responses((status = 200, body = Success<Removed>)))]
pub(crate) async fn remove(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Segments(id): Segments<String>,
) -> Result<Data<Removed>, ApiError> {
    let removed = change(hub, caller.tenant(), DryRun::default(), move |declarations, tenant| {
        declarations.remove_redaction(tenant, &id).map(|()| id)
    })
    .await?;
    Ok(Data(Removed::new(removed)))
}
