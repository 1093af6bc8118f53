//! Who gets an event: the routing table end to end, targets, repeats, broadcasts, binary.

use foodtrack_contract::{ApplicationSet, ApplicationType, PermissionSet, Priority};
use foodtrack_server::{Broadcast, Recipients, TenantId};
use serde_json::{Value, json};
use test_support::let_pass;
use uuid::Uuid;

use crate::harness::{Client, Event, Options, Parser, Server, Transport, Who, on_every_transport};

const TENANT: &str = "pizza-roma";

/// One of everybody, and two customers.
struct Cast {
    ada: Client,
    bob: Client,
    dashboard: Client,
    kitchen: Client,
    courier: Client,
    service: Client,
}

impl Cast {
    fn join(server: &Server, transport: Transport) -> Self {
        let join = |who: &Who| Client::join(server, transport, who);
        Self {
            ada: join(&Who::customer(TENANT, "ada")),
            bob: join(&Who::customer(TENANT, "bob")),
            dashboard: join(&Who::manager(TENANT, "mia")),
            kitchen: join(&Who::chef(TENANT, "carl")),
            courier: join(&Who::courier(TENANT, "dora")),
            service: join(&Who::service(TENANT)),
        }
    }

    fn everyone(&mut self) -> [(&'static str, &mut Client); 6] {
        [
            ("ada", &mut self.ada),
            ("bob", &mut self.bob),
            ("dashboard", &mut self.dashboard),
            ("kitchen", &mut self.kitchen),
            ("courier", &mut self.courier),
            ("service", &mut self.service),
        ]
    }

    fn named(&mut self, name: &str) -> &mut Client {
        let found = self.everyone().into_iter().find(|(other, _)| *other == name);
        found.map(|(_, client)| client).unwrap()
    }

    /// Who got `event` since they were asked last.
    #[track_caller]
    fn who_got(&mut self, event: &str) -> Vec<&'static str> {
        let mut names = Vec::new();
        for (name, client) in self.everyone() {
            let events = client.drain_names();
            assert!(events.iter().all(|got| got == event), "{name} got {events:?}");
            assert!(events.len() <= 1, "{name} got {event} {} times", events.len());
            if !events.is_empty() {
                names.push(name);
            }
        }
        names
    }
}

on_every_transport! {
    fn every_row_of_the_routing_table_holds_end_to_end(transport) {
        let server = Server::start();
        let mut cast = Cast::join(&server, transport);
        let order = json!({ "orderId": "1", "customerId": "ada", "status": "ready", "message": "m",
            "stationId": "grill", "routeId": "r", "assigneeId": "dora", "latitude": 1, "longitude": 2,
            "ingredientId": "i", "currentStock": 1, "minimumStock": 2, "quantity": 1,
            "productId": "p", "available": true, "issue": "burnt" });
        let rows: [(&str, &str, &[&str]); 14] = [
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
            ("dashboard", "product:availability_changed", &["ada", "bob", "dashboard", "kitchen", "courier"]),
            ("kitchen", "quality:issue_reported", &["dashboard", "kitchen"]),
            ("kitchen", "station:help_requested", &["dashboard", "kitchen"]),
            ("service", "notification:info", &["ada", "bob", "dashboard", "kitchen", "courier"]),
        ];
        for (sender, event, audience) in rows {
            cast.named(sender).accepted(event, order.clone());
            assert_eq!(cast.who_got(event), audience, "{event}");
        }
        let cancelled = json!({ "orderId": "1" });
        assert_eq!(cast.bob.refused("order:cancelled", cancelled.clone()), "order_forbidden");
        cast.ada.accepted("order:cancelled", cancelled);
        assert_eq!(cast.who_got("order:cancelled"), ["ada", "dashboard", "kitchen", "courier"]);
        for (sender, event, code) in [
            ("ada", "order:status_changed", "source_forbidden"),
            ("courier", "order:created", "source_forbidden"),
            ("service", "quality:issue_reported", "source_forbidden"),
            ("service", "system:error", "event_reserved"),
            ("dashboard", "order:eaten", "event_unknown"),
        ] {
            assert_eq!(cast.named(sender).refused(event, order.clone()), code, "{sender} {event}");
        }
        // The refused reached nobody.
        assert_eq!(cast.who_got("nothing"), [""; 0]);
    }

    fn a_message_arrives_whole_and_says_whose_it_is(transport) {
        let server = Server::start();
        let mut cast = Cast::join(&server, transport);
        let payload = json!({ "orderId": "1", "status": "ready", "notes": "größe \u{1f355} \"x\"" });
        let answer = cast.kitchen.accepted("order:status_changed", payload.clone());
        let event = cast.dashboard.expect("order:status_changed");
        let message = &event.argument;
        assert_eq!(message["payload"], payload);
        assert_eq!(message["id"], answer["id"]);
        assert_eq!((&message["type"], &message["tenantId"]), (&json!("order:status_changed"), &json!(TENANT)));
        assert_eq!((&message["source"], &message["priority"]), (&json!("kitchen_app"), &json!("medium")));
        assert_eq!((&message["retryCount"], &message["encrypted"]), (&json!(0), &json!(false)));
        assert!(message["timestamp"].as_str().unwrap().ends_with('Z'), "{message}");
    }

    fn a_message_says_when_it_came_also_after_a_quiet_while(transport) {
        let server = Server::start();
        let mut cast = Cast::join(&server, transport);
        let mut said = || {
            cast.kitchen.accepted("kitchen:notification", json!({ "message": "m" }));
            let event = cast.dashboard.expect("kitchen:notification");
            let timestamp = event.argument["timestamp"].as_str().unwrap().to_owned();
            // Minutes and seconds of 2026-11-23T12:00:00.000Z.
            let (minutes, seconds) = (&timestamp[14..16], &timestamp[17..23]);
            minutes.parse::<f64>().unwrap() * 60.0 + seconds.parse::<f64>().unwrap()
        };
        let first = said();
        let_pass(std::time::Duration::from_millis(1_100));
        let after = (said() - first).rem_euclid(3_600.0);
        assert!((1.0..5.0).contains(&after), "{after} s later");
    }

    fn the_same_id_twice_is_delivered_once_and_answered_twice(transport) {
        let server = Server::start();
        let mut cast = Cast::join(&server, transport);
        let id = Uuid::from_u128(42);
        let message = |note: &str| json!({ "type": "order:updated", "id": id,
            "payload": { "orderId": "1", "note": note } });
        let first = cast.dashboard.accepted("order:updated", message("first"));
        let second = cast.dashboard.accepted("order:updated", message("second"));
        assert_eq!(first, json!({ "id": id, "offset": 1 }));
        assert_eq!(second, json!({ "id": id, "offset": 1, "duplicate": true }));
        // Of a volatile event too, which has no place in the log.
        let place = json!({ "type": "delivery:location_updated", "id": Uuid::from_u128(43),
            "payload": { "orderId": "1", "latitude": 1, "longitude": 2 } });
        let answers = [0, 1].map(|_| cast.courier.accepted("delivery:location_updated", place.clone()));
        assert_eq!(answers.map(|it| it["duplicate"].clone()), [Value::Null, json!(true)]);
        let events = cast.kitchen.drain();
        let notes: Vec<&Value> = events.iter().map(|event| event.payload("note")).collect();
        assert_eq!(notes, ["first"]);
        assert_eq!(server.metric("duplicates_total"), 2);
    }

    fn a_target_narrows_the_audience_and_never_widens_it(transport) {
        let server = Server::start();
        let mut cast = Cast::join(&server, transport);
        let mut to = |target: Value| {
            let payload = json!({ "orderId": "1" });
            let message = json!({ "type": "order:updated", "target": target, "payload": payload });
            cast.dashboard.accepted("order:updated", message);
            cast.who_got("order:updated")
        };
        assert_eq!(to(json!("kitchen_app")), ["kitchen"]);
        assert_eq!(to(json!(["kitchen_app", "tenant_dashboard"])), ["dashboard", "kitchen"]);
        assert_eq!(to(json!("delivery_app")), [""; 0]);
    }

    fn who_may_not_read_a_group_does_not_get_its_events(transport) {
        let server = Server::start();
        let deaf = Who::chef(TENANT, "carl").permissions(PermissionSet::NONE);
        let mut deaf = Client::join(&server, transport, &deaf);
        let mut chef = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        chef.accepted("kitchen:notification", json!({ "message": "m" }));
        assert_eq!(chef.drain_names(), ["kitchen:notification"]);
        assert_eq!(deaf.drain_names(), [""; 0]);
        assert_eq!(deaf.refused("kitchen:notification", json!({ "message": "m" })), "permission_denied");
    }

    fn a_courier_hears_live_and_later_that_an_order_is_ready_and_a_customer_does_not(transport) {
        let server = Server::start();
        let mut kitchen = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        let mut service = Client::join(&server, transport, &Who::service(TENANT));
        let order = |number: u64| json!({ "orderId": "1", "customerId": "ada", "number": number });
        service.accepted("order:created", order(0));
        let courier = Client::join(&server, transport, &Who::courier(TENANT, "dora"));
        let mut ada = Client::join(&server, transport, &Who::customer(TENANT, "ada"));
        ada.subscribe("order", "1");
        let mut strangers_courier = Client::join(&server, transport, &Who::courier("sushi-kyoto", "dora"));
        let away = courier.tear().reloaded();
        kitchen.accepted("kitchen:preparation_completed", order(1));
        kitchen.accepted("kitchen:preparation_started", order(2));
        let mut courier = away.resume(&server);
        assert_eq!(courier.expect("kitchen:preparation_completed").payload("number"), 1);
        kitchen.accepted("kitchen:preparation_completed", order(3));
        assert_eq!(courier.expect("kitchen:preparation_completed").payload("number"), 3);
        assert_eq!(courier.drain_names(), [""; 0]);
        assert_eq!(ada.drain_names(), [""; 0]);
        let mut ada = ada.tear().reloaded().resume(&server);
        assert_eq!(ada.drain_names(), [""; 0]);
        assert_eq!(strangers_courier.drain_names(), [""; 0]);
        let denied = Who::courier(TENANT, "dario").permissions(PermissionSet::NONE);
        let mut denied = Client::join(&server, transport, &denied);
        kitchen.accepted("kitchen:preparation_completed", order(4));
        assert_eq!(denied.drain_names(), [""; 0]);
    }

    fn a_broadcast_reaches_whom_it_names_once_and_nobody_it_excepts(transport) {
        let server = Server::start();
        let mut cast = Cast::join(&server, transport);
        cast.kitchen.subscribe("order", "1");
        let (ada, kitchen) = (cast.ada.id.clone(), cast.kitchen.id.clone());
        let cases = [
            (Recipients { everyone: true, ..none() }, vec![], vec!["ada", "bob", "dashboard", "kitchen", "courier", "service"]),
            (Recipients { everyone: true, ..none() }, vec![ada.clone()], vec!["bob", "dashboard", "kitchen", "courier", "service"]),
            (Recipients { connections: vec![ada], ..none() }, vec![], vec!["ada"]),
            (Recipients { users: vec!["bob".into(), "dora".into()], ..none() }, vec![], vec!["bob", "courier"]),
            (Recipients { applications: ApplicationSet::of(&[ApplicationType::KitchenApp]), ..none() }, vec![], vec!["kitchen"]),
            (Recipients { applications: ApplicationSet::of(&[ApplicationType::ClientApp, ApplicationType::DeliveryApp]), ..none() }, vec![], vec!["ada", "bob", "courier"]),
            (Recipients { rooms: vec![format!("order:{TENANT}:1")], users: vec!["carl".into()], ..none() }, vec![], vec!["kitchen"]),
            (Recipients { rooms: vec![format!("order:{TENANT}:1")], ..none() }, vec![kitchen], vec![]),
        ];
        for (to, except, audience) in cases {
            let tenant = TenantId::parse(TENANT).unwrap();
            server.wait(server.broadcaster().broadcast(&tenant, info(to.clone(), except))).unwrap();
            assert_eq!(cast.who_got("notification:info"), audience, "{to:?}");
        }
        let foreign = info(Recipients { rooms: vec!["order:sushi:1".into()], ..none() }, vec![]);
        let tenant = TenantId::parse(TENANT).unwrap();
        let refusal = server.wait(server.broadcaster().broadcast(&tenant, foreign)).unwrap_err();
        assert_eq!(refusal.code().as_str(), "tenant_mismatch");
    }

    fn a_payload_just_under_the_limit_arrives_unharmed(transport) {
        let server = Server::start();
        let mut cast = Cast::join(&server, transport);
        let note: String = ('a'..='z').cycle().take(990_000).collect();
        cast.kitchen.accepted("order:status_changed", json!({ "orderId": "1", "status": "s", "notes": note }));
        let event = cast.dashboard.expect("order:status_changed");
        assert!(event.payload("notes") == note.as_str(), "the note was changed on the way");
    }
}

#[test]
fn binary_reaches_clients_of_every_parser_and_transport() {
    let server = Server::start();
    let picture: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let join = |transport, parser, user| {
        let auth = json!({ "token": Who::manager(TENANT, user).token() });
        Client::join_with(&server, &Options { parser, ..Options::new(transport, auth) })
    };
    let mut clients = Vec::new();
    for transport in Transport::SOCKET_IO {
        for parser in [Parser::Json, Parser::Msgpack] {
            clients.push(join(transport, parser, "mia"));
        }
    }
    for sender in 0..clients.len() {
        let payload = json!({ "orderId": "1", "note": "größe", "sender": sender,
            "pictures": [{ "_placeholder": true, "num": 0 }, { "_placeholder": true, "num": 1 }] });
        let attachments = [picture.clone(), vec![1, 2, 3]];
        let answer = clients[sender].ask_binary("order:updated", payload.clone(), &attachments);
        assert_eq!(answer["success"], true, "{answer}");
        for (place, client) in clients.iter_mut().enumerate() {
            let Event { argument, attachments: got, .. } = client.expect("order:updated");
            assert_eq!(argument["payload"], payload, "from {sender} to {place}");
            assert!(got == attachments, "from {sender} to {place}: the bytes differ");
        }
    }
}

#[test]
fn clients_of_the_msgpack_parser_speak_and_hear_all_of_it() {
    let server = Server::start();
    for transport in Transport::SOCKET_IO {
        let auth = json!({ "token": Who::owner(TENANT, &format!("{transport:?}")).token() });
        let options = Options { parser: Parser::Msgpack, ..Options::new(transport, auth) };
        let mut client = Client::join_with(&server, &options);
        client.subscribe("order", "1");
        client.accepted("order:updated", json!({ "orderId": "1", "n": -5, "x": 1.5, "t": true }));
        let event = client.expect("order:updated");
        assert_eq!(
            event.argument["payload"],
            json!({ "orderId": "1", "n": -5, "x": 1.5, "t": true })
        );
        assert_eq!(client.refused("order:eaten", Value::Null), "event_unknown");
    }
}

fn none() -> Recipients {
    Recipients::default()
}

fn info(to: Recipients, except: Vec<String>) -> Broadcast {
    let payload = json!({ "message": "hello" }).to_string();
    Broadcast { event: "notification:info".into(), payload, priority: Priority::Medium, to, except }
}

#[test]
fn what_cannot_be_said_in_msgpack_is_a_dead_letter_of_who_speaks_it_and_counted() {
    let server = Server::start();
    let auth = json!({ "token": Who::manager(TENANT, "mike").token() });
    let options = Options { parser: Parser::Msgpack, ..Options::new(Transport::WebSocket, auth) };
    let mut client = Client::join_with(&server, &options);
    let mut sender = Client::join(&server, Transport::WebSocket, &Who::service(TENANT));
    // The deepest that is accepted.
    let deep = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let accepted = (1..64).rev().find(|depth| {
        let note: Value = serde_json::from_str(&deep(*depth)).unwrap();
        sender.ask("order:updated", json!({ "orderId": "1", "note": note }))["success"] == true
    });
    assert!(accepted.is_some());
    sender.accepted("order:updated", json!({ "orderId": "1", "last": true }));
    let mut got = 0;
    while client.expect("order:updated").payload("last").is_null() {
        got += 1;
    }
    let tenant = TenantId::parse(TENANT).unwrap();
    let start = foodtrack_contract::Offset::ZERO;
    let letters = server.dead_letters().list(&tenant, start, 9).unwrap_or_default().len();
    assert_eq!(got + letters, 1, "it came, or it is known that it did not");
    assert_eq!(server.metric("undeliverable_total"), letters as u64);
}
