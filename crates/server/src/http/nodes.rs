//! `GET /api/v1/nodes`: the nodes of the cluster, for its operators.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ApiError;
use super::caller::NodeService;
use super::error::{Data, Success};
use super::extract::Parameters;
use crate::cluster::{NodeInfo, STATUS};
use crate::health::HealthStatus;
use crate::hub::Hub;
use crate::performance::PerformanceMetrics;

/// What is asked of the nodes.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct NodesQuery {
    /// Whether each node is asked how it is.
    #[serde(default)]
    status: bool,
}

/// The nodes that live, as the one that is asked knows them.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Nodes {
    /// Every node whose lease holds, by id; one that is alone is here alone.
    nodes: Vec<ListedNode>,
    /// How long ago they were read from Redis, in milliseconds; absent where they never were.
    #[serde(skip_serializing_if = "Option::is_none")]
    age_ms: Option<u64>,
    /// How many values among them are no node's; those are passed over.
    strange: u64,
    /// Whether nodes of another cluster are under the same prefix.
    is_mixed: bool,
    /// The ids of nodes that were asked how they are, and did not answer in time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing_nodes: Vec<String>,
}

/// A node, and how it is where that was asked.
#[derive(Serialize, utoipa::ToSchema)]
struct ListedNode {
    #[serde(flatten)]
    node: NodeInfo,
    /// How it is, as it says itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<NodeStatus>)]
    status: Option<Value>,
}

/// How a node is.
#[derive(Serialize, utoipa::ToSchema)]
struct NodeStatus {
    /// As its `GET /health`, without the other nodes.
    health: HealthStatus,
    /// As its `GET /api/v1/performance`.
    performance: PerformanceMetrics,
}

/// Lists the nodes of the cluster, and says how each is where that is asked.
#[utoipa::path(get, path = "/api/v1/nodes", operation_id = "listNodes", tag = "status", params(NodesQuery),
    responses((status = 200, body = Success<Nodes>)))]
pub(crate) async fn list(
    State(hub): State<Arc<Hub>>,
    _caller: NodeService,
    Parameters(query): Parameters<NodesQuery>,
) -> Result<Data<Nodes>, ApiError> {
    let (mut statuses, mut missing_nodes) = (BTreeMap::new(), Vec::new());
    if query.status {
        let (own, others) = tokio::join!(status_of(&hub), hub.cluster.statuses());
        (statuses, missing_nodes) = (others.found, others.missing_nodes);
        statuses.insert(hub.cluster.book.own_id().as_str().to_owned(), own);
    }
    let book = &hub.cluster.book;
    let trouble = book.trouble();
    let age_ms = book.age().map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
    let nodes = book.nodes().into_iter();
    let nodes = nodes.map(|node| ListedNode { status: statuses.remove(&node.id), node });
    Ok(Data(Nodes {
        nodes: nodes.collect(),
        age_ms,
        strange: trouble.strange,
        is_mixed: trouble.is_mixed,
        missing_nodes,
    }))
}

/// Says to other nodes how this one is.
pub(super) fn status_route(hub: Arc<Hub>) -> Router {
    let answer = async |State(hub): State<Arc<Hub>>| Json(status_of(&hub).await);
    Router::new().route(STATUS, post(answer)).with_state(hub)
}

async fn status_of(hub: &Hub) -> Value {
    let health = hub.health(hub.count().await);
    let health = HealthStatus { nodes: Vec::new(), ..health };
    let status = NodeStatus { health, performance: hub.performance.metrics() };
    // Texts and numbers only: it cannot fail.
    serde_json::to_value(status).unwrap_or_default()
}
