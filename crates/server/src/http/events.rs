//! `/api/v1/events`: the event types that the tenant declared.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use foodtrack_contract::EventDeclaration;
use serde::Serialize;

use super::ApiError;
use super::caller::Administrator;
use super::changes::change;
use super::error::Data;
use super::extract::{Body, Segments};
use crate::hub::Hub;

/// A declaration that was taken back.
#[derive(Serialize)]
pub(crate) struct Withdrawn {
    withdrawn: String,
}

pub(crate) async fn list(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
) -> Data<Vec<EventDeclaration>> {
    Data(hub.declarations.of(caller.tenant()))
}

/// Declares an event type, or replaces its declaration: the same request twice is the same as once.
pub(crate) async fn declare(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Body(declaration): Body<EventDeclaration>,
) -> Result<(StatusCode, Data<EventDeclaration>), ApiError> {
    let declared = change(hub, caller.tenant(), move |declarations, tenant| {
        declarations.declare(tenant, &declaration)
    })
    .await?;
    Ok((StatusCode::CREATED, Data(declared)))
}

pub(crate) async fn withdraw(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Segments(name): Segments<String>,
) -> Result<Data<Withdrawn>, ApiError> {
    let withdrawn = change(hub, caller.tenant(), move |declarations, tenant| {
        declarations.withdraw(tenant, &name).map(|()| name)
    })
    .await?;
    Ok(Data(Withdrawn { withdrawn }))
}
