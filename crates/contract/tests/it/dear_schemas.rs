//! Schemas that are cheap to declare and dear to check.

mod kinds;

use foodtrack_contract::{CHECK_NS_MAX, DeliveryClass, EventDeclaration, EventName, Schemas};
use serde_json::{Value, json};

use crate::{facts, tenant};

fn declaration(schema: Value) -> EventDeclaration {
    EventDeclaration {
        name: kinds::NAME.to_owned(),
        schema,
        delivery_class: DeliveryClass::Recoverable,
        description: None,
    }
}

fn refused(schema: Value, pointer: &str, rule: &str) {
    let said = schema.to_string();
    let refusal = Schemas::new().declare(&tenant("t1"), declaration(schema)).expect_err("too dear");
    assert_eq!(
        facts(&refusal),
        ("declaration_invalid", pointer, rule),
        "{}",
        &said[..said.len().min(80)]
    );
}

#[test]
fn the_estimate_of_every_check_that_may_be_made_is_bounded() {
    let tenant = tenant("t1");
    let event = EventName::Declared(kinds::NAME.into());
    for kind in kinds::KINDS {
        // To read the payload is counted beside the check: 45 ns a byte of 64 KiB at most.
        let us_max = u32::try_from(CHECK_NS_MAX / 1_000).unwrap() + 2_950;
        let Some(case) = kind.dearest(&tenant) else { continue };
        let us = case.schemas.check_us(&tenant, &event, case.payload.len());
        assert!(us > 0 && us <= us_max, "{}: {us} us", kind.name);
    }
}

#[test]
fn a_schema_that_is_too_dear_is_refused_and_the_part_is_named() {
    refused(
        json!({ "properties": { "notes": { "pattern": "^(a|b)*a(a|b){500}$" } } }),
        "/schema/properties/notes/pattern",
        "format",
    );
    refused(
        json!({ "properties": { "notes": { "pattern": "^(a|b)*a(a|b){100}$" } } }),
        "/schema/properties/notes/pattern",
        "cost",
    );
    refused(
        json!({ "properties": { "items": { "items": { "allOf": vec![json!({ "type": "number" }); 3_000] } } } }),
        "/schema/properties/items/items/allOf",
        "cost",
    );
    refused(
        json!({ "unevaluatedProperties": false }),
        "/schema/unevaluatedProperties",
        "unevaluated",
    );
    refused(json!({ "pattern": "a".repeat(1_025) }), "/schema/pattern", "pattern");
    let many: serde_json::Map<String, Value> =
        (0..33).map(|i| (format!("f{i}"), json!({ "pattern": format!("^{i}$") }))).collect();
    refused(json!({ "properties": many }), "/schema/properties/f32/pattern", "pattern");
}

#[test]
fn a_schema_that_nests_deep_by_its_references_is_refused() {
    let mut defs = serde_json::Map::new();
    for level in 0..1_000 {
        defs.insert(
            format!("d{level}"),
            json!({ "not": { "$ref": format!("#/$defs/d{}", level + 1) } }),
        );
    }
    defs.insert(String::from("d1000"), json!({}));
    let schema = json!({ "$ref": "#/$defs/d0", "$defs": defs });
    let refusal = Schemas::new().declare(&tenant("t1"), declaration(schema)).unwrap_err();
    assert_eq!(refusal.rule(), Some("$ref"));
}

#[test]
fn a_schema_as_restaurants_write_them_takes_payloads_of_64_kib() {
    let (mut schemas, tenant) = (Schemas::new(), tenant("t1"));
    let schema = json!({
        "type": "object",
        "required": ["orderId", "stars"],
        "properties": {
            "orderId": { "type": "string", "minLength": 1, "maxLength": 128 },
            "stars": { "type": "integer", "minimum": 1, "maximum": 5 },
            "kind": { "enum": ["food", "courier", "packing"] },
            "comment": { "type": "string", "maxLength": 100_000 },
        },
        "additionalProperties": false,
    });
    schemas.declare(&tenant, declaration(schema)).unwrap();
    let event = EventName::Declared(kinds::NAME.into());
    let payload = |bytes: usize| {
        let empty = json!({ "orderId": "o1", "stars": 5, "comment": "" }).to_string();
        json!({ "orderId": "o1", "stars": 5, "comment": "x".repeat(bytes - empty.len()) })
            .to_string()
    };
    assert!(schemas.validate(&tenant, &event, &payload(64 * 1024)).is_ok());
    let too_large = payload(64 * 1024 + 1);
    let refusal = schemas.validate(&tenant, &event, &too_large).unwrap_err();
    assert_eq!(facts(&refusal), ("payload_too_large", "", "maxLength"));
    let smaller = schemas.clone().with_declared_payload_bytes_max(1_000);
    assert!(smaller.validate(&tenant, &event, &payload(1_001)).is_err());
}

#[test]
fn the_schemas_of_a_tenant_are_bounded_together() {
    let (mut schemas, tenant) = (Schemas::new(), tenant("t1"));
    let large = |i: usize, schema: Value| EventDeclaration {
        name: format!("a:{i}"),
        ..declaration(schema)
    };
    let long = json!({ "description": "x".repeat(60 * 1024) });
    let taken =
        (0..40).take_while(|i| schemas.declare(&tenant, large(*i, long.clone())).is_ok()).count();
    assert_eq!(taken, 17);
    // To replace one is not to add one.
    assert!(schemas.declare(&tenant, large(0, long)).is_ok());
}
