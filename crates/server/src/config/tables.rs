//! The shapes of the lists of tables, `[[rules]]`, `[[redactions]]`, `[[events]]`, `[[delivery]]`, `[[issuers]]`, `[[webhooks]]`, `[[emitters]]` and `[[certificates]]`: every fault in one is told at its place, and
//! replaced by something that holds, so that the next one is found too.

use figment::value::{Dict, Value};
use foodtrack_auth::Algorithm;
use foodtrack_contract::{ApplicationType, Permission, UserRole, nearest};

use super::problems::meant as did_you_mean;

/// What a field of a table may hold.
#[derive(Clone, Copy)]
enum Shape {
    Text,
    OneOf(&'static [&'static str]),
    ListOf(&'static [&'static str]),
    Texts,
    Number,
    Truth,
    /// What is looked at elsewhere.
    Any,
}

/// One field.
struct Field {
    name: &'static str,
    shape: Shape,
    is_required: bool,
}

const fn required(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, is_required: true }
}

const fn optional(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, is_required: false }
}

const APPLICATIONS: [&str; 4] = [
    ApplicationType::ClientApp.as_str(),
    ApplicationType::TenantDashboard.as_str(),
    ApplicationType::KitchenApp.as_str(),
    ApplicationType::DeliveryApp.as_str(),
];
const SOURCES: [&str; 5] =
    [APPLICATIONS[0], APPLICATIONS[1], APPLICATIONS[2], APPLICATIONS[3], "system"];
const DESTINATIONS: [&str; 10] = [
    APPLICATIONS[0],
    APPLICATIONS[1],
    APPLICATIONS[2],
    APPLICATIONS[3],
    "every_application",
    "order_room",
    "customer",
    "assignee",
    "station_room",
    "route_room",
];
const PERMISSIONS: [&str; Permission::ALL.len()] = {
    let mut names = [""; Permission::ALL.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = Permission::ALL[i].as_str();
        i += 1;
    }
    names
};
const CLASSES: [&str; 3] = ["durable", "recoverable", "volatile"];

const RULES: &[Field] = &[
    required("id", Shape::Text),
    optional("tenant", Shape::Text),
    required("events", Shape::Text),
    required("from", Shape::ListOf(&SOURCES)),
    optional("permission", Shape::OneOf(&PERMISSIONS)),
    required("to", Shape::ListOf(&DESTINATIONS)),
];
const HIDDEN_FROM: [&str; APPLICATIONS.len() + UserRole::ALL.len() + 1] = {
    let mut names = ["webhooks"; APPLICATIONS.len() + UserRole::ALL.len() + 1];
    let mut i = 0;
    while i < APPLICATIONS.len() {
        names[i] = APPLICATIONS[i];
        i += 1;
    }
    while i < names.len() - 1 {
        names[i] = UserRole::ALL[i - APPLICATIONS.len()].as_str();
        i += 1;
    }
    names
};
const REDACTIONS: &[Field] = &[
    required("id", Shape::Text),
    optional("tenant", Shape::Text),
    required("events", Shape::Text),
    required("fields", Shape::Texts),
    required("hideFrom", Shape::ListOf(&HIDDEN_FROM)),
];
const EVENTS: &[Field] = &[
    required("tenant", Shape::Text),
    required("name", Shape::Text),
    optional("schema", Shape::Any),
    optional("schemaFile", Shape::Text),
    optional("deliveryClass", Shape::OneOf(&CLASSES)),
    optional("description", Shape::Text),
];
const DELIVERY: &[Field] = &[
    required("event", Shape::Text),
    optional("class", Shape::OneOf(&CLASSES)),
    optional("timeToLiveSeconds", Shape::Number),
    optional("compact", Shape::Truth),
    optional("acknowledge", Shape::Truth),
    optional("confirmWithinSeconds", Shape::Number),
    optional("confirmBy", Shape::OneOf(&APPLICATIONS)),
];
const WEBHOOKS: &[Field] = &[
    required("name", Shape::Text),
    required("url", Shape::Text),
    optional("secret", Shape::Any),
    optional("secretFile", Shape::Text),
    required("events", Shape::Texts),
    optional("tenants", Shape::Texts),
    optional("timeoutMs", Shape::Number),
    optional("batchMax", Shape::Number),
];
const ALGORITHMS: [&str; Algorithm::ALL.len()] = {
    let mut names = [""; Algorithm::ALL.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = Algorithm::ALL[i].as_str();
        i += 1;
    }
    names
};
const ISSUERS: &[Field] = &[
    required("name", Shape::Text),
    required("issuer", Shape::Text),
    optional("jwtSecret", Shape::Any),
    optional("publicKey", Shape::Text),
    optional("jwks", Shape::Text),
    optional("jwksUrl", Shape::Text),
    optional("discovery", Shape::Truth),
    optional("algorithms", Shape::ListOf(&ALGORITHMS)),
    optional("audience", Shape::Texts),
    optional("tenants", Shape::Texts),
    optional("leewaySeconds", Shape::Number),
    optional("lifetimeSecondsMax", Shape::Number),
];
const KINDS: [&str; 2] = ["pubsub", "streams"];
const EMITTERS: &[Field] = &[
    required("name", Shape::Text),
    optional("kind", Shape::OneOf(&KINDS)),
    optional("url", Shape::Any),
    optional("key", Shape::Text),
    optional("namespace", Shape::Text),
    optional("rooms", Shape::Texts),
];
const CERTIFICATES: &[Field] =
    &[required("certFile", Shape::Text), required("keyFile", Shape::Text)];
/// The lists, by their keys.
const TABLES: [(&str, &[Field]); 8] = [
    ("rules", RULES),
    ("redactions", REDACTIONS),
    ("events", EVENTS),
    ("delivery", DELIVERY),
    ("issuers", ISSUERS),
    ("webhooks", WEBHOOKS),
    ("emitters", EMITTERS),
    ("certificates", CERTIFICATES),
];

/// Tells `fault` of everything in the lists of tables that does not have their shape, by its path and in a sentence, and mends it.
pub(super) fn mend_tables(values: &mut Dict, fault: &mut dyn FnMut(String, String)) {
    for (key, fields) in TABLES {
        let Some(value) = values.get_mut(key) else { continue };
        let Value::Array(_, tables) = value else {
            fault(key.into(), format!("is a list of tables; write [[{key}]]"));
            values.remove(key);
            continue;
        };
        for (i, table) in tables.iter_mut().enumerate() {
            let path = format!("{key}.{i}");
            if !matches!(table, Value::Dict(..)) {
                fault(path.clone(), format!("is a table; write [[{key}]]"));
                *table = Dict::new().into();
            }
            if let Value::Dict(_, table) = table {
                mend_table(table, &path, fields, fault);
            }
        }
    }
}

fn mend_table(
    table: &mut Dict,
    path: &str,
    fields: &[Field],
    fault: &mut dyn FnMut(String, String),
) {
    let names = || fields.iter().map(|field| field.name);
    let mut meant = Vec::new();
    table.retain(|name, _| {
        if names().any(|known| known == name) {
            return true;
        }
        let sentence = match nearest(name, names()) {
            Some(nearest) => {
                meant.push(nearest);
                format!("no such key; {}", did_you_mean(nearest))
            }
            None => format!("no such key; there are {}", names().collect::<Vec<_>>().join(", ")),
        };
        fault(format!("{path}.{name}"), sentence);
        false
    });
    for field in fields {
        let place = format!("{path}.{}", field.name);
        let holds = match table.get_mut(field.name) {
            Some(value) => mend(value, &place, field.shape, fault),
            None if !field.is_required => true,
            None => {
                // Whoever misspelt it has been told.
                if !meant.contains(&field.name) {
                    fault(place.clone(), "is missing".into());
                }
                false
            }
        };
        if !holds {
            table.insert(field.name.into(), substitute(field, path));
        }
    }
}

/// Whether the value has the shape. In a list the faulty ones are told and replaced, and then it has.
fn mend(
    value: &mut Value,
    place: &str,
    shape: Shape,
    fault: &mut dyn FnMut(String, String),
) -> bool {
    let expected = match (shape, &mut *value) {
        (Shape::Any, _) | (Shape::Text, Value::String(..)) | (Shape::Truth, Value::Bool(..)) => {
            return true;
        }
        (Shape::Number, Value::Num(_, number))
            // TOML's numbers have a sign.
            if number.to_u128_lossy().is_some_and(|it| it <= u32::MAX.into()) =>
        {
            return true;
        }
        (Shape::OneOf(names), Value::String(_, said)) => {
            if names.contains(&said.as_str()) {
                return true;
            }
            one_of(said, names)
        }
        (Shape::ListOf(names), Value::Array(_, items)) => {
            for (i, item) in items.iter_mut().enumerate() {
                if !mend(item, &format!("{place}.{i}"), Shape::OneOf(names), fault) {
                    *item = names[0].into();
                }
            }
            return true;
        }
        (Shape::Texts, Value::Array(_, items)) => {
            for (i, item) in items.iter_mut().enumerate() {
                if !mend(item, &format!("{place}.{i}"), Shape::Text, fault) {
                    *item = "*".into();
                }
            }
            return true;
        }
        (Shape::Text | Shape::OneOf(_), _) => "is text in quotes".into(),
        (Shape::Texts, _) => "is a list of texts in quotes".into(),
        (Shape::ListOf(names), _) => format!("is a list of {}", names.join(", ")),
        (Shape::Number, _) => format!("is a whole number up to {}", u32::MAX),
        (Shape::Truth, _) => "is true or false".into(),
    };
    fault(place.to_owned(), expected);
    false
}

fn one_of(said: &str, names: &[&'static str]) -> String {
    // A room is said by what it is for.
    let rooms = [("order", "order_room"), ("station", "station_room"), ("route", "route_room")];
    let plain = said.to_ascii_lowercase();
    let by_meaning = ApplicationType::from_handshake(&plain)
        .map(ApplicationType::as_str)
        .or_else(|| rooms.iter().find(|(room, _)| *room == plain).map(|(_, room)| *room))
        .filter(|meant| names.contains(meant));
    match by_meaning.or_else(|| nearest(said, names.iter().copied())) {
        Some(meant) => format!("unknown; {}", did_you_mean(meant)),
        None => format!("unknown; it is one of {}", names.join(", ")),
    }
}

/// Something that holds, so that the rest can be looked at.
fn substitute(field: &Field, path: &str) -> Value {
    let number = path.rsplit('.').next().unwrap_or_default();
    match field.shape {
        Shape::Text if field.name == "events" => "*".into(),
        Shape::Texts if field.name == "fields" => Value::from(vec![Value::from("/unknown")]),
        Shape::Texts => Value::from(vec![Value::from("*")]),
        Shape::Text if field.name == "url" => "https://hub.example".into(),
        Shape::Text
            if (path.starts_with("webhooks") || path.starts_with("issuers"))
                && field.name == "name" =>
        {
            format!("unknown-{number}").into()
        }
        Shape::Text if field.name == "tenant" => format!("tenant-{number}").into(),
        Shape::Text if field.name == "name" || field.name == "event" => {
            format!("unknown:{number}").into()
        }
        Shape::Text | Shape::Any => path.into(),
        Shape::OneOf(names) => names[0].into(),
        Shape::ListOf(names) => Value::from(vec![Value::from(names[0])]),
        Shape::Number => 1_u32.into(),
        Shape::Truth => false.into(),
    }
}

#[cfg(test)]
mod tests {
    use foodtrack_contract::Source;
    use foodtrack_router::Destination;

    use super::*;

    #[test]
    fn every_name_that_is_listed_is_read_and_every_field_is_the_structure_s() {
        for source in SOURCES {
            assert!(Source::from_wire(source).is_some(), "{source}");
        }
        for destination in DESTINATIONS {
            assert!(destination.parse::<Destination>().is_ok(), "{destination}");
        }
        for (key, fields) in TABLES {
            let whole: Dict = fields
                .iter()
                .map(|field| (field.name.to_owned(), substitute(field, &format!("{key}.0"))))
                .collect();
            let values = Dict::from([(key.to_owned(), Value::from(vec![Value::from(whole)]))]);
            Value::from(values).deserialize::<crate::WebSocketConfig>().unwrap();
        }
    }

    #[test]
    fn every_fault_of_a_table_is_told_once_and_what_is_left_can_be_read() {
        let text = "
            delivery = [7, { event = 5, timeToLiveSeconds = -1, compact = 'yes', clas = 'durable' }]
            [[rules]]
            id = 'one'
            event = 'order:created'
            from = ['kitchen', 'systm', 8]
            permission = 'read:order'
            to = ['order', 'everywhere']
            [[rules]]
            from = 'system'
            [[events]]
            tenant = 't1'
            deliveryClass = 'eternal'
        ";
        let mut values: Dict = toml::from_str(text).unwrap();
        let mut told = Vec::new();
        mend_tables(&mut values, &mut |path, sentence| told.push(format!("{path}: {sentence}")));
        let expected = [
            "rules.0.event: no such key; did you mean events?",
            "rules.0.from.0: unknown; did you mean kitchen_app?",
            "rules.0.from.1: unknown; did you mean system?",
            "rules.0.from.2: is text in quotes",
            "rules.0.permission: unknown; did you mean read:orders?",
            "rules.0.to.0: unknown; did you mean order_room?",
            "rules.0.to.1: unknown; it is one of client_app",
            "rules.1.id: is missing",
            "rules.1.events: is missing",
            "rules.1.from: is a list of client_app",
            "rules.1.to: is missing",
            "events.0.name: is missing",
            "events.0.deliveryClass: unknown; it is one of durable",
            "delivery.0: is a table",
            "delivery.0.event: is missing",
            "delivery.1.clas: no such key; did you mean class?",
            "delivery.1.event: is text in quotes",
            "delivery.1.timeToLiveSeconds: is a whole number",
            "delivery.1.compact: is true or false",
        ];
        for expected in expected {
            assert!(told.iter().any(|it| it.starts_with(expected)), "{expected} in {told:#?}");
        }
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        Value::from(values).deserialize::<crate::WebSocketConfig>().unwrap();
    }
}
