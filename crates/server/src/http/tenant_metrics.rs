//! `GET /metrics/tenants/{tenant}`: what one tenant did on this node, for Prometheus.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};

use super::ApiError;
use super::caller::TenantWatcher;
use super::status;
use crate::hub::Hub;
use crate::metrics;

/// What the tenant did on the node that is asked since it was opened there: in Prometheus' own format, or as OpenMetrics for who
/// accepts that.
#[utoipa::path(get, path = "/metrics/tenants/{tenant}", operation_id = "getTenantMetrics", tag = "status",
    params(("tenant" = String, Path, description = "The token's own, or any for the operator")),
    responses((status = 200, content_type = "text/plain", body = String)))]
pub(crate) async fn show(
    State(hub): State<Arc<Hub>>,
    TenantWatcher(tenant): TenantWatcher,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let format = status::format(&headers);
    let tally = hub.connections.tally(&tenant).await?;
    let page = metrics::page_of_tenant(tenant, tally).told(format);
    let kind = (header::CONTENT_TYPE, format.content_type());
    Ok(([kind, (header::CACHE_CONTROL, "no-store")], page).into_response())
}
