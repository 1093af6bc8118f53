use foodtrack_contract::{
    DECLARATIONS_MAX, DeliveryClass, ErrorCode, EventDeclaration, EventName, EventType, Schemas,
};
use serde_json::{Value, json};

use crate::{facts, tenant};

fn declaration(name: &str, schema: Value) -> EventDeclaration {
    EventDeclaration {
        name: name.to_owned(),
        schema,
        delivery_class: DeliveryClass::Recoverable,
        description: None,
    }
}

fn refused(declaration: EventDeclaration, pointer: &str, rule: &str) {
    let said = declaration.name.clone();
    let (mut schemas, tenant) = (Schemas::new(), tenant("t1"));
    let refusal = schemas.declare(&tenant, declaration).expect_err(&said);
    assert_eq!(facts(&refusal), ("declaration_invalid", pointer, rule), "{said}: {refusal}");
    assert_eq!(schemas.declared(&tenant).count(), 0);
}

#[test]
fn equal_names_of_two_tenants_stay_apart() {
    let mut schemas = Schemas::new();
    let (one, two, three) = (tenant("one"), tenant("two"), tenant("three"));
    let name = "loyalty:points";
    schemas
        .declare(&one, declaration(name, json!({ "type": "object", "required": ["points"] })))
        .unwrap();
    let volatile = EventDeclaration {
        delivery_class: DeliveryClass::Volatile,
        ..declaration(name, json!({ "type": "integer" }))
    };
    schemas.declare(&two, volatile).unwrap();

    let event = schemas.resolve(&one, name).unwrap();
    assert_eq!(event, schemas.resolve(&two, name).unwrap());
    assert!(schemas.validate(&one, &event, r#"{"points":1}"#).is_ok());
    assert!(schemas.validate(&two, &event, r#"{"points":1}"#).is_err());
    assert!(schemas.validate(&two, &event, "1").is_ok());
    assert!(schemas.validate(&one, &event, "1").is_err());
    assert_eq!(schemas.delivery_class(&one, &event), DeliveryClass::Recoverable);
    assert_eq!(schemas.delivery_class(&two, &event), DeliveryClass::Volatile);
    assert_eq!(schemas.resolve(&three, name).unwrap_err().code(), ErrorCode::EventUnknown);
    assert_eq!(schemas.validate(&three, &event, "1").unwrap_err().code(), ErrorCode::EventUnknown);

    assert!(schemas.withdraw(&one, name));
    assert!(!schemas.withdraw(&one, name));
    assert!(schemas.resolve(&one, name).is_err());
    assert!(schemas.resolve(&two, name).is_ok());
}

#[test]
fn built_in_names_resolve_for_every_tenant() {
    let (schemas, tenant) = (Schemas::new(), tenant("t1"));
    for event_type in EventType::ALL {
        let event = schemas.resolve(&tenant, event_type.as_str()).unwrap();
        assert_eq!(event, EventName::Builtin(*event_type));
        assert_eq!(schemas.delivery_class(&tenant, &event), event_type.delivery_class());
    }
    for name in ["order:made", "", "ORDER:CREATED", "order:created "] {
        let refusal = schemas.resolve(&tenant, name).unwrap_err();
        assert_eq!((refusal.code(), refusal.event()), (ErrorCode::EventUnknown, Some(name)));
    }
}

#[test]
fn a_declared_payload_is_held_to_its_schema() {
    let (mut schemas, tenant) = (Schemas::new(), tenant("t1"));
    let schema = json!({
        "type": "object",
        "required": ["table"],
        "properties": {
            "table": { "$ref": "#/$defs/table" },
            "code": { "pattern": "^[A-Z]{3}$" },
            "guests": { "type": "array", "items": { "enum": ["adult", "child"] }, "maxItems": 2 },
        },
        "additionalProperties": false,
        "$defs": { "table": { "type": "integer", "exclusiveMinimum": 0 } },
    });
    schemas.declare(&tenant, declaration("table:seated", schema)).unwrap();
    let event = schemas.resolve(&tenant, "table:seated").unwrap();
    let check = |payload: &str, pointer: &str, rule: &str| {
        let refusal = schemas.validate(&tenant, &event, payload).expect_err(payload);
        assert_eq!(facts(&refusal), ("payload_invalid", pointer, rule), "{payload}");
        assert_eq!(refusal.event(), Some("table:seated"));
        assert!(!refusal.to_json().contains("s3cret"), "{refusal}");
    };
    assert!(schemas.validate(&tenant, &event, r#"{"table":4,"guests":["adult"]}"#).is_ok());
    check("{}", "/table", "required");
    check(r#"{"table":0}"#, "/table", "exclusiveMinimum");
    check(r#"{"table":1,"code":"s3cret"}"#, "/code", "pattern");
    check(r#"{"table":1,"guests":["adult","s3cret"]}"#, "/guests/1", "enum");
    check(r#"{"table":1,"guests":["adult","child","child"]}"#, "/guests", "maxItems");
    check(r#"{"table":1,"s3cret":1}"#, "", "additionalProperties");
    check(r#"{"table":1e400}"#, "", "syntax");
    check(&"[".repeat(5_000), &"/0".repeat(62), "depth");
}

#[test]
fn a_declared_payload_says_what_it_is_about() {
    let (mut schemas, tenant) = (Schemas::new(), tenant("t1"));
    schemas.declare(&tenant, declaration("any:thing", json!({}))).unwrap();
    let event = schemas.resolve(&tenant, "any:thing").unwrap();
    let order = |payload| {
        let entities = schemas.validate(&tenant, &event, payload).unwrap();
        entities.order_id.map(std::borrow::Cow::into_owned)
    };
    assert_eq!(order(r#"{"orderId":"o1"}"#).as_deref(), Some("o1"));
    for without in ["[1]", "7", r#"{"orderId":7}"#, r#"{"orderId":""}"#, r#"{"orderId":[{}]}"#] {
        assert_eq!(order(without), None, "{without}");
    }
    let payload = r#"{"stationId":null,"assignedStation":"w","routeId":"r","customerId":"c","assigneeId":"a"}"#;
    let entities = schemas.validate(&tenant, &event, payload).unwrap();
    assert_eq!(entities.station_id.as_deref(), Some("w"));
    assert_eq!(entities.route_id.as_deref(), Some("r"));
    assert_eq!(entities.customer_id.as_deref(), Some("c"));
    assert_eq!(entities.assignee_id.as_deref(), Some("a"));
    let twice = r#"{"orderId":"mine","orderId":"theirs"}"#;
    let refusal = schemas.validate(&tenant, &event, twice).unwrap_err();
    assert_eq!(facts(&refusal), ("payload_invalid", "/orderId", "duplicate"));
}

#[test]
fn a_name_is_a_group_and_a_name_and_free() {
    let longest = format!("g:{}", "n".repeat(62));
    for name in ["a:b", "a.b:c-d_9:e", "order:rated", longest.as_str()] {
        let (mut schemas, tenant) = (Schemas::new(), tenant("t1"));
        schemas.declare(&tenant, declaration(name, json!({}))).unwrap();
        assert!(schemas.resolve(&tenant, name).is_ok());
    }
    let too_long = format!("{longest}n");
    let malformed = [
        "",
        "plain",
        ":a",
        "a:",
        "A:b",
        "a b:c",
        "a:é",
        "a:b\n",
        "ping",
        "authenticate",
        "connect",
        "connect_error",
        "disconnect",
        "disconnecting",
        "newListener",
        "removeListener",
        "health_check",
        "subscribed",
        too_long.as_str(),
    ];
    for name in malformed {
        refused(declaration(name, json!({})), "/name", "pattern");
    }
    let taken =
        ["order:created", "system:error", "system:mine", "subscribe:order", "unsubscribe:x"];
    for name in taken {
        refused(declaration(name, json!({})), "/name", "not");
    }
}

#[test]
fn a_schema_stands_for_itself() {
    let check = |schema: Value, pointer: &str, rule: &str| {
        refused(declaration("a:b", schema), pointer, rule);
    };
    check(json!(true), "/schema", "type");
    check(json!("object"), "/schema", "type");
    check(json!({ "type": "thing" }), "/schema/type", "anyOf");
    check(json!({ "pattern": "(" }), "/schema/pattern", "format");
    check(json!({ "$ref": "https://example.com/schema.json" }), "/schema/$ref", "$ref");
    check(json!({ "$ref": "file:///etc/passwd" }), "/schema/$ref", "$ref");
    check(json!({ "items": { "$ref": "other.json" } }), "/schema/items/$ref", "$ref");
    check(json!({ "$ref": "#/$defs/missing" }), "/schema/$ref", "$ref");
    check(json!({ "$ref": "#" }), "/schema/$ref", "$ref");
    check(json!({ "properties": { "a": { "$ref": "#" } } }), "/schema/properties/a/$ref", "$ref");
    check(json!({ "$id": "https://example.com/" }), "/schema/$id", "$id");
    check(json!({ "$dynamicRef": "#x" }), "/schema/$dynamicRef", "$id");
    check(
        json!({ "$schema": "http://json-schema.org/draft-04/schema#" }),
        "/schema/$schema",
        "$schema",
    );
    check(json!({ "description": "x".repeat(64 * 1024) }), "/schema", "maxLength");
}

#[test]
fn a_schema_that_doubles_itself_is_refused() {
    let mut defs = serde_json::Map::new();
    for level in 0..40 {
        let next = json!({ "$ref": format!("#/$defs/d{}", level + 1) });
        defs.insert(format!("d{level}"), json!({ "anyOf": [next, next] }));
    }
    defs.insert(String::from("d40"), json!({ "type": "string" }));
    let schema = json!({ "$ref": "#/$defs/d0", "$defs": defs });
    let refusal = Schemas::new().declare(&tenant("t1"), declaration("a:b", schema)).unwrap_err();
    assert_eq!((refusal.code(), refusal.rule()), (ErrorCode::DeclarationInvalid, Some("$ref")));
}

#[test]
fn a_pattern_with_look_around_is_refused() {
    let schema = json!({ "properties": { "a": { "pattern": "^(?=x)(a+)+$" } } });
    let (mut schemas, tenant) = (Schemas::new(), tenant("t1"));
    let refusal = schemas.declare(&tenant, declaration("a:b", schema)).unwrap_err();
    assert_eq!(refusal.code(), ErrorCode::DeclarationInvalid);
}

#[test]
fn a_pattern_costs_linear_time() {
    let (mut schemas, tenant) = (Schemas::new(), tenant("t1"));
    schemas.declare(&tenant, declaration("a:b", json!({ "pattern": "^(a+)+$" }))).unwrap();
    let event = schemas.resolve(&tenant, "a:b").unwrap();
    let payload = format!("\"{}!\"", "a".repeat(10_000));
    let refusal = schemas.validate(&tenant, &event, &payload).unwrap_err();
    assert_eq!(refusal.rule(), Some("pattern"));
}

#[test]
fn a_tenant_declares_at_most_256_and_may_replace_each() {
    let (mut schemas, tenant) = (Schemas::new(), tenant("t1"));
    for i in 0..DECLARATIONS_MAX {
        schemas.declare(&tenant, declaration(&format!("n:{i:03}"), json!({}))).unwrap();
    }
    let refusal = schemas.declare(&tenant, declaration("n:more", json!({}))).unwrap_err();
    assert_eq!(refusal.code(), ErrorCode::DeclarationInvalid);
    schemas.declare(&tenant, declaration("n:000", json!({ "type": "null" }))).unwrap();
    let event = schemas.resolve(&tenant, "n:000").unwrap();
    assert!(schemas.validate(&tenant, &event, "1").is_err());
    assert!(schemas.declare(&crate::tenant("t2"), declaration("n:more", json!({}))).is_ok());
    let names: Vec<&str> = schemas.declared(&tenant).map(|one| one.name.as_str()).collect();
    assert!(names.len() == DECLARATIONS_MAX && names.is_sorted());
}

#[test]
fn a_declaration_reads_from_json_and_is_recoverable_unless_it_says_otherwise() {
    let read = |text: &str| serde_json::from_str::<EventDeclaration>(text);
    let one = read(r#"{"name":"a:b","schema":{}}"#).unwrap();
    assert_eq!(one, declaration("a:b", json!({})));
    let two = read(r#"{"name":"a:b","schema":{},"deliveryClass":"durable"}"#).unwrap();
    assert_eq!(two.delivery_class, DeliveryClass::Durable);
    assert!(read(r#"{"name":"a:b","schema":{},"class":"durable"}"#).is_err());
}

#[test]
fn schemas_can_be_handed_to_another_thread_and_shared_by_clones() {
    fn check<T: Send + Sync + Clone>(_: &T) {}
    let mut schemas = Schemas::default();
    check(&schemas);
    let before = schemas.clone();
    schemas.declare(&tenant("t1"), declaration("a:b", json!({}))).unwrap();
    assert!(before.resolve(&tenant("t1"), "a:b").is_err());
}

#[test]
fn half_of_a_surrogate_pair_is_one_character_of_a_declared_payload() {
    let (mut schemas, tenant) = (Schemas::new(), tenant("t1"));
    let schema = json!({
        "properties": { "note": { "type": "string", "maxLength": 3 } },
        "required": ["note"],
    });
    schemas.declare(&tenant, declaration("table:seated", schema)).unwrap();
    let event = schemas.resolve(&tenant, "table:seated").unwrap();
    let check = |payload: &str| schemas.validate(&tenant, &event, payload).map(|_| ());
    assert!(check(r#"{"note":"ab\ud83c"}"#).is_ok());
    let refusal = check(r#"{"note":"abc\ud83c"}"#).unwrap_err();
    assert_eq!(facts(&refusal), ("payload_invalid", "/note", "maxLength"));
    let refusal = check(r#"{"note":"","stationId":"\ud83c"}"#).unwrap_err();
    assert_eq!(facts(&refusal), ("payload_invalid", "/stationId", "unicode"));
}

#[test]
fn an_unknown_event_is_told_the_nearest_of_the_tenants_own_and_of_nobody_elses() {
    let mut schemas = Schemas::new();
    schemas.declare(&tenant("t1"), declaration("loyalty:points_earned", json!({}))).unwrap();
    let message = |owner: &str, name: &str| {
        schemas.resolve(&tenant(owner), name).unwrap_err().message().to_owned()
    };
    assert!(message("t1", "loyaltyPointsEarned").ends_with("Did you mean loyalty:points_earned?"));
    assert!(!message("t2", "loyaltyPointsEarned").contains("mean"));
    assert!(message("t2", "order:create").ends_with("Did you mean order:created?"));
    // A long name is not compared, and not repeated whole.
    let long = schemas.resolve(&tenant("t1"), &"order:created".repeat(10_000)).unwrap_err();
    assert!(!long.message().contains("mean") && long.event().unwrap().len() == 128);
}
