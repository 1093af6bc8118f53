//! `GET /api/v1/orders/{order}/timeline`: what became of an order's events: accepted, stored, sent to whom, confirmed, escalated.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use foodtrack_contract::{Cursor, Offset, Refusal, TenantId};
use foodtrack_shard::{EntryTrace, TracedEntry, read_subscriber_key};
use foodtrack_tenant_log::{
    DeadLetter, LogEntry, Note, NoteKind, SavedCursor, SubscriberKey, dead_letters_at,
    parse_delivery_key,
};
use serde::{Deserialize, Serialize};

use super::ApiError;
use super::caller::Administrator;
use super::disk_work;
use super::error::{Data, Success};
use super::extract::{Parameters, Segments, malformed};
use super::log_failure::LogFailure;
use crate::hub::Hub;
use crate::log_report::{EntryReport, LetterReport, Reports, is_for};

/// Each is asked of the tenant, which has others to serve.
const EVENTS_MAX: usize = 50;
/// Devices of an event that are named.
const DEVICES_MAX: usize = 100;
/// Devices that are looked at for who is away.
const AWAY_MAX: usize = 1_000;

/// How much of it.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TimelineQuery {
    /// The newest events, at most so many; 50 where absent, and at most.
    #[param(minimum = 1, maximum = 50)]
    limit: Option<usize>,
}

/// What became of one event.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventTimeline {
    /// When it was accepted, where it is stored, and whom it is for.
    entry: EntryReport,
    /// Devices that it is for, 100 at most: those that are here, and those of its applications that are away.
    devices: Vec<DeviceReport>,
    /// How many more there are.
    more_devices: usize,
    /// What was done since nobody had confirmed it in time.
    steps: Vec<StepReport>,
    /// For whom it was given up.
    dead_letters: Vec<LetterReport>,
}

/// What a device has of an event.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeviceReport {
    user_id: String,
    application_type: String,
    /// `null` where it named none: then all of the user's sockets of the application are one.
    device_id: Option<String>,
    /// Whether it is connected.
    is_here: bool,
    /// `confirmed`: it has it. `sent`: it was sent it and has not confirmed that yet. `waiting`: it gets it when it has caught up,
    /// or when it comes back.
    state: &'static str,
}

/// One step of an escalation.
#[derive(Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct StepReport {
    /// RFC 3339.
    at: String,
    what: String,
}

/// As `confirming` keeps it.
#[derive(Default, Deserialize)]
struct KeptTimeline {
    steps: Vec<StepReport>,
}

/// What the log says of an order.
#[derive(Default)]
struct Found {
    epoch: Option<foodtrack_contract::Epoch>,
    entries: Vec<LogEntry>,
    letters: Vec<Vec<DeadLetter>>,
    watches: Vec<Note>,
    cursors: Vec<(SubscriberKey, SavedCursor)>,
}

/// Tells what became of an order's events, oldest first.
#[utoipa::path(get, path = "/api/v1/orders/{order}/timeline", operation_id = "orderTimeline", tag = "log",
    params(("order" = String, Path, description = "The order's id"), TimelineQuery),
    responses((status = 200, body = Success<Vec<EventTimeline>>)))]
pub(crate) async fn timeline(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Segments(order): Segments<String>,
    Parameters(query): Parameters<TimelineQuery>,
) -> Result<Data<Vec<EventTimeline>>, ApiError> {
    let limit = query.limit.unwrap_or(EVENTS_MAX);
    if !(1..=EVENTS_MAX).contains(&limit) {
        return Err(malformed("limit is from 1 to 50").into());
    }
    let read = move |hub: &Hub, tenant: &TenantId| -> Result<Found, Refusal> {
        Found::read(hub, tenant, &order, limit)
            .or_else(|failure| failure.or_empty(Found::default()))
    };
    let found = disk_work::read(&hub, caller.tenant(), read).await?;
    let traced = found
        .entries
        .iter()
        .map(|entry| TracedEntry { offset: entry.offset, audience: entry.audience.clone() });
    let traces = match found.entries.is_empty() {
        true => Vec::new(),
        false => hub.connections.trace(caller.tenant(), traced.collect()).await?,
    };
    Ok(Data(found.timelines(&traces, &caller.reports(&hub))))
}

impl Found {
    fn read(hub: &Hub, tenant: &TenantId, order: &str, limit: usize) -> Result<Self, LogFailure> {
        let entries = hub.log.entity_history(tenant, order, limit)?;
        let letters = |entry: &LogEntry| {
            dead_letters_at(entry.offset, |after| hub.log.dead_letters(tenant, after, 1))
        };
        Ok(Self {
            epoch: Some(hub.log.stats(tenant)?.last.epoch()),
            letters: entries.iter().map(letters).collect::<Result<_, _>>()?,
            watches: hub.log.notes(tenant, NoteKind::Watch)?,
            cursors: hub.log.cursors(tenant, None, AWAY_MAX)?,
            entries,
        })
    }

    fn timelines(&self, traces: &[EntryTrace], reports: &Reports) -> Vec<EventTimeline> {
        let Some(epoch) = self.epoch else { return Vec::new() };
        let none = EntryTrace::default();
        let of = |(i, entry): (usize, &LogEntry)| {
            let trace = traces.get(i).unwrap_or(&none);
            let mut devices = self.devices(entry, &Cursor::new(epoch, entry.offset), trace);
            let cut = devices.len().saturating_sub(DEVICES_MAX);
            devices.truncate(DEVICES_MAX);
            EventTimeline {
                entry: reports.entry(epoch, entry),
                devices,
                more_devices: trace.unnamed + cut,
                steps: self.steps(entry.offset),
                dead_letters: self.letters[i].iter().map(LetterReport::new).collect(),
            }
        };
        self.entries.iter().enumerate().map(of).collect()
    }

    /// Those that are here, and those of the entry's applications that are away.
    fn devices(&self, entry: &LogEntry, place: &Cursor, trace: &EntryTrace) -> Vec<DeviceReport> {
        let here: BTreeSet<&SubscriberKey> =
            trace.devices.iter().map(|it| &it.subscriber).collect();
        let present = trace.devices.iter().map(|it| {
            let state = match (it.has_it, it.is_live) {
                (true, _) => "confirmed",
                (false, true) => "sent",
                (false, false) => "waiting",
            };
            DeviceReport::new(&it.subscriber, true, state)
        });
        let is_away = |key: &SubscriberKey| !here.contains(key) && is_for(&entry.audience, key);
        let away = self.cursors.iter().filter(|(key, _)| is_away(key)).map(|(key, saved)| {
            let state = if saved.cursor.has(place) { "confirmed" } else { "waiting" };
            DeviceReport::new(key, false, state)
        });
        present.chain(away).collect()
    }

    fn steps(&self, offset: Offset) -> Vec<StepReport> {
        let of = |note: &&Note| parse_delivery_key(&note.key).is_some_and(|(at, _)| at == offset);
        let kept =
            self.watches.iter().filter(of).filter_map(|note| {
                serde_json::from_str::<KeptTimeline>(note.value.as_deref()?).ok()
            });
        kept.flat_map(|kept| kept.steps).collect()
    }
}

impl DeviceReport {
    fn new(key: &SubscriberKey, is_here: bool, state: &'static str) -> Self {
        let (user_id, application, device) = read_subscriber_key(key);
        let (application_type, device_id) = (application.to_owned(), device.map(str::to_owned));
        Self { user_id, application_type, device_id, is_here, state }
    }
}
