use std::borrow::Cow;

use foodtrack_contract::{Entities, ErrorCode, EventGroup, EventType, Refusal, Schemas};
use serde_json::{Value, json};

use crate::{facts, tenant};

fn validate(event: &str, payload: &str) -> Result<Entities<'static>, Refusal> {
    let (schemas, tenant) = (Schemas::new(), tenant("t1"));
    let event = schemas.resolve(&tenant, event)?;
    let entities = schemas.validate(&tenant, &event, payload)?;
    let owned = |id: Option<Cow<'_, str>>| id.map(|id| Cow::Owned(id.into_owned()));
    Ok(Entities {
        order_id: owned(entities.order_id),
        customer_id: owned(entities.customer_id),
        station_id: owned(entities.station_id),
        route_id: owned(entities.route_id),
        assignee_id: owned(entities.assignee_id),
    })
}

fn refused(event: &str, payload: &str, pointer: &str, rule: &str) {
    let refusal = validate(event, payload).expect_err(payload);
    assert_eq!(facts(&refusal), ("payload_invalid", pointer, rule), "{event} {payload}");
    assert_eq!(refusal.event(), Some(event));
}

/// A payload with every known field, and which of them are required: the contract's table, row by row.
#[expect(clippy::too_many_lines, reason = "a table")]
fn table() -> Vec<(Vec<&'static str>, Value, Vec<&'static str>)> {
    let order =
        json!({ "orderId": "o1", "customerId": "c1", "items": [{ "n": 1 }], "totalAmount": 12.5 });
    let kitchen = json!({ "orderId": "o1", "stationId": "grill", "assignedStation": "wok" });
    let delivery = json!({
        "orderId": "o1", "deliveryId": "d1", "routeId": "r1", "customerId": "c1", "reason": "rain",
    });
    let with = |base: &Value, more: Value| {
        let mut all = base.clone();
        let Value::Object(more) = more else { panic!("fields") };
        all.as_object_mut().unwrap().extend(more);
        all
    };
    vec![
        (vec!["order:created", "order:updated", "order:cancelled"], order.clone(), vec!["orderId"]),
        (
            vec!["order:status_changed"],
            with(
                &order,
                json!({ "status": "ready", "previousStatus": "cooking", "stationId": "grill", "notes": "" }),
            ),
            vec!["orderId", "status"],
        ),
        (
            vec!["order:assigned"],
            with(&order, json!({ "assigneeId": "u1" })),
            vec!["orderId", "assigneeId"],
        ),
        (
            vec!["delivery:assigned"],
            with(&delivery, json!({ "assigneeId": "u1" })),
            vec!["orderId", "assigneeId"],
        ),
        (
            vec![
                "kitchen:order_received",
                "kitchen:preparation_started",
                "kitchen:preparation_completed",
            ],
            kitchen.clone(),
            vec!["orderId"],
        ),
        (
            vec!["kitchen:notification"],
            with(&kitchen, json!({ "message": "hot" })),
            vec!["message"],
        ),
        (vec!["kitchen:station_assignment"], kitchen, vec!["orderId", "stationId"]),
        (
            vec![
                "delivery:picked_up",
                "delivery:in_transit",
                "delivery:completed",
                "delivery:delayed",
            ],
            delivery.clone(),
            vec!["orderId"],
        ),
        (
            vec!["delivery:location_updated"],
            with(
                &delivery,
                json!({ "latitude": 52.5, "longitude": 13, "heading": 359.9, "speed": 0 }),
            ),
            vec!["orderId", "latitude", "longitude"],
        ),
        (
            vec!["inventory:low_stock"],
            json!({ "ingredientId": "i1", "currentStock": 1, "minimumStock": 2.5, "unit": "kg", "severity": "high" }),
            vec!["ingredientId", "currentStock", "minimumStock"],
        ),
        (
            vec!["inventory:usage_update"],
            json!({ "ingredientId": "i1", "quantity": 0.2, "orderId": "o1", "remainingStock": 7 }),
            vec!["ingredientId", "quantity"],
        ),
        (
            vec!["product:created", "product:updated", "product:deleted"],
            json!({ "productId": "p1" }),
            vec!["productId"],
        ),
        (
            vec!["product:availability_changed"],
            json!({ "productId": "p1", "available": false }),
            vec!["productId", "available"],
        ),
        (
            vec!["quality:issue_reported"],
            json!({ "orderId": "o1", "issue": "cold", "severity": "low", "stationId": "s", "requiresRemake": true }),
            vec!["orderId", "issue"],
        ),
        (
            vec!["station:help_requested"],
            json!({ "stationId": "grill", "helpType": "hands", "message": "busy" }),
            vec!["stationId"],
        ),
        (
            vec!["notification:alert", "notification:info", "notification:warning"],
            json!({ "message": "closing", "title": "", "level": "loud" }),
            vec!["message"],
        ),
        (
            vec!["tenant:metrics"],
            json!({ "totalRevenueToday": 9.5, "completedOrdersToday": 1, "activeOrders": 0 }),
            vec!["totalRevenueToday", "completedOrdersToday", "activeOrders"],
        ),
    ]
}

#[test]
fn the_table_names_every_event_that_clients_may_send() {
    let mut named: Vec<&str> = table().into_iter().flat_map(|(events, ..)| events).collect();
    named.sort_unstable();
    let mut all: Vec<&str> = EventType::ALL
        .iter()
        .filter(|event_type| event_type.group() != EventGroup::System)
        .map(|event_type| event_type.as_str())
        .collect();
    all.sort_unstable();
    assert_eq!(named, all);
}

#[test]
fn a_required_field_is_required_and_neither_null_nor_of_another_type() {
    for (events, full, required) in table() {
        for event in events {
            for field in &required {
                let pointer = format!("/{field}");
                let mut payload = full.clone();
                payload[*field] = Value::Null;
                refused(event, &payload.to_string(), &pointer, "type");
                payload[*field] = json!({ "a": [] });
                refused(event, &payload.to_string(), &pointer, "type");
                payload.as_object_mut().unwrap().shift_remove(*field);
                refused(event, &payload.to_string(), &pointer, "required");
            }
        }
    }
}

#[test]
fn an_optional_field_may_be_absent_or_null_but_not_of_another_type() {
    for (events, full, required) in table() {
        for event in events {
            assert!(validate(event, &full.to_string()).is_ok(), "{event}");
            for field in full.as_object().unwrap().keys() {
                if required.contains(&field.as_str()) {
                    continue;
                }
                let mut payload = full.clone();
                payload[field] = Value::Null;
                assert!(validate(event, &payload.to_string()).is_ok(), "{event} {field}");
                payload[field] = json!({ "a": [] });
                refused(event, &payload.to_string(), &format!("/{field}"), "type");
                payload.as_object_mut().unwrap().shift_remove(field);
                assert!(validate(event, &payload.to_string()).is_ok(), "{event} {field}");
            }
        }
    }
}

#[test]
fn a_payload_is_an_object_whatever_the_event() {
    for event in table().into_iter().flat_map(|(events, ..)| events) {
        for payload in [
            r#"["o1","o1"]"#,
            r#"["o1","c1",[],1]"#,
            r#"["o1"]"#,
            r#""o1""#,
            "null",
            "7",
            "true",
            "[]",
        ] {
            refused(event, payload, "", "type");
        }
    }
}

#[test]
fn fields_that_the_contract_does_not_know_pass() {
    let payload = r#" {"orderId":"o1","allergens":["nuts"],"x":{"orderId":5},"far":1e400} "#;
    assert_eq!(validate("order:updated", payload).unwrap().order_id.as_deref(), Some("o1"));
}

#[test]
fn identifiers_have_1_to_128_characters() {
    let of = |id: &str| json!({ "orderId": id }).to_string();
    refused("order:created", &of(""), "/orderId", "minLength");
    refused("order:created", &of(&"x".repeat(129)), "/orderId", "maxLength");
    refused("order:created", &of(&"é".repeat(129)), "/orderId", "maxLength");
    for id in ["x".repeat(128), "🍜".repeat(128), String::from("a\"\\\n")] {
        assert_eq!(validate("order:created", &of(&id)).unwrap().order_id.unwrap(), id);
    }
}

#[test]
fn places_lie_on_the_globe() {
    let at = |latitude: &str, longitude: &str| {
        format!(r#"{{"orderId":"o1","latitude":{latitude},"longitude":{longitude}}}"#)
    };
    for (latitude, longitude) in [("90", "180"), ("-90.0", "-180"), ("-0", "1e-400")] {
        assert!(validate("delivery:location_updated", &at(latitude, longitude)).is_ok());
    }
    refused("delivery:location_updated", &at("90.1", "0"), "/latitude", "maximum");
    refused("delivery:location_updated", &at("-91", "0"), "/latitude", "minimum");
    refused("delivery:location_updated", &at("0", "180.5"), "/longitude", "maximum");
    refused("delivery:location_updated", &at("0", "-1e9"), "/longitude", "minimum");
    refused("delivery:location_updated", &at("\"52\"", "0"), "/latitude", "type");
}

#[test]
fn numbers_beyond_a_double_are_refused_where_they_stand() {
    let huge = "9".repeat(400);
    for number in ["1e400", "-1e400", huge.as_str()] {
        let payload = format!(r#"{{"orderId":"o1","totalAmount":{number}}}"#);
        let refusal = validate("order:created", &payload).unwrap_err();
        assert_eq!(refusal.code(), ErrorCode::PayloadInvalid);
        assert_eq!(refusal.pointer(), Some("/totalAmount"));
    }
}

#[test]
fn items_are_objects() {
    refused("order:created", r#"{"orderId":"o","items":[{},[]]}"#, "/items/1", "type");
    refused("order:created", r#"{"orderId":"o","items":{}}"#, "/items", "type");
    assert!(validate("order:created", r#"{"orderId":"o","items":[]}"#).is_ok());
}

#[test]
fn a_known_field_is_there_once() {
    let twice = r#"{"orderId":"o1","customerId":"mine","customerId":"theirs"}"#;
    refused("order:created", twice, "/customerId", "duplicate");
    let spelled = r#"{"orderId":"o1","order\u0049d":"o2"}"#;
    refused("order:created", spelled, "/orderId", "duplicate");
}

#[test]
fn text_that_is_no_json_is_refused() {
    for payload in
        ["", "{", r#"{"orderId":"o1"} x"#, r#"{"orderId":"\ud80"}"#, "{\"orderId\":\"a\nb\"}"]
    {
        let refusal = validate("order:created", payload).expect_err(payload);
        assert_eq!(refusal.code(), ErrorCode::PayloadInvalid);
        assert_eq!(refusal.rule(), Some("syntax"), "{payload:?}");
    }
    // However deep it is, it is refused in words.
    let deep = format!(r#"{{"orderId":"o1","x":{}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(validate("order:created", &deep).unwrap_err().rule(), Some("depth"));
    let deep_items = format!(r#"{{"orderId":"o1","items":{}}}"#, "[".repeat(100_000));
    assert!(validate("order:created", &deep_items).is_err());
}

#[test]
fn a_refusal_never_quotes_the_payload() {
    let secret = "s3cret-phone-number";
    let payloads = [
        format!(r#"{{"orderId":"{}"}}"#, secret.repeat(20)),
        format!(r#"{{"orderId":"o","items":"{secret}"}}"#),
        format!(r#"{{"orderId":"o","totalAmount":"{secret}"}}"#),
        format!(r#"{{"{secret}":1}}"#),
        format!(r#"{{"orderId":"o","customerId":"a","customerId":"{secret}"}}"#),
        format!(r#""{secret}""#),
        format!(r#"{{"orderId":"o","totalAmount":1e400,"x":"{secret}"}}"#),
    ];
    for payload in payloads {
        let refusal = validate("order:created", &payload).unwrap_err();
        assert!(!refusal.to_json().contains(secret), "{refusal}");
    }
}

#[test]
fn only_the_server_sends_system_events() {
    for event_type in EventType::ALL.iter().filter(|one| one.group() == EventGroup::System) {
        let refusal = validate(event_type.as_str(), "{}").unwrap_err();
        assert_eq!(refusal.code(), ErrorCode::EventReserved);
        assert_eq!(refusal.event(), Some(event_type.as_str()));
    }
}

#[test]
fn a_payload_says_what_it_is_about() {
    fn check(event: &str, payload: &str, about: [Option<&str>; 5]) {
        let entities = validate(event, payload).unwrap();
        let found = [
            entities.order_id.as_deref(),
            entities.customer_id.as_deref(),
            entities.station_id.as_deref(),
            entities.route_id.as_deref(),
            entities.assignee_id.as_deref(),
        ];
        assert_eq!(found, about, "{event} {payload}");
    }
    let full = r#"{"orderId":"o","customerId":"c","stationId":"s","routeId":"r","assigneeId":"a",
        "assignedStation":"t","message":"m","status":"x","issue":"i","latitude":1,"longitude":2,
        "ingredientId":"g","quantity":1,"productId":"p"}"#;
    let (o, c, s, r, a) = (Some("o"), Some("c"), Some("s"), Some("r"), Some("a"));
    check("order:created", full, [o, c, None, None, None]);
    check("order:status_changed", full, [o, c, s, None, None]);
    check("order:assigned", full, [o, c, None, None, a]);
    check("delivery:assigned", full, [o, c, None, r, a]);
    check("delivery:delayed", full, [o, c, None, r, None]);
    check("delivery:location_updated", full, [o, c, None, r, None]);
    check("kitchen:order_received", full, [o, None, s, None, None]);
    check("kitchen:notification", full, [o, None, s, None, None]);
    check("kitchen:station_assignment", full, [o, None, s, None, None]);
    check("kitchen:notification", r#"{"message":"m"}"#, [None; 5]);
    let other_name = r#"{"orderId":"o","assignedStation":"t"}"#;
    check("kitchen:order_received", other_name, [o, None, Some("t"), None, None]);
    let null_first = r#"{"orderId":"o","stationId":null,"assignedStation":"t"}"#;
    check("kitchen:order_received", null_first, [o, None, Some("t"), None, None]);
    check("inventory:usage_update", full, [o, None, None, None, None]);
    check("quality:issue_reported", full, [o, None, s, None, None]);
    check("station:help_requested", full, [None, None, s, None, None]);
    check("product:updated", full, [None; 5]);
    check("notification:info", full, [None; 5]);
    let figures =
        r#"{"totalRevenueToday":1,"completedOrdersToday":2,"activeOrders":3,"orderId":"o"}"#;
    check("tenant:metrics", figures, [None; 5]);
}

#[test]
fn identifiers_without_escapes_are_borrowed() {
    let (schemas, tenant) = (Schemas::new(), tenant("t1"));
    let check = |payload: &str, borrowed: bool| {
        let entities = schemas.validate(&tenant, &EventType::OrderCreated.into(), payload).unwrap();
        let both = [entities.order_id.unwrap(), entities.customer_id.unwrap()];
        assert_eq!(both, ["o/1", "c/1"]);
        assert!(both.iter().all(|id| matches!(id, Cow::Borrowed(_)) == borrowed));
    };
    check(r#"{"orderId":"o/1","customerId":"c/1"}"#, true);
    check(r#"{"orderId":"o\/1","customerId":"c\/1"}"#, false);
}

#[test]
fn a_payload_nests_62_levels_and_a_refusal_says_where_it_is_deeper() {
    let lists = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let order = |note: &str| format!(r#"{{"orderId":"1","note":{note}}}"#);
    validate("order:updated", &order(&lists(61))).unwrap();
    let pointer = format!("/note{}", "/0".repeat(61));
    refused("order:updated", &order(&lists(62)), &pointer, "depth");
    refused("order:updated", &order(&lists(50_000)), &pointer, "depth");
    // Brackets in strings and beside each other do not count.
    validate("order:updated", &order(&format!(r#""{}\"[[[\\""#, "[{".repeat(500)))).unwrap();
    validate("order:updated", &order(&format!("[{}[]]", "[{}],".repeat(500)))).unwrap();
    // Names are unescaped, and the place is the one of its own list or object.
    let members = format!(r#"{{"x":[{{}},{{"y":[]}}],"a\"/b":[1,[2],{}]}}"#, lists(59));
    validate("order:updated", &order(&members)).unwrap();
    let members = format!(r#"{{"x":[{{}},{{"y":[]}}],"a\"/b":[1,[2],{}]}}"#, lists(60));
    let pointer = format!("/note/a\"~1b/2{}", "/0".repeat(59));
    refused("order:updated", &order(&members), &pointer, "depth");
}

#[test]
fn half_of_a_surrogate_pair_passes_in_text_and_not_in_identifiers() {
    for payload in [
        r#"{"orderId":"1","status":"ready","notes":"two pizzas \ud83c"}"#,
        r#"{"orderId":"1","status":"\udf55","previousStatus":"\ud83c\ud83c"}"#,
        r#"{"orderId":"1","status":"ready","items":[{"\ud83c":"\ud83c"}],"\ud83c":1}"#,
    ] {
        let entities = validate("order:status_changed", payload).expect(payload);
        assert_eq!(entities.order_id.as_deref(), Some("1"));
    }
    let order = |id: &str| format!(r#"{{"orderId":"{id}","status":"ready","notes":"\ud83c"}}"#);
    refused("order:status_changed", &order(r"1\ud83c"), "/orderId", "unicode");
    assert!(validate("order:status_changed", &order(r"\ud83c\udf55")).is_ok());
    // What else is wrong is told.
    refused("order:status_changed", r#"{"orderId":"1","notes":"\ud83c"}"#, "/status", "required");
    refused(
        "order:status_changed",
        r#"{"orderId":"1","status":"a","orderId":"1","notes":"\ud83c"}"#,
        "/orderId",
        "duplicate",
    );
}
