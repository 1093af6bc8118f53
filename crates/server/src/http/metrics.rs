//! `GET /metrics` for Prometheus. Without a token, as scrapers expect: it tells nothing of any tenant.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use crate::hub::Hub;

pub(crate) async fn metrics(State(hub): State<Arc<Hub>>) -> impl IntoResponse {
    let page = crate::metrics::render(hub.performance.counters(), hub.uptime_s());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page)
}
