//! Entries and dead letters as text: for people a line each, for programs JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use foodtrack_contract::{ApplicationSet, Cursor, Epoch, without_lone_surrogates};
use foodtrack_tenant_log::{DeadLetter, Durability, LogEntry};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// An entry with its whole message, as one line of JSON.
pub(super) fn entry_json(epoch: Epoch, entry: &LogEntry) -> Value {
    let audience = &entry.audience;
    let rooms = audience.rooms.iter().map(|room| {
        let name = room.name();
        format!("{}:{}", name.room_type(), name.id())
    });
    json!({
        "offset": entry.offset.get(),
        "cursor": Cursor::new(epoch, entry.offset).to_string(),
        "id": entry.id,
        "event": entry.event.as_str(),
        "at": time_text(entry.at_ms),
        "atMs": entry.at_ms,
        "expiresAtMs": entry.expires_at_ms,
        "priority": entry.priority.as_str(),
        "durable": entry.durability == Durability::Durable,
        "orderId": entry.entity,
        "createsOrder": entry.creates_order.is_some(),
        "customerId": entry.creates_order.as_ref().and_then(|owner| owner.customer.as_deref()),
        "audience": {
            "applications": names(audience.applications),
            "rooms": rooms.collect::<Vec<_>>(),
            "only": names(audience.only),
            "read": audience.read,
        },
        "message": message_json(&entry.message),
        "attachments": entry.attachments.iter().map(|part| STANDARD.encode(part)).collect::<Vec<_>>(),
    })
}

fn names(applications: ApplicationSet) -> Vec<&'static str> {
    applications.iter().map(|it| it.as_str()).collect()
}

/// The message as it is; as a string where it is no JSON.
fn message_json(message: &[u8]) -> Value {
    let text = String::from_utf8_lossy(message);
    // No tree holds half of a surrogate pair.
    let whole = || serde_json::from_str(&without_lone_surrogates(&text)?).ok();
    let read = serde_json::from_str(&text).ok().or_else(whole);
    read.unwrap_or_else(|| Value::String(text.into_owned()))
}

/// An entry as a line, without its message.
pub(super) fn entry_line(entry: &LogEntry) -> String {
    let order = entry.entity.as_deref().map(|order| format!("  order {order}")).unwrap_or_default();
    let to: Vec<String> = names(entry.audience.applications)
        .into_iter()
        .map(String::from)
        .chain(entry.audience.rooms.iter().map(|room| {
            let name = room.name();
            format!("{}:{}", name.room_type(), name.id())
        }))
        .collect();
    format!(
        "{:>10}  {}  {:<28} {:<6}{order}  to {}",
        entry.offset,
        time_text(entry.at_ms),
        entry.event.as_str(),
        entry.priority.as_str(),
        if to.is_empty() { String::from("nobody") } else { to.join(", ") },
    )
}

/// A dead letter as one line of JSON.
pub(super) fn letter_json(letter: &DeadLetter) -> Value {
    json!({
        "offset": letter.offset.get(),
        "subscriber": letter.subscriber.as_str(),
        "id": letter.id,
        "reason": letter.reason.as_str(),
        "attempts": letter.attempts,
        "at": time_text(letter.at_ms),
        "atMs": letter.at_ms,
    })
}

/// A dead letter as a line.
pub(super) fn letter_line(letter: &DeadLetter) -> String {
    format!(
        "{:>10}  {}  {:<8} after {} attempts  to {}  message {}",
        letter.offset,
        time_text(letter.at_ms),
        letter.reason.as_str(),
        letter.attempts,
        letter.subscriber.as_str(),
        letter.id,
    )
}

/// `2026-05-04T03:02:01.5Z`; the number itself where it is no time.
pub(super) fn time_text(at_ms: u64) -> String {
    i128::from(at_ms)
        .checked_mul(1_000_000)
        .and_then(|ns| OffsetDateTime::from_unix_timestamp_nanos(ns).ok())
        .and_then(|at| at.format(&Rfc3339).ok())
        .unwrap_or_else(|| at_ms.to_string())
}
