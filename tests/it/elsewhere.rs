//! Sessions that poll, through nodes that take turns: each request comes to another one than the last.

use serde_json::json;
use test_support::{RedisServer, skipped, wait_until};

use crate::harness::{HttpConnection, Server, Who, config, redis_at};
use crate::support::{TENANT, back_end, update};

/// How an event begins.
const EVENT: &str = "42[\"order:updated\"";
const PATH: &str = "/socket.io/?EIO=4&transport=polling";

/// Nodes that share a Redis.
struct Nodes {
    _redis: RedisServer,
    nodes: Vec<Server>,
}

impl Nodes {
    fn start(count: usize) -> Option<Self> {
        let Some(redis) = RedisServer::start(&[]) else {
            skipped("redis-server is not installed");
            return None;
        };
        let shared = redis_at(&redis.url());
        let nodes: Vec<_> =
            (0..count).map(|_| Server::with(config().redis(shared.clone()))).collect();
        for node in &nodes {
            wait_until("the nodes know each other", || {
                node.metrics_page().contains(&format!("foodtrack_cluster_nodes {count}\n"))
            });
        }
        Some(Self { _redis: redis, nodes })
    }

    /// A request on a connection of its own to one of them.
    fn ask(&self, node: usize, line: &str, body: &str) -> (u16, String) {
        let headers = [("Content-Type", "text/plain;charset=UTF-8")];
        let answer = HttpConnection::open(self.nodes[node].address()).request(line, &headers, body);
        (answer.status, answer.body)
    }

    /// Opens a session at one of them; returns its id.
    fn open(&self, node: usize) -> String {
        let (status, body) = self.ask(node, &format!("GET {PATH}"), "");
        assert_eq!(status, 200, "{body}");
        let open: serde_json::Value = serde_json::from_str(&body[1..]).unwrap();
        open["sid"].as_str().unwrap().to_owned()
    }

    fn passed_on(&self, node: usize) -> u64 {
        let page = self.nodes[node].metrics_page();
        let line = page
            .lines()
            .find_map(|line| line.strip_prefix("foodtrack_passed_on_total{kind=\"request\"} "));
        line.unwrap().parse().unwrap()
    }
}

/// The packet with which a chef joins.
fn join() -> String {
    let token = Who::chef(TENANT, "carl").token();
    format!("40{}", json!({ "token": token, "application": "kitchen_app" }))
}

#[test]
fn a_session_that_polls_goes_on_at_whichever_node_its_requests_come_to() {
    let Some(nodes) = Nodes::start(3) else { return };
    let sid = nodes.open(0);
    let mut number = 0;
    let mut line = |method: &str| {
        number += 1;
        format!("{method} {PATH}&sid={sid}&t={number}")
    };
    assert_eq!(nodes.ask(1, &line("POST"), &join()), (200, "ok".into()));
    let mut heard = String::new();
    for node in [2, 1, 0].into_iter().cycle() {
        if heard.contains("40{\"sid\"") {
            break;
        }
        let (status, body) = nodes.ask(node, &line("GET"), "");
        assert_eq!(status, 200, "{body}");
        heard.push_str(&body);
    }
    let mut sender = back_end(&nodes.nodes[2]);
    for n in 1..=6 {
        sender.accepted("order:updated", update("1", n));
    }
    for node in [1, 2, 0].into_iter().cycle() {
        if heard.matches(EVENT).count() >= 6 {
            break;
        }
        let (status, body) = nodes.ask(node, &line("GET"), "");
        assert_eq!(status, 200, "{body}");
        if body.contains('2') {
            // A ping may be among it, which wants its pong.
            nodes.ask(node, &line("POST"), "3");
        }
        heard.push_str(&body);
    }
    assert_eq!(heard.matches(EVENT).count(), 6, "each once: {heard}");
    assert!(nodes.passed_on(1) > 0 && nodes.passed_on(2) > 0);
    assert_eq!(nodes.passed_on(0), 0);
}

#[test]
fn ids_that_no_node_gave_and_those_of_nodes_that_ended_are_unknown() {
    let Some(mut nodes) = Nodes::start(2) else { return };
    let unknown = (400, String::from("{\"code\":1,\"message\":\"Session ID unknown\"}"));
    let sid = nodes.open(1);
    let forged = format!("{}{}", &sid[..19], if sid.ends_with('A') { 'E' } else { 'A' });
    for (sid, is_asked) in [("AAAAAAAAAAAAAAAAAAAA", false), (&forged, false), (&sid, true)] {
        let before = nodes.passed_on(0);
        let answer = nodes.ask(0, &format!("POST {PATH}&sid={sid}&t=1"), &join());
        assert_eq!(answer.0 == 200, is_asked, "{answer:?}");
        assert_eq!(nodes.passed_on(0) > before, is_asked);
        if !is_asked {
            assert_eq!(answer, unknown);
        }
    }
    drop(nodes.nodes.remove(1));
    assert_eq!(nodes.ask(0, &format!("GET {PATH}&sid={sid}&t=2"), ""), unknown);
}

#[test]
fn a_body_that_is_too_large_is_refused_where_it_comes_and_a_large_one_of_a_member_passes() {
    let Some(nodes) = Nodes::start(2) else { return };
    let sid = nodes.open(0);
    let line = |number: u32| format!("POST {PATH}&sid={sid}&t={number}");
    let large = format!("4{}", "x".repeat(200_000));
    // Who has not joined may not send so much: the node whose session it is says so.
    let (status, _) = nodes.ask(1, &line(1), &large);
    assert_eq!(status, 413);
}
