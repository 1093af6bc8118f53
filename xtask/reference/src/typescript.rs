//! The generated files of `@foodtrack/websocket-contract`: constants, payloads as interfaces, and the same as zod schemas.

mod shape;

use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};

use foodtrack_contract::{
    ApplicationType, CONTROL_EVENTS, CURSOR_BEYOND_MAX, DeliveryClass, ErrorCode, EventType,
    IDENTIFIER_CHARACTERS_MAX, PAYLOAD_DEPTH_MAX, Permission, Priority, Reaction, RoomType,
    UserRole, builtin_schemas,
};
use foodtrack_server::WebSocketConfig;
use serde_json::Value;

const MADE_BY: &str = "// Made by `cargo xtask codegen` from the hub's own types; do not edit.\n";

/// The schema of the envelope in [`builtin_schemas`].
const ENVELOPE: &str = "WebSocketMessage";

const ROOM_TYPES: [RoomType; 6] = [
    RoomType::Tenant,
    RoomType::Application,
    RoomType::Order,
    RoomType::KitchenStation,
    RoomType::DeliveryRoute,
    RoomType::User,
];

/// Names and numbers.
pub(crate) fn constants() -> String {
    let mut file = String::from(MADE_BY);
    let events = EventType::ALL.iter().map(|it| (name(it), it.as_str()));
    names(
        &mut file,
        "EventType",
        "A built-in event type; a Socket.IO event is named after it.",
        events,
    );
    let applications = ApplicationType::ALL.iter().map(|it| (name(it), it.as_str()));
    names(&mut file, "ApplicationType", "One of FoodTrack's applications.", applications);
    let roles = UserRole::ALL.iter().map(|it| (name(it), it.as_str()));
    names(&mut file, "UserRole", "What a user is to the tenant.", roles);
    let permissions = Permission::ALL.iter().map(|it| (name(it), it.as_str()));
    names(&mut file, "Permission", "One thing a token may allow.", permissions);
    let priorities = Priority::ALL.iter().map(|it| (name(it), it.as_str()));
    names(&mut file, "MessagePriority", "How urgent a message is, least urgent first.", priorities);
    let rooms = ROOM_TYPES.iter().map(|it| (name(it), it.as_str()));
    names(&mut file, "RoomType", "What a room gathers; the first part of its name.", rooms);
    let classes = [DeliveryClass::Durable, DeliveryClass::Recoverable, DeliveryClass::Volatile];
    let classes = classes.map(|it| (name(&it), class(it)));
    names(&mut file, "DeliveryClass", "What the hub promises about an event.", classes.into_iter());
    let controls = CONTROL_EVENTS.iter().map(|event| (camel_case(event), *event));
    names(
        &mut file,
        "ControlEvent",
        "An event that every client may send; the hub answers it.",
        controls,
    );
    let codes = ErrorCode::ALL.iter().map(|it| (name(it), it.as_str()));
    names(&mut file, "ErrorCode", "Why something was refused.", codes);

    let classes = EventType::ALL.iter().map(|it| (it.as_str(), quoted(class(it.delivery_class()))));
    let about = "How each event travels unless the hub's configuration says otherwise.";
    table(&mut file, about, "deliveryClasses", "EventType, DeliveryClass", classes);
    let defaults = UserRole::ALL.iter().map(|it| {
        let list = it.default_permissions().iter().map(|one| quoted(one.as_str()));
        (it.as_str(), format!("[{}]", list.collect::<Vec<_>>().join(", ")))
    });
    let about = "What a token of a role may do when it lists no permissions.";
    table(&mut file, about, "defaultPermissions", "UserRole, readonly Permission[]", defaults);
    file.push_str(
        "\n/** What to do about a refusal. */\n\
         export interface ErrorInfo {\n  readonly number: number;\n  readonly about: string;\n  \
         /** `retry`: the same request may succeed later; `reconnect`: connect again; `stop`: change the request first. */\n  \
         readonly reaction: 'retry' | 'reconnect' | 'stop';\n}\n",
    );
    let errors = ErrorCode::ALL.iter().map(|it| {
        let reaction = match it.reaction() {
            Reaction::Retry => "retry",
            Reaction::Reconnect => "reconnect",
            Reaction::Stop => "stop",
        };
        let (number, about) = (it.number(), quoted(it.about()));
        (it.as_str(), format!("{{ number: {number}, about: {about}, reaction: '{reaction}' }}"))
    });
    table(&mut file, "What each code means.", "errors", "ErrorCode, ErrorInfo", errors);
    limits(&mut file);
    file
}

/// The payloads' interfaces.
pub(crate) fn payloads() -> String {
    let schemas = builtin_schemas();
    let mut file = String::from(MADE_BY);
    let mut events = String::new();
    let interfaces = interfaces(&schemas);
    for (title, schema) in &interfaces {
        let about = schema.get("description").and_then(Value::as_str).unwrap_or_default();
        let _ = write!(file, "\n/** {about} */\nexport interface {title}Payload {{\n");
        for (field, about, shape, required) in shape::fields(schema) {
            let optional = if required { "" } else { "?" };
            let _ = write!(file, "  /** {about} */\n  {field}{optional}: {};\n", shape.typescript);
        }
        file.push_str("  /** More fields pass through the hub unchanged. */\n  [field: string]: unknown;\n}\n");
    }
    for event in EventType::ALL {
        if let Some(title) = title(&schemas, *event) {
            let _ = writeln!(events, "  '{event}': {title}Payload;");
        }
    }
    let _ = write!(
        file,
        "\n/** The payload of each event that clients may send. */\nexport interface EventPayloads {{\n{events}}}\n"
    );
    file
}

/// The same as zod schemas, and the envelope's fields.
pub(crate) fn schemas() -> String {
    let schemas = builtin_schemas();
    let mut file = format!(
        "{MADE_BY}\nimport * as z from 'zod';\n\nimport {{ identifier }} from '../identifier.js';\n"
    );
    for (title, schema) in &interfaces(&schemas) {
        let about = schema.get("description").and_then(Value::as_str).unwrap_or_default();
        let _ = write!(
            file,
            "\n/** {about} */\nexport const {}Payload = /* @__PURE__ */ (() => z.looseObject({{\n",
            lower_first(title)
        );
        for (field, _, shape, required) in shape::fields(schema) {
            let optional = if required { "" } else { ".optional()" };
            let _ = writeln!(file, "  {field}: {}{optional},", shape.zod);
        }
        file.push_str("}))();\n");
    }
    file.push_str("\n/** The schema of each payload that clients may send. */\nexport const payloadSchemas = {\n");
    for event in EventType::ALL {
        if let Some(title) = title(&schemas, *event) {
            let _ = writeln!(file, "  '{event}': {}Payload,", lower_first(&title));
        }
    }
    file.push_str("} as const;\n");
    file.push_str("\n/** The envelope as it arrives. */\nexport const envelope = /* @__PURE__ */ (() => z.looseObject({\n");
    for (field, _, shape, required) in shape::fields(schemas.get(ENVELOPE).unwrap_or(&Value::Null))
    {
        let optional = if required { "" } else { ".optional()" };
        let _ = writeln!(file, "  {field}: {}{optional},", shape.zod);
    }
    file.push_str("}))();\n");
    file
}

fn limits(file: &mut String) {
    let defaults = serde_json::to_value(WebSocketConfig::default()).unwrap_or_default();
    let payload_bytes = defaults.pointer("/limits/payloadBytesMax").and_then(Value::as_u64);
    let _ = write!(
        file,
        "\n/** What the hub's limits are; `payloadBytesMax` unless its configuration says otherwise. */\n\
         export const limits = {{\n  identifierCharactersMax: {IDENTIFIER_CHARACTERS_MAX},\n  \
         payloadDepthMax: {PAYLOAD_DEPTH_MAX},\n  payloadBytesMax: {},\n  cursorBeyondMax: {CURSOR_BEYOND_MAX},\n}} as const;\n",
        payload_bytes.unwrap_or_default()
    );
}

/// One schema for each kind of payload, by its title: several events share one.
fn interfaces(schemas: &Value) -> BTreeMap<String, Value> {
    let of =
        |event: &EventType| Some((title(schemas, *event)?, schemas.get(event.as_str())?.clone()));
    EventType::ALL.iter().filter_map(of).collect()
}

fn title(schemas: &Value, event: EventType) -> Option<String> {
    schemas.get(event.as_str())?.get("title")?.as_str().map(str::to_owned)
}

fn names<'a>(
    file: &mut String,
    kind: &str,
    about: &str,
    entries: impl Iterator<Item = (String, &'a str)>,
) {
    let _ = write!(file, "\n/** {about} */\nexport const {kind} = {{\n");
    for (key, value) in entries {
        let _ = writeln!(file, "  {key}: '{value}',");
    }
    let _ = write!(
        file,
        "}} as const;\n\n/** {about} */\nexport type {kind} = (typeof {kind})[keyof typeof {kind}];\n"
    );
}

fn table<'a>(
    file: &mut String,
    about: &str,
    constant: &str,
    types: &str,
    entries: impl Iterator<Item = (&'a str, String)>,
) {
    let _ =
        write!(file, "\n/** {about} */\nexport const {constant}: Readonly<Record<{types}>> = {{\n");
    for (key, value) in entries {
        let _ = writeln!(file, "  '{key}': {value},");
    }
    file.push_str("};\n");
}

fn class(class: DeliveryClass) -> &'static str {
    match class {
        DeliveryClass::Durable => "durable",
        DeliveryClass::Recoverable => "recoverable",
        DeliveryClass::Volatile => "volatile",
    }
}

fn name(variant: &impl Debug) -> String {
    format!("{variant:?}")
}

/// `subscribe:order` as `SubscribeOrder`.
fn camel_case(event: &str) -> String {
    let words = event.split([':', '_']);
    words.fold(String::new(), |mut name, word| {
        let mut rest = word.chars();
        name.extend(rest.next().map(|first| first.to_ascii_uppercase()));
        name.push_str(rest.as_str());
        name
    })
}

fn lower_first(title: &str) -> String {
    let mut rest = title.chars();
    let first = rest.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(rest).collect()
}

/// A string of JavaScript; sentences have apostrophes.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_on_the_wire_is_a_constant() {
        let file = constants();
        for event in EventType::ALL {
            assert!(file.contains(&format!("{event:?}: '{event}',")), "{event}");
        }
        for code in ErrorCode::ALL {
            assert!(file.contains(&format!("'{}': {{ number: {},", code.as_str(), code.number())));
        }
        assert!(file.contains("SubscribeOrder: 'subscribe:order',"));
    }

    #[test]
    fn every_event_that_clients_may_send_has_a_payload_and_a_schema() {
        let (payloads, schemas) = (payloads(), schemas());
        for event in EventType::ALL.iter().filter(|it| !it.as_str().starts_with("system:")) {
            assert!(payloads.contains(&format!("  '{event}': ")), "{event}");
            assert!(schemas.contains(&format!("  '{event}': ")), "{event}");
        }
        assert!(schemas.contains("latitude: z.number().min(-90).max(90),"));
    }

    #[test]
    fn an_apostrophe_does_not_end_a_string() {
        assert_eq!(quoted("the token's"), "'the token\\'s'");
    }
}
