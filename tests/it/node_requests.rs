//! Requests between nodes: who is no node of the cluster is refused, whatever it sends, and no tenant's token opens them.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use foodtrack_server::RedisConfig;
use serde_json::Value;
use test_support::RedisServer;

use crate::harness::{Address, HttpConnection, PATIENCE, Server, Who, config};
use crate::nodes::{known, node, redis, shared};
use crate::support::TENANT;

const SECRET: &str = "a-secret-of-a-cluster-of-a-test.";
const LOOK: &str = "/cluster/v1/look";

/// What nodes of one cluster have in common, whose secret the test knows.
pub(crate) fn with_secret(redis: &RedisServer) -> RedisConfig {
    let shared = shared(redis);
    redis.command(&format!("SET {}:secret {SECRET}", shared.prefix));
    shared
}

/// By this the nodes of that cluster know each other.
pub(crate) fn mark() -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    hex(&hmac::sign(&key, b"foodtrack cluster mark 1").as_ref()[..8])
}

/// A node whose cluster's secret the test knows, and its id.
fn start(redis: &RedisServer) -> (Server, String) {
    let shared = with_secret(redis);
    let server = Server::with(node(&shared));
    let nodes = known(&server)["nodes"].take();
    let id = nodes[0]["id"].as_str().unwrap().to_owned();
    (server, id)
}

/// The prefix of the only cluster there.
fn known_prefix(redis: &RedisServer) -> String {
    let keys = redis.command("KEYS *:nodes");
    let key = keys.lines().find(|line| line.ends_with(":nodes")).unwrap();
    key.trim_end_matches(":nodes").to_owned()
}

/// A request as a node signs it, by what the documentation says.
#[derive(Clone)]
struct Asking {
    secret: Vec<u8>,
    from: String,
    to: String,
    at_ms: u64,
    nonce: [u8; 16],
    path: String,
    body: String,
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

fn asking(to: &str) -> Asking {
    Asking {
        secret: SECRET.into(),
        from: "a-test".into(),
        to: to.into(),
        at_ms: now_ms(),
        nonce: *uuid::Uuid::new_v4().as_bytes(),
        path: LOOK.into(),
        body: "{}".into(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn key(secret: &[u8], label: &str) -> hmac::Key {
    let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), label.as_bytes());
    hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref())
}

fn mac(key: &hmac::Key, parts: &[&[u8]]) -> String {
    let mut all = Vec::new();
    for part in parts {
        all.extend_from_slice(&(part.len() as u64).to_le_bytes());
        all.extend_from_slice(part);
    }
    hex(hmac::sign(key, &all).as_ref())
}

impl Asking {
    fn authorization(&self) -> String {
        let parts: [&[u8]; 7] = [
            b"POST",
            self.path.as_bytes(),
            self.from.as_bytes(),
            self.to.as_bytes(),
            &self.at_ms.to_le_bytes(),
            &self.nonce,
            self.body.as_bytes(),
        ];
        let mac = mac(&key(&self.secret, "foodtrack node requests 1"), &parts);
        let nonce = hex(&self.nonce);
        format!("FoodTrack-Node from={},at={},nonce={nonce},mac={mac}", self.from, self.at_ms)
    }

    fn ask(&self, node: &impl Address) -> (u16, String, Option<String>) {
        post(node, &self.path, &self.authorization(), &self.body)
    }
}

fn post(
    node: &impl Address,
    path: &str,
    authorization: &str,
    body: &str,
) -> (u16, String, Option<String>) {
    let mut connection = HttpConnection::open(node.address());
    let headers = [("Authorization", authorization)];
    connection.send(&format!("POST {path}"), &headers, body).unwrap();
    let answer = connection.receive(Instant::now() + PATIENCE).unwrap().expect("an answer");
    let proof = answer.header("foodtrack-node-answer").map(str::to_owned);
    (answer.status, answer.body, proof)
}

fn refused(node: &Server, reason: &str) -> u64 {
    let page = node.metrics_page();
    let line = format!("foodtrack_node_requests_refused_total{{reason=\"{reason}\"}} ");
    let count = page.lines().find_map(|it| it.strip_prefix(&line));
    count.unwrap_or_else(|| panic!("no {line} in {page}")).parse().unwrap()
}

#[test]
fn a_signed_request_is_answered_once_and_the_answer_is_proven() {
    let Some(redis) = redis() else { return };
    let (server, id) = start(&redis);
    let good = asking(&id);
    let (status, body, proof) = good.ask(&server);
    assert_eq!(status, 200, "{body}");
    let parts: [&[u8]; 3] = [&good.nonce, &200_u16.to_le_bytes(), body.as_bytes()];
    let expected = mac(&key(SECRET.as_bytes(), "foodtrack node answers 1"), &parts);
    assert_eq!(proof, Some(expected));
    // The same again, as whoever listens would send it.
    let (status, body, proof) = good.ask(&server);
    assert_eq!((status, body.as_str(), proof), (401, "{\"refused\":\"replayed\"}", None));
    assert_eq!(refused(&server, "replayed"), 1);
}

#[test]
fn what_is_forged_late_or_oversized_is_refused_and_counted() {
    let Some(redis) = redis() else { return };
    let (server, id) = start(&redis);
    let good = || asking(&id);
    let forged = [
        Asking { secret: b"another secret of another cluste".to_vec(), ..good() },
        Asking { to: format!("{id}x"), ..good() },
        Asking { to: "a-test".into(), from: id.clone(), ..good() },
    ];
    for asking in &forged {
        let (status, body, _) = asking.ask(&server);
        assert_eq!((status, body.as_str()), (401, "{\"refused\":\"forged\"}"));
    }
    // Signed for another body, another path, another time.
    let signed = good();
    for (path, authorization, body) in [
        (LOOK, signed.authorization(), "{} "),
        ("/cluster/v1/looks", signed.authorization(), "{}"),
        (LOOK, signed.authorization().replacen("at=", "at=1", 1), "{}"),
    ] {
        assert_eq!(post(&server, path, &authorization, body).0, 401);
    }
    assert_eq!(refused(&server, "forged"), 6);
    for at_ms in [now_ms() - 16_000, now_ms() + 20_000, 0, u64::MAX] {
        let (status, body, _) = Asking { at_ms, ..good() }.ask(&server);
        assert_eq!((status, body.as_str()), (401, "{\"refused\":\"late\"}"));
    }
    assert_eq!(refused(&server, "late"), 4);
    let large = Asking { body: "x".repeat((64 << 10) + 1), ..good() };
    assert_eq!(large.ask(&server).0, 413);
    assert_eq!(refused(&server, "oversized"), 1);
    // What was refused spoils nothing.
    assert_eq!(signed.ask(&server).0, 200);
}

/// What a node of a later version may ask: it takes this one for one that does not know, and goes on.
#[test]
fn what_a_later_version_asks_is_answered_as_unknown_and_the_answer_is_proven() {
    let Some(redis) = redis() else { return };
    let (server, id) = start(&redis);
    let later =
        |path: &str, body: &str| Asking { path: path.into(), body: body.into(), ..asking(&id) };
    for (asked, expected) in [
        (later("/cluster/v2/look", "{}"), 404),
        (later("/cluster/v1/borrow", "{}"), 404),
        (later("/cluster/v1/ask", r#"{"tenant":"pizza-roma","about":{"colours":{}}}"#), 400),
        (later("/cluster/v1/ask", r#"{"tenants":["pizza-roma"]}"#), 400),
    ] {
        let (status, body, proof) = asked.ask(&server);
        assert_eq!(status, expected, "{}: {body}", asked.path);
        let parts: [&[u8]; 3] = [&asked.nonce, &status.to_le_bytes(), body.as_bytes()];
        let proven = mac(&key(SECRET.as_bytes(), "foodtrack node answers 1"), &parts);
        assert_eq!(proof, Some(proven), "{}", asked.path);
    }
    // A field more is no other question.
    let more = later(LOOK, r#"{"why":"curious"}"#).ask(&server);
    assert_eq!(more.0, 200, "{}", more.1);
}

/// A card of a later format is passed over and counted; its node is none that this one asks.
#[test]
fn a_node_whose_card_is_of_a_later_format_is_counted_and_not_asked() {
    let Some(redis) = redis() else { return };
    let (server, _) = start(&redis);
    let prefix = known_prefix(&redis);
    let card = format!(
        "99999999999999 {{\"format\":2,\"mark\":\"{}\",\"address\":\"http://127.0.0.1:9\",\"version\":\"9.0.0\",\"startedAtMs\":1,\"connections\":0,\"tenants\":0}}",
        mark()
    );
    redis.call(&[b"HSET", format!("{prefix}:nodes").as_bytes(), b"later", card.as_bytes()]);
    test_support::wait_until("it is counted", || known(&server)["strange"] == 1);
    assert_eq!(known(&server)["nodes"].as_array().unwrap().len(), 1);
    let mut connection = HttpConnection::open(server.address());
    let token = Who::owner(TENANT, "olga").token();
    let listed = connection.call("GET /api/v1/connections", &token, &Value::Null);
    assert_eq!((listed.status, listed.json().get("missingNodes")), (200, None));
    // One of this format with a field more is a node.
    let card = card.replace("\"format\":2", "\"format\":1,\"colour\":\"green\"");
    redis.call(&[b"HSET", format!("{prefix}:nodes").as_bytes(), b"later", card.as_bytes()]);
    test_support::wait_until("it is known", || {
        known(&server)["nodes"].as_array().unwrap().len() == 2
    });
}

#[test]
fn no_token_of_a_tenant_opens_what_is_between_nodes() {
    let Some(redis) = redis() else { return };
    let (server, id) = start(&redis);
    let paths = [LOOK, "/cluster/v1/ask", "/cluster/", "/cluster/v1/none"];
    for path in paths {
        for who in [Who::owner(TENANT, "olga"), Who::service(TENANT)] {
            let bearer = format!("Bearer {}", who.token());
            let (status, body, _) = post(&server, path, &bearer, "{}");
            assert_eq!((status, body.as_str()), (401, "{\"refused\":\"forged\"}"), "{path}");
        }
        let nobody = HttpConnection::open(server.address()).get(path);
        assert_eq!(nobody.status, 401, "{path}");
    }
    assert_eq!(refused(&server, "forged"), 12);
    let nothing = Asking { path: "/cluster/v1/none".into(), ..asking(&id) };
    assert_eq!(nothing.ask(&server).0, 404, "a node is told what there is not");
    // A node that is alone has no others.
    let alone = Server::with(config());
    let answer = HttpConnection::open(alone.address()).call(
        &format!("POST {LOOK}"),
        &Who::service(TENANT).token(),
        &Value::Null,
    );
    assert_eq!(answer.status, 404);
}

#[test]
fn nodes_tell_each_other_that_one_has_come_or_gone() {
    let Some(redis) = redis() else { return };
    let shared = RedisConfig { node_lease_ms: 60_000, ..shared(&redis) };
    let one = Server::with(node(&shared));
    let other = Server::with(node(&shared));
    let count = |of: &Server| known(of)["nodes"].as_array().unwrap().len();
    let within = |what: &str, nodes: usize| {
        let begin = Instant::now();
        test_support::wait_until(what, || count(&one) == nodes);
        // By itself it would look again after 20 s.
        assert!(begin.elapsed() < Duration::from_secs(10), "{what}");
    };
    within("it has come", 2);
    drop(other);
    within("it has gone", 1);
}
