//! `/api/v1/events`: the event types that the tenant declared.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use foodtrack_contract::EventDeclaration;
use serde::Serialize;

use super::ApiError;
use super::act::Act;
use super::caller::Administrator;
use super::disk_work::{DryRun, change};
use super::error::{Data, Success};
use super::extract::{Body, Parameters, Segments};
use crate::hub::Hub;

/// A declaration that was taken back.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Withdrawn {
    withdrawn: String,
}

/// Lists the event types that the tenant declared.
#[utoipa::path(get, path = "/api/v1/events", operation_id = "listEventTypes", tag = "event types", responses((status = 200, body = Success<Vec<EventDeclaration>>)))]
pub(crate) async fn list(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
) -> Data<Vec<EventDeclaration>> {
    Data(hub.declarations.of(caller.tenant()))
}

/// Declares an event type, or replaces its declaration: the same request twice is the same as once.
#[utoipa::path(post, path = "/api/v1/events", operation_id = "declareEventType", tag = "event types", request_body = EventDeclaration,
    params(DryRun),
    responses((status = 201, body = Success<EventDeclaration>), (status = 200, description = "It would be taken; `dryRun`", body = Success<EventDeclaration>)))]
pub(crate) async fn declare(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    act: Act,
    Parameters(dry): Parameters<DryRun>,
    Body(declaration): Body<EventDeclaration>,
) -> Result<(StatusCode, Data<EventDeclaration>), ApiError> {
    act.is_about(&declaration.name);
    let declared =
        change(hub, caller.tenant(), dry, move |declarations, tenant| match dry.dry_run {
            true => declarations.rehearse_declaration(tenant, &declaration),
            false => declarations.declare(tenant, &declaration),
        })
        .await?;
    Ok((dry.status(), Data(declared)))
}

/// Withdraws a declaration.
#[utoipa::path(delete, path = "/api/v1/events/{name}", operation_id = "withdrawEventType", tag = "event types", params(("name" = String, Path, description = "The event type")),
    responses((status = 200, body = Success<Withdrawn>)))]
pub(crate) async fn withdraw(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Segments(name): Segments<String>,
) -> Result<Data<Withdrawn>, ApiError> {
    let withdrawn = change(hub, caller.tenant(), DryRun::default(), move |declarations, tenant| {
        declarations.withdraw(tenant, &name).map(|()| name)
    })
    .await?;
    Ok(Data(Withdrawn { withdrawn }))
}
