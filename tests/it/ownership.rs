//! Whose an order is, for as long as anybody can name it.

use std::path::Path;

use foodtrack_contract::{EventType, Priority};
use foodtrack_server::{Broadcast, Recipients, TenantId};
use foodtrack_tenant_log::{CommitError, Retention, SqliteOptions};
use serde_json::{Value, json};

use crate::harness::{
    Address, Client, Event, Gate, Hub, KEEPS_ALL, Process, Server, Transport, Who, config,
    eventually, on_every_transport,
};
use crate::support::{TENANT, back_end, expect_numbers, numbers, update};

/// Of how many orders these hubs have it in memory whose they are.
const IN_MEMORY: usize = 3;

fn forgetful(directory: &Path) -> Hub {
    Hub::on_disk_remembering(IN_MEMORY, directory, SqliteOptions::default())
}

fn order(id: &str) -> Value {
    json!({ "orderId": id })
}

/// Makes orders until others are out of memory.
fn make_others(sender: &mut Client, prefix: &str) {
    for n in 0..2 * IN_MEMORY {
        sender.accepted("order:created", order(&format!("{prefix}-{n}")));
    }
}

/// Nothing that names the order works for somebody else, and all of it for its customer.
#[track_caller]
fn check_owned(server: &impl Address, transport: Transport, id: &str) {
    let mut eve = Client::join(server, transport, &Who::customer(TENANT, "eve"));
    for event in ["order:created", "order:updated", "order:cancelled"] {
        assert_eq!(eve.refused(event, order(id)), "order_forbidden", "{event}");
    }
    assert_eq!(eve.refused("subscribe:order", json!(id)), "room_forbidden");
    let mut ada = Client::join(server, transport, &Who::customer(TENANT, "ada"));
    ada.accepted("subscribe:order", json!(id));
    ada.accepted("order:updated", update(id, 7));
    let events = ada.drain();
    let is_news = |event: &Event| event.name == "order:updated" && *event.payload("number") == 7;
    assert!(events.iter().any(is_news), "{events:?}");
}

on_every_transport! {
    fn an_order_that_memory_forgot_is_its_customers_also_after_a_restart(transport) {
        let directory = tempfile::tempdir().unwrap();
        let hub = forgetful(directory.path());
        let mut ada = Client::join(&hub, transport, &Who::customer(TENANT, "ada"));
        ada.accepted("order:created", order("42"));
        make_others(&mut ada, "a");
        check_owned(&hub, transport, "42");
        drop((ada, hub));
        let hub = forgetful(directory.path());
        make_others(&mut Client::join(&hub, transport, &Who::customer(TENANT, "bob")), "b");
        check_owned(&hub, transport, "42");
    }

    fn a_customer_of_an_order_that_memory_forgot_still_hears_of_it(transport) {
        let directory = tempfile::tempdir().unwrap();
        let hub = forgetful(directory.path());
        let mut ada = Client::join(&hub, transport, &Who::customer(TENANT, "ada"));
        let mut chef = Client::join(&hub, transport, &Who::chef(TENANT, "carl"));
        ada.accepted("order:created", order("42"));
        make_others(&mut ada, "a");
        ada.drain();
        chef.accepted("order:status_changed", json!({ "orderId": "42", "status": "ready" }));
        ada.expect("order:status_changed");
        // An order that nobody made is nobody's, and that may be said of it.
        chef.accepted("order:status_changed", json!({ "orderId": "none", "status": "ready" }));
        assert!(ada.drain().is_empty());
    }

    fn what_a_client_sends_behind_an_event_that_waits_for_the_log_comes_behind_it(transport) {
        let directory = tempfile::tempdir().unwrap();
        let hub = forgetful(directory.path());
        let mut ada = Client::join(&hub, transport, &Who::customer(TENANT, "ada"));
        make_others(&mut ada, "a");
        let mut dashboard = Client::join(&hub, transport, &Who::manager(TENANT, "mia"));
        // Some are looked up, some are known; some are one's own, and others are followed and left in between.
        let mut events = Vec::new();
        for n in 0..100_u64 {
            let id = format!("x-{}", if n < 8 { n } else { n * n % 8 });
            let event = if n < 8 { "order:created" } else { "order:updated" };
            events.push((event, update(&id, n)));
        }
        events.push(("subscribe:order", json!("x-1")));
        events.push(("unsubscribe:order", json!("x-1")));
        ada.emit_all(&events);
        let seen = numbers(&dashboard.take(100));
        assert!(seen.iter().copied().eq(0..100), "{seen:?}");
        ada.settle();
        let names = ada.drain_names();
        let control: Vec<&String> = names.iter().filter(|it| it.ends_with("subscribed")).collect();
        assert_eq!(control, ["subscribed", "unsubscribed"]);
    }

    fn of_all_who_make_one_order_at_once_exactly_one_owns_it(transport) {
        let directory = tempfile::tempdir().unwrap();
        let hub = forgetful(directory.path());
        let mut clients: Vec<Client> = ["ada", "bob", "eve", "dan"]
            .iter()
            .map(|user| Client::join(&hub, transport, &Who::customer(TENANT, user)))
            .collect();
        make_others(&mut clients[0], "a");
        clients[0].drain();
        for round in 0..20 {
            let id = format!("race-{round}");
            clients.iter_mut().for_each(|client| client.emit("order:created", order(&id)));
            clients.iter_mut().for_each(Client::settle);
            let mut owners = 0;
            for client in &mut clients {
                let names = eventually(|| Some(client.drain_names()).filter(|it| !it.is_empty()));
                match names.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                    ["order:created"] => owners += 1,
                    ["system:error"] => {}
                    _ => panic!("{names:?}"),
                }
            }
            assert_eq!(owners, 1, "round {round}");
        }
    }

    fn a_session_comes_back_to_the_room_of_an_order_that_memory_forgot(transport) {
        let directory = tempfile::tempdir().unwrap();
        let hub = forgetful(directory.path());
        let who = Who::customer(TENANT, "ada").device("phone");
        let mut ada = Client::join(&hub, transport, &who);
        ada.accepted("order:created", order("42"));
        ada.accepted("subscribe:order", json!("42"));
        ada.drain();
        let away = ada.tear();
        let tell = |hub: &Hub, number: u64| {
            let payload = json!({ "message": "m", "number": number }).to_string();
            let to = Recipients { rooms: vec![format!("order:{TENANT}:42")], ..Recipients::default() };
            let event = Broadcast {
                event: EventType::NotificationInfo.as_str().into(),
                payload, priority: Priority::Medium, to, except: vec![],
            };
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(hub.broadcaster().broadcast(&TenantId::parse(TENANT).unwrap(), event)).unwrap();
        };
        make_others(&mut Client::join(&hub, transport, &Who::customer(TENANT, "bob")), "b");
        tell(&hub, 1);
        let mut back = away.resume(&hub);
        assert!(back.recovered);
        expect_numbers(&mut back, &[1], "missed");
        make_others(&mut Client::join(&hub, transport, &Who::customer(TENANT, "bob")), "c");
        tell(&hub, 2);
        expect_numbers(&mut back, &[2], "it is in the room");
        // The page is loaded anew: what the device missed in its last rooms is for it.
        let away = back.tear().reloaded();
        tell(&hub, 3);
        let mut again = away.resume(&hub);
        assert!(!again.recovered);
        let missed = numbers(&again.drain());
        assert!(missed.contains(&3), "{missed:?}");
    }

    fn the_first_to_name_an_unknown_orders_customer_is_a_back_end_or_the_dashboard(transport) {
        let server = Server::durable(config());
        let mut service = back_end(&server);
        let mut mia = Client::join(&server, transport, &Who::manager(TENANT, "mia"));
        let mut chef = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        let mut dora = Client::join(&server, transport, &Who::courier(TENANT, "dora"));
        let mut ada = Client::join(&server, transport, &Who::customer(TENANT, "ada"));
        let mut eve = Client::join(&server, transport, &Who::customer(TENANT, "eve"));
        let of = |id: &str, customer: &str| json!({ "orderId": id, "customerId": customer, "status": "s",
            "latitude": 1, "longitude": 2 });
        service.accepted("order:status_changed", of("1", "ada"));
        mia.accepted("order:updated", of("2", "ada"));
        service.accepted("delivery:location_updated", of("3", "ada"));
        assert_eq!(ada.drain_names(), ["order:status_changed", "order:updated", "delivery:location_updated"]);
        for id in ["1", "2", "3"] {
            // Not by a later event, and not by a claim.
            service.accepted("order:updated", of(id, "eve"));
            assert_eq!(eve.refused("order:created", order(id)), "order_forbidden");
            assert_eq!(eve.refused("subscribe:order", json!(id)), "room_forbidden");
            ada.accepted("order:cancelled", order(id));
        }
        assert!(eve.drain_names().iter().all(|it| it != "order:updated"));
        // Others' word is no proof: whoever makes the order later is its customer.
        chef.accepted("order:status_changed", of("4", "eve"));
        dora.accepted("delivery:location_updated", of("4", "eve"));
        assert_eq!(eve.refused("subscribe:order", json!("4")), "room_forbidden");
        ada.accepted("order:created", order("4"));
        assert_eq!(eve.refused("order:created", order("4")), "order_forbidden");
        // What was made without a customer stays nobody's.
        service.accepted("order:created", order("5"));
        service.accepted("order:updated", of("5", "eve"));
        assert_eq!(eve.refused("subscribe:order", json!("5")), "room_forbidden");
        let mut server = server;
        drop((service, mia, chef, dora, ada, eve));
        server.restart();
        for id in ["1", "2", "3", "4"] {
            check_owned(&server, transport, id);
        }
    }
}

#[test]
fn what_retention_took_of_the_log_it_did_not_take_of_whose_orders_are() {
    let retention = Retention { entries_max: 2, ..KEEPS_ALL };
    let directory = tempfile::tempdir().unwrap();
    let options = || SqliteOptions { retention, ..SqliteOptions::default() };
    let on_disk = || Hub::on_disk_remembering(IN_MEMORY, directory.path(), options());
    for hub in [on_disk(), Hub::in_memory_remembering(IN_MEMORY, retention)] {
        let mut ada = Client::join(&hub, Transport::WebSocket, &Who::customer(TENANT, "ada"));
        ada.accepted("order:created", order("42"));
        make_others(&mut ada, "a");
        check_owned(&hub, Transport::WebSocket, "42");
    }
    check_owned(&on_disk(), Transport::WebSocket, "42");
}

#[test]
fn while_the_log_is_away_nobody_is_taken_for_an_orders_customer() {
    let directory = tempfile::tempdir().unwrap();
    let gate = Gate::default();
    gate.fail(Some(CommitError::DiskFull));
    let options = SqliteOptions { commit_gate: Box::new(gate.clone()), ..SqliteOptions::default() };
    let hub = Hub::on_disk_remembering(IN_MEMORY, directory.path(), options);
    let mut ada = Client::join(&hub, Transport::WebSocket, &Who::customer(TENANT, "ada"));
    assert_eq!(ada.refused("subscribe:order", json!("42")), "storage_full");
    assert_eq!(ada.refused("order:created", order("42")), "storage_full");
    // What need not be kept goes on.
    let mut dora = Client::join(&hub, Transport::WebSocket, &Who::courier(TENANT, "dora"));
    let place = json!({ "orderId": "42", "latitude": 1, "longitude": 2 });
    dora.accepted("delivery:location_updated", place);
    gate.fail(None);
    eventually(|| (ada.ask("order:created", order("42"))["success"] == true).then_some(()));
    check_owned(&hub, Transport::WebSocket, "42");
}

#[test]
fn an_order_is_its_customers_after_66_560_others_and_a_kill() {
    const CUSTOMERS: usize = 65;
    const ORDERS_EACH: usize = 1_024;
    let directory = tempfile::tempdir().unwrap();
    let server = Process::serve(directory.path(), &config());
    let ws = Transport::WebSocket;
    let mut ada = Client::join(&server, ws, &Who::customer(TENANT, "ada"));
    ada.accepted("order:created", order("42"));
    for customer in 0..CUSTOMERS {
        let who = Who::customer(TENANT, &format!("eve-{customer}"));
        let mut client = Client::join(&server, ws, &who);
        let orders: Vec<(&str, Value)> = (1..ORDERS_EACH)
            .map(|n| ("order:created", order(&format!("{customer}-{n}"))))
            .collect();
        client.emit_all(&orders);
        client.accepted("order:created", order(&format!("{customer}-0")));
    }
    check_owned(&server, ws, "42");
    server.kill();
    let server = Process::serve(directory.path(), &config());
    check_owned(&server, ws, "42");
}
