//! `/api/v1/connections`: the tenant's own connections, listed and ended.

use std::sync::Arc;

use axum::extract::State;
use foodtrack_contract::{ErrorCode, Refusal};
use foodtrack_shard::{ConnectionCounts, ConnectionFilter, ConnectionInfo, DisconnectTarget};
use serde::Serialize;

use super::ApiError;
use super::caller::Administrator;
use super::error::{Data, Part};
use super::extract::{Parameters, Segments, check_limit};
use crate::hub::Hub;

/// The tenant's connections: all of them counted, those asked for listed.
#[derive(Serialize)]
pub(crate) struct Listing {
    counts: ConnectionCounts,
    connections: Vec<ConnectionInfo>,
}

/// How many connections were ended.
#[derive(Serialize)]
pub(crate) struct Disconnected {
    disconnected: usize,
}

pub(crate) async fn list(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Parameters(filter): Parameters<ConnectionFilter>,
) -> Result<Part<Listing>, ApiError> {
    check_limit(filter.limit)?;
    let counts = hub.connections.counts(caller.tenant()).await?;
    let page = hub.connections.list(caller.tenant(), filter).await?;
    Ok(Part(Listing { counts, connections: page.items }, page.next))
}

pub(crate) async fn disconnect(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Segments(id): Segments<String>,
) -> Result<Data<Disconnected>, ApiError> {
    let target = DisconnectTarget::Connection(id);
    match hub.connections.disconnect(caller.tenant(), target).await? {
        0 => {
            Err(Refusal::new(ErrorCode::NotFound, "the tenant has no connection of this id").into())
        }
        disconnected => Ok(Data(Disconnected { disconnected })),
    }
}

pub(crate) async fn disconnect_user(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Segments(user): Segments<String>,
) -> Result<Data<Disconnected>, ApiError> {
    let target = DisconnectTarget::User(user);
    let disconnected = hub.connections.disconnect(caller.tenant(), target).await?;
    Ok(Data(Disconnected { disconnected }))
}
