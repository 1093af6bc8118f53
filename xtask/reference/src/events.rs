//! `events.md`, from the event types, the default rules and the payloads' schemas.

use std::fmt::Write as _;

use foodtrack_contract::{DeliveryClass, EventGroup, EventType, ReadPermission, builtin_schemas};
use foodtrack_router::{Destination, Rule, default_rules};
use serde_json::Value;

const INTRODUCTION: &str = "\
# Events

Made by `cargo xtask codegen`; do not edit.

A Socket.IO event is named after its type, and its first argument is the whole message: `id`, `type`, `tenantId`,
`timestamp`, `source`, `target`, `payload`, `priority`, `retryCount`, `encrypted`. A client may emit such a message (an
object whose `type` is the event's name and which has a `payload`) or the payload alone; the server fills in the rest.
`foodtrack-websocket schema order:created` prints a payload's JSON Schema, `schema WebSocketMessage` the envelope's.

Rules are the default ones; `foodtrack-websocket explain` says where an event would go, and why. A `target` in the message
narrows the audience and never widens it. Whoever may not read a group does not get its events.

How an event travels (its class) decides what becomes of it for a slow reader: a volatile event is dropped, a recoverable
one of low priority too, everything else waits, and a reader too far behind is closed. Durable and recoverable events are
in the tenant's log: who was away gets them on coming back ([delivery](../guides/delivery.md)).
";

const CONTROL: &str = "
## Control events

For every client. The answer comes as an event, and as the acknowledgement `{ success, data }` where one was asked for. A
refusal is the acknowledgement `{ success: false, error }`, or the event `system:error` where none was asked for.

| event | argument | answer |
| --- | --- | --- |
| `subscribe:order`, `unsubscribe:order` | the order's id, or `{ orderId }` | `subscribed`, `unsubscribed`: `{ room, type }` |
| `subscribe:kitchen`, `unsubscribe:kitchen` | a station's id, or `{ stationId }`; the tenant's id is the whole kitchen | the same |
| `subscribe:tenant`, `unsubscribe:tenant` | the own tenant's id, or `{ tenantId }` | the same |
| `subscribe:customer`, `unsubscribe:customer` | a user's id, or `{ customerId }` | the same |
| `subscribe:route`, `unsubscribe:route` | a route's id, or `{ routeId }` | the same |
| `ping` | | `pong`: `{ timestamp }` |
| `health_check` | | `health_check`, unless acknowledged: `upToDate` (`false` while something that the client missed is still to come, or its tenant's log is away), and the own tenant's `connections` and `rooms` |
| `payload_key` | `{ kid }`, or nothing for the newest | `payload_key`, unless acknowledged: `kid`, `alg` and `key`, for applications that may have it ([guide](../guides/encrypted-payloads.md)) |
| `authenticate` | a fresh token of the same subject, or `{ token }` | `authenticated`: `{ expiresAt }` |
";

/// The page.
pub(crate) fn page() -> String {
    let rules = default_rules();
    let schemas = builtin_schemas();
    let mut page = String::from(INTRODUCTION);
    page.push_str("\n## Event types\n\n");
    page.push_str("| event | class | sent by | needs | to read | goes to |\n");
    page.push_str("| --- | --- | --- | --- | --- | --- |\n");
    for event in EventType::ALL {
        row(&mut page, *event, &rules);
    }
    page.push_str("\n## Payloads\n\nMore fields pass through unchanged.\n\n");
    page.push_str("| event | required | optional |\n| --- | --- | --- |\n");
    for event in EventType::ALL {
        if let Some(schema) = schemas.get(event.as_str()) {
            let (required, optional) = fields(schema);
            // Writing to memory does not fail.
            let _ = writeln!(page, "| `{event}` | {required} | {optional} |");
        }
    }
    page.push_str(CONTROL);
    page
}

fn row(page: &mut String, event: EventType, rules: &[Rule]) {
    let class = match event.delivery_class() {
        DeliveryClass::Volatile => "volatile",
        DeliveryClass::Recoverable => "recoverable",
        DeliveryClass::Durable => "durable",
    };
    let read = ReadPermission::of_event(event).map_or_else(String::new, |it| {
        it.any_of().iter().map(|one| code(one.as_str())).collect::<Vec<_>>().join(" or ")
    });
    if event.group() == EventGroup::System {
        let _ = writeln!(
            page,
            "| `{event}` | {class} | the server alone | | {read} | the connection concerned |"
        );
        return;
    }
    let about: Vec<&Rule> = rules.iter().filter(|rule| matches(&rule.events, event)).collect();
    let mut from: Vec<String> = Vec::new();
    let mut needs: Vec<String> = Vec::new();
    let mut to: Vec<String> = Vec::new();
    for rule in about {
        rule.from.iter().for_each(|source| add(&mut from, code(source.as_str())));
        rule.permission.iter().for_each(|permission| add(&mut needs, code(permission.as_str())));
        rule.to.iter().for_each(|destination| add(&mut to, named(*destination)));
    }
    let (from, needs, to) = (from.join(", "), needs.join(", "), to.join(", "));
    let _ = writeln!(page, "| `{event}` | {class} | {from} | {needs} | {read} | {to} |");
}

fn named(destination: Destination) -> String {
    String::from(match destination {
        Destination::Application(application) => return code(application.as_str()),
        Destination::EveryApplication => "every application of the tenant",
        Destination::OrderRoom => "the order's room",
        Destination::Customer => "the order's customer",
        Destination::Assignee => "the assignee",
        Destination::StationRoom => "the station's room",
        Destination::RouteRoom => "the route's room",
    })
}

/// The default rules name an event or a whole group.
fn matches(pattern: &str, event: EventType) -> bool {
    match pattern.strip_suffix('*') {
        Some(group) => event.as_str().starts_with(group),
        None => pattern == event.as_str(),
    }
}

fn add(list: &mut Vec<String>, item: String) {
    if !list.contains(&item) {
        list.push(item);
    }
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

/// The required and the optional fields, with their types.
fn fields(schema: &Value) -> (String, String) {
    let empty = serde_json::Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map_or_else(Vec::new, |names| names.iter().filter_map(Value::as_str).collect());
    let list = |wanted: bool| {
        let fields =
            properties.iter().filter(|(name, _)| required.contains(&name.as_str()) == wanted);
        fields
            .map(|(name, field)| format!("`{name}`{}", kind(field)))
            .collect::<Vec<_>>()
            .join(", ")
    };
    (list(true), list(false))
}

/// A field's type, where it is said in one word or a few.
fn kind(field: &Value) -> String {
    let words: Vec<&str> = match field.get("type") {
        Some(Value::String(word)) => vec![word],
        Some(Value::Array(words)) => {
            words.iter().filter_map(Value::as_str).filter(|word| *word != "null").collect()
        }
        _ => Vec::new(),
    };
    if words.is_empty() { String::new() } else { format!(" ({})", words.join(" or ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_type_is_there_and_says_who_may_send_it() {
        let page = page();
        for event in EventType::ALL {
            let row = page.lines().find(|line| line.starts_with(&format!("| `{event}` |")));
            let cells: Vec<&str> = row.unwrap_or_default().split('|').map(str::trim).collect();
            assert!(cells.len() == 8 && !cells[3].is_empty() && !cells[6].is_empty(), "{row:?}");
        }
    }

    #[test]
    fn a_payloads_fields_come_with_their_types() {
        let page = page();
        let row = page.lines().find(|line| {
            line.starts_with("| `inventory:usage_update` |") && line.contains("quantity")
        });
        assert!(row.unwrap_or_default().contains("`quantity` (number)"), "{row:?}");
    }
}
