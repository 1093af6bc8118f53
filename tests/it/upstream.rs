//! Clients ask the business back end through the hub, whatever that back end does.

use std::time::{Duration, Instant};

use foodtrack_server::{UpstreamConfig, WebSocketConfig};
use serde_json::{Value, json};

use crate::harness::{
    BackEnd, Client, Reply, SIGNING_SECRET, Server, Transport, Who, config, on_every_transport,
};
use crate::support::{TENANT, numbers};

const QUESTION: &str = "kitchen:get_orders";

fn asking(url: String) -> WebSocketConfig {
    config().upstream(UpstreamConfig {
        url: Some(url),
        secret: Some(foodtrack_server::Secret::new(SIGNING_SECRET)),
        timeout_ms: 500,
        concurrent_per_tenant_max: 2,
        ..UpstreamConfig::default()
    })
}

fn chef(server: &Server, transport: Transport, tenant: &str) -> Client {
    Client::join(server, transport, &Who::chef(tenant, "carl"))
}

/// Asks so many times without waiting between; returns the answers.
fn ask_at_once(client: &mut Client, count: usize) -> Vec<Value> {
    let events: Vec<_> = (0..count).map(|_| (QUESTION, json!({}))).collect();
    client.ask_all(&events)
}

on_every_transport! {
    fn a_client_asks_and_gets_what_the_back_end_says(transport) {
        let back_end = BackEnd::start(|_| Reply::json(r#"{"success":true,"data":{"orders":[{"id":"42"}]}}"#));
        let server = Server::with(asking(back_end.url()));
        let mut chef = chef(&server, transport, TENANT);
        let answer = chef.ask(QUESTION, json!({ "tenantId": TENANT, "note": "caf\u{e9} \u{1f355}" }));
        assert_eq!(answer, json!({ "success": true, "data": { "orders": [{ "id": "42" }] } }));
        let asked = back_end.taken().remove(0);
        assert!(asked.is_signed(), "{asked:?}");
        let body = asked.json();
        assert_eq!(body["event"], QUESTION);
        assert_eq!(body["payload"], json!({ "tenantId": TENANT, "note": "caf\u{e9} \u{1f355}" }));
        assert_eq!((&body["tenantId"], &body["userId"], &body["role"]), (&json!(TENANT), &json!("carl"), &json!("chef")));
        assert_eq!((&body["application"], &body["connectionId"]), (&json!("kitchen_app"), &json!(chef.id)));
        assert!(body["permissions"].as_array().unwrap().contains(&json!("read:kitchen")), "{body}");
        assert_eq!(server.metric("requests_forwarded_total"), 1);
    }

    fn a_refusal_of_the_back_end_is_the_clients_in_its_own_words(transport) {
        let back_end = BackEnd::start(|_| Reply::json(r#"{"success":false,"error":"no such order"}"#).status(404));
        let server = Server::with(asking(back_end.url()));
        let mut chef = chef(&server, transport, TENANT);
        let answer = chef.ask(QUESTION, json!({}));
        assert_eq!((&answer["success"], &answer["error"]["code"]), (&json!(false), &json!("upstream_refused")));
        assert_eq!(answer["error"]["message"], "no such order");
        // Who wants no answer hears of a refusal all the same.
        chef.emit(QUESTION, json!({}));
        assert_eq!(chef.expect("system:error").argument["payload"]["code"], "upstream_refused");
    }
}

#[test]
fn what_an_answer_publishes_is_accepted_in_order_before_the_client_is_answered() {
    let back_end = BackEnd::start(|asked| {
        let note = asked.json()["payload"]["note"].clone();
        let event = |number: u64| json!({ "type": "order:updated", "payload": { "orderId": "1", "number": number } });
        let bad = json!({ "type": "order:created", "payload": {} });
        let events =
            if note == "bad" { vec![event(9), bad] } else { (1..=50).map(event).collect() };
        Reply::json(&json!({ "success": true, "data": 7, "events": events }).to_string())
    });
    let server = Server::with(asking(back_end.url()));
    let mut carl = chef(&server, Transport::WebSocket, TENANT);
    let mut other = chef(&server, Transport::WebSocket, "sushi-kyoto");
    // All of it is there before the answer: on one connection, what was sent first comes first.
    assert_eq!(carl.ask(QUESTION, json!({})), json!({ "success": true, "data": 7 }));
    let told = numbers(&carl.take(50));
    assert_eq!(told, (1..=50).collect::<Vec<_>>());
    let refused = carl.ask(QUESTION, json!({ "note": "bad" }));
    assert_eq!(refused["error"]["code"], "degraded", "{refused}");
    assert_eq!(numbers(&carl.take(1)), [9], "what was before it is published");
    assert_eq!(other.drain_names(), [""; 0]);
}

#[test]
fn a_back_end_that_lies_is_no_answer_and_is_not_followed() {
    let elsewhere = BackEnd::start(|_| Reply::json(r#"{"success":true}"#));
    let replies = [
        Reply::json("<html>an error page</html>"),
        Reply::json("[]"),
        Reply::json(r#"{"success":true,"data":"#),
        Reply::json("").status(204),
        Reply::json(r#"{"success":true}"#).status(500),
        Reply::json("").status(302).header("location", &elsewhere.url()),
        Reply::json(&format!(r#"{{"success":true,"data":"{}"}}"#, "x".repeat(1_100_000))),
        Reply::json(&format!(r#"{{"success":true,"data":{}{}}}"#, "[".repeat(70), "]".repeat(70))),
        Reply::hang_up(),
    ];
    for reply in replies {
        let back_end = BackEnd::start({
            let reply = reply.clone();
            move |_| reply.clone()
        });
        let server = Server::with(asking(back_end.url()));
        let mut chef = chef(&server, Transport::WebSocket, TENANT);
        let answer = chef.ask(QUESTION, json!({}));
        assert_eq!(answer["error"]["code"], "degraded", "{reply:?}: {answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(!message.contains("127.0.0.1") && !message.contains("html"), "{message}");
    }
    assert!(elsewhere.taken().is_empty());
}

#[test]
fn a_slow_back_end_is_given_up_in_time_and_delays_nobody_else() {
    let back_end = BackEnd::start(|asked| match asked.json()["tenantId"].as_str() {
        Some("slow") => Reply::never(),
        _ => Reply::json(r#"{"success":true,"data":1}"#),
    });
    let server = Server::with(asking(back_end.url()));
    let mut slow = chef(&server, Transport::WebSocket, "slow");
    let mut quick = chef(&server, Transport::WebSocket, TENANT);
    let began = Instant::now();
    let waiting = std::thread::spawn(move || ask_at_once(&mut slow, 5));
    while !waiting.is_finished() {
        let answer = quick.ask(QUESTION, json!({}));
        // What is asked in vain again and again is not asked for a while.
        assert!(answer["success"] == true || answer["error"]["code"] == "degraded", "{answer}");
    }
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let codes: Vec<Value> =
        waiting.join().unwrap().iter().map(|it| it["error"]["code"].clone()).collect();
    let count = |code: &str| codes.iter().filter(|it| *it == code).count();
    assert_eq!(
        (count("timeout"), count("overloaded")),
        (2, 3),
        "two of a tenant at once: {codes:?}"
    );
}

#[test]
fn a_back_end_that_is_away_is_left_alone_for_a_while_and_clients_are_told_when_to_come_back() {
    let back_end = BackEnd::start(|_| Reply::json("{}"));
    let url = back_end.url();
    drop(back_end);
    let server = Server::with(asking(url));
    let mut chef = chef(&server, Transport::WebSocket, TENANT);
    for _ in 0..5 {
        let answer = chef.ask(QUESTION, json!({}));
        assert_eq!(
            (&answer["error"]["code"], answer["error"].get("retryAfterMs")),
            (&json!("degraded"), None)
        );
    }
    let answer = chef.ask(QUESTION, json!({}));
    assert_eq!(answer["error"]["code"], "degraded");
    assert!((1..=5_000).contains(&answer["error"]["retryAfterMs"].as_u64().unwrap()), "{answer}");
    // Events are delivered as ever.
    chef.accepted("kitchen:notification", json!({ "message": "m" }));
}

#[test]
fn without_a_back_end_requests_are_unknown_events() {
    let server = Server::start();
    let mut chef = chef(&server, Transport::WebSocket, TENANT);
    assert_eq!(chef.refused(QUESTION, json!({})), "event_unknown");
}
