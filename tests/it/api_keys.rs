//! API keys of back ends: what they open, for whom, and until when.

use serde_json::{Value, json};
use test_support::wait_until;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::harness::{
    Address, Client, HttpConnection, Options, Process, Server, Transport, Who, config, limits,
    now_s,
};
use crate::nodes::{known, node, redis, shared};
use crate::revocation::{refusal, revoke};
use crate::support::TENANT;

const KEYS: &str = "/api/v1/api-keys";

/// The status of an answer, and what it says.
fn ask(node: &impl Address, line: &str, credential: &str, body: &Value) -> (u16, Value) {
    let answer = HttpConnection::open(node.address()).call(line, credential, body);
    (answer.status, answer.json())
}

/// The status and the code of a refusal.
fn refused(node: &impl Address, line: &str, credential: &str, body: &Value) -> (u16, String) {
    let (status, answer) = ask(node, line, credential, body);
    (status, answer["code"].as_str().unwrap_or_default().to_owned())
}

fn owner() -> String {
    Who::owner(TENANT, "olga").token()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// Makes a key; its id, and the key itself.
#[track_caller]
fn create(node: &impl Address, permissions: &[&str]) -> (String, String) {
    create_with(node, json!({ "name": "billing", "permissions": permissions }))
}

#[track_caller]
fn create_with(node: &impl Address, wanted: Value) -> (String, String) {
    let (status, made) = ask(node, &format!("POST {KEYS}"), &owner(), &wanted);
    assert_eq!(status, 201, "{made}");
    (text(&made["data"]["apiKey"]["id"]), text(&made["data"]["key"]))
}

/// Gives a key another secret; the key.
#[track_caller]
fn rotate(node: &impl Address, id: &str, grace_s: u64) -> String {
    let line = format!("POST {KEYS}/{id}/rotate");
    let (status, made) = ask(node, &line, &owner(), &json!({ "graceSeconds": grace_s }));
    assert_eq!(status, 200, "{made}");
    text(&made["data"]["key"])
}

/// The status with which an order is published.
fn publish(node: &impl Address, key: &str) -> u16 {
    let order = json!({ "type": "order:created", "payload": { "orderId": "42" } });
    ask(node, "POST /api/v1/publish", key, &order).0
}

#[test]
fn a_key_does_what_it_was_made_for_in_its_own_tenant_and_nothing_else() {
    let server = Server::start();
    let (_, key) = create(&server, &["write:orders"]);
    let mut chef = Client::join(&server, Transport::WebSocket, &Who::chef(TENANT, "carl"));
    let mut other = Client::join(&server, Transport::WebSocket, &Who::chef("sushi-kyoto", "carl"));
    assert_eq!(publish(&server, &key), 200);
    chef.expect("order:created");
    other.settle();
    let ticket = json!({ "type": "kitchen:order_received", "payload": { "orderId": "42" } });
    let direct = json!({ "type": "notification:info", "payload": { "message": "hello" } });
    let send = format!("POST /api/v1/connections/{}/events", chef.id);
    let keys = format!("GET {KEYS}");
    for (line, body) in [
        ("POST /api/v1/publish", &ticket),
        (send.as_str(), &direct),
        ("GET /api/v1/rooms", &Value::Null),
        (keys.as_str(), &Value::Null),
    ] {
        assert_eq!(refused(&server, line, &key, body).0, 403, "{line}");
    }
    let (_, admin) = create(&server, &["admin:access"]);
    for (line, body) in [(send.as_str(), &direct), ("GET /api/v1/rooms", &Value::Null)] {
        assert_eq!(ask(&server, line, &admin, body).0, 200, "{line}");
    }
    chef.expect("notification:info");
    // What is of the whole node is no tenant's.
    for line in [
        "GET /api/v1/nodes",
        "POST /api/v1/drain",
        "GET /api/v1/log-level",
        "POST /api/v1/config/reload",
    ] {
        assert_eq!(refused(&server, line, &admin, &json!({})).0, 403, "{line}");
    }
    // It opens no socket.
    let options = Options::new(Transport::WebSocket, json!({ "token": admin }));
    assert_eq!(refusal(Client::connect(&server, &options)).as_deref(), Some("token_malformed"));
}

#[test]
fn a_key_that_nobody_has_is_refused_and_none_is_shown_again() {
    let server = Server::start();
    let (id, key) = create(&server, &["write:orders"]);
    let (_, secret) = key.split_once(&id).unwrap();
    for wrong in [
        "ftk_",
        "ftk_x_y",
        &format!("ftk_{id}_"),
        &format!("{key}x"),
        &format!("ftk_0000000000000000{secret}"),
        &format!("ftk_{id}_{}", "x".repeat(4_000)),
    ] {
        let order = json!({ "type": "order:created", "payload": { "orderId": "42" } });
        let refused = refused(&server, "POST /api/v1/publish", wrong, &order);
        assert_eq!(refused, (401, "token_signature".into()), "{wrong}");
    }
    let list = |token: &str| ask(&server, &format!("GET {KEYS}"), token, &Value::Null).1;
    let listed = list(&owner());
    assert!(!listed.to_string().contains(&secret[1..]), "{listed}");
    assert_eq!(listed["data"][0]["lastUsedAt"], Value::Null);
    assert_eq!(publish(&server, &key), 200);
    assert!(list(&owner())["data"][0]["lastUsedAt"].is_string());
    let foreign = Who::owner("sushi-kyoto", "olga").token();
    assert_eq!(list(&foreign)["data"], json!([]));
    for line in [format!("DELETE {KEYS}/{id}"), format!("POST {KEYS}/{id}/rotate")] {
        assert_eq!(refused(&server, &line, &foreign, &json!({})).0, 404, "{line}");
    }
    assert_eq!(publish(&server, &key), 200);
}

#[test]
fn a_key_that_is_replaced_is_good_for_the_time_of_grace_and_one_that_is_revoked_not_at_all() {
    let server = Server::start();
    let (id, old) = create(&server, &["write:orders"]);
    let new = rotate(&server, &id, 60);
    assert_eq!((publish(&server, &old), publish(&server, &new)), (200, 200));
    let newest = rotate(&server, &id, 0);
    assert_eq!([&old, &new, &newest].map(|key| publish(&server, key)), [401, 401, 200]);
    // All of the tenant is revoked: the key too, and it is good again with a secret that is made after that.
    revoke(&server, &json!({ "kind": "tenant" }));
    assert_eq!(publish(&server, &newest), 401);
    let mut later = Who::owner(TENANT, "olga");
    later.claims.issued_at_s += 60;
    let line = format!("DELETE {KEYS}/{id}");
    assert_eq!(ask(&server, &line, &later.token(), &Value::Null).0, 200);
    assert_eq!(publish(&server, &newest), 401);
}

#[test]
fn a_key_ends_when_it_was_told_to_and_impossible_ones_are_not_made() {
    let mut limits = limits();
    limits.api_requests_per_second_per_tenant = 0;
    limits.api_requests_per_second_per_token = 0;
    let server = Server::with(config().limits(limits));
    let at = |unix_s: u64| {
        let at = OffsetDateTime::from_unix_timestamp(unix_s.try_into().unwrap()).unwrap();
        at.format(&Rfc3339).unwrap()
    };
    let wanted = |expires: String| json!({ "name": "b", "permissions": ["write:orders"], "expiresAt": expires });
    let (_, key) = create_with(&server, wanted(at(now_s() + 2)));
    assert_eq!(publish(&server, &key), 200);
    for wrong in [
        wanted(at(now_s())),
        wanted(at(now_s() + 367 * 86_400)),
        wanted("tomorrow".into()),
        json!({ "name": "", "permissions": ["write:orders"] }),
        json!({ "name": "x".repeat(65), "permissions": ["write:orders"] }),
        json!({ "name": "b", "permissions": [] }),
        json!({ "name": "b", "permissions": ["write:everything"] }),
        json!({ "name": "b" }),
    ] {
        assert_eq!(refused(&server, &format!("POST {KEYS}"), &owner(), &wrong).0, 400, "{wrong}");
    }
    for _ in 1..100 {
        create(&server, &["write:orders"]);
    }
    let more = json!({ "name": "b", "permissions": ["write:orders"] });
    let refusal = refused(&server, &format!("POST {KEYS}"), &owner(), &more);
    assert_eq!(refusal, (409, "conflict".into()));
    wait_until("it has ended", || {
        let order = json!({ "type": "order:created", "payload": { "orderId": "42" } });
        refused(&server, "POST /api/v1/publish", &key, &order) == (401, "token_expired".into())
    });
}

#[test]
fn keys_are_there_after_a_kill_and_on_every_node() {
    let directory = tempfile::tempdir().unwrap();
    let server = Process::serve(directory.path(), &config());
    let (_, key) = create(&server, &["write:orders"]);
    server.kill();
    let server = Process::serve(directory.path(), &config());
    assert_eq!(publish(&server, &key), 200);
    let Some(redis) = redis() else { return };
    let shared = shared(&redis);
    let nodes = [Server::with(node(&shared)), Server::with(node(&shared))];
    wait_until("both are known", || known(&nodes[0])["nodes"].as_array().unwrap().len() == 2);
    let (id, key) = create(&nodes[0], &["write:orders"]);
    assert_eq!(publish(&nodes[1], &key), 200);
    let newest = rotate(&nodes[1], &id, 0);
    assert_eq!([&key, &newest].map(|key| publish(&nodes[0], key)), [401, 200]);
    // It was used at the other one alone.
    let used = || {
        let (_, listed) = ask(&nodes[1], &format!("GET {KEYS}"), &owner(), &Value::Null);
        listed["data"][0]["lastUsedAt"].is_string()
    };
    wait_until("both know when it was used", used);
    assert_eq!(ask(&nodes[1], &format!("DELETE {KEYS}/{id}"), &owner(), &Value::Null).0, 200);
    assert_eq!(nodes.each_ref().map(|node| publish(node, &newest)), [401, 401]);
}
