//! `GET /api/v1/presence`: who of the tenant is online.

use std::sync::Arc;

use axum::extract::State;
use foodtrack_shard::{Page, PresenceInfo, PresenceQuery};

use super::ApiError;
use super::caller::Administrator;
use super::error::{ListSuccess, Part};
use super::extract::{Parameters, check_limit};
use crate::hub::Hub;

/// Lists who is online: each user, application and device once, on whichever nodes its connections are.
#[utoipa::path(get, path = "/api/v1/presence", operation_id = "listPresence", tag = "connections", params(PresenceQuery),
    responses((status = 200, body = ListSuccess<Vec<PresenceInfo>>)))]
pub(crate) async fn list(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Parameters(query): Parameters<PresenceQuery>,
) -> Result<Part<Vec<PresenceInfo>>, ApiError> {
    check_limit(query.limit)?;
    let present = hub.cluster.connections.present(caller.tenant(), query).await?;
    let Page { items: data, next: next_cursor } = present.found;
    Ok(Part { data, next_cursor, missing_nodes: present.missing_nodes })
}
