//! What is hidden from some of an event's recipients reaches none of them, by whatever way; the others get all of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use foodtrack_contract::{PermissionSet, TenantId, UserRole};
use foodtrack_server::{HideFrom, Redaction, WebSocketConfig};
use serde_json::{Value, json};
use test_support::wait_until;

use crate::harness::{
    BackEnd, Client, Event, EventSource, HttpConnection, Options, Parser, Server, Transport, Who,
    config, on_every_transport,
};
use crate::nodes::ask;
use crate::support::{TENANT, back_end};
use crate::webhooks::{events, takes, telling, webhook};

/// What nobody in the kitchen may see.
const SECRET: &str = "from the cheap supplier";

fn hiding(config: WebSocketConfig, fields: &[&str], from: &[HideFrom]) -> WebSocketConfig {
    config.add_redaction(Redaction {
        id: "supplier".into(),
        tenant: Some(TenantId::parse(TENANT).unwrap()),
        events: "order:*".into(),
        fields: fields.iter().map(|&field| field.into()).collect(),
        hide_from: from.into(),
    })
}

/// From the people of the kitchen, in each application, and from back ends that are told.
fn from_the_kitchen() -> WebSocketConfig {
    let from = [HideFrom::Role(UserRole::Chef), HideFrom::Webhooks];
    hiding(config(), &["/supplier", "/items/*/cost"], &from)
}

fn payload(number: u64) -> Value {
    let items = json!([{ "name": "pizza", "cost": SECRET }, { "name": "cola", "cost": SECRET }]);
    json!({ "orderId": "1", "number": number, "supplier": { "name": SECRET }, "items": items })
}

fn seen_by_the_kitchen(number: u64) -> Value {
    json!({ "orderId": "1", "number": number, "items": [{ "name": "pizza" }, { "name": "cola" }] })
}

/// The client gets this order with this payload, and nothing of the secret beside it.
#[track_caller]
fn expect(client: &mut Client, expected: &Value) -> Event {
    let event = client.expect("order:updated");
    assert_eq!(event.argument["payload"], *expected);
    event
}

on_every_transport! {
    fn who_may_not_see_a_field_gets_the_event_without_it_live_and_in_a_replay(transport) {
        let server = Server::with(from_the_kitchen());
        let mut chef = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        let mut boss = Client::join(&server, transport, &Who::manager(TENANT, "mia"));
        let mut sender = back_end(&server);
        sender.accepted("order:updated", payload(1));
        expect(&mut chef, &seen_by_the_kitchen(1));
        expect(&mut boss, &payload(1));
        let (chef, boss) = (chef.tear(), boss.tear());
        sender.accepted("order:updated", payload(2));
        for (away, expected) in [(chef, seen_by_the_kitchen(2)), (boss, payload(2))] {
            let mut back = away.resume(&server);
            expect(&mut back, &expected);
        }
    }
}

#[test]
fn a_redaction_of_one_tenant_is_none_of_another() {
    let server = Server::with(from_the_kitchen());
    let join = |tenant| Client::join(&server, Transport::WebSocket, &Who::chef(tenant, "carl"));
    let (mut here, mut there) = (join(TENANT), join("sushi-osaka"));
    back_end(&server).accepted("order:updated", payload(1));
    let mut elsewhere = Client::join(&server, Transport::WebSocket, &Who::service("sushi-osaka"));
    elsewhere.accepted("order:updated", payload(1));
    expect(&mut here, &seen_by_the_kitchen(1));
    expect(&mut there, &payload(1));
}

#[test]
fn a_stream_a_webhook_and_the_log_over_http_leave_out_the_same() {
    let receiver = BackEnd::start(|_| takes());
    let told = telling([webhook("books", &receiver, &["order:*"])]);
    let from = [HideFrom::Role(UserRole::Chef), HideFrom::Webhooks];
    let server = Server::with(hiding(told, &["/supplier", "/items/*/cost"], &from));
    let mut stream = EventSource::open(&server, &Who::chef(TENANT, "carl"), "", None);
    back_end(&server).accepted("order:updated", payload(1));
    assert_eq!(stream.expect("order:updated").data["payload"], seen_by_the_kitchen(1));
    wait_until("the receiver is told", || !events(&receiver, TENANT).is_empty());
    let told = events(&receiver, TENANT);
    assert_eq!(told[0]["message"]["payload"], seen_by_the_kitchen(1));
    assert!(!told[0].to_string().contains(SECRET));
    let chef = Who::chef(TENANT, "carl").permissions(PermissionSet::ALL);
    for line in ["GET /api/v1/log", "GET /api/v1/orders/1/timeline"] {
        let (status, answer) = ask(&server, line, &chef);
        let answer = answer.to_string();
        assert_eq!(status, 200, "{answer}");
        assert!(answer.contains("pizza") && !answer.contains(SECRET), "{line}: {answer}");
        let (_, whole) = ask(&server, line, &Who::service(TENANT));
        assert!(whole.to_string().contains(SECRET), "{line}: {whole}");
    }
}

#[test]
fn binary_whose_field_is_hidden_does_not_travel_and_the_rest_keeps_its_place() {
    let hidden = hiding(config(), &["/supplier"], &[HideFrom::Role(UserRole::Chef)]);
    let server = Server::with(hidden);
    let join = |who: Who, parser| {
        let auth = json!({ "token": who.token() });
        let options = Options { parser, ..Options::new(Transport::WebSocket, auth) };
        Client::join_with(&server, &options)
    };
    let mut chefs =
        [Parser::Json, Parser::Msgpack].map(|parser| join(Who::chef(TENANT, "carl"), parser));
    let mut boss = join(Who::manager(TENANT, "mia"), Parser::Json);
    let mut sender = join(Who::owner(TENANT, "olga"), Parser::Json);
    let place = |number: u32| json!({ "_placeholder": true, "num": number });
    let said = json!({ "orderId": "1", "supplier": [place(0)], "photo": place(1) });
    let attachments = [b"contract".to_vec(), b"photo".to_vec()];
    let answer = sender.ask_binary("order:updated", said.clone(), &attachments);
    assert_eq!(answer["success"], true, "{answer}");
    let whole = expect(&mut boss, &said);
    assert_eq!(whole.attachments, attachments);
    for chef in &mut chefs {
        let event = expect(chef, &json!({ "orderId": "1", "photo": place(0) }));
        assert_eq!(event.attachments, [b"photo".to_vec()]);
    }
}

#[test]
fn what_a_tenant_hides_over_http_is_hidden_at_once_from_connections_and_webhooks_until_it_is_shown_again()
 {
    let receiver = BackEnd::start(|_| takes());
    let server = Server::with(telling([webhook("books", &receiver, &["order:*"])]));
    let mut chef = Client::join(&server, Transport::WebSocket, &Who::chef(TENANT, "carl"));
    let mut sender = back_end(&server);
    let call = |line: &str, body: &Value| {
        let owner = Who::owner(TENANT, "olga").token();
        let answer = HttpConnection::open(server.address()).call(line, &owner, body);
        (answer.status, answer.json())
    };
    let redaction = json!({
        "id": "supplier", "events": "order:*", "fields": ["/supplier", "/items/*/cost"], "hideFrom": ["chef", "webhooks"]
    });
    let told = |count: usize| {
        wait_until("the receiver is told", || events(&receiver, TENANT).len() >= count);
        events(&receiver, TENANT)[count - 1]["message"]["payload"].clone()
    };
    sender.accepted("order:updated", payload(1));
    expect(&mut chef, &payload(1));
    assert_eq!(told(1), payload(1));
    let (status, added) = call("POST /api/v1/redactions", &redaction);
    assert_eq!((status, &added["data"]["tenant"]), (201, &json!(TENANT)), "{added}");
    sender.accepted("order:updated", payload(2));
    expect(&mut chef, &seen_by_the_kitchen(2));
    assert_eq!(told(2), seen_by_the_kitchen(2));
    let (status, removed) = call("DELETE /api/v1/redactions/supplier", &Value::Null);
    assert_eq!((status, &removed["data"]), (200, &json!({ "removed": "supplier" })));
    sender.accepted("order:updated", payload(3));
    expect(&mut chef, &payload(3));
    assert_eq!(told(3), payload(3));
}

#[test]
fn who_was_told_of_a_change_is_served_by_it_also_while_the_shard_has_much_to_read() {
    const CHANGES: u64 = 60;
    let server = Server::with(config());
    let mut chef = Client::join(&server, Transport::WebSocket, &Who::chef(TENANT, "carl"));
    let mut sender = back_end(&server);
    let mut api = HttpConnection::open(server.address());
    let owner = Who::owner(TENANT, "olga").token();
    let redaction = json!({
        "id": "supplier", "events": "order:*", "fields": ["/supplier", "/items/*/cost"], "hideFrom": ["chef"]
    });
    let mut changed = |number: u64| {
        let (line, body, expected) = match number % 2 {
            1 => ("POST /api/v1/redactions", &redaction, seen_by_the_kitchen(number)),
            _ => ("DELETE /api/v1/redactions/supplier", &Value::Null, payload(number)),
        };
        let status = api.call(line, &owner, body).status;
        assert!(status == 201 || status == 200, "{line}: {status}");
        sender.accepted("order:updated", payload(number));
        chef.expect("order:updated").argument["payload"] == expected
    };
    let is_over = AtomicBool::new(false);
    let wrong = thread::scope(|scope| {
        let changes = scope.spawn(|| {
            let wrong: Vec<_> = (1..=CHANGES).filter(|&number| !changed(number)).collect();
            wrong
        });
        for _ in 0..4 {
            scope.spawn(|| {
                let mut other =
                    Client::join(&server, Transport::WebSocket, &Who::service("sushi-osaka"));
                while !is_over.load(Ordering::Relaxed) {
                    other.accepted("order:updated", payload(1));
                }
            });
        }
        let wrong = changes.join();
        is_over.store(true, Ordering::Relaxed);
        wrong
    });
    let wrong = wrong.expect("every change is answered");
    assert!(wrong.is_empty(), "sent after a change, judged by what was in force before: {wrong:?}");
}
