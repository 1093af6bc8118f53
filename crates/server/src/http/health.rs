//! `GET /health` for load balancers, `GET /api/v1/performance` for people.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::caller::Administrator;
use super::error::Data;
use crate::health::{HealthState, HealthStatus};
use crate::hub::Hub;
use crate::performance::PerformanceMetrics;

/// 200 while the node should get clients, 503 once it should not. Without a token: it tells nothing of any tenant.
pub(crate) async fn health(State(hub): State<Arc<Hub>>) -> (StatusCode, Json<HealthStatus>) {
    let connections = hub.count().await;
    let health = hub.health(connections);
    let status = match health.status {
        HealthState::Healthy | HealthState::Degraded => StatusCode::OK,
        HealthState::Unhealthy => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(health))
}

pub(crate) async fn performance(
    State(hub): State<Arc<Hub>>,
    _caller: Administrator,
) -> Data<PerformanceMetrics> {
    Data(hub.performance.metrics())
}
