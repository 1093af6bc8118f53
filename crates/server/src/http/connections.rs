//! `/api/v1/connections`: the tenant's own connections, listed, sent to and ended.

use std::sync::Arc;

use axum::extract::State;
use foodtrack_contract::{ErrorCode, Priority, Refusal};
use foodtrack_shard::{
    ConnectionCounts, ConnectionFilter, ConnectionInfo, DirectEvent, DisconnectTarget, Sent,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::ApiError;
use super::caller::{Administrator, Backend};
use super::error::{Data, ListSuccess, Part, Success};
use super::extract::{Parameters, Segments, Text, check_limit, read};
use crate::cluster::CountedConnections;
use crate::hub::Hub;

/// The tenant's connections: all of them counted, those asked for listed.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Listing {
    counts: ConnectionCounts,
    connections: Vec<ConnectionInfo>,
}

/// How many connections were ended.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Disconnected {
    disconnected: usize,
    /// Nodes of the cluster that did not answer in time: whether they ended theirs, nobody knows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing_nodes: Vec<String>,
}

/// Counts all of the tenant's connections, and lists those asked for.
#[utoipa::path(get, path = "/api/v1/connections", operation_id = "listConnections", tag = "connections", params(ConnectionFilter),
    responses((status = 200, body = ListSuccess<Listing>)))]
pub(crate) async fn list(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Parameters(filter): Parameters<ConnectionFilter>,
) -> Result<Part<Listing>, ApiError> {
    check_limit(filter.limit)?;
    let listed = hub.cluster.connections.list(caller.tenant(), filter).await?;
    let CountedConnections { counts, page } = listed.found;
    Ok(Part {
        data: Listing { counts, connections: page.items },
        next_cursor: page.next,
        missing_nodes: listed.missing_nodes,
    })
}

/// What is sent to a single connection.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "type": "notification:info", "payload": { "message": "Your table is ready" } }))]
pub(crate) struct Direct {
    /// The event's type.
    #[schema(example = "notification:info")]
    r#type: String,
    /// By the type's schema.
    #[schema(value_type = Object, example = json!({ "message": "Your table is ready" }))]
    payload: Box<RawValue>,
    /// `medium` where absent.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "high")]
    priority: Priority,
}

/// Sends an event to one connection that is here, past the rules: at most once, in no log, and of a type that its token may read.
#[utoipa::path(post, path = "/api/v1/connections/{id}/events", operation_id = "sendToConnection", tag = "connections", request_body = Direct,
    params(("id" = String, Path, description = "The connection's Socket.IO id")), responses((status = 200, body = Success<Sent>)))]
pub(crate) async fn send(
    State(hub): State<Arc<Hub>>,
    Backend(principal): Backend,
    Segments(connection): Segments<String>,
    Text(body): Text,
) -> Result<Data<Sent>, ApiError> {
    let Direct { r#type: event, payload, priority } = read(&body)?;
    let event = DirectEvent { connection, event, payload: payload.get().to_owned(), priority };
    Ok(Data(hub.broadcaster.send_to(principal.tenant(), event).await?))
}

/// Ends one connection by its Socket.IO id; its client does not come back by itself.
#[utoipa::path(delete, path = "/api/v1/connections/{id}", operation_id = "disconnect", tag = "connections", params(("id" = String, Path, description = "The connection's Socket.IO id")),
    responses((status = 200, body = Success<Disconnected>)))]
pub(crate) async fn disconnect(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Segments(id): Segments<String>,
) -> Result<Data<Disconnected>, ApiError> {
    let Data(ended) = end_all(&hub, &caller, DisconnectTarget::Connection(id)).await?;
    if ended.disconnected == 0 && ended.missing_nodes.is_empty() {
        let sentence = "the tenant has no connection of this id";
        return Err(Refusal::new(ErrorCode::NotFound, sentence).into());
    }
    Ok(Data(ended))
}

/// Ends every connection of a device.
#[utoipa::path(delete, path = "/api/v1/devices/{device}/connections", operation_id = "disconnectDevice", tag = "connections", params(("device" = String, Path, description = "The device's id, as its handshake or token names it")),
    responses((status = 200, body = Success<Disconnected>)))]
pub(crate) async fn disconnect_device(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Segments(device): Segments<String>,
) -> Result<Data<Disconnected>, ApiError> {
    end_all(&hub, &caller, DisconnectTarget::Device(device)).await
}

/// Ends every connection of a user.
#[utoipa::path(delete, path = "/api/v1/users/{user}/connections", operation_id = "disconnectUser", tag = "connections", params(("user" = String, Path, description = "The user's id")),
    responses((status = 200, body = Success<Disconnected>)))]
pub(crate) async fn disconnect_user(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Segments(user): Segments<String>,
) -> Result<Data<Disconnected>, ApiError> {
    end_all(&hub, &caller, DisconnectTarget::User(user)).await
}

/// Ends every connection of the caller's tenant that is meant, on every node, where there is any.
async fn end_all(
    hub: &Hub,
    caller: &Administrator,
    target: DisconnectTarget,
) -> Result<Data<Disconnected>, ApiError> {
    let ended = hub.cluster.connections.disconnect(caller.tenant(), target).await?;
    Ok(Data(Disconnected { disconnected: ended.found, missing_nodes: ended.missing_nodes }))
}
