//! What is revoked through one node of a cluster is revoked on all of them.

use foodtrack_server::RedisConfig;
use serde_json::json;
use test_support::{RedisServer, skipped, wait_until};

use crate::harness::{Client, Options, Server, Transport, Who};
use crate::nodes::{known, node, redis, shared};
use crate::revocation::{REVOCATIONS, call, expect_sent_away, refusal, revoke, revoked};
use crate::support::TENANT;

fn pair(shared: &RedisConfig) -> [Server; 2] {
    let nodes = [Server::with(node(shared)), Server::with(node(shared))];
    wait_until("both are known", || known(&nodes[0])["nodes"].as_array().unwrap().len() == 2);
    nodes
}

fn connect(server: &Server, who: &Who) -> Option<String> {
    let options = Options::new(Transport::WebSocket, json!({ "token": who.token() }));
    refusal(Client::connect(server, &options))
}

#[test]
fn who_is_revoked_through_one_node_is_sent_away_by_all_when_it_is_answered() {
    let Some(redis) = redis() else { return };
    let shared = shared(&redis);
    let [one, other] = pair(&shared);
    let carl = Who::chef(TENANT, "carl");
    let mut here = Client::join(&one, Transport::WebSocket, &carl);
    let mut there = Client::join(&other, Transport::Polling, &carl);
    let mut cora = Client::join(&other, Transport::WebSocket, &Who::chef(TENANT, "cora"));
    let done = revoke(&one, &json!({ "kind": "user", "value": "carl" }));
    assert_eq!((&done["disconnected"], &done["missingNodes"]), (&json!(1), &json!(null)));
    assert_eq!(connect(&other, &carl).as_deref(), Some("token_revoked"));
    expect_sent_away(&mut here);
    expect_sent_away(&mut there);
    cora.settle();
    // Whoever starts later knows it as well.
    let third = Server::with(node(&shared));
    assert_eq!(connect(&third, &carl).as_deref(), Some("token_revoked"));
    // And it is taken back through another node than revoked it.
    let line = format!("DELETE {REVOCATIONS}/{}", done["revocation"]["id"].as_str().unwrap());
    assert_eq!(call(&third, &line, &json!(null)).0, 200);
    for node in [&one, &other, &third] {
        assert_eq!(connect(node, &carl), None);
    }
}

#[test]
fn a_revoked_device_does_not_come_back_on_another_node() {
    let Some(redis) = redis() else { return };
    let [one, other] = pair(&shared(&redis));
    let options = Options::new(
        Transport::WebSocket,
        json!({ "token": Who::chef(TENANT, "carl").token(), "deviceId": "tablet" }),
    );
    let away = Client::join_with(&one, &options).tear();
    revoke(&one, &json!({ "kind": "device", "value": "tablet" }));
    assert_eq!(refusal(away.connect(&other)).as_deref(), Some("token_revoked"));
}

#[test]
fn while_redis_is_away_what_is_revoked_stays_so_and_what_is_new_is_refused() {
    let Some(mut redis) = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"])
    else {
        return skipped("redis-server is not installed");
    };
    let shared = RedisConfig { timeout_ms: 500, ..shared(&redis) };
    let [one, other] = pair(&shared);
    let carl = Who::chef(TENANT, "carl");
    revoke(&one, &json!({ "kind": "user", "value": "carl" }));
    redis.kill();
    let new = json!({ "kind": "user", "value": "cora" });
    let (status, answer) = call(&one, &format!("POST {REVOCATIONS}"), &new);
    assert!([503, 504].contains(&status), "{answer}");
    for node in [&one, &other] {
        assert_eq!(connect(node, &carl).as_deref(), Some("token_revoked"));
    }
    redis.start_again();
    wait_until("it can be revoked again", || {
        call(&other, &format!("POST {REVOCATIONS}"), &new).0 == 201
    });
    wait_until("all know it", || revoked(&one).len() == 2);
    assert_eq!(connect(&one, &Who::chef(TENANT, "cora")).as_deref(), Some("token_revoked"));
}

#[test]
fn a_redis_that_forgot_what_is_revoked_is_told_again_by_those_who_know() {
    let Some(redis) = redis() else { return };
    let shared = shared(&redis);
    let [one, other] = pair(&shared);
    let carl = Who::chef(TENANT, "carl");
    revoke(&one, &json!({ "kind": "user", "value": "carl" }));
    let prefix = &shared.prefix;
    for name in ["order", "documents", "epoch"] {
        redis.command(&format!("DEL {prefix}:{{revoked:}}:{name}"));
    }
    wait_until("it is there again", || {
        redis.command(&format!("ZCARD {prefix}:{{revoked:}}:order")).contains('1')
    });
    for node in [&one, &other] {
        assert_eq!(connect(node, &carl).as_deref(), Some("token_revoked"));
    }
    let third = Server::with(node(&shared));
    assert_eq!(connect(&third, &carl).as_deref(), Some("token_revoked"));
}
