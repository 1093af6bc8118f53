//! `GET /api/v1/device-journal`: what happened to the tenant's devices lately.

use std::sync::Arc;

use axum::extract::State;
use foodtrack_shard::{DeviceNews, DeviceTurn, read_subscriber_key};
use serde::Serialize;

use super::ApiError;
use super::caller::Administrator;
use super::error::{Data, Success};
use crate::hub::Hub;
use crate::log_report::time_text;

/// A turn in a device's life.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeviceTurnReport {
    /// Its key, as its offline queue has it.
    subscriber: String,
    user_id: String,
    application_type: String,
    /// `null` where it named none: then all of the user's sockets of the application are one.
    device_id: Option<String>,
    /// RFC 3339.
    at: String,
    /// The same in milliseconds since the Unix epoch.
    at_ms: u64,
    /// `came`, `caught_up` or `went`.
    what: &'static str,
    /// Of one that came: whether its session went on.
    #[serde(skip_serializing_if = "Option::is_none")]
    recovered: Option<bool>,
    /// Of one that caught up: how many events that it had missed it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<u64>,
    /// Of one that caught up: how old the oldest of these was, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest_age_ms: Option<u64>,
    /// Of one that went: why its last connection ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

/// Tells what happened to devices lately, oldest first: who came, who was sent what it had missed, who went. The newest 256 of the tenant
/// that this node remembers; none are kept on a disk.
#[utoipa::path(get, path = "/api/v1/device-journal", operation_id = "deviceJournal", tag = "connections",
    responses((status = 200, body = Success<Vec<DeviceTurnReport>>)))]
pub(crate) async fn list(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
) -> Result<Data<Vec<DeviceTurnReport>>, ApiError> {
    let news = hub.connections.device_journal(caller.tenant()).await?;
    Ok(Data(news.iter().map(DeviceTurnReport::new).collect()))
}

impl DeviceTurnReport {
    fn new(news: &DeviceNews) -> Self {
        let (user_id, application, device) = read_subscriber_key(&news.subscriber);
        let mut report = Self {
            subscriber: news.subscriber.as_str().to_owned(),
            user_id,
            application_type: application.to_owned(),
            device_id: device.map(str::to_owned),
            at: time_text(news.at_ms),
            at_ms: news.at_ms,
            what: "",
            recovered: None,
            events: None,
            oldest_age_ms: None,
            reason: None,
        };
        match news.what {
            DeviceTurn::Came { is_recovered } => {
                (report.what, report.recovered) = ("came", Some(is_recovered));
            }
            DeviceTurn::CaughtUp { events, oldest_ms } => {
                report.what = "caught_up";
                report.events = Some(events);
                report.oldest_age_ms = Some(news.at_ms.saturating_sub(oldest_ms));
            }
            DeviceTurn::Went { reason } => (report.what, report.reason) = ("went", Some(reason)),
        }
        report
    }
}
