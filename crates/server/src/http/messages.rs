//! `GET /api/v1/messages/{id}/trace`: what became of one message: who has it, since when, over which node, and who not and why.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::State;
use foodtrack_contract::{Cursor, ErrorCode, Refusal, TenantId};
use foodtrack_shard::{DeviceTrace, EntryTrace, PresenceQuery, TracedEntry, read_subscriber_key};
use foodtrack_tenant_log::{
    DeadLetter, LogEntry, RECENT_IDS_MAX, SavedCursor, SubscriberKey, dead_letters_at,
};
use serde::Serialize;
use uuid::Uuid;

use super::ApiError;
use super::caller::Administrator;
use super::disk_work;
use super::error::{Data, Success};
use super::extract::{Segments, malformed};
use super::log_failure::LogFailure;
use crate::hub::Hub;
use crate::log_report::{EntryReport, is_for, time_text};
use crate::webhooks::WebhookReport;

/// Devices that are named.
const DEVICES_MAX: usize = 200;
/// Cursors that are looked at for who is away, and devices that are asked for where they are.
const LOOKED_AT_MAX: usize = 1_000;

/// What became of a message.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageTrace {
    /// When it was accepted, where it is stored, and whom it is for.
    entry: EntryReport,
    /// Devices that it is for, 200 at most: those that are here, and those of its applications that are away.
    recipients: Vec<RecipientTrace>,
    /// How many more there are.
    more_recipients: usize,
    /// Back ends that are told of it.
    webhooks: Vec<WebhookTrace>,
    /// Nodes of the cluster that did not answer in time: who is at them seems to be away.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing_nodes: Vec<String>,
}

/// What a device has of it.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RecipientTrace {
    user_id: String,
    application_type: String,
    /// `null` where it named none: then all of the user's sockets of the application are one.
    device_id: Option<String>,
    /// `confirmed`, `sent`, `waiting` or `given_up`.
    state: &'static str,
    /// The same in a sentence, with what it waits for.
    why: String,
    /// By when it had confirmed it, at the latest; RFC 3339. `null` where it has not, or that is not saved yet.
    confirmed_by: Option<String>,
    /// The nodes that it is connected to; none where it is away.
    nodes: Vec<String>,
}

/// Whether a back end was told.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WebhookTrace {
    name: String,
    /// Whether its receiver has everything up to this message, as far as it wants it.
    is_past: bool,
}

/// What the log says of it.
struct Found {
    place: Cursor,
    entry: LogEntry,
    letters: Vec<DeadLetter>,
    cursors: BTreeMap<SubscriberKey, SavedCursor>,
    webhooks: Vec<WebhookReport>,
}

/// Who is connected to which nodes.
type Whereabouts = BTreeMap<String, BTreeSet<String>>;

/// Tells what became of one message, by its id.
#[utoipa::path(get, path = "/api/v1/messages/{id}/trace", operation_id = "traceMessage", tag = "log",
    params(("id" = Uuid, Path, description = "The message's id")),
    responses((status = 200, body = Success<MessageTrace>)))]
pub(crate) async fn trace(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Segments(id): Segments<String>,
) -> Result<Data<MessageTrace>, ApiError> {
    let id = Uuid::try_parse(&id)
        .map_err(|_| malformed("a message's id is a UUID, as the answer to who sent it has it"))?;
    let tenant = caller.tenant();
    let read = move |hub: &Hub, tenant: &TenantId| -> Result<Option<Found>, Refusal> {
        Found::read(hub, tenant, id).or_else(|failure| failure.or_empty(None))
    };
    let found = disk_work::read(&hub, tenant, read).await?.ok_or_else(not_found)?;
    let traced = TracedEntry { offset: found.entry.offset, audience: found.entry.audience.clone() };
    let here = hub.connections.trace(tenant, vec![traced]).await?.pop().unwrap_or_default();
    let query = PresenceQuery { limit: Some(LOOKED_AT_MAX), ..PresenceQuery::default() };
    let own = hub.cluster.book.own_id().as_str();
    let present = hub.cluster.connections.present_by_node(tenant, query).await?;
    let mut whereabouts = Whereabouts::new();
    for (node, page) in present.found {
        for device in page.items.into_iter().filter(|device| device.connections > 0) {
            let node = node.clone().unwrap_or_else(|| own.to_owned());
            whereabouts.entry(device.subscriber).or_default().insert(node);
        }
    }
    let (mut recipients, mut more) = (found.recipients(&here, &whereabouts), here.unnamed);
    more += recipients.len().saturating_sub(DEVICES_MAX);
    recipients.truncate(DEVICES_MAX);
    let webhooks = found
        .webhooks
        .iter()
        .map(|it| WebhookTrace { name: it.name().to_owned(), is_past: it.has(&found.place) });
    Ok(Data(MessageTrace {
        entry: caller.reports(&hub).entry(found.place.epoch(), &found.entry),
        recipients,
        more_recipients: more,
        webhooks: webhooks.collect(),
        missing_nodes: present.missing_nodes,
    }))
}

fn not_found() -> Refusal {
    let sentence = format!(
        "no message of this id is among the newest {RECENT_IDS_MAX} of the tenant's log; volatile ones are in none"
    );
    Refusal::new(ErrorCode::NotFound, sentence)
}

impl Found {
    /// `None`: the log has no such message.
    fn read(hub: &Hub, tenant: &TenantId, id: Uuid) -> Result<Option<Self>, LogFailure> {
        let Some(offset) = hub.log.find(tenant, id)? else { return Ok(None) };
        let Some(entry) = hub.log.read_at(tenant, &[offset])?.pop() else { return Ok(None) };
        let letters = dead_letters_at(offset, |after| hub.log.dead_letters(tenant, after, 1))?;
        Ok(Some(Self {
            place: Cursor::new(hub.log.stats(tenant)?.last.epoch(), offset),
            entry,
            letters,
            cursors: hub.log.cursors(tenant, None, LOOKED_AT_MAX)?.into_iter().collect(),
            webhooks: hub.webhooks.list(&*hub.log, tenant)?,
        }))
    }

    /// Those that are here first, then those of the message's applications that are elsewhere or away.
    fn recipients(&self, here: &EntryTrace, whereabouts: &Whereabouts) -> Vec<RecipientTrace> {
        let known: BTreeSet<&SubscriberKey> =
            here.devices.iter().map(|device| &device.subscriber).collect();
        let is_other =
            |key: &&SubscriberKey| !known.contains(key) && is_for(&self.entry.audience, key);
        let others = self.cursors.keys().filter(is_other);
        let devices = here.devices.iter().map(|device| (&device.subscriber, Some(device)));
        let all = devices.chain(others.map(|key| (key, None)));
        all.map(|(key, device)| self.recipient(key, device, whereabouts)).collect()
    }

    fn recipient(
        &self,
        key: &SubscriberKey,
        device: Option<&DeviceTrace>,
        whereabouts: &Whereabouts,
    ) -> RecipientTrace {
        let (user_id, application, device_id) = read_subscriber_key(key);
        let nodes = whereabouts.get(key.as_str());
        let saved = self.cursors.get(key).filter(|saved| saved.cursor.has(&self.place));
        let (state, why) = self.state(key, device, saved.is_some(), nodes.is_some());
        RecipientTrace {
            user_id,
            application_type: application.to_owned(),
            device_id: device_id.map(str::to_owned),
            state,
            why,
            confirmed_by: saved.map(|saved| time_text(saved.updated_at_ms)),
            nodes: nodes.into_iter().flatten().cloned().collect(),
        }
    }

    fn state(
        &self,
        key: &SubscriberKey,
        device: Option<&DeviceTrace>,
        is_saved: bool,
        is_elsewhere: bool,
    ) -> (&'static str, String) {
        if let Some(letter) = self.letters.iter().find(|letter| letter.subscriber == *key) {
            let (at, attempts) = (time_text(letter.at_ms), letter.attempts);
            return (
                "given_up",
                match letter.reason.as_str() {
                    "expired" => format!("its time was over at {at}, before the device had it"),
                    _ => format!(
                        "the device did not acknowledge it, and it was given up at {at}, sent {attempts} times"
                    ),
                },
            );
        }
        let (state, why) = match device {
            _ if is_saved => ("confirmed", "the device has confirmed everything up to it"),
            Some(device) if device.has_it => ("confirmed", "the device has confirmed it"),
            Some(device) if device.is_live => (
                "sent",
                "it was written to the device, which has not confirmed it yet: it does within two heartbeats, or is gone",
            ),
            Some(_) => {
                ("waiting", "the device is connected and catches up: it gets it in its turn")
            }
            None if is_elsewhere => (
                "sent",
                "the device is connected to another node, and what it confirmed there is not saved yet",
            ),
            None => (
                "waiting",
                "the device is away: it gets it when it comes back, while the log has it",
            ),
        };
        (state, why.to_owned())
    }
}
