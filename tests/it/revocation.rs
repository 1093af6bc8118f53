//! Tokens that are revoked: nobody comes in with one, comes back with one, or stays with one, whatever happens to the server.

use serde_json::{Value, json};
use test_support::wait_until;

use crate::harness::{
    Address, Client, Connect, HttpConnection, Process, Server, Transport, Who, config,
    on_every_transport,
};
use crate::support::TENANT;

pub(crate) const REVOCATIONS: &str = "/api/v1/revocations";

pub(crate) fn call(node: &impl Address, line: &str, body: &Value) -> (u16, Value) {
    // Whoever revokes a tenant goes on asking: with a token that is made later.
    let mut olga = Who::owner(TENANT, "olga");
    olga.claims.issued_at_s += 60;
    let answer = HttpConnection::open(node.address()).call(line, &olga.token(), body);
    (answer.status, answer.json())
}

/// Revokes; returns what is in force and what was ended.
#[track_caller]
pub(crate) fn revoke(node: &impl Address, what: &Value) -> Value {
    let (status, mut answer) = call(node, &format!("POST {REVOCATIONS}"), what);
    assert_eq!(status, 201, "{answer}");
    answer["data"].take()
}

pub(crate) fn revoked(node: &impl Address) -> Vec<Value> {
    let (status, mut answer) = call(node, &format!("GET {REVOCATIONS}"), &Value::Null);
    assert_eq!(status, 200, "{answer}");
    serde_json::from_value(answer["data"].take()).unwrap()
}

/// The code with which somebody is refused who connects; `None` where they come in.
pub(crate) fn refusal(connect: Connect) -> Option<String> {
    match connect {
        Connect::Connected(_) => None,
        Connect::Refused(error) => Some(error["data"]["code"].as_str().unwrap().to_owned()),
        Connect::HttpRefused(answer) => panic!("{answer}"),
    }
}

/// It was told why, and sent away for good.
#[track_caller]
pub(crate) fn expect_sent_away(client: &mut Client) {
    let error = client.expect("system:error");
    assert_eq!(error.payload("code"), "token_revoked", "{error:?}");
    client.until_closed();
}

fn named(mut who: Who, jti: &str) -> Who {
    who.claims.token_id = Some(jti.into());
    who
}

/// As though it had been made a minute later.
fn later(mut who: Who) -> Who {
    who.claims.issued_at_s += 60;
    who
}

fn connect(server: &impl Address, who: &Who) -> Option<String> {
    let auth = json!({ "token": who.token() });
    let options = crate::harness::Options::new(Transport::WebSocket, auth);
    refusal(Client::connect(server, &options))
}

on_every_transport! {
    fn a_revoked_user_is_sent_away_and_comes_in_with_a_later_token_alone(transport) {
        let server = Server::start();
        let carl = Who::chef(TENANT, "carl");
        let mut client = Client::join(&server, transport, &carl);
        let mut other = Client::join(&server, transport, &Who::chef(TENANT, "cora"));
        let mut namesake = Client::join(&server, transport, &Who::chef("sushi-kyoto", "carl"));
        let done = revoke(&server, &json!({ "kind": "user", "value": "carl", "reason": "left" }));
        assert_eq!((&done["disconnected"], &done["revocation"]["createdBy"]), (&json!(1), &json!("olga")));
        expect_sent_away(&mut client);
        assert_eq!(connect(&server, &carl).as_deref(), Some("token_revoked"));
        assert_eq!(connect(&server, &later(carl)), None);
        // Nobody else notices.
        other.settle();
        namesake.settle();
        assert_eq!(connect(&server, &Who::chef("sushi-kyoto", "carl")), None);
    }
}

#[test]
fn a_revoked_token_is_refused_by_its_name_and_another_of_the_same_user_is_good() {
    let server = Server::start();
    let (one, two) =
        (named(Who::chef(TENANT, "carl"), "one"), named(Who::chef(TENANT, "carl"), "two"));
    let mut first = Client::join(&server, Transport::WebSocket, &one);
    let mut second = Client::join(&server, Transport::WebSocket, &two);
    assert_eq!(revoke(&server, &json!({ "kind": "token", "value": "one" }))["disconnected"], 1);
    expect_sent_away(&mut first);
    second.settle();
    assert_eq!(connect(&server, &one).as_deref(), Some("token_revoked"));
    // A connection does not take it in the place of its own either.
    let answer = second.ask("authenticate", json!({ "token": one.token() }));
    assert_eq!(answer["error"]["code"], "token_revoked", "{answer}");
}

#[test]
fn a_revoked_device_gets_its_session_back_no_more_and_another_device_of_its_user_does() {
    let server = Server::start();
    let chef = Who::chef(TENANT, "carl");
    let tablets = ["tablet-1", "tablet-2"];
    let mut aways = Vec::new();
    for tablet in tablets {
        let auth = json!({ "token": chef.token(), "deviceId": tablet });
        let options = crate::harness::Options::new(Transport::WebSocket, auth);
        aways.push(Client::join_with(&server, &options).tear());
    }
    wait_until("they are gone", || server.metric("connections_closed_total") == 2);
    revoke(&server, &json!({ "kind": "device", "value": "tablet-1" }));
    assert_eq!(refusal(aways[0].connect(&server)).as_deref(), Some("token_revoked"));
    assert!(aways[1].resume(&server).recovered);
}

#[test]
fn a_revoked_session_does_not_come_back_and_its_user_may_begin_another_one() {
    let server = Server::start();
    let chef = Who::chef(TENANT, "carl");
    let mut client = Client::join(&server, Transport::WebSocket, &chef);
    let away = client.away();
    let done = revoke(&server, &json!({ "kind": "session", "value": client.id }));
    assert_eq!(done["disconnected"], 1);
    expect_sent_away(&mut client);
    assert_eq!(refusal(away.connect(&server)).as_deref(), Some("token_revoked"));
    assert_eq!(connect(&server, &chef), None);
}

#[test]
fn a_revoked_tenant_is_empty_and_its_back_ends_are_refused_too() {
    let server = Server::start();
    let mut chef = Client::join(&server, Transport::WebSocket, &Who::chef(TENANT, "carl"));
    let mut gateway = Client::join(&server, Transport::WebSocket, &Who::service(TENANT));
    let mut other = Client::join(&server, Transport::WebSocket, &Who::chef("sushi-kyoto", "carl"));
    assert_eq!(revoke(&server, &json!({ "kind": "tenant" }))["disconnected"], 2);
    expect_sent_away(&mut chef);
    expect_sent_away(&mut gateway);
    other.settle();
    let token = Who::service(TENANT).token();
    let answer =
        HttpConnection::open(server.address()).call("GET /api/v1/rooms", &token, &Value::Null);
    assert_eq!((answer.status, &answer.json()["code"]), (401, &json!("token_revoked")));
    let later = later(Who::service(TENANT)).token();
    let answer =
        HttpConnection::open(server.address()).call("GET /api/v1/rooms", &later, &Value::Null);
    assert_eq!(answer.status, 200);
}

#[test]
fn what_is_taken_back_is_good_again_and_what_is_revoked_twice_is_there_once() {
    let server = Server::start();
    let carl = Who::chef(TENANT, "carl");
    let what = json!({ "kind": "user", "value": "carl" });
    let first = revoke(&server, &what)["revocation"]["id"].take();
    let second = revoke(&server, &what)["revocation"]["id"].take();
    assert_eq!((first.clone(), revoked(&server).len()), (second, 1));
    assert_eq!(connect(&server, &carl).as_deref(), Some("token_revoked"));
    let line = format!("DELETE {REVOCATIONS}/{}", first.as_str().unwrap());
    assert_eq!(call(&server, &line, &Value::Null).0, 200);
    assert_eq!(call(&server, &line, &Value::Null).0, 404);
    assert_eq!(connect(&server, &carl), None);
}

#[test]
fn a_tenant_sees_and_takes_back_its_own_revocations_alone() {
    let server = Server::start();
    let id =
        revoke(&server, &json!({ "kind": "user", "value": "carl" }))["revocation"]["id"].take();
    let foreign = Who::owner("sushi-kyoto", "olga").token();
    let ask =
        |line: &str| HttpConnection::open(server.address()).call(line, &foreign, &Value::Null);
    assert_eq!(ask(&format!("GET {REVOCATIONS}")).json()["data"], json!([]));
    assert_eq!(ask(&format!("DELETE {REVOCATIONS}/{}", id.as_str().unwrap())).status, 404);
    assert_eq!(revoked(&server).len(), 1);
}

#[test]
fn a_revocation_that_says_nothing_or_too_much_is_refused() {
    let server = Server::start();
    let long = "x".repeat(257);
    for wrong in [
        json!({ "kind": "user" }),
        json!({ "kind": "user", "value": "" }),
        json!({ "kind": "user", "value": "x".repeat(129) }),
        json!({ "kind": "tenant", "value": "sushi-kyoto" }),
        json!({ "kind": "planet", "value": "earth" }),
        json!({ "kind": "user", "value": "carl", "expiresAt": "2020-01-01T00:00:00Z" }),
        json!({ "kind": "user", "value": "carl", "expiresAt": "2999-01-01T00:00:00Z" }),
        json!({ "kind": "user", "value": "carl", "issuedThrough": "yesterday" }),
        json!({ "kind": "user", "value": "carl", "reason": long }),
        json!({ "kind": "user", "value": "carl", "tenant": "sushi-kyoto" }),
    ] {
        let (status, answer) = call(&server, &format!("POST {REVOCATIONS}"), &wrong);
        assert_eq!((status, &answer["code"]), (400, &json!("message_malformed")), "{wrong}");
    }
    assert_eq!(revoked(&server), [Value::Null; 0]);
}

#[test]
fn what_was_revoked_is_refused_after_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let server = Process::serve(directory.path(), &config());
    let carl = Who::chef(TENANT, "carl");
    let away = Client::join(&server, Transport::WebSocket, &carl.clone().device("t")).tear();
    revoke(&server, &json!({ "kind": "user", "value": "carl" }));
    server.kill();
    let server = Process::serve(directory.path(), &config());
    assert_eq!(connect(&server, &carl).as_deref(), Some("token_revoked"));
    assert_eq!(refusal(away.connect(&server)).as_deref(), Some("token_revoked"));
    assert_eq!(revoked(&server).len(), 1);
}
