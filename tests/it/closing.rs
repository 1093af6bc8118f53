//! A tenant where nobody has been for a while is dropped from memory and its log is closed, and nobody notices.

use std::time::Duration;

use foodtrack_contract::Priority;
use foodtrack_server::{Broadcast, LogConfig, Recipients, TenantId, WebSocketConfig};
use foodtrack_shard::Clock;
use foodtrack_tenant_log::SqliteOptions;
use serde_json::{Value, json};
use test_support::let_pass;
use uuid::Uuid;

use crate::acknowledgements::asks;
use crate::couriers::check_is_doras;
use crate::harness::{
    Away, Client, Hands, HttpConnection, Hub, Server, Transport, Who, config, eventually,
    on_every_transport,
};
use crate::support::{TENANT, expect_nothing, expect_numbers, publish, update};

/// The dashboard's, who gets whatever is said.
fn owner() -> Who {
    Who::manager(TENANT, "mia")
}

/// A server that closes a tenant after a second, and soon knows who has gone.
fn server() -> Server {
    closing(config())
}

fn closing(config: WebSocketConfig) -> Server {
    let log = LogConfig { close_after_seconds: 1, ..LogConfig::default() };
    let mut config = config.log(log);
    config.heartbeat.interval_ms = 1_500;
    (config.heartbeat.timeout_ms, config.heartbeat.max_missed) = (3_000, 1);
    Server::durable(config)
}

/// Waits until one more tenant is closed.
fn wait_until_closed(server: &Server, before: u64) {
    eventually(|| (server.metric("tenants_closed_total") > before).then_some(()));
}

/// A message whose like nobody takes for a repeat but by its id: nothing of it is remembered for a time.
fn message(id: u128, text: &str) -> Value {
    json!({ "type": "notification:info", "id": Uuid::from_u128(id), "payload": { "message": text } })
}

fn texts(client: &mut Client) -> Vec<String> {
    let events = client.drain().into_iter();
    events.map(|event| event.payload("message").as_str().unwrap().to_owned()).collect()
}

/// A client with a message, that goes away. Returns it when its tenant is closed.
fn away_until_closed(server: &Server, transport: Transport) -> Away {
    let before = server.metric("tenants_closed_total");
    let mut client = Client::join(server, transport, &owner());
    client.accepted("notification:info", message(1, "one"));
    assert_eq!(texts(&mut client), ["one"]);
    let away = client.tear();
    wait_until_closed(server, before);
    away
}

on_every_transport! {
    fn who_comes_back_after_the_log_was_closed_is_the_same_session_and_has_missed_nothing(transport) {
        let server = server();
        let away = away_until_closed(&server, transport);
        let mut back = away.resume(&server);
        assert!(back.recovered);
        assert_eq!(texts(&mut back), [""; 0]);
        back.accepted("notification:info", message(2, "two"));
        assert_eq!(texts(&mut back), ["two"]);
        assert_eq!(server.metric("tenants"), 1);
    }

    fn what_a_back_end_publishes_to_a_closed_tenant_is_kept_for_who_comes_back(transport) {
        let server = server();
        let away = away_until_closed(&server, transport);
        let mut http = HttpConnection::open(server.address());
        let body = message(2, "two");
        let token = Who::service(TENANT).token();
        for is_repeat in [false, true] {
            let before = server.metric("tenants_closed_total");
            let answer = http.call("POST /api/v1/publish", &token, &body);
            assert_eq!(answer.status, 200, "{answer:?}");
            let is_known = answer.json()["data"]["duplicate"] == json!(true);
            assert_eq!(is_known, is_repeat, "{answer:?}");
            wait_until_closed(&server, before);
        }
        let mut back = away.resume(&server);
        assert!(back.recovered);
        assert_eq!(texts(&mut back), ["two"]);
    }

    fn an_id_of_before_the_log_was_closed_is_answered_as_the_first_time(transport) {
        let server = server();
        let away = away_until_closed(&server, transport);
        let mut back = away.resume(&server);
        let again = back.accepted("notification:info", message(1, "again"));
        assert_eq!((&again["offset"], &again["duplicate"]), (&json!(1), &json!(true)), "{again}");
        assert_eq!(texts(&mut back), [""; 0]);
    }

    fn what_was_acknowledged_does_not_come_again_after_the_log_was_closed(transport) {
        let server = closing(config().deliver(asks("notification:info", None)));
        let mut client = Client::join(&server, transport, &owner());
        client.accepted("notification:info", message(1, "one"));
        let got = client.expect("notification:info");
        client.acknowledge(&got);
        client.settle();
        for closing in ["once", "twice"] {
            let before = server.metric("tenants_closed_total");
            let away = client.tear();
            wait_until_closed(&server, before);
            client = away.resume(&server);
            assert!(client.recovered, "{closing}");
            expect_nothing(&mut client, closing);
        }
    }

    fn an_order_of_before_the_log_was_closed_is_its_customers_and_its_follower_is_in_its_room(transport) {
        let (directory, hands) = (tempfile::tempdir().unwrap(), Hands::now());
        let hub = Hub::on_disk_closing(directory.path(), SqliteOptions::default(), hands.clock());
        let customer = |user| Client::join(&hub, transport, &Who::customer(TENANT, user));
        let mut ada = customer("ada");
        ada.accepted("order:created", json!({ "orderId": "1" }));
        let mut courier = Client::join(&hub, transport, &Who::courier(TENANT, "dora"));
        courier.subscribe("order", "1");
        let (courier, before) = (courier.tear(), hub.tenants_closed());
        drop(ada);
        // Or else somebody might still repeat what they said of the order.
        hands.pass_s(400);
        eventually(|| (hub.tenants_closed() > before).then_some(()));
        let mut eve = customer("eve");
        for event in ["order:created", "order:updated"] {
            assert_eq!(eve.refused(event, update("1", 1)), "order_forbidden", "{event}");
        }
        let mut courier = courier.resume(&hub);
        assert!(courier.recovered);
        publish(&mut Client::join(&hub, transport, &Who::service(TENANT)), 7..=7);
        expect_numbers(&mut courier, &[7], "of the order that it follows");
    }

    fn a_courier_has_the_order_also_after_the_log_was_closed(transport) {
        let (directory, hands) = (tempfile::tempdir().unwrap(), Hands::now());
        let hub = Hub::on_disk_closing(directory.path(), SqliteOptions::default(), hands.clock());
        let before = hub.tenants_closed();
        let mut dora = Client::join(&hub, transport, &Who::courier(TENANT, "dora"));
        let accepting = json!({ "orderId": "42", "assigneeId": "dora" });
        let first = dora.accepted("delivery:assigned", accepting);
        drop(dora.tear());
        hands.pass_s(400);
        eventually(|| (hub.tenants_closed() > before).then_some(()));
        check_is_doras(&hub, transport, "42", &first);
    }
}

#[test]
fn a_tenant_where_somebody_is_stays_however_quiet_they_are() {
    let server = server();
    let _quiet = Client::join(&server, Transport::WebSocket, &owner());
    let before = server.metric("tenants_closed_total");
    // Another one comes and goes meanwhile, and another one, as long as it takes until both are closed.
    for tenant in ["taverna", "osteria"] {
        let closed = server.metric("tenants_closed_total");
        drop(Client::join(&server, Transport::WebSocket, &Who::manager(tenant, "mia")));
        wait_until_closed(&server, closed);
    }
    assert_eq!(server.metric("tenants_closed_total") - before, 2);
    assert_eq!(server.metric("tenants"), 1);
}

const EVENTS: u64 = 80;

#[test]
fn events_that_race_with_the_closing_of_their_tenant_are_all_kept_in_their_order() {
    let directory = tempfile::tempdir().unwrap();
    let hub = Hub::on_disk_closing(directory.path(), SqliteOptions::default(), Clock::system());
    let away = Client::join(&hub, Transport::WebSocket, &owner()).tear();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let tenant = TenantId::parse(TENANT).unwrap();
    // An event is on disk after 50 ms, and sweeps come every ten: the pauses go all the way around that.
    for number in 1..=EVENTS {
        let payload = json!({ "message": number.to_string() }).to_string();
        let everyone = Recipients { everyone: true, ..Recipients::default() };
        let event = Broadcast {
            event: "notification:info".into(),
            payload,
            priority: Priority::Medium,
            to: everyone,
            except: Vec::new(),
        };
        let accepted = runtime.block_on(hub.broadcaster().broadcast(&tenant, event)).unwrap();
        assert_eq!(accepted.offset, Some(number));
        let_pass(Duration::from_millis(40 + number % 40));
    }
    assert!(hub.tenants_closed() > 10, "{} closings", hub.tenants_closed());
    let mut back = away.resume(&hub);
    assert!(back.recovered);
    let all: Vec<String> = (1..=EVENTS).map(|number| number.to_string()).collect();
    assert_eq!(texts(&mut back), all);
}
