//! What a tenant declares through one node of a cluster holds on all of them, in one order.

use std::time::{Duration, Instant};

use foodtrack_server::RedisConfig;
use serde_json::{Value, json};
use test_support::{RedisServer, skipped, wait_until};

use crate::cluster_queries::pretend;
use crate::harness::{Address, Client, HttpConnection, Server, Transport, Who};
use crate::node_requests::with_secret;
use crate::nodes::{known, node, redis, shared};
use crate::support::{TENANT, back_end};

const EVENT: &str = "loyalty:points_earned";

fn pair(shared: &RedisConfig) -> [Server; 2] {
    let nodes = [Server::with(node(shared)), Server::with(node(shared))];
    wait_until("both are known", || known(&nodes[0])["nodes"].as_array().unwrap().len() == 2);
    nodes
}

fn call(node: &impl Address, line: &str, body: &Value) -> (u16, Value) {
    let token = Who::owner(TENANT, "olga").token();
    let answer = HttpConnection::open(node.address()).call(line, &token, body);
    (answer.status, answer.json())
}

fn declaration(name: &str, description: &str) -> Value {
    let schema = json!({ "type": "object", "required": ["points"] });
    json!({ "name": name, "schema": schema, "deliveryClass": "durable", "description": description })
}

#[track_caller]
fn declare(node: &impl Address, name: &str, description: &str) {
    let (status, answer) = call(node, "POST /api/v1/events", &declaration(name, description));
    assert_eq!(status, 201, "{answer}");
}

fn declared(node: &impl Address) -> Value {
    call(node, "GET /api/v1/events", &Value::Null).1["data"].take()
}

fn names(node: &impl Address) -> Vec<String> {
    let declared = declared(node);
    declared.as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
}

fn rule() -> Value {
    json!({ "id": "loyalty", "events": EVENT, "from": ["system"], "to": ["kitchen_app"] })
}

#[test]
fn what_is_declared_through_one_node_is_in_force_on_all_when_it_is_answered() {
    let Some(redis) = redis() else { return };
    let shared = shared(&redis);
    let [one, other] = pair(&shared);
    let mut chef = Client::join(&one, Transport::WebSocket, &Who::chef(TENANT, "carl"));
    declare(&one, EVENT, "first");
    assert_eq!(names(&other), [EVENT]);
    assert_eq!(call(&other, "POST /api/v1/rules", &rule()).0, 201);
    assert_eq!(
        call(&one, "GET /api/v1/rules", &Value::Null).1,
        call(&other, "GET /api/v1/rules", &Value::Null).1
    );
    let hides = json!({
        "id": "reason", "events": EVENT, "fields": ["/reason"], "hideFrom": ["chef"]
    });
    assert_eq!(call(&other, "POST /api/v1/redactions", &hides).0, 201);
    back_end(&other).accepted(EVENT, json!({ "points": 3, "reason": "a complaint" }));
    assert_eq!(chef.expect(EVENT).argument["payload"], json!({ "points": 3 }));
    // Whoever comes later has it as well, and nobody of another tenant.
    let third = Server::with(node(&shared));
    assert_eq!(declared(&third), declared(&one));
    let hidden = |node| call(node, "GET /api/v1/redactions", &Value::Null).1["data"].take();
    assert_eq!((hidden(&third), hidden(&one)[0]["id"].clone()), (hidden(&one), json!("reason")));
    let foreign = Who::owner("pizza-Roma", "olga").token();
    let theirs =
        HttpConnection::open(third.address()).call("GET /api/v1/events", &foreign, &json!(null));
    assert_eq!(theirs.json()["data"], json!([]));
    // And taken back, by another node than took it.
    assert_eq!(call(&one, "DELETE /api/v1/rules/loyalty", &Value::Null).0, 200);
    assert_eq!(call(&one, "DELETE /api/v1/redactions/reason", &Value::Null).0, 200);
    assert_eq!(hidden(&third), json!([]));
    let line = format!("DELETE /api/v1/events/{EVENT}");
    assert_eq!(call(&third, &line, &Value::Null).0, 200);
    for node in [&one, &other, &third] {
        assert_eq!(names(node), [""; 0]);
        assert_eq!(call(node, &line, &Value::Null).0, 404);
    }
}

#[test]
fn changes_through_two_nodes_at_once_are_in_one_order_and_none_is_lost() {
    let Some(redis) = redis() else { return };
    let nodes = pair(&shared(&redis));
    std::thread::scope(|scope| {
        for (place, node) in nodes.iter().enumerate() {
            let address = node.address();
            scope.spawn(move || {
                for number in 0..10 {
                    declare(&address, &format!("n{place}:e{number}"), "own");
                    declare(&address, EVENT, &format!("{place}-{number}"));
                }
            });
        }
    });
    wait_until("both say the same", || declared(&nodes[0]) == declared(&nodes[1]));
    assert_eq!(names(&nodes[0]).len(), 21);
    let all = declared(&nodes[0]);
    let last = all.as_array().unwrap().iter().find(|it| it["name"] == EVENT).unwrap();
    assert!(["0-9", "1-9"].contains(&last["description"].as_str().unwrap()), "{last}");
}

#[test]
fn while_redis_is_away_nothing_is_declared_and_then_all_nodes_have_the_same_again() {
    let Some(mut redis) = RedisServer::start(&["--appendonly", "yes", "--appendfsync", "always"])
    else {
        return skipped("redis-server is not installed");
    };
    let shared = RedisConfig { timeout_ms: 500, ..shared(&redis) };
    let [one, other] = pair(&shared);
    declare(&one, "a:b", "kept");
    redis.kill();
    let (status, answer) = call(&one, "POST /api/v1/events", &declaration("a:c", "lost"));
    assert!([503, 504].contains(&status), "{answer}");
    assert_eq!((names(&one), names(&other)), (vec!["a:b".to_owned()], vec!["a:b".to_owned()]));
    redis.start_again();
    wait_until("it is taken again", || {
        call(&one, "POST /api/v1/events", &declaration("a:d", "kept")).0 == 201
    });
    wait_until("both have both", || [&one, &other].iter().all(|it| names(*it) == ["a:b", "a:d"]));
}

#[test]
fn a_node_that_hangs_holds_no_declaration_up_for_long() {
    let Some(redis) = redis() else { return };
    let shared = with_secret(&redis);
    let [one, other] = pair(&shared);
    let hanging = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    pretend(&redis, &shared.prefix, "hangs", &format!("http://{}", hanging.local_addr().unwrap()));
    wait_until("it is known", || known(&one)["nodes"].as_array().unwrap().len() == 3);
    let begin = Instant::now();
    declare(&one, EVENT, "first");
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    // The answer did not wait for all: the other one hears of it all the same.
    wait_until("the other has it", || names(&other) == [EVENT]);
}

#[test]
fn a_redis_that_forgot_what_was_declared_is_believed_by_all_nodes() {
    let Some(redis) = redis() else { return };
    let nodes = pair(&shared(&redis));
    declare(&nodes[0], EVENT, "first");
    declare(&nodes[0], "a:b", "first");
    redis.command("FLUSHALL");
    wait_until("no node has it", || nodes.iter().all(|it| names(it).is_empty()));
    declare(&nodes[1], EVENT, "second");
    // The nodes themselves were forgotten as well, and may not know each other yet.
    wait_until("both have it", || nodes.iter().all(|it| names(it) == [EVENT]));
}

#[test]
fn what_a_later_version_declared_is_not_written_over() {
    let Some(redis) = redis() else { return };
    let shared = shared(&redis);
    let documents = format!("{}:{{declared:}}", shared.prefix);
    redis.command(&format!("HSET {documents}:documents {TENANT} \"{{\\\"version\\\":9}}\""));
    redis.command(&format!("ZADD {documents}:order 1 {TENANT}"));
    let server = Server::with(node(&shared));
    let (status, answer) = call(&server, "POST /api/v1/events", &declaration(EVENT, "first"));
    assert_eq!((status, &answer["code"]), (409, &json!("conflict")), "{answer}");
    assert_eq!(redis.command(&format!("ZSCORE {documents}:order {TENANT}")), "$1\r\n1");
    let foreign = Who::owner("pizza-Roma", "olga").token();
    let mut connection = HttpConnection::open(server.address());
    let theirs = connection.call("POST /api/v1/events", &foreign, &declaration(EVENT, "first"));
    assert_eq!(theirs.status, 201, "another tenant's are its own");
}
