//! `/api/v1/redactions`: which fields of its events some of a tenant's recipients do not get.

use std::sync::Arc;

use axum::extract::State;
use foodtrack_router::Redaction;

use super::caller::Administrator;
use super::error::{Data, Success};
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
