//! `GET /api/v1/performance`, for people.

use std::sync::Arc;

use axum::extract::State;

use super::caller::Administrator;
use super::error::Data;
use crate::hub::Hub;
use crate::performance::PerformanceMetrics;

pub(crate) async fn performance(
    State(hub): State<Arc<Hub>>,
    _caller: Administrator,
) -> Data<PerformanceMetrics> {
    Data(hub.performance.metrics())
}
