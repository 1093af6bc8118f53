//! Who only listens gets what a connection of theirs gets, and no more.

use foodtrack_contract::{ApplicationType, PermissionSet, Priority};
use foodtrack_server::{Broadcast, Recipients, TenantId};
use serde_json::json;

use crate::harness::{Client, EventSource, Options, Server, Transport, Who};
use crate::support::{TENANT, back_end};

/// What everybody gets, to know that nothing is still to come before it.
const LAST: &str = "notification:alert";

/// Sends [`LAST`] and returns the names of what came before it.
#[track_caller]
fn names(server: &Server, source: &mut EventSource) -> Vec<String> {
    back_end(server).accepted(LAST, json!({ "message": "m" }));
    let events = std::iter::from_fn(|| source.next()).map(|sent| sent.event);
    events.take_while(|event| event != LAST).collect()
}

#[test]
fn every_row_of_the_routing_table_holds_for_listeners() {
    let server = Server::start();
    let everybody = [
        ("ada", Who::customer(TENANT, "ada")),
        ("bob", Who::customer(TENANT, "bob")),
        ("dashboard", Who::manager(TENANT, "mia")),
        ("kitchen", Who::chef(TENANT, "carl")),
        ("courier", Who::courier(TENANT, "dora")),
        ("service", Who::service(TENANT)),
    ];
    let who = |name: &str| &everybody.iter().find(|(other, _)| *other == name).unwrap().1;
    let mut sources =
        everybody.each_ref().map(|(name, who)| (*name, EventSource::open(&server, who, "", None)));
    let order = json!({ "orderId": "1", "customerId": "ada", "status": "ready", "message": "m",
        "stationId": "grill", "routeId": "r", "assigneeId": "dora", "latitude": 1, "longitude": 2,
        "ingredientId": "i", "currentStock": 1, "minimumStock": 2, "quantity": 1,
        "productId": "p", "available": true, "issue": "burnt" });
    let rows: [(&str, &str, &[&str]); 13] = [
        ("ada", "order:created", &["ada", "dashboard", "kitchen"]),
        ("dashboard", "order:updated", &["ada", "dashboard", "kitchen"]),
        ("kitchen", "order:status_changed", &["ada", "dashboard", "kitchen", "courier"]),
        ("dashboard", "order:assigned", &["dashboard", "courier"]),
        ("service", "delivery:assigned", &["dashboard", "courier"]),
        ("kitchen", "kitchen:preparation_started", &["dashboard", "kitchen"]),
        ("kitchen", "kitchen:preparation_completed", &["dashboard", "kitchen", "courier"]),
        ("courier", "delivery:picked_up", &["ada", "dashboard", "courier"]),
        ("courier", "delivery:location_updated", &["ada", "dashboard", "courier"]),
        ("kitchen", "inventory:low_stock", &["dashboard", "kitchen"]),
        (
            "dashboard",
            "product:availability_changed",
            &["ada", "bob", "dashboard", "kitchen", "courier"],
        ),
        ("kitchen", "quality:issue_reported", &["dashboard", "kitchen"]),
        ("service", LAST, &["ada", "bob", "dashboard", "kitchen", "courier"]),
    ];
    for (sender, event, _) in rows {
        Client::join(&server, Transport::WebSocket, who(sender)).accepted(event, order.clone());
    }
    for (name, source) in &mut sources {
        let of = |audience: &[&str]| audience.contains(name);
        let expected = rows.iter().filter(|row| of(row.2) && row.1 != LAST).map(|row| row.1);
        if *name == "service" {
            // A back end is sent nothing.
            assert_eq!(expected.count(), 0);
            continue;
        }
        let got = std::iter::from_fn(|| source.next()).map(|sent| sent.event);
        let got: Vec<_> = got.take_while(|event| event != LAST).collect();
        assert_eq!(got, expected.collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn a_target_and_missing_permissions_narrow_what_comes() {
    let server = Server::start();
    let deaf = Who::chef(TENANT, "carl").permissions(PermissionSet::NONE);
    let mut deaf = EventSource::open(&server, &deaf, "", None);
    let mut chef = EventSource::open(&server, &Who::chef(TENANT, "carl"), "", None);
    let mut manager = EventSource::open(&server, &Who::manager(TENANT, "mia"), "", None);
    let message =
        json!({ "type": "order:updated", "target": "kitchen_app", "payload": { "orderId": "1" } });
    back_end(&server).accepted("order:updated", message);
    assert_eq!(names(&server, &mut chef), ["order:updated"]);
    assert_eq!(names(&server, &mut manager), [""; 0]);
    // It needs no permission.
    assert_eq!(names(&server, &mut deaf), [""; 0]);
}

#[test]
fn a_listener_that_may_come_as_several_applications_says_as_which() {
    let server = Server::start();
    let owner = Who::owner(TENANT, "olga").applications(&ApplicationType::ALL);
    for (name, application) in [
        ("kitchen", "kitchen_app"),
        ("customer", "client_app"),
        ("tenant_dashboard", "tenant_dashboard"),
        ("delivery", "delivery_app"),
    ] {
        let bearer = format!("Bearer {}", owner.token());
        let headers = [("Authorization", &*bearer)];
        let mut source = EventSource::ask(&server, &format!("?application={name}"), &headers);
        let greeting = source.expect("system:connection_established");
        assert_eq!(greeting.data["payload"]["application"], application);
    }
}

#[test]
fn binary_stands_in_the_message_as_base64() {
    let server = Server::start();
    let mut source = EventSource::open(&server, &Who::manager(TENANT, "mia"), "", None);
    let auth = json!({ "token": Who::manager(TENANT, "mia").token() });
    let mut sender = Client::join_with(&server, &Options::new(Transport::WebSocket, auth));
    let payload = json!({ "orderId": "1", "picture": { "_placeholder": true, "num": 0 } });
    let answer = sender.ask_binary("order:updated", payload.clone(), &[vec![1, 2, 3]]);
    assert_eq!(answer["success"], true, "{answer}");
    let sent = source.expect("order:updated");
    assert_eq!(sent.data["payload"], payload);
    assert_eq!(sent.data["attachments"], json!(["AQID"]));
}

#[test]
fn a_payload_of_any_text_just_under_the_limit_arrives_unharmed() {
    let server = Server::start();
    let mut source = EventSource::open(&server, &Who::manager(TENANT, "mia"), "", None);
    // Lines are what a stream is made of.
    let notes = "gr\u{f6}\u{df}e \u{1f355} \"x\"\r\n\n\u{2028}data: y\n".repeat(26_000);
    let payload = json!({ "orderId": "1", "status": "s", "notes": notes });
    assert!(
        (900_000..990_000).contains(&payload.to_string().len()),
        "{}",
        payload.to_string().len()
    );
    back_end(&server).accepted("order:status_changed", payload.clone());
    assert!(source.expect("order:status_changed").data["payload"] == payload, "it was changed");
}

#[test]
fn a_broadcast_reaches_the_listeners_that_it_names() {
    let server = Server::start();
    let [mut ada, mut bob] = ["ada", "bob"]
        .map(|user| EventSource::open(&server, &Who::customer(TENANT, user), "", None));
    let broadcast = Broadcast {
        event: "notification:info".into(),
        payload: json!({ "message": "m" }).to_string(),
        priority: Priority::Medium,
        to: Recipients { users: vec!["bob".into()], ..Recipients::default() },
        except: Vec::new(),
    };
    let tenant = TenantId::parse(TENANT).unwrap();
    server.wait(server.broadcaster().broadcast(&tenant, broadcast)).unwrap();
    assert_eq!(names(&server, &mut bob), ["notification:info"]);
    assert_eq!(names(&server, &mut ada), [""; 0]);
}
