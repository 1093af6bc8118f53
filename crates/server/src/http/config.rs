//! `POST /api/v1/config/reload`: what SIGHUP does, over HTTP.

use std::sync::Arc;

use axum::extract::State;
use foodtrack_contract::{ErrorCode, Refusal};

use super::ApiError;
use super::act::Act;
use super::caller::NodeService;
use super::disk_work;
use super::error::{Data, Success};
use crate::hub::Hub;
use crate::reload::{ReloadError, ReloadReport};

/// Reads the node's configuration anew: what can change without a restart does.
///
/// Where anything in it does not hold, nothing changes, and `detail` says all that does not.
#[utoipa::path(post, path = "/api/v1/config/reload", operation_id = "reloadConfiguration", tag = "status",
    responses((status = 200, body = Success<ReloadReport>)))]
pub(crate) async fn reload(
    State(hub): State<Arc<Hub>>,
    NodeService(caller): NodeService,
    act: Act,
) -> Result<Data<ReloadReport>, ApiError> {
    let reload = |hub: &Hub, _: &_| {
        hub.reload().map_err(|error| {
            let code = match error {
                ReloadError::NoSource => ErrorCode::NotFound,
                ReloadError::Webhooks(_) => ErrorCode::Degraded,
                ReloadError::Invalid(_) | ReloadError::Declared(_) => ErrorCode::Conflict,
            };
            Refusal::new(code, error.to_string())
        })
    };
    let report = disk_work::change_kept(&hub, caller.tenant(), reload).await?;
    act.is_about(&report);
    Ok(Data(report))
}
