//! `GET /api/v1/nodes`: the nodes of the cluster, for its operators.

use std::sync::Arc;

use axum::extract::State;
use serde::Serialize;

use super::caller::NodeService;
use super::error::{Data, Success};
use crate::cluster::NodeInfo;
use crate::hub::Hub;

/// The nodes that live, as the one that is asked knows them.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Nodes {
    /// Every node whose lease holds, by id; one that is alone is here alone.
    nodes: Vec<NodeInfo>,
    /// How long ago they were read from Redis, in milliseconds; absent where they never were.
    #[serde(skip_serializing_if = "Option::is_none")]
    age_ms: Option<u64>,
    /// How many values among them are no node's; those are passed over.
    strange: u64,
    /// Whether nodes of another cluster are under the same prefix.
    is_mixed: bool,
}

/// Lists the nodes of the cluster.
#[utoipa::path(get, path = "/api/v1/nodes", operation_id = "listNodes", tag = "status", responses((status = 200, body = Success<Nodes>)))]
pub(crate) async fn list(State(hub): State<Arc<Hub>>, _caller: NodeService) -> Data<Nodes> {
    let book = &hub.cluster.book;
    let trouble = book.trouble();
    let age_ms = book.age().map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
    Data(Nodes {
        nodes: book.nodes(),
        age_ms,
        strange: trouble.strange,
        is_mixed: trouble.is_mixed,
    })
}
