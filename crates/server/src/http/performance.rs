//! `GET /api/v1/performance`, for people.

use std::sync::Arc;

use axum::extract::State;

use super::caller::Watcher;
use super::error::{Data, Success};
use crate::hub::Hub;
use crate::performance::PerformanceMetrics;

/// How the node performs, over the last ten seconds.
#[utoipa::path(get, path = "/api/v1/performance", operation_id = "getPerformance", tag = "status", responses((status = 200, body = Success<PerformanceMetrics>)))]
pub(crate) async fn performance(
    State(hub): State<Arc<Hub>>,
    _caller: Watcher,
) -> Data<PerformanceMetrics> {
    Data(hub.performance.metrics())
}
