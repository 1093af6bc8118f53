//! What stands in the place of an entry whose content was erased.
//!
//! Id, offset, event type, times and order stay, and so does the number of bytes that it counts for: the message is filled up with
//! spaces. Its payload is `{"erased":true}`. It is for nobody: a replay passes it over, and who reads the log sees it.

use std::collections::HashSet;

use bytes::Bytes;
use foodtrack_contract::{ApplicationSet, RoomName, TenantId};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::{LogEntry, LoggedAudience, OrderOwner};

/// The payload of a tombstone.
const ERASED: &str = "{\"erased\":true}";

/// Fields of payloads that name a user, however deep.
const USER_FIELDS: [&str; 8] = [
    "customerId",
    "assigneeId",
    "userId",
    "courierId",
    "driverId",
    "staffId",
    "createdBy",
    "updatedBy",
];

/// Whose entries are to go.
#[derive(Debug)]
pub(crate) struct Concerned {
    /// `None` where only orders are known of them.
    pub(crate) user: Option<String>,
    /// The orders that are theirs: all that was said of those goes.
    pub(crate) orders: HashSet<String>,
}

/// What of a message is looked at.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    source: Option<&'a RawValue>,
    #[serde(borrow)]
    priority: Option<&'a RawValue>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

impl Concerned {
    /// Whether an entry is about one of their orders, was for them alone, or names them.
    pub(crate) fn is_about(&self, entry: &LogEntry) -> bool {
        let is_of_order = entry.entity.as_deref().is_some_and(|it| self.orders.contains(it));
        is_of_order
            || self.user.as_deref().is_some_and(|user| {
                let rooms = &mut entry.audience.rooms.iter();
                let is_for_user = rooms.any(|room| room.name() == RoomName::User(user));
                is_for_user || is_named_in(user, &entry.message)
            })
    }
}

fn is_named_in(user: &str, message: &[u8]) -> bool {
    // Most messages name somebody else, and a search is cheaper than reading them.
    let may_name = memchr_find(message, user.as_bytes()) || message.contains(&b'\\');
    let payload = || {
        let message: Message<'_> = serde_json::from_slice(message).ok()?;
        serde_json::from_str::<Value>(message.payload?.get()).ok()
    };
    // What cannot be read may name anybody.
    may_name && payload().is_none_or(|payload| is_named(user, &payload))
}

fn is_named(user: &str, value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.iter().any(|(name, value)| {
            let is_user = USER_FIELDS.contains(&name.as_str());
            is_user && value.as_str() == Some(user) || is_named(user, value)
        }),
        Value::Array(values) => values.iter().any(|value| is_named(user, value)),
        _ => false,
    }
}

fn memchr_find(message: &[u8], user: &[u8]) -> bool {
    message.windows(user.len().max(1)).any(|it| it == user)
}

/// The tombstone of an entry; `None` where it is one.
pub(crate) fn tombstone(entry: &LogEntry, tenant: &TenantId) -> Option<LogEntry> {
    let old: Option<Message<'_>> = serde_json::from_slice(&entry.message).ok();
    let payload = old.as_ref().and_then(|old| old.payload);
    if payload.is_some_and(|payload| payload.get() == ERASED) {
        return None;
    }
    let size = entry.message.len() + entry.attachments.iter().map(Vec::len).sum::<usize>();
    let event = Value::from(entry.event.as_str());
    let front = format!("{{\"id\":\"{}\",\"type\":{event}", entry.id);
    let text = |raw: Option<&RawValue>, name: &str| {
        raw.map_or_else(String::new, |raw| format!(",\"{name}\":{}", raw.get()))
    };
    let (timestamp, source, priority) =
        old.map_or((None, None, None), |old| (old.timestamp, old.source, old.priority));
    let whole = format!(
        "{front},\"tenantId\":\"{tenant}\"{}{},\"payload\":{ERASED}{},\"retryCount\":0,\"encrypted\":false",
        text(timestamp, "timestamp"),
        text(source, "source"),
        text(priority, "priority"),
    );
    // A message may have been shorter than what says that it was erased.
    let short = format!("{front},\"payload\":{ERASED}");
    let least = format!("{{\"id\":\"{}\",\"payload\":{ERASED}", entry.id);
    let fitting = [whole, short].into_iter().find(|text| text.len() < size);
    let mut message = fitting.unwrap_or(least);
    let missing = size.saturating_sub(message.len() + 1);
    message.extend(std::iter::repeat_n(' ', missing));
    message.push('}');
    Some(LogEntry {
        message: Bytes::from(message),
        attachments: Vec::new(),
        audience: LoggedAudience {
            applications: ApplicationSet::default(),
            rooms: Vec::new(),
            only: ApplicationSet::default(),
            read: entry.audience.read,
        },
        creates_order: entry.creates_order.as_ref().map(|_| OrderOwner { customer: None }),
        fingerprint: None,
        compacts: false,
        ..entry.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::samples::plain;

    fn tenant() -> TenantId {
        TenantId::parse("t").unwrap()
    }

    fn entry(payload: &str) -> LogEntry {
        let plain = plain(7);
        let message = format!(
            "{{\"id\":\"{}\",\"type\":\"order:created\",\"tenantId\":\"t\",\"timestamp\":\"2026-01-01T00:00:00.000Z\",\"source\":\"client_app\",\"payload\":{payload},\"priority\":\"high\",\"retryCount\":0,\"encrypted\":false}}",
            plain.id
        );
        LogEntry { message: message.into(), ..plain }
    }

    fn concerned(orders: &[&str]) -> Concerned {
        Concerned {
            user: Some("ada".into()),
            orders: orders.iter().map(|it| (*it).to_owned()).collect(),
        }
    }

    #[test]
    fn a_tombstone_counts_for_as_many_bytes_and_says_nothing_of_what_was_there() {
        for (payload, attachments) in [
            (r#"{"orderId":"o1","note":"ring twice"}"#, vec![vec![7; 40]]),
            (r#"{"note":"ring"}"#, Vec::new()),
            ("{}", Vec::new()),
        ] {
            let entry = LogEntry { attachments, ..entry(payload) };
            let buried = tombstone(&entry, &tenant()).unwrap();
            assert_eq!(buried.bytes(), entry.bytes());
            assert_eq!(
                (buried.offset, buried.id, &buried.event),
                (entry.offset, entry.id, &entry.event)
            );
            let message: Value = serde_json::from_slice(&buried.message).unwrap();
            assert_eq!(message["payload"], serde_json::json!({ "erased": true }));
            assert_eq!(message["id"], entry.id.to_string());
            assert!(!String::from_utf8_lossy(&buried.message).contains("ring"));
            assert!(buried.audience.rooms.is_empty() && buried.attachments.is_empty());
            assert_eq!(tombstone(&buried, &tenant()), None, "twice");
        }
    }

    #[test]
    fn who_is_named_is_concerned_and_who_is_only_spelled_alike_is_not() {
        let is_about = |payload: &str| concerned(&[]).is_about(&entry(payload));
        assert!(is_about(r#"{"customerId":"ada"}"#));
        assert!(is_about(r#"{"a":[{"userId":"\u0061da"}]}"#));
        assert!(!is_about(r#"{"customerId":"adam","note":"ada","stationId":"ada"}"#));
        assert!(!is_about(r#"{"customerId":"bob"}"#));
        let of_order = LogEntry { entity: Some("o1".into()), ..entry("{}") };
        assert!(concerned(&["o1"]).is_about(&of_order));
        assert!(!concerned(&["o2"]).is_about(&of_order));
    }
}
