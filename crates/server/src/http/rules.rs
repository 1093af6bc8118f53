//! `/api/v1/rules`: the rules that the tenant's events follow.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use foodtrack_router::Rule;
use serde::Serialize;

use super::ApiError;
use super::act::Act;
use super::caller::Administrator;
use super::disk_work::{DryRun, change};
use super::error::{Data, Success};
use super::extract::{Body, Parameters, Segments};
use crate::hub::Hub;

/// A rule or a redaction that was taken away.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Removed {
    removed: String,
}

impl Removed {
    pub(super) fn new(removed: String) -> Self {
        Self { removed }
    }
}

/// Lists the routing rules that the tenant's events follow: those for every tenant, and its own.
#[utoipa::path(get, path = "/api/v1/rules", operation_id = "listRules", tag = "rules", responses((status = 200, body = Success<Vec<Rule>>)))]
pub(crate) async fn list(State(hub): State<Arc<Hub>>, caller: Administrator) -> Data<Vec<Rule>> {
    Data(hub.policies.current().router.rules_of(caller.tenant()).cloned().collect())
}

/// Adds a rule for event types of the tenant's own, or replaces it: the same request twice is the same as once.
#[utoipa::path(post, path = "/api/v1/rules", operation_id = "addRule", tag = "rules", request_body = Rule,
    params(DryRun),
    responses((status = 201, body = Success<Rule>), (status = 200, description = "It would be taken; `dryRun`", body = Success<Rule>)))]
pub(crate) async fn add(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    act: Act,
    Parameters(dry): Parameters<DryRun>,
    Body(rule): Body<Rule>,
) -> Result<(StatusCode, Data<Rule>), ApiError> {
    act.is_about(&rule.id);
    let added = change(hub, caller.tenant(), dry, move |declarations, tenant| match dry.dry_run {
        true => declarations.rehearse_rule(tenant, rule),
        false => declarations.add_rule(tenant, rule),
    })
    .await?;
    Ok((dry.status(), Data(added)))
}

/// Takes a rule away that was added over HTTP.
#[utoipa::path(delete, path = "/api/v1/rules/{id}", operation_id = "removeRule", tag = "rules", params(("id" = String, Path, description = "The rule's id")),
    responses((status = 200, body = Success<Removed>)))]
pub(crate) async fn remove(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Segments(id): Segments<String>,
) -> Result<Data<Removed>, ApiError> {
    let removed = change(hub, caller.tenant(), DryRun::default(), move |declarations, tenant| {
        declarations.remove_rule(tenant, &id).map(|()| id)
    })
    .await?;
    Ok(Data(Removed::new(removed)))
}
