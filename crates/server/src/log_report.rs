//! What stands in a tenant's log, as the command line and the HTTP API tell it.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use foodtrack_contract::{
    ApplicationSet, ApplicationType, Cursor, Epoch, Offset, RoomName, TenantId,
    without_lone_surrogates,
};
use foodtrack_router::{NotRedactable, Redactions, Viewer};
use foodtrack_shard::read_subscriber_key;
use foodtrack_tenant_log::{
    DeadLetter, Durability, LogEntry, LoggedAudience, LoggedRoom, SubscriberKey,
};
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::ToSchema;

/// Whether a message is for a subscriber whatever rooms it has joined.
pub(crate) fn is_for(audience: &LoggedAudience, key: &SubscriberKey) -> bool {
    let (user, application, _) = read_subscriber_key(key);
    let Some(application) = ApplicationType::from_wire(application) else { return false };
    let own: [LoggedRoom; 2] = [RoomName::Tenant.into(), RoomName::User(&user).into()];
    audience.only.contains(application)
        && (audience.applications.contains(application)
            || audience.rooms.iter().any(|room| own.contains(room)))
}

/// An entry of a tenant's log, with its whole message.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EntryReport {
    /// Its place.
    offset: u64,
    /// Its place as clients carry it.
    cursor: String,
    /// The message's id.
    id: String,
    /// The event's name.
    event: String,
    /// When the server took it; RFC 3339.
    at: String,
    /// The same in milliseconds since the Unix epoch.
    at_ms: u64,
    /// When it is of no use any more, in milliseconds since the Unix epoch.
    expires_at_ms: Option<u64>,
    /// `low`, `medium`, `high` or `urgent`.
    priority: &'static str,
    /// Whether it waited for the disk.
    durable: bool,
    /// The order it is about.
    order_id: Option<String>,
    /// Whether it is the one that made its order.
    creates_order: bool,
    /// Whose the order is that it made.
    customer_id: Option<String>,
    /// Whom it was for.
    audience: AudienceReport,
    /// The message as it was delivered, without what redactions hide from the reader; `null` where that cannot be left out.
    #[schema(value_type = Object)]
    message: Value,
    /// The binary parts that the message's placeholders stand for, as base64.
    attachments: Vec<String>,
}

/// Whom an entry was for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AudienceReport {
    /// Everyone of these applications.
    applications: Vec<&'static str>,
    /// The members of these rooms.
    rooms: Vec<String>,
    /// And of all these, those of these applications alone.
    only: Vec<&'static str>,
    /// What receiving took: one of these permissions.
    #[schema(value_type = Option<Vec<String>>)]
    read: Option<foodtrack_contract::ReadPermission>,
}

/// A message that a subscriber did not get.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LetterReport {
    /// The message's place in the log.
    offset: u64,
    /// Who did not get it: user, application, and the device where it is named.
    subscriber: String,
    /// The message's id.
    id: String,
    /// `failed`: nobody acknowledged it. `expired`: its time was over.
    reason: &'static str,
    /// How often it was sent.
    attempts: u32,
    /// When it was given up; RFC 3339.
    at: String,
    /// The same in milliseconds since the Unix epoch.
    at_ms: u64,
}

/// Reports to somebody: without what is hidden from whoever reads them.
pub(crate) struct Reports {
    redactions: Arc<Redactions>,
    tenant: TenantId,
    viewer: Viewer,
}

impl Reports {
    /// Of this tenant's log, to this viewer.
    pub(crate) fn new(redactions: &Arc<Redactions>, tenant: &TenantId, viewer: Viewer) -> Self {
        Self { redactions: Arc::clone(redactions), tenant: tenant.clone(), viewer }
    }

    /// Whose log it is.
    pub(crate) fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// An entry without what is hidden. Where that cannot be left out, the message is `null`.
    pub(crate) fn entry(&self, epoch: Epoch, entry: &LogEntry) -> EntryReport {
        let redactions = self.redactions.of(&self.tenant, &entry.event);
        let hidden = redactions.hidden_from(self.viewer);
        if hidden.is_nothing() {
            return EntryReport::new(epoch, entry);
        }
        let left = redactions.redact(hidden, &entry.message, &entry.attachments);
        match left {
            Ok(None) => EntryReport::new(epoch, entry),
            Ok(Some(left)) => {
                let attachments = left.attachments(&entry.attachments);
                EntryReport::of(epoch, entry, message_json(left.message()), attachments)
            }
            Err(NotRedactable) => EntryReport::of(epoch, entry, Value::Null, &[]),
        }
    }
}

impl EntryReport {
    /// The event's name.
    pub(crate) fn event(&self) -> &str {
        &self.event
    }

    /// Its place, as clients carry it.
    pub(crate) fn cursor(&self) -> &str {
        &self.cursor
    }

    /// When it was taken.
    pub(crate) fn at(&self) -> &str {
        &self.at
    }

    /// The message, without what is hidden.
    pub(crate) fn message(&self) -> &Value {
        &self.message
    }

    /// With everything, for the operator.
    pub(crate) fn new(epoch: Epoch, entry: &LogEntry) -> Self {
        Self::of(epoch, entry, message_json(&entry.message), &entry.attachments)
    }

    fn of(epoch: Epoch, entry: &LogEntry, message: Value, attachments: &[Vec<u8>]) -> Self {
        let made = entry.creates_order.as_ref();
        Self {
            offset: entry.offset.get(),
            cursor: cursor_text(epoch, entry.offset),
            id: entry.id.to_string(),
            event: entry.event.as_str().to_owned(),
            at: time_text(entry.at_ms),
            at_ms: entry.at_ms,
            expires_at_ms: entry.expires_at_ms,
            priority: entry.priority.as_str(),
            durable: entry.durability == Durability::Durable,
            order_id: entry.entity.as_deref().map(str::to_owned),
            creates_order: made.is_some(),
            customer_id: made.and_then(|owner| owner.customer.as_deref()).map(str::to_owned),
            audience: AudienceReport::new(&entry.audience),
            message,
            attachments: attachments.iter().map(|part| STANDARD.encode(part)).collect(),
        }
    }
}

impl AudienceReport {
    fn new(audience: &LoggedAudience) -> Self {
        Self {
            applications: names(audience.applications),
            rooms: room_texts(audience),
            only: names(audience.only),
            read: audience.read,
        }
    }
}

impl LetterReport {
    pub(crate) fn new(letter: &DeadLetter) -> Self {
        Self {
            offset: letter.offset.get(),
            subscriber: letter.subscriber.as_str().to_owned(),
            id: letter.id.to_string(),
            reason: letter.reason.as_str(),
            attempts: letter.attempts,
            at: time_text(letter.at_ms),
            at_ms: letter.at_ms,
        }
    }
}

/// A place as clients carry it.
pub(crate) fn cursor_text(epoch: Epoch, offset: Offset) -> String {
    Cursor::new(epoch, offset).to_string()
}

pub(crate) fn names(applications: ApplicationSet) -> Vec<&'static str> {
    applications.iter().map(|it| it.as_str()).collect()
}

pub(crate) fn room_texts(audience: &LoggedAudience) -> Vec<String> {
    let text =
        |name: foodtrack_contract::RoomName<'_>| format!("{}:{}", name.room_type(), name.id());
    audience.rooms.iter().map(|room| text(room.name())).collect()
}

/// The message as it is; as a string where it is no JSON.
fn message_json(message: &[u8]) -> Value {
    let text = String::from_utf8_lossy(message);
    // No tree holds half of a surrogate pair.
    let whole = || serde_json::from_str(&without_lone_surrogates(&text)?).ok();
    let read = serde_json::from_str(&text).ok().or_else(whole);
    read.unwrap_or_else(|| Value::String(text.into_owned()))
}

/// `2026-05-04T03:02:01.5Z`; the number itself where it is no time.
pub(crate) fn time_text(at_ms: u64) -> String {
    i128::from(at_ms)
        .checked_mul(1_000_000)
        .and_then(|ns| OffsetDateTime::from_unix_timestamp_nanos(ns).ok())
        .and_then(|at| at.format(&Rfc3339).ok())
        .unwrap_or_else(|| at_ms.to_string())
}
