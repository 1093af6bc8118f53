//! `/api/v1/webhooks`: back ends that are told of events; how they do, tried, paused, sent again.

use std::sync::Arc;

use axum::extract::State;
use foodtrack_contract::TenantId;
use serde::{Deserialize, Serialize};

use super::ApiError;
use super::caller::Administrator;
use super::dead_letters;
use super::disk_work;
use super::error::{Data, Success};
use super::extract::{self, Parameters, Segments};
use super::log_failure::unreadable;
use crate::hub::Hub;
use crate::webhooks::{TestReport, WebhookReport};

/// From where a webhook is sent a tenant's events again.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReplayQuery {
    /// Those after this place: a cursor such as `1k3f9z-42`. Everything that the log has where absent.
    cursor: Option<String>,
}

/// A webhook that was changed.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Changed {
    /// Its name.
    webhook: String,
    /// Whether it is sent nothing of this tenant for now.
    is_paused: bool,
}

/// A webhook that starts anew.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Restarted {
    /// Its name.
    webhook: String,
}

/// Lists the webhooks that are told of the tenant's events, and how they do. They are set up in the configuration.
#[utoipa::path(get, path = "/api/v1/webhooks", operation_id = "listWebhooks", tag = "webhooks",
    responses((status = 200, body = Success<Vec<WebhookReport>>)))]
pub(crate) async fn list(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
) -> Result<Data<Vec<WebhookReport>>, ApiError> {
    let read = |hub: &Hub, tenant: &TenantId| {
        hub.webhooks.list(&*hub.log, tenant).map_err(|error| unreadable(&error))
    };
    Ok(Data(disk_work::read(&hub, caller.tenant(), read).await?))
}

/// Posts a signed request without events to a webhook's receiver, and says what came of it.
#[utoipa::path(post, path = "/api/v1/webhooks/{name}/test", operation_id = "testWebhook", tag = "webhooks",
    params(("name" = String, Path, description = "The webhook's name")),
    responses((status = 200, body = Success<TestReport>)))]
pub(crate) async fn test(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Segments(name): Segments<String>,
) -> Result<Data<TestReport>, ApiError> {
    Ok(Data(hub.webhooks.test(caller.tenant(), &name).await?))
}

/// Sends a webhook nothing of this tenant until it is resumed; meanwhile its events wait in the log.
#[utoipa::path(post, path = "/api/v1/webhooks/{name}/pause", operation_id = "pauseWebhook", tag = "webhooks",
    params(("name" = String, Path, description = "The webhook's name")),
    responses((status = 200, body = Success<Changed>)))]
pub(crate) async fn pause(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Segments(name): Segments<String>,
) -> Result<Data<Changed>, ApiError> {
    set_paused(&hub, &caller, name, true).await
}

/// Goes on with what waited.
#[utoipa::path(post, path = "/api/v1/webhooks/{name}/resume", operation_id = "resumeWebhook", tag = "webhooks",
    params(("name" = String, Path, description = "The webhook's name")),
    responses((status = 200, body = Success<Changed>)))]
pub(crate) async fn resume(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Segments(name): Segments<String>,
) -> Result<Data<Changed>, ApiError> {
    set_paused(&hub, &caller, name, false).await
}

async fn set_paused(
    hub: &Arc<Hub>,
    caller: &Administrator,
    webhook: String,
    is_paused: bool,
) -> Result<Data<Changed>, ApiError> {
    let change = move |hub: &Hub, tenant: &TenantId| {
        hub.webhooks.set_paused(&*hub.log, tenant, &webhook, is_paused)?;
        Ok(Changed { webhook, is_paused })
    };
    Ok(Data(disk_work::read(hub, caller.tenant(), change).await?))
}

/// Posts the event of a webhook's dead letter to its receiver once more, alone. The letter goes once the receiver has taken it.
#[utoipa::path(post, path = "/api/v1/webhooks/{name}/dead-letters/{offset}/replay", operation_id = "replayWebhookDeadLetter", tag = "webhooks",
    params(("name" = String, Path, description = "The webhook's name"),
        ("offset" = u64, Path, description = "The event's offset")),
    responses((status = 200, description = "What the receiver said; with `isTaken` false the letter stays",
        body = Success<TestReport>)))]
pub(crate) async fn replay_letter(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Segments((name, offset)): Segments<(String, u64)>,
) -> Result<Data<TestReport>, ApiError> {
    let offset = dead_letters::offset(offset)?;
    let letter = (name.as_str(), offset);
    let posted =
        hub.webhooks.replay_letter(&hub.log, &hub.policies, caller.tenant(), letter).await?;
    Ok(Data(posted))
}

/// Sends a webhook the tenant's events again, from a cursor on, or all that the log has. Receivers know events that come again by their
/// `cursor`.
#[utoipa::path(post, path = "/api/v1/webhooks/{name}/replay", operation_id = "replayWebhook", tag = "webhooks",
    params(("name" = String, Path, description = "The webhook's name"), ReplayQuery),
    responses((status = 200, body = Success<Restarted>)))]
pub(crate) async fn replay(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Segments(name): Segments<String>,
    Parameters(query): Parameters<ReplayQuery>,
) -> Result<Data<Restarted>, ApiError> {
    let cursor = query.cursor.as_deref().map(extract::cursor).transpose()?;
    let restart = move |hub: &Hub, tenant: &TenantId| {
        hub.webhooks.replay(&*hub.log, tenant, &name, cursor.as_ref())?;
        Ok(Restarted { webhook: name })
    };
    Ok(Data(disk_work::read(&hub, caller.tenant(), restart).await?))
}
