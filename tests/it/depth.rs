//! How deep a payload may nest: the same at every entrance, and what is accepted reaches readers of every form.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use foodtrack_contract::{PAYLOAD_DEPTH_MAX, Priority, TenantId};
use foodtrack_shard::{Broadcast, Recipients};
use serde_json::{Value, json};

use crate::harness::{Client, HttpConnection, Options, Parser, Server, Transport, Who};

const TENANT: &str = "pizza-roma";
const LIMIT: usize = PAYLOAD_DEPTH_MAX as usize;

/// Lists in lists in a payload that nests to `depth`.
fn nested(depth: usize) -> String {
    format!("{}1{}", "[".repeat(depth - 1), "]".repeat(depth - 1))
}

/// No payload says the same twice: it would be taken for a repeat.
static SERIAL: AtomicU64 = AtomicU64::new(0);

/// The payload of an order.
fn payload(depth: usize) -> Value {
    let note: Value = serde_json::from_str(&nested(depth)).unwrap();
    json!({ "orderId": "1", "serial": SERIAL.fetch_add(1, Relaxed), "depth": depth, "note": note })
}

fn whole(depth: usize) -> Value {
    json!({ "type": "order:updated", "payload": payload(depth) })
}

fn join(server: &Server, parser: Parser, who: &Who) -> Client {
    let auth = json!({ "token": who.token() });
    Client::join_with(server, &Options { parser, ..Options::new(Transport::WebSocket, auth) })
}

/// A server, and readers of both forms.
fn readers() -> (Server, [Client; 2]) {
    let server = Server::start();
    let mia = Who::manager(TENANT, "mia");
    let clients = [Parser::Json, Parser::Msgpack].map(|parser| join(&server, parser, &mia));
    (server, clients)
}

/// What is at the limit is accepted and reaches both; what is one level deeper is refused, with its place and the limit.
fn check(readers: &mut [Client; 2], mut send: impl FnMut(usize) -> Value) {
    let refused = send(LIMIT + 1);
    let error = &refused["error"];
    assert_eq!(error["code"], "payload_invalid", "{refused}");
    assert_eq!((&error["rule"], error["event"].as_str()), (&json!("depth"), Some("order:updated")));
    let expected = format!("/note{}", "/0".repeat(LIMIT - 1));
    assert_eq!(error["pointer"], expected, "{refused}");
    assert!(error["message"].as_str().unwrap().contains("62 levels"), "{refused}");
    let accepted = send(LIMIT);
    assert_eq!(accepted["success"], true, "{accepted}");
    for reader in readers {
        let event = reader.expect("order:updated");
        assert_eq!(event.payload("depth"), LIMIT);
        assert_eq!(event.payload("note").to_string(), nested(LIMIT));
    }
}

#[test]
fn a_client_may_nest_a_payload_as_deep_as_every_reader_can_get_it() {
    let (server, mut readers) = readers();
    for parser in [Parser::Json, Parser::Msgpack] {
        let mut sender = join(&server, parser, &Who::service(TENANT));
        check(&mut readers, |depth| sender.ask("order:updated", payload(depth)));
    }
    let mut sender = join(&server, Parser::Json, &Who::service(TENANT));
    check(&mut readers, |depth| sender.ask("order:updated", whole(depth)));
    check(&mut readers, |depth| {
        let mut payload = payload(depth);
        payload["picture"] = json!({ "_placeholder": true, "num": 0 });
        sender.ask_binary("order:updated", payload, &[vec![1, 2, 3]])
    });
    let mut sender = join(&server, Parser::Msgpack, &Who::service(TENANT));
    check(&mut readers, |depth| match depth > LIMIT {
        // The harness writes no message of its own that is deeper than those of the server.
        true => sender.ask("order:updated", payload(depth)),
        false => sender.ask("order:updated", whole(depth)),
    });
}

#[test]
fn a_back_end_may_nest_a_payload_as_deep_as_every_reader_can_get_it() {
    let (server, mut readers) = readers();
    let token = Who::service(TENANT).token();
    let mut http = HttpConnection::open(server.address());
    check(&mut readers, |depth| {
        let answer = http.call("POST /api/v1/publish", &token, &whole(depth));
        if answer.status == 200 {
            return answer.json();
        }
        let mut problem = answer.json();
        problem["message"] = problem["detail"].take();
        json!({ "error": problem })
    });
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    let body =
        format!(r#"{{"type":"order:updated","payload":{{"orderId":"1","a":{}}}}}"#, nested(2_000));
    let answer = http.request("POST /api/v1/publish", &headers, &body);
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(answer.json()["code"], "payload_invalid", "{answer:?}");
}

#[test]
fn what_the_server_itself_sends_nests_no_deeper() {
    let (server, mut readers) = readers();
    let tenant = TenantId::parse(TENANT).unwrap();
    let broadcast = |event: &str, depth| {
        let to = Recipients { everyone: true, ..Recipients::default() };
        let payload = payload(depth).to_string();
        let event = event.to_owned();
        let broadcast =
            Broadcast { event, payload, priority: Priority::Medium, to, except: Vec::new() };
        match server.wait(server.broadcaster().broadcast(&tenant, broadcast)) {
            Ok(_) => json!({ "success": true }),
            Err(refusal) => json!({ "error": refusal }),
        }
    };
    check(&mut readers, |depth| broadcast("order:updated", depth));
    let refused = broadcast("system:metrics", LIMIT + 1);
    assert_eq!(refused["error"]["code"], "payload_invalid", "{refused}");
    assert_eq!(broadcast("system:metrics", LIMIT)["success"], true);
    for reader in &mut readers {
        reader.expect("system:metrics");
    }
}

#[test]
fn a_sender_of_something_much_too_deep_is_told_and_stays() {
    let server = Server::start();
    for depth in [100, 200, 20_000] {
        let mut json = join(&server, Parser::Json, &Who::service(TENANT));
        let text = format!(r#"421["order:updated",{{"orderId":"1","a":{}}}]"#, nested(depth));
        assert!(json.send_text(&text));
        let error = json.packet(crate::harness::PATIENCE).unwrap().data;
        assert_eq!(error[0]["error"]["code"], "payload_invalid", "{error}");
        json.accepted("order:updated", payload(2));

        let mut msgpack = join(&server, Parser::Msgpack, &Who::service(TENANT));
        let mut bytes =
            b"\x84\xa4type\x02\xa3nsp\xa1/\xa2id\x01\xa4data\x92\xadorder:updated".to_vec();
        bytes.extend_from_slice(b"\x82\xa7orderId\xa11\xa1a");
        bytes.extend(std::iter::repeat_n(0x91, depth));
        bytes.push(1);
        assert!(msgpack.send_binary(bytes));
        let error = msgpack.packet(crate::harness::PATIENCE).unwrap().data;
        assert_eq!(error[0]["error"]["code"], "payload_invalid", "{error}");
        msgpack.accepted("order:updated", payload(2));
    }
}

#[test]
fn msgpack_may_be_no_longer_than_any_message_once_it_is_json() {
    let server = Server::start();
    let mut client = join(&server, Parser::Msgpack, &Who::manager(TENANT, "mia"));
    let note = |length: usize| json!({ "orderId": "1", "note": "\u{1}".repeat(length) });
    // 0.96 MB of JSON; and 0.99 MB of msgpack that would be 5.9 MB.
    client.accepted("order:updated", note(160_000));
    client.expect("order:updated");
    assert!(client.try_emit("order:updated", note(990_000)));
    let (events, code) = client.until_closed();
    assert_eq!((events.len(), code), (0, Some(1009)));
}
