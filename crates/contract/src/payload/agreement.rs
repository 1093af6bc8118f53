//! The two readings of a payload, straight into a type and by its JSON Schema, give the same verdict.

use std::sync::LazyLock;

use jsonschema::Validator;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use super::builtin::{BuiltinSchemas, builtin_schemas, read};
use crate::EventType;

fn validator(event_type: EventType) -> Option<&'static Validator> {
    BuiltinSchemas::get().validator(event_type)
}

static SCHEMAS: LazyLock<Value> = LazyLock::new(builtin_schemas);

/// Fields that some event type knows, and one that none does.
fn known_fields() -> Vec<String> {
    let mut fields = vec![String::from("unknownField")];
    for schema in SCHEMAS.as_object().unwrap().values() {
        fields.extend(schema["properties"].as_object().unwrap().keys().cloned());
    }
    fields.sort_unstable();
    fields.dedup();
    fields
}

fn plausible(event_type: EventType) -> Value {
    let schema = &SCHEMAS[event_type.as_str()];
    let mut payload = json!({});
    for (field, schema) in schema["properties"].as_object().unwrap() {
        let type_name = schema["type"].as_str().or_else(|| schema["type"][0].as_str()).unwrap();
        payload[field] = match type_name {
            "string" => json!("x"),
            "number" => json!(12.5),
            "boolean" => json!(true),
            "array" => json!([{ "a": 1 }]),
            other => panic!("a field of type {other}"),
        };
    }
    payload
}

fn odd_value() -> impl Strategy<Value = Value> {
    let edges = [
        json!(null),
        json!(true),
        json!(""),
        json!("x".repeat(128)),
        json!("x".repeat(129)),
        json!("é".repeat(128)),
        json!("🍜".repeat(129)),
        json!("\u{0}\"\\"),
        json!(0),
        json!(-0.0),
        json!(90),
        json!(-90),
        json!(90.000_000_1),
        json!(-91),
        json!(180),
        json!(180.1),
        json!(-180),
        json!(-181),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1e308),
        json!([]),
        json!([{}]),
        json!([{}, 1]),
        json!([[]]),
        json!([null]),
        json!({}),
        json!({ "orderId": "o" }),
    ];
    let scalars = prop_oneof![
        any::<String>().prop_map(Value::from),
        (-200.0..200.0_f64).prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        any::<i64>().prop_map(Value::from),
    ];
    prop_oneof![3 => select(edges.to_vec()), 1 => scalars]
}

#[derive(Clone, Debug)]
enum Change {
    Drop(Index),
    Set(String, Value),
    Whole(Value),
    List,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => any::<Index>().prop_map(Change::Drop),
        8 => (select(known_fields()), odd_value()).prop_map(|(field, value)| Change::Set(field, value)),
        1 => odd_value().prop_map(Change::Whole),
        1 => Just(Change::List),
    ]
}

fn apply(payload: &mut Value, change: Change) {
    match (change, payload.as_object_mut()) {
        (Change::Drop(index), Some(fields)) if !fields.is_empty() => {
            let key = index.get(&fields.keys().cloned().collect::<Vec<_>>()).clone();
            fields.shift_remove(&key);
        }
        (Change::Set(field, value), Some(fields)) => {
            fields.insert(field, value);
        }
        (Change::Whole(value), _) => *payload = value,
        // The values by position, as serde's structs would take them.
        (Change::List, Some(fields)) => {
            *payload = fields.values().cloned().collect::<Vec<_>>().into();
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_types_and_their_schemas_give_the_same_verdict(
        event in any::<Index>(),
        changes in proptest::collection::vec(change(), 0..4),
        spaced: bool,
    ) {
        let sent: Vec<EventType> =
            EventType::ALL.iter().copied().filter(|one| validator(*one).is_some()).collect();
        let event_type = *event.get(&sent);
        let mut payload = plausible(event_type);
        changes.into_iter().for_each(|change| apply(&mut payload, change));
        let text =
            if spaced { serde_json::to_string_pretty(&payload) } else { serde_json::to_string(&payload) };
        let text = text.unwrap();
        let by_type = read(event_type, &text).is_ok();
        let by_schema = validator(event_type).unwrap().is_valid(&payload);
        prop_assert_eq!(by_type, by_schema, "{} {}", event_type, text);
    }
}

#[test]
fn a_plausible_payload_is_valid() {
    for event_type in EventType::ALL.iter().filter(|one| validator(**one).is_some()) {
        assert!(read(*event_type, &plausible(*event_type).to_string()).is_ok(), "{event_type}");
    }
}
