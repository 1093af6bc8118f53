//! `/api/v1/offline-queues`: what waits for who is away: listed, looked at, brought again, or dropped.
//!
//! A queue is no list of its own: it is everything behind a subscriber's cursor in the tenant's log that is for it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use foodtrack_contract::{Cursor, ErrorCode, Offset, Refusal, TenantId};
use foodtrack_shard::read_subscriber_key;
use foodtrack_tenant_log::{PageStart, ReadError, ReadRequest, SavedCursor, SubscriberKey};
use serde::{Deserialize, Serialize};

use super::ApiError;
use super::caller::Administrator;
use super::disk_work;
use super::error::{Data, Success};
use super::extract::{self, Parameters, Segments, check_limit, malformed};
use super::log_failure::{LogFailure, unreadable};
use crate::hub::Hub;
use crate::log_report::{EntryReport, Reports, is_for, time_text};

const LISTED_DEFAULT: usize = 100;
/// How many entries an inspection looks at, of which few may be for the subscriber, and how many bytes of them.
const LOOKED_AT_MAX: usize = 10_000;
const LOOKED_AT_BYTES_MAX: u64 = 8 << 20;

/// Which queues.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct QueuesQuery {
    /// Goes on after this subscriber: the `nextCursor` of the answer before.
    cursor: Option<String>,
    /// At most so many; 100 where absent, 1000 at most.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// How much of a queue.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct InspectQuery {
    /// At most so many events; 100 where absent, 1000 at most.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// From where on events are brought again.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReplayQuery {
    /// What comes after this place, a cursor such as `1k3f9z-42`; all that the log has where absent.
    cursor: Option<String>,
}

/// Somebody's queue.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QueueReport {
    /// Its key: user, application, and the device where it is named.
    subscriber: String,
    user_id: String,
    application_type: String,
    device_id: Option<String>,
    /// Through where it has confirmed everything.
    cursor: String,
    /// When that was; RFC 3339.
    updated_at: String,
    /// How many entries the log has behind that, whoever they are for.
    entries_behind: u64,
}

/// Part of the list.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QueueList {
    /// Always `true`.
    success: bool,
    data: Vec<QueueReport>,
    /// The `cursor` of the next request; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// What waits for somebody.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QueueInspection {
    queue: QueueReport,
    /// The next events that are for its application or its user; what is for it by rooms that it has joined is not looked up.
    events: Vec<EntryReport>,
    /// Whether there may be more.
    has_more: bool,
}

/// A queue that was moved.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct MovedQueue {
    subscriber: String,
    /// It gets what comes after this.
    cursor: String,
}

/// Lists subscribers with how far they have confirmed, by key. What was confirmed in the last quarter of a second may be missing.
#[utoipa::path(get, path = "/api/v1/offline-queues", operation_id = "listOfflineQueues", tag = "log", params(QueuesQuery),
    responses((status = 200, body = QueueList)))]
pub(crate) async fn list(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Parameters(query): Parameters<QueuesQuery>,
) -> Result<Json<QueueList>, ApiError> {
    check_limit(query.limit)?;
    let after = query.cursor.as_deref().map(subscriber_key).transpose()?;
    let limit = query.limit.unwrap_or(LISTED_DEFAULT);
    let read = move |hub: &Hub, tenant: &TenantId| {
        let read = || -> Result<QueueList, LogFailure> {
            let last = hub.log.stats(tenant)?.last;
            let found = hub.log.cursors(tenant, after.as_ref(), limit)?;
            let is_full = found.len() == limit;
            let next_cursor = found.last().filter(|_| is_full).map(|(key, _)| key.as_str().into());
            let queues = found.iter().filter(|(key, _)| is_client(key));
            let data = queues.map(|(key, saved)| QueueReport::new(key, saved, &last)).collect();
            Ok(QueueList { success: true, data, next_cursor })
        };
        let empty = QueueList { success: true, data: Vec::new(), next_cursor: None };
        read().or_else(|failure| failure.or_empty(empty))
    };
    Ok(Json(disk_work::read(&hub, caller.tenant(), read).await?))
}

/// Shows what waits for somebody.
#[utoipa::path(get, path = "/api/v1/offline-queues/{subscriber}", operation_id = "inspectOfflineQueue", tag = "log",
    params(("subscriber" = String, Path, description = "The subscriber's key, as the list has it"), InspectQuery),
    responses((status = 200, body = Success<QueueInspection>)))]
pub(crate) async fn inspect(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Segments(subscriber): Segments<String>,
    Parameters(query): Parameters<InspectQuery>,
) -> Result<Data<QueueInspection>, ApiError> {
    check_limit(query.limit)?;
    let key = subscriber_key(&subscriber)?;
    let limit = query.limit.unwrap_or(LISTED_DEFAULT);
    let reports = caller.reports(&hub);
    let read = move |hub: &Hub, _: &TenantId| look_into(hub, &reports, &key, limit);
    Ok(Data(disk_work::read(&hub, caller.tenant(), read).await?))
}

/// Drops what waits for somebody who is not connected: they begin behind what was accepted by now. A client that brings a cursor of its
/// own goes on from there all the same.
#[utoipa::path(delete, path = "/api/v1/offline-queues/{subscriber}", operation_id = "dropOfflineQueue", tag = "log",
    params(("subscriber" = String, Path, description = "The subscriber's key, as the list has it")),
    responses((status = 200, body = Success<MovedQueue>)))]
pub(crate) async fn drop_queue(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Segments(subscriber): Segments<String>,
) -> Result<Data<MovedQueue>, ApiError> {
    let key = subscriber_key(&subscriber)?;
    let last = known(&hub, caller.tenant(), key.clone()).await?;
    move_to(&hub, caller.tenant(), key, last).await
}

/// Brings events again to somebody who is not connected, when they come: those after `cursor`, as far as `log.offlineHoursMax` goes.
#[utoipa::path(post, path = "/api/v1/offline-queues/{subscriber}/replay", operation_id = "replayOfflineQueue", tag = "log",
    params(("subscriber" = String, Path, description = "The subscriber's key, as the list has it"), ReplayQuery),
    responses((status = 200, body = Success<MovedQueue>)))]
pub(crate) async fn replay(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Segments(subscriber): Segments<String>,
    Parameters(query): Parameters<ReplayQuery>,
) -> Result<Data<MovedQueue>, ApiError> {
    let key = subscriber_key(&subscriber)?;
    let cursor = query.cursor.as_deref().map(extract::cursor).transpose()?;
    let last = known(&hub, caller.tenant(), key.clone()).await?;
    let from = cursor.unwrap_or_else(|| Cursor::new(last.epoch(), Offset::ZERO));
    if from.epoch() != last.epoch() {
        let sentence = "the cursor is of another incarnation of the log";
        return Err(Refusal::new(ErrorCode::Conflict, sentence).into());
    }
    move_to(&hub, caller.tenant(), key, from).await
}

async fn move_to(
    hub: &Hub,
    tenant: &TenantId,
    key: SubscriberKey,
    to: Cursor,
) -> Result<Data<MovedQueue>, ApiError> {
    let subscriber = key.as_str().to_owned();
    hub.connections.move_queue(tenant, key, to.through()).await?;
    let cursor = Cursor::new(to.epoch(), to.through()).to_string();
    Ok(Data(MovedQueue { subscriber, cursor }))
}

/// Where the log ends, if the tenant knows the subscriber.
async fn known(hub: &Arc<Hub>, tenant: &TenantId, key: SubscriberKey) -> Result<Cursor, ApiError> {
    let read = move |hub: &Hub, tenant: &TenantId| Ok(find(hub, tenant, &key)?.1);
    disk_work::read(hub, tenant, read).await
}

fn find(
    hub: &Hub,
    tenant: &TenantId,
    key: &SubscriberKey,
) -> Result<(SavedCursor, Cursor), Refusal> {
    let read = || -> Result<_, ReadError> {
        Ok(hub.log.cursor(tenant, key)?.zip(Some(hub.log.stats(tenant)?.last)))
    };
    match read() {
        Ok(Some(found)) => Ok(found),
        Ok(None) | Err(ReadError::UnknownTenant(_)) => {
            let sentence =
                "the tenant has no such subscriber; GET /api/v1/offline-queues lists them";
            Err(Refusal::new(ErrorCode::NotFound, sentence))
        }
        Err(error) => Err(unreadable(&error)),
    }
}

fn look_into(
    hub: &Hub,
    reports: &Reports,
    key: &SubscriberKey,
    limit: usize,
) -> Result<QueueInspection, Refusal> {
    let tenant = reports.tenant();
    let (saved, last) = find(hub, tenant, key)?;
    let request = ReadRequest {
        tenant: tenant.clone(),
        epoch: Some(saved.cursor.epoch()),
        after: saved.cursor.through(),
        through: Offset::MAX,
        entries_max: LOOKED_AT_MAX,
        bytes_max: LOOKED_AT_BYTES_MAX,
    };
    let mut page = hub.log.read(&request).map_err(|error| unreadable(&error))?;
    if page.start == PageStart::Reset {
        let request = ReadRequest { epoch: None, after: Offset::ZERO, ..request };
        page = hub.log.read(&request).map_err(|error| unreadable(&error))?;
    }
    let wanted = page
        .entries
        .iter()
        .filter(|entry| !saved.cursor.covers(entry.offset) && is_for(&entry.audience, key));
    let mut events: Vec<_> =
        wanted.take(limit + 1).map(|entry| reports.entry(page.epoch, entry)).collect();
    let has_more = events.len() > limit || !page.is_last;
    events.truncate(limit);
    Ok(QueueInspection { queue: QueueReport::new(key, &saved, &last), events, has_more })
}

/// Webhooks have places in the log too, and `/api/v1/webhooks` shows those.
fn is_client(key: &SubscriberKey) -> bool {
    key.as_str().contains(':')
}

fn subscriber_key(text: &str) -> Result<SubscriberKey, Refusal> {
    let key = SubscriberKey::new(text).filter(is_client);
    key.ok_or_else(|| {
        malformed("a subscriber's key is user:application:device, as the list has it")
    })
}

impl QueueReport {
    fn new(key: &SubscriberKey, saved: &SavedCursor, last: &Cursor) -> Self {
        let (user_id, application, device) = read_subscriber_key(key);
        let is_same = saved.cursor.epoch() == last.epoch();
        let through = if is_same { saved.cursor.through() } else { Offset::ZERO };
        Self {
            subscriber: key.as_str().to_owned(),
            user_id,
            application_type: application.to_owned(),
            device_id: device.map(str::to_owned),
            cursor: saved.cursor.to_string(),
            updated_at: time_text(saved.updated_at_ms),
            entries_behind: last.through().get().saturating_sub(through.get()),
        }
    }
}
