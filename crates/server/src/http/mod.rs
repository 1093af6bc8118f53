//! The HTTP API: one file per resource, JSON in and out, the tenant always the token's.

mod act;
mod api_keys;
mod audit;
mod audited;
mod caller;
mod config;
mod configuration;
mod connections;
mod cors;
mod dead_letters;
mod device_journal;
mod disk_work;
mod drain;
mod erasure_turns;
mod erasures;
mod error;
mod events;
mod explain;
mod extract;
mod hsts;
mod idempotency;
mod log;
mod log_failure;
mod log_level;
mod messages;
mod nodes;
mod offline_queues;
mod openapi;
mod orders;
mod performance;
mod presence;
mod problem;
mod publish;
mod redactions;
mod reference_page;
mod refusals;
mod request_line;
mod revocations;
mod rooms;
mod rules;
mod service;
mod status;
mod tenant_metrics;
mod tenant_queue;
mod tenants;
mod traced;
mod webhooks;

use std::sync::Arc;

use axum::http::{Method, Uri};
use axum::routing::get;
use axum::{Extension, Router};
use foodtrack_contract::{ErrorCode, Refusal};
use foodtrack_transport::DoorRefusal;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::dashboard;
use crate::demo::Demo;
use crate::hub::Hub;
pub(crate) use cors::Cors;
pub(crate) use disk_work::DiskWork;
pub(crate) use error::ApiError;
pub(crate) use extract::Parameters;
pub(crate) use idempotency::IdempotencyKeys;
pub(crate) use publish::batches;
pub(crate) use service::{ApiThreads, OpenApiThreads};
pub(crate) use status::StatusPages;
pub(crate) use tenant_queue::TenantQueue;

/// What is asked of a tenant.
fn tenant_routes() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new()
        .routes(routes!(publish::publish))
        .routes(routes!(publish::publish_batch))
        .routes(routes!(connections::list))
        .routes(routes!(connections::disconnect))
        .routes(routes!(connections::send))
        .routes(routes!(connections::disconnect_user))
        .routes(routes!(connections::disconnect_device))
        .routes(routes!(presence::list))
        .routes(routes!(device_journal::list))
        .routes(routes!(rooms::list))
        .routes(routes!(rooms::describe))
        .routes(routes!(rooms::grants))
        .routes(routes!(rooms::grant, rooms::revoke))
        .routes(routes!(events::list, events::declare))
        .routes(routes!(events::withdraw))
        .routes(routes!(rules::list, rules::add))
        .routes(routes!(rules::remove))
        .routes(routes!(redactions::list, redactions::add))
        .routes(routes!(redactions::remove))
        .routes(routes!(explain::explain))
        .routes(routes!(log::list))
        .routes(routes!(orders::timeline))
        .routes(routes!(messages::trace))
        .routes(routes!(offline_queues::list))
        .routes(routes!(offline_queues::inspect, offline_queues::drop_queue))
        .routes(routes!(offline_queues::replay))
        .routes(routes!(dead_letters::list))
        .routes(routes!(dead_letters::inspect, dead_letters::drop_letters))
        .routes(routes!(dead_letters::replay))
        .routes(routes!(webhooks::list))
        .routes(routes!(webhooks::test))
        .routes(routes!(webhooks::pause))
        .routes(routes!(webhooks::resume))
        .routes(routes!(webhooks::replay))
        .routes(routes!(webhooks::replay_letter))
        .routes(routes!(revocations::list, revocations::revoke))
        .routes(routes!(revocations::withdraw))
        .routes(routes!(api_keys::list, api_keys::create))
        .routes(routes!(api_keys::rotate))
        .routes(routes!(api_keys::revoke))
        .routes(routes!(audit::list))
        .routes(routes!(config::reload))
        .routes(routes!(nodes::list))
        .routes(routes!(drain::drain))
        .routes(routes!(log_level::show, log_level::set, log_level::reset))
        .routes(routes!(performance::performance))
        .routes(routes!(tenants::list))
        .routes(routes!(erasures::erase_person))
        .routes(routes!(erasures::erase_tenant))
        .routes(routes!(configuration::list))
        .routes(routes!(tenant_metrics::show))
        .routes(routes!(problem::list))
        .routes(routes!(problem::explain))
}

/// What is asked of the node.
fn node_routes() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new()
        .routes(routes!(status::health))
        .routes(routes!(status::ready))
        .routes(routes!(status::live))
        .routes(routes!(status::metrics))
}

/// The API's description, OpenAPI 3.1.
pub(crate) fn description() -> serde_json::Value {
    let mut description = openapi::base();
    for routes in [tenant_routes(), node_routes()] {
        description.merge(routes.into_openapi());
    }
    openapi::complete(description)
}

/// Every path that is about a tenant, and the demo's where there is one.
pub(crate) fn routes(hub: Arc<Hub>, demo: Option<Demo>) -> Router {
    let (routes, _) = tenant_routes().split_for_parts();
    let routes = routes
        .route("/api/v1/openapi.json", get(openapi::description))
        .merge(reference_page::routes())
        .with_state(Arc::clone(&hub));
    let routes = match hub.config.said().dashboard.enabled {
        true => routes.merge(dashboard::routes()),
        false => routes,
    };
    let routes = match demo {
        Some(demo) => routes.merge(demo.routes()),
        None => routes,
    };
    whole(routes, hub)
}

/// Every path that is about the node.
pub(crate) fn status_routes(hub: Arc<Hub>) -> Router {
    let (routes, _) = node_routes().split_for_parts();
    let routes = routes.with_state(Arc::clone(&hub));
    whole(routes, hub)
}

/// What every path has: refusals in the API's own words, and what other origins' pages may do.
fn whole(routes: Router, hub: Arc<Hub>) -> Router {
    let cors = Arc::clone(&hub.cors);
    let clients = hub.config.said().path.clone();
    let routes = hsts::announce(routes, &hub.config);
    routes
        .fallback(move |uri| unknown_path(uri, clients.clone()))
        .method_not_allowed_fallback(unknown_method)
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&hub), audited::tell))
        .layer(axum::middleware::from_fn_with_state(hub, refusals::count))
        .layer(axum::middleware::from_fn(request_line::write))
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
