//! Whatever payload the contract accepts: what an application is sent of it does not break its page.
#![allow(clippy::unwrap_used)]

use foodtrack_contract::{
    ApplicationType as App, EventGroup, EventType, Message, Priority, Schemas, Source, TenantId,
};
use foodtrack_profile::Profile;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// What pages read, and what back ends and applications call it.
const FIELDS: &[&str] = &[
    "id",
    "order",
    "status",
    "newStatus",
    "previousStatus",
    "orderNumber",
    "number",
    "total",
    "totalAmount",
    "createdAt",
    "customerName",
    "customerPhone",
    "channel",
    "customerId",
    "items",
    "priority",
    "estimatedDeliveryTime",
    "estimatedArrival",
    "deliveryAddress",
    "location",
    "deliveryAgentId",
    "latitude",
    "longitude",
    "reason",
    "changes",
    "stationName",
    "station",
    "helpType",
    "message",
    "severity",
    "unit",
    "ingredientName",
    "currentStock",
    "minimumStock",
    "quantity",
    "quantityUsed",
    "remainingStock",
    "issue",
    "payload",
    "type",
    "tenantId",
    "product",
];
const WORDS: &[&str] = &[
    "draft",
    "confirmed",
    "preparing",
    "ready",
    "delivering",
    "delivered",
    "cancelled",
    "created",
    "in_preparation",
    "dispatched",
    "failed",
    "awaiting_payment",
    "paid",
    "plated",
    "odd",
];
const CLIENT_WORDS: [&str; 5] =
    ["awaiting_payment", "paid", "processing", "in_delivery", "delivered"];

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[0-9]{1,3}(\\.[0-9]{2})?".prop_map(Value::from),
        prop::sample::select(WORDS).prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        let names = prop_oneof![
            prop::sample::select(FIELDS).prop_map(str::to_owned),
            Just("lat".to_owned()),
            Just("lng".to_owned()),
            Just("orderId".to_owned()),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((names, inner), 0..6)
                .prop_map(|fields| Value::from(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// A payload of an event: what it must have, and anything beside it, or in its place.
fn payload(event: EventType) -> impl Strategy<Value = Value> {
    let fields = prop::collection::vec((prop::sample::select(FIELDS), value()), 0..8);
    (fields, any::<bool>()).prop_map(move |(fields, is_lean)| {
        let mut payload = json!({ "orderId": "o1" });
        let musts = match event {
            EventType::OrderStatusChanged => json!({ "status": "ready" }),
            EventType::OrderAssigned | EventType::DeliveryAssigned => json!({ "assigneeId": "u1" }),
            EventType::KitchenNotification
            | EventType::NotificationAlert
            | EventType::NotificationInfo
            | EventType::NotificationWarning => json!({ "message": "hello" }),
            EventType::KitchenStationAssignment | EventType::StationHelpRequested => {
                json!({ "stationId": "grill" })
            }
            EventType::DeliveryLocationUpdated => json!({ "latitude": 1, "longitude": 2 }),
            EventType::InventoryLowStock => {
                json!({ "ingredientId": "i1", "currentStock": 1, "minimumStock": 2 })
            }
            EventType::InventoryUsageUpdate => json!({ "ingredientId": "i1", "quantity": 1 }),
            EventType::QualityIssueReported => json!({ "issue": "cold" }),
            _ if event.group() == EventGroup::Product => {
                json!({ "productId": "p1", "available": true })
            }
            _ => json!({}),
        };
        let said = fields.into_iter().map(|(name, value)| (name.to_owned(), value));
        let map = payload.as_object_mut().unwrap();
        map.extend(said);
        for (name, value) in musts.as_object().unwrap() {
            if is_lean || !map.contains_key(name) {
                map.insert(name.clone(), value.clone());
            }
        }
        payload
    })
}

fn is_drawable(value: Option<&Value>) -> bool {
    matches!(value, None | Some(Value::String(_) | Value::Number(_)))
}

fn is_number(value: Option<&Value>) -> bool {
    matches!(value, None | Some(Value::Number(_)))
}

fn is_point(value: Option<&Value>) -> bool {
    value.is_none_or(|it| it["lat"].is_number() && it["lng"].is_number())
}

/// What an application's page needs, as its source reads it.
fn survives(application: App, name: &str, argument: &Value) -> bool {
    let payload = match application {
        App::KitchenApp => argument,
        _ => &argument["payload"],
    };
    let reads_order = name.starts_with("ORDER_");
    let order = payload.get("order").filter(|_| reads_order).unwrap_or(&Value::Null);
    let draws = |of: &Value, names: &[&str]| names.iter().all(|name| is_drawable(of.get(name)));
    let is_enveloped = application == App::KitchenApp
        || (argument["type"] == name && argument["id"].is_string() && payload.is_object());
    let has_order = !reads_order || (order.is_object() && order["id"].is_string());
    let has_delivery = !name.starts_with("DELIVERY_")
        || (payload["orderId"].is_string() && is_point(payload.get("location")));
    let has_message = !name.starts_with("SYSTEM_") || payload["message"].is_string();
    let is_right = match application {
        App::ClientApp => {
            let status = order.get("status");
            status.is_none_or(|it| it.as_str().is_some_and(|it| CLIENT_WORDS.contains(&it)))
                && (name != "ORDER_CANCELLED" || status.is_none())
                && draws(order, &["orderNumber", "estimatedDeliveryTime"])
        }
        App::TenantDashboard => {
            is_number(order.get("totalAmount"))
                && draws(order, &["status", "createdAt", "customerName", "customerPhone"])
                && draws(order, &["channel", "orderNumber"])
        }
        App::DeliveryApp => {
            is_number(order.get("totalAmount"))
                && order.get("deliveryAddress").is_none_or(Value::is_string)
                && draws(order, &["status", "number", "createdAt"])
                && (!name.starts_with("DELIVERY_")
                    || draws(payload, &["deliveryAgentId", "status", "estimatedArrival"]))
        }
        App::KitchenApp => {
            let is_text = |name: &str| payload[name].is_string();
            match name {
                "order:new" => {
                    is_text("orderId")
                        && payload["items"].is_array()
                        && draws(payload, &["priority"])
                }
                "order:modified" => is_text("orderId") && draws(payload, &["reason"]),
                "inventory:low-stock" => {
                    is_text("ingredientId")
                        && payload["currentStock"].is_number()
                        && draws(payload, &["severity", "ingredientName", "unit"])
                }
                "station:assignment" => {
                    is_text("orderId")
                        && is_number(payload.get("priority"))
                        && draws(payload, &["stationName"])
                }
                "station:help-request" => draws(payload, &["stationName", "helpType", "message"]),
                "quality:issue-reported" => {
                    is_text("orderId") && is_text("issue") && draws(payload, &["severity"])
                }
                _ => true,
            }
        }
    };
    is_enveloped && has_order && has_delivery && has_message && is_right
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn what_the_contract_accepts_breaks_no_page(
        (event, payload) in prop::sample::select(EventType::ALL)
            .prop_filter("the server's own", |event| event.group() != EventGroup::System)
            .prop_flat_map(|event| (Just(event), payload(event))),
    ) {
        let text = payload.to_string();
        let tenant = TenantId::parse("t1").unwrap();
        let is_accepted = schemas().validate(&tenant, &event.into(), &text).is_ok();
        prop_assume!(is_accepted);
        let message = Message {
            id: Uuid::nil(),
            event: event.as_str(),
            tenant: &tenant,
            timestamp: "2026-11-29T12:00:00.000Z",
            source: Source::System,
            target: None,
            payload: &text,
            priority: Priority::Medium,
            retry_count: 0,
            encrypted: false,
        }
        .to_json();
        let profile = profile();
        for application in App::ALL {
            let mut out = vec![b'['];
            if profile.outgoing(application, &event.into(), &message, false, &mut out).is_err() {
                prop_assert_eq!(out, b"[", "nothing is appended");
                continue;
            }
            out.push(b']');
            let (name, argument): (String, Value) = serde_json::from_slice(&out).unwrap();
            prop_assert!(survives(application, &name, &argument), "{} {}", application, argument);
        }
    }
}

fn profile() -> &'static Profile {
    static PROFILE: std::sync::LazyLock<Profile> = std::sync::LazyLock::new(Profile::builtin);
    &PROFILE
}

fn schemas() -> &'static Schemas {
    static SCHEMAS: std::sync::LazyLock<Schemas> = std::sync::LazyLock::new(Schemas::new);
    &SCHEMAS
}

#[test]
fn the_checker_knows_what_breaks_a_page() {
    let order = |order: Value| json!({ "id": "m1", "type": "ORDER_CREATED", "payload": { "order": order } });
    let broken = [
        (App::ClientApp, order(json!({ "id": "o1", "status": "ready" }))),
        (App::ClientApp, order(Value::Null)),
        (App::TenantDashboard, order(json!({ "totalAmount": 1 }))),
        (App::TenantDashboard, order(json!({ "id": "o1", "totalAmount": "1" }))),
        (App::DeliveryApp, order(json!({ "id": "o1", "deliveryAddress": {} }))),
    ];
    for (application, argument) in broken {
        assert!(!survives(application, "ORDER_CREATED", &argument), "{application} {argument}");
    }
    assert!(!survives(App::KitchenApp, "order:new", &json!({ "orderId": "o1" })));
    let lacks = json!({ "id": "m", "type": "DELIVERY_ASSIGNED", "payload": { "orderId": "o1", "location": { "lat": 1 } } });
    assert!(!survives(App::DeliveryApp, "DELIVERY_ASSIGNED", &lacks));
}
