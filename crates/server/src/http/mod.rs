//! The HTTP API: one file per resource, JSON in and out, the tenant always the token's.

mod api_quota;
mod caller;
mod changes;
mod connections;
mod cors;
mod error;
mod events;
mod explain;
mod extract;
mod idempotency;
mod performance;
mod problem;
mod publish;
mod refusals;
mod rooms;
mod rules;
mod service;
mod status;

use std::sync::Arc;

use axum::http::{Method, Uri};
use axum::routing::{delete, get, post, put};
use axum::{Extension, Router};
use foodtrack_contract::{ErrorCode, Refusal};
use foodtrack_transport::DoorRefusal;

use crate::demo::Demo;
use crate::hub::Hub;
pub(crate) use api_quota::ApiQuota;
pub(crate) use changes::Changes;
pub(crate) use error::ApiError;
pub(crate) use extract::Parameters;
pub(crate) use idempotency::IdempotencyKeys;
pub(crate) use service::{ApiThreads, OpenApiThreads};
pub(crate) use status::StatusPages;

/// Every path that is about a tenant, and the demo's where there is one.
pub(crate) fn routes(hub: Arc<Hub>, demo: Option<Demo>) -> Router {
    let routes = Router::new()
        .route("/api/v1/publish", post(publish::publish))
        .route("/api/v1/connections", get(connections::list))
        .route("/api/v1/connections/{id}", delete(connections::disconnect))
        .route("/api/v1/users/{user}/connections", delete(connections::disconnect_user))
        .route("/api/v1/rooms", get(rooms::list))
        .route("/api/v1/rooms/{name}", put(rooms::describe))
        .route("/api/v1/rooms/{name}/grants/{user}", put(rooms::grant).delete(rooms::revoke))
        .route("/api/v1/events", get(events::list).post(events::declare))
        .route("/api/v1/events/{name}", delete(events::withdraw))
        .route("/api/v1/rules", get(rules::list).post(rules::add))
        .route("/api/v1/rules/{id}", delete(rules::remove))
        .route("/api/v1/explain", post(explain::explain))
        .route("/api/v1/performance", get(performance::performance))
        .route("/api/v1/errors", get(problem::list))
        .route("/api/v1/errors/{code}", get(problem::explain))
        .with_state(Arc::clone(&hub));
    let routes = match demo {
        Some(demo) => routes.merge(demo.routes()),
        None => routes,
    };
    whole(routes, hub)
}

/// Every path that is about the node.
pub(crate) fn status_routes(hub: Arc<Hub>) -> Router {
    let routes = Router::new()
        .route("/health", get(status::health))
        .route("/ready", get(status::ready))
        .route("/metrics", get(status::metrics))
        .with_state(Arc::clone(&hub));
    whole(routes, hub)
}

/// What every path has: refusals in the API's own words, and what other origins' pages may do.
fn whole(routes: Router, hub: Arc<Hub>) -> Router {
    let cors = Arc::new(cors::Cors::new(&hub.config));
    let clients = hub.config.said().path.clone();
    routes
        .fallback(move |uri| unknown_path(uri, clients.clone()))
        .method_not_allowed_fallback(unknown_method)
        .layer(axum::middleware::from_fn_with_state(hub, refusals::count))
        .layer(axum::middleware::from_fn_with_state(cors, cors::answer))
}

/// `clients` is where they connect: who asks elsewhere may be one that was given another path, or none.
async fn unknown_path(uri: Uri, clients: String) -> (Extension<DoorRefusal>, ApiError) {
    let path = uri.path();
    let sentence = format!(
        "there is nothing at {path}; Socket.IO clients connect at {clients} (their option `path`)"
    );
    let refusal = Refusal::new(ErrorCode::NotFound, sentence);
    (Extension(DoorRefusal::PathUnknown), refusal.into())
}

async fn unknown_method(method: Method, uri: Uri) -> ApiError {
    let path = uri.path();
    let sentence = format!("{path} does not take {method}; the Allow header says what it takes");
    Refusal::new(ErrorCode::MethodNotAllowed, sentence).into()
}
