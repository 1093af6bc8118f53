//! `/api/v1/rules`: the rules that the tenant's events follow.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use foodtrack_router::Rule;
use serde::Serialize;

use super::ApiError;
use super::caller::Administrator;
use super::changes::change;
use super::error::Data;
use super::extract::{Body, Segments};
use crate::hub::Hub;

/// A rule that was taken away.
#[derive(Serialize)]
pub(crate) struct Removed {
    removed: String,
}

/// Those for every tenant, and the tenant's own; never another's.
pub(crate) async fn list(State(hub): State<Arc<Hub>>, caller: Administrator) -> Data<Vec<Rule>> {
    Data(hub.policies.current().router.rules_of(caller.tenant()).cloned().collect())
}

/// Adds a rule for event types of the tenant's own, or replaces it: the same request twice is the same as once.
pub(crate) async fn add(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Body(rule): Body<Rule>,
) -> Result<(StatusCode, Data<Rule>), ApiError> {
    let added = change(hub, caller.tenant(), move |declarations, tenant| {
        declarations.add_rule(tenant, rule)
    })
    .await?;
    Ok((StatusCode::CREATED, Data(added)))
}

pub(crate) async fn remove(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Segments(id): Segments<String>,
) -> Result<Data<Removed>, ApiError> {
    let removed = change(hub, caller.tenant(), move |declarations, tenant| {
        declarations.remove_rule(tenant, &id).map(|()| id)
    })
    .await?;
    Ok(Data(Removed { removed }))
}
