//! Each row of what today's four applications listen to and send.
#![allow(clippy::unwrap_used)]

use foodtrack_contract::{ApplicationType as App, EventType, TenantId};
use foodtrack_contract::{Message, Priority, Source};
use foodtrack_profile::{Incoming, NotSent, Profile};
use serde_json::{Value, json};
use uuid::Uuid;

fn message(event: EventType, payload: &str) -> Vec<u8> {
    let tenant = TenantId::parse("t1").unwrap();
    let message = Message {
        id: Uuid::nil(),
        event: event.as_str(),
        tenant: &tenant,
        timestamp: "2026-11-29T12:00:00.000Z",
        source: Source::System,
        target: None,
        payload,
        priority: Priority::Medium,
        retry_count: 0,
        encrypted: false,
    };
    message.to_json()
}

/// What an application is sent: the name and the argument.
fn sent(application: App, event: &str, payload: &Value) -> Result<(String, Value), NotSent> {
    let event = EventType::from_wire(event).unwrap();
    let message = message(event, &payload.to_string());
    let mut out = vec![b'['];
    let profile = Profile::builtin();
    profile.outgoing(application, &event.into(), &message, false, &mut out)?;
    out.push(b']');
    Ok(serde_json::from_slice(&out).unwrap())
}

/// What an application that is sent an envelope finds as its payload, under a name.
fn check(application: App, event: &str, payload: &Value, name: &str, expected: &Value) {
    let (said, argument) = sent(application, event, payload).unwrap();
    assert_eq!(said, name, "{event} for {application}");
    if application == App::KitchenApp {
        assert_eq!(&argument, expected, "{event} for {application}");
        return;
    }
    let envelope = json!({
        "id": Uuid::nil().to_string(),
        "type": name,
        "timestamp": "2026-11-29T12:00:00.000Z",
        "tenantId": "t1",
        "payload": expected,
    });
    assert_eq!(argument, envelope, "{event} for {application}");
}

#[test]
fn the_client_app_gets_orders_under_order_and_five_words() {
    let created = json!({ "orderId": "o1", "customerId": "c1", "number": 7, "status": "created" });
    let order =
        json!({ "customerId": "c1", "number": 7, "status": "paid", "id": "o1", "orderNumber": 7 });
    let mut expected = order.clone();
    // The order of fields says nothing; it is compared as a whole.
    expected["orderId"] = json!("o1");
    let expected = json!({ "order": expected });
    check(App::ClientApp, "order:created", &created, "ORDER_CREATED", &expected);
    check(App::ClientApp, "order:updated", &created, "ORDER_UPDATED", &expected);
    for (said, word) in [
        ("draft", "awaiting_payment"),
        ("created", "paid"),
        ("confirmed", "paid"),
        ("pending", "paid"),
        ("preparing", "processing"),
        ("in_preparation", "processing"),
        ("ready", "processing"),
        ("ready_for_pickup", "processing"),
        ("delivering", "in_delivery"),
        ("dispatched", "in_delivery"),
        ("delivered", "delivered"),
        ("processing", "processing"),
    ] {
        let changed = json!({ "orderId": "o1", "status": said, "previousStatus": "confirmed" });
        let expected = json!({
            "previousStatus": "paid",
            "order": { "orderId": "o1", "id": "o1", "status": word },
        });
        check(App::ClientApp, "order:status_changed", &changed, "ORDER_STATUS_CHANGED", &expected);
    }
    // What breaks its page is not sent, or not in it.
    for word in ["cancelled", "failed", "on its way"] {
        let changed = json!({ "orderId": "o1", "status": word });
        let verdict = sent(App::ClientApp, "order:status_changed", &changed);
        assert_eq!(verdict, Err(NotSent::FieldMissing), "{word}");
    }
    let cancelled = json!({ "orderId": "o1", "status": "cancelled", "reason": "burnt" });
    let expected = json!({ "reason": "burnt", "order": { "orderId": "o1", "id": "o1" } });
    check(App::ClientApp, "order:cancelled", &cancelled, "ORDER_CANCELLED", &expected);
}

#[test]
fn an_order_that_the_back_end_nests_stays_so_and_its_id_is_the_one_that_counts() {
    let payload = json!({
        "orderId": "o1",
        "order": { "id": "row 7", "total": "12.50", "orderNumber": "A7", "status": "ready" },
        "status": "delivering",
    });
    let (_, argument) = sent(App::TenantDashboard, "order:status_changed", &payload).unwrap();
    let order = &argument["payload"]["order"];
    assert_eq!(order["id"], "o1");
    assert_eq!(order["totalAmount"], 12.5);
    assert_eq!((&order["orderNumber"], &order["status"]), (&json!("A7"), &json!("ready")));
}

#[test]
fn the_dashboard_gets_numbers_as_numbers_and_nothing_that_cannot_be_drawn() {
    let payload = json!({
        "orderId": "o1",
        "total": "29.90",
        "customerName": { "first": "Ada" },
        "customerPhone": 5511,
        "channel": ["web"],
    });
    let (name, argument) = sent(App::TenantDashboard, "order:created", &payload).unwrap();
    let order = &argument["payload"]["order"];
    assert_eq!((name.as_str(), &argument["type"]), ("ORDER_CREATED", &json!("ORDER_CREATED")));
    assert_eq!(order["totalAmount"], 29.9);
    assert_eq!(order["customerPhone"], 5511);
    assert_eq!(order["createdAt"], "2026-11-29T12:00:00.000Z");
    assert!(order.get("customerName").is_none() && order.get("channel").is_none());
    let unreadable = json!({ "orderId": "o1", "total": "much" });
    let (_, argument) = sent(App::TenantDashboard, "order:created", &unreadable).unwrap();
    assert!(argument["payload"]["order"].get("totalAmount").is_none());
}

#[test]
fn the_kitchen_gets_flat_payloads() {
    let check = |event, payload, name, mut expected: Value| {
        expected["tenantId"] = json!("t1");
        check(App::KitchenApp, event, &payload, name, &expected);
    };
    let order = json!({ "orderId": "o1", "items": [{ "name": "Pizza" }], "priority": 2 });
    check("order:created", order.clone(), "order:new", order);
    let bare = json!({ "orderId": "o1", "items": [] });
    check("order:created", json!({ "orderId": "o1" }), "order:new", bare);
    let changes = json!({ "orderId": "o1", "reason": "no onions", "changes": { "a": 1 } });
    check("order:updated", changes.clone(), "order:modified", changes);
    let reason = json!({ "orderId": "o1", "reason": "burnt", "status": "cancelled" });
    let cancelled = json!({ "orderId": "o1", "reason": "burnt" });
    check("order:cancelled", cancelled, "order:modified", reason);
    let reason = json!({ "orderId": "o1", "reason": "cancelled", "status": "cancelled" });
    check("order:cancelled", json!({ "orderId": "o1" }), "order:modified", reason);
    let status = json!({ "orderId": "o1", "status": "ready" });
    let theirs = json!({ "orderId": "o1", "status": "ready_for_pickup" });
    check("order:status_changed", status, "order:status-update", theirs);
    let stock = json!({ "ingredientId": "i1", "currentStock": 2, "minimumStock": 5, "severity": "low", "unit": "kg" });
    let mut named = stock.clone();
    named["ingredientName"] = json!("i1");
    check("inventory:low_stock", stock, "inventory:low-stock", named);
    let usage = json!({ "ingredientId": "i1", "quantity": 2 });
    let theirs = json!({ "ingredientId": "i1", "quantity": 2, "quantityUsed": 2 });
    check("inventory:usage_update", usage, "inventory:usage-update", theirs);
    let assignment = json!({ "orderId": "o1", "stationId": "grill", "priority": "1" });
    let theirs =
        json!({ "orderId": "o1", "stationId": "grill", "stationName": "grill", "priority": 1 });
    check("kitchen:station_assignment", assignment, "station:assignment", theirs);
    let help = json!({ "stationId": "grill", "helpType": "staff", "message": "two more hands" });
    let mut named = help.clone();
    named["stationName"] = json!("grill");
    check("station:help_requested", help, "station:help-request", named);
    let issue = json!({ "orderId": "o1", "issue": "cold", "severity": "minor" });
    check("quality:issue_reported", issue.clone(), "quality:issue-reported", issue);
}

#[test]
fn the_delivery_app_gets_offers_and_its_deliveries() {
    let ready = json!({
        "orderId": "o1",
        "status": "ready_for_pickup",
        "orderNumber": 7,
        "deliveryAddress": { "street": "Main" },
        "totalAmount": 12,
    });
    let (name, argument) = sent(App::DeliveryApp, "order:status_changed", &ready).unwrap();
    let order = &argument["payload"]["order"];
    assert_eq!(name, "ORDER_STATUS_CHANGED");
    assert_eq!((&order["status"], &order["number"]), (&json!("ready"), &json!(7)));
    assert!(order.get("deliveryAddress").is_none());
    let assigned = json!({ "orderId": "o1", "assigneeId": "u1", "location": { "lat": 1 } });
    let expected = json!({ "orderId": "o1", "assigneeId": "u1", "deliveryAgentId": "u1" });
    check(App::DeliveryApp, "delivery:assigned", &assigned, "DELIVERY_ASSIGNED", &expected);
    let location = json!({ "orderId": "o1", "latitude": 1.5, "longitude": 2 });
    let expected = json!({
        "orderId": "o1",
        "latitude": 1.5,
        "longitude": 2,
        "location": { "lat": 1.5, "lng": 2 },
    });
    let name = "DELIVERY_LOCATION_UPDATE";
    check(App::DeliveryApp, "delivery:location_updated", &location, name, &expected);
}

#[test]
fn every_other_name_is_the_one_that_is_listened_to() {
    let order = json!({ "orderId": "o1", "assigneeId": "u1", "status": "ready" });
    let product = json!({ "productId": "p1", "available": true });
    let word = json!({ "message": "closing" });
    let figures = json!({ "totalRevenueToday": 9.5, "completedOrdersToday": 1, "activeOrders": 2 });
    for (application, event, payload, name) in [
        (App::ClientApp, "product:updated", &product, "PRODUCT_UPDATED"),
        (App::ClientApp, "product:availability_changed", &product, "PRODUCT_AVAILABILITY_CHANGED"),
        (App::ClientApp, "notification:info", &word, "SYSTEM_NOTIFICATION"),
        (App::ClientApp, "notification:alert", &word, "SYSTEM_ALERT"),
        (App::TenantDashboard, "order:updated", &order, "ORDER_UPDATED"),
        (App::TenantDashboard, "order:status_changed", &order, "ORDER_STATUS_CHANGED"),
        (App::TenantDashboard, "order:assigned", &order, "ORDER_ASSIGNED"),
        (App::TenantDashboard, "order:cancelled", &order, "ORDER_CANCELLED"),
        (App::TenantDashboard, "product:created", &product, "PRODUCT_CREATED"),
        (App::TenantDashboard, "product:deleted", &product, "PRODUCT_DELETED"),
        (App::TenantDashboard, "kitchen:order_received", &order, "KITCHEN_ORDER_RECEIVED"),
        (App::TenantDashboard, "kitchen:preparation_started", &order, "KITCHEN_ORDER_STARTED"),
        (App::TenantDashboard, "kitchen:preparation_completed", &order, "KITCHEN_ORDER_COMPLETED"),
        (App::TenantDashboard, "delivery:assigned", &order, "DELIVERY_ASSIGNED"),
        (App::TenantDashboard, "delivery:picked_up", &order, "DELIVERY_STARTED"),
        (App::TenantDashboard, "delivery:completed", &order, "DELIVERY_COMPLETED"),
        (App::TenantDashboard, "notification:warning", &word, "SYSTEM_NOTIFICATION"),
        (App::TenantDashboard, "tenant:metrics", &figures, "REAL_TIME_METRICS"),
        (App::DeliveryApp, "order:created", &order, "ORDER_CREATED"),
        (App::DeliveryApp, "order:cancelled", &order, "ORDER_CANCELLED"),
        (App::DeliveryApp, "kitchen:preparation_completed", &order, "KITCHEN_ORDER_COMPLETED"),
        (App::DeliveryApp, "delivery:picked_up", &order, "DELIVERY_STARTED"),
        (App::DeliveryApp, "delivery:completed", &order, "DELIVERY_COMPLETED"),
        (App::DeliveryApp, "notification:alert", &word, "SYSTEM_ALERT"),
    ] {
        let (said, _) = sent(application, event, payload).unwrap();
        assert_eq!(said, name, "{event} for {application}");
    }
    for (application, event, payload) in [
        (App::ClientApp, "delivery:assigned", &order),
        (App::ClientApp, "kitchen:order_received", &order),
        (App::TenantDashboard, "station:help_requested", &order),
        (App::DeliveryApp, "order:updated", &order),
        (App::DeliveryApp, "order:assigned", &order),
        (App::KitchenApp, "kitchen:order_received", &order),
        (App::KitchenApp, "notification:info", &word),
        (App::DeliveryApp, "tenant:metrics", &figures),
    ] {
        let verdict = sent(application, event, payload);
        assert_eq!(verdict, Err(NotSent::NoName), "{event} for {application}");
    }
}

#[test]
fn what_the_applications_send_becomes_the_contracts_events() {
    let profile = Profile::builtin();
    let event = |application, name: &str, argument: Value| match profile
        .incoming(application, "u1", name, &argument.to_string())
        .unwrap()
    {
        Incoming::Event(event, payload) => {
            (event.as_str(), serde_json::from_str::<Value>(&payload).unwrap())
        }
        other => panic!("{name} is {other:?}"),
    };
    let status = json!({ "orderId": "o1", "status": "ready_for_pickup", "stationId": "grill" });
    let meant = json!({ "orderId": "o1", "status": "ready", "stationId": "grill" });
    let said = event(App::KitchenApp, "order:update-status", status);
    assert_eq!(said, ("order:status_changed", meant));
    let usage = json!({ "ingredientId": "i1", "quantity": "2", "orderId": "o1" });
    let meant = json!({ "ingredientId": "i1", "quantity": 2, "orderId": "o1" });
    let said = event(App::KitchenApp, "inventory:update-usage", usage);
    assert_eq!(said, ("inventory:usage_update", meant));
    let help = json!({ "stationId": "grill", "helpType": "staff" });
    let said = event(App::KitchenApp, "station:request-help", help.clone());
    assert_eq!(said, ("station:help_requested", help));
    let issue = json!({ "orderId": "o1", "issue": "cold", "severity": "major" });
    let said = event(App::KitchenApp, "quality:report-issue", issue.clone());
    assert_eq!(said, ("quality:issue_reported", issue));
    let order = || json!({ "orderId": "o1" });
    // Whom he names counts for nothing.
    let accept = json!({ "orderId": "o1", "assigneeId": "somebody" });
    let said = event(App::DeliveryApp, "accept_delivery", accept);
    assert_eq!(said, ("delivery:assigned", json!({ "orderId": "o1", "assigneeId": "u1" })));
    let said = event(App::DeliveryApp, "start_delivery", order());
    assert_eq!(said, ("delivery:picked_up", order()));
    let said = event(App::DeliveryApp, "complete_delivery", order());
    assert_eq!(said, ("delivery:completed", order()));
    let location = json!({ "orderId": "o1", "location": { "lat": 1.5, "lng": -2 } });
    let meant = json!({ "orderId": "o1", "latitude": 1.5, "longitude": -2 });
    let said = event(App::DeliveryApp, "update_delivery_location", location);
    assert_eq!(said, ("delivery:location_updated", meant));
    // What cannot be read is for the schema to refuse.
    let said = event(App::DeliveryApp, "start_delivery", Value::Null);
    assert_eq!(said, ("delivery:picked_up", Value::Null));
}

#[test]
fn rooms_are_controlled_and_two_events_are_taken_without_an_answer() {
    let profile = Profile::builtin();
    let meaning = |application, name| profile.incoming(application, "u1", name, "null");
    assert_eq!(
        meaning(App::ClientApp, "join_order_room"),
        Some(Incoming::Control("subscribe:order"))
    );
    assert_eq!(
        meaning(App::ClientApp, "leave_order_room"),
        Some(Incoming::Control("unsubscribe:order"))
    );
    for name in ["subscribe_to_orders", "subscribe_to_metrics"] {
        assert_eq!(meaning(App::TenantDashboard, name), Some(Incoming::Ignored));
        assert_eq!(meaning(App::ClientApp, name), None, "another application's name");
    }
    assert_eq!(meaning(App::KitchenApp, "order:status_changed"), None);
    let status = EventType::OrderStatusChanged.into();
    assert_eq!(profile.own_name(App::KitchenApp, &status), Some("order:update-status"));
}

#[test]
fn the_application_comes_from_the_origin_and_roles_of_logins_are_known() {
    let profile = Profile::builtin();
    assert_eq!(profile.application_of("http://localhost:3002"), Some(App::KitchenApp));
    assert_eq!(profile.application_of("HTTP://LOCALHOST:3000/"), Some(App::ClientApp));
    assert_eq!(profile.application_of("http://localhost:3004"), None);
    let roles: Vec<_> = profile.roles().map(|(name, role)| (name, role.role.as_str())).collect();
    let expected = [
        ("admin", "restaurant_owner"),
        ("manager", "restaurant_manager"),
        ("operator", "restaurant_manager"),
    ];
    assert_eq!(roles, expected);
}
