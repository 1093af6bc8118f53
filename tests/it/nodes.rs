//! The nodes of a cluster know each other: who lives, where, since when, and with what load.

use std::time::{Duration, Instant};

use foodtrack_server::{LimitsConfig, RedisConfig, WebSocketConfig};
use serde_json::{Value, json};
use test_support::{RedisServer, skipped, wait_until};

use crate::harness::{
    Address, Client, Connect, HttpConnection, Options, Process, Server, Transport, Who, config,
    limits, redis_at,
};
use crate::support::TENANT;

/// How long nodes of these tests are taken to live that nobody hears of.
pub(crate) const LEASE_MS: u32 = 1_000;

/// A Redis; `None` where there is none to start.
pub(crate) fn redis() -> Option<RedisServer> {
    let redis = RedisServer::start(&[]);
    if redis.is_none() {
        skipped("redis-server is not installed");
    }
    redis
}

/// What nodes of one cluster have in common.
pub(crate) fn shared(redis: &RedisServer) -> RedisConfig {
    RedisConfig {
        url: None,
        host: Some("127.0.0.1".into()),
        port: redis.port(),
        node_lease_ms: LEASE_MS,
        ..redis_at("")
    }
}

pub(crate) fn node(shared: &RedisConfig) -> WebSocketConfig {
    let mut limits = limits();
    limits.api_requests_per_second_per_tenant = 0;
    limits.api_requests_per_second_per_token = 0;
    config().redis(shared.clone()).limits(limits)
}

pub(crate) fn ask(node: &impl Address, line: &str, who: &Who) -> (u16, Value) {
    let answer = HttpConnection::open(node.address()).call(line, &who.token(), &Value::Null);
    (answer.status, answer.json())
}

/// What a node says of all that it knows.
#[track_caller]
pub(crate) fn known(node: &impl Address) -> Value {
    let (status, mut answer) = ask(node, "GET /api/v1/nodes", &Who::service(TENANT));
    assert_eq!(status, 200, "{answer}");
    answer["data"].take()
}

/// The addresses of the nodes that one knows.
fn addresses(node: &impl Address) -> Vec<String> {
    let known = known(node);
    let nodes = known["nodes"].as_array().unwrap().iter();
    let mut all: Vec<_> = nodes.map(|it| it["address"].as_str().unwrap().to_owned()).collect();
    all.sort();
    all
}

fn expected(nodes: &[&dyn Address]) -> Vec<String> {
    let mut all: Vec<_> = nodes.iter().map(|it| format!("http://{}", it.address())).collect();
    all.sort();
    all
}

#[test]
fn every_node_knows_where_the_others_are_since_when_and_their_load() {
    let Some(redis) = redis() else { return };
    let shared = shared(&redis);
    let named = RedisConfig { node_name: Some("oven".into()), ..shared.clone() };
    let (one, other) = (Server::with(node(&shared)), Server::with(node(&named)));
    // Who comes later knows at once.
    assert_eq!(addresses(&other), expected(&[&one, &other]));
    wait_until("the first knows the second", || addresses(&one) == expected(&[&one, &other]));
    let _chef = Client::join(&other, Transport::WebSocket, &Who::chef(TENANT, "carl"));
    let of_other = || {
        let known = known(&one);
        let nodes = known["nodes"].as_array().unwrap().clone();
        nodes.into_iter().find(|node| node["isSelf"] == false).unwrap()
    };
    wait_until("its load is told", || of_other()["connections"] == 1);
    let seen = of_other();
    assert!(seen["id"].as_str().unwrap().starts_with("oven-"), "{seen}");
    assert_eq!((&seen["tenants"], &seen["draining"]), (&json!(1), &json!(false)));
    assert!(seen["startedAt"].as_str().unwrap().ends_with('Z') && seen["version"].is_string());
    // Each says itself how it is.
    let (status, mut asked) = ask(&one, "GET /api/v1/nodes?status=true", &Who::service(TENANT));
    assert_eq!((status, asked["data"].get("missingNodes")), (200, None), "{asked}");
    let asked = asked["data"]["nodes"].take();
    for node in asked.as_array().unwrap() {
        let (status, is_self) = (&node["status"], node["isSelf"] == true);
        assert_eq!(status["health"]["connections"], u64::from(!is_self), "{node}");
        assert_eq!(status["health"]["redis"]["state"], "healthy", "{node}");
        assert!(status["performance"]["memoryUsage"]["used"].as_u64() > Some(0), "{node}");
    }
    assert!(seen.get("status").is_none(), "nobody asked");
    // Without a token nobody is told where they are.
    let health = HttpConnection::open(one.address()).get("/health").json();
    let nodes = health["nodes"].as_array().unwrap();
    assert!(nodes.len() == 2 && nodes.iter().all(|it| it.get("address").is_none()), "{health}");
}

#[test]
fn only_back_ends_are_told_of_the_nodes() {
    let alone = Server::start();
    for who in [Who::owner(TENANT, "olga"), Who::chef(TENANT, "carl")] {
        assert_eq!(ask(&alone, "GET /api/v1/nodes", &who).0, 403);
    }
    let nodes = known(&alone)["nodes"].take();
    assert_eq!((nodes.as_array().unwrap().len(), &nodes[0]["isSelf"]), (1, &json!(true)));
}

#[test]
fn a_node_that_stops_is_forgotten_at_once_and_one_that_is_killed_when_its_lease_ends() {
    let Some(redis) = redis() else { return };
    let shared = shared(&redis);
    let (one, other) = (Server::with(node(&shared)), Server::with(node(&shared)));
    let directory = tempfile::tempdir().unwrap();
    let killed = Process::serve(directory.path(), &node(&shared));
    wait_until("all are known", || addresses(&one) == expected(&[&one, &other, &killed]));
    let of_killed = expected(&[&killed]).remove(0);
    killed.kill();
    let at = Instant::now();
    let is_known = addresses(&one).contains(&of_killed);
    // It may have been renewed a third of its time ago, and this machine may be slow.
    let must_hold = at.elapsed() < Duration::from_millis(u64::from(LEASE_MS) / 2);
    assert!(is_known || !must_hold, "its lease still holds");
    wait_until("its lease is over", || addresses(&one) == expected(&[&one, &other]));
    drop(other);
    let hash = format!("HLEN {}:nodes", shared.prefix);
    assert_eq!(redis.command(&hash), ":1", "the lease of who stopped was given up");
    wait_until("it is forgotten", || addresses(&one) == expected(&[&one]));
}

#[test]
fn what_is_no_node_among_the_nodes_is_counted_and_passed_over() {
    let Some(redis) = redis() else { return };
    let shared = shared(&redis);
    let server = Server::with(node(&shared));
    for (id, value) in [("x", "garbage"), ("y", "99999999999999_{}"), ("b@d", "1")] {
        redis.command(&format!("HSET {}:nodes {id} {value}", shared.prefix));
    }
    let own = expected(&[&server]);
    wait_until("they are counted", || known(&server)["strange"] == 3);
    assert_eq!(addresses(&server), own);
    for count in [2_000, 20_000] {
        let fill = "for i = 1, tonumber(ARGV[1]) do redis.call('HSET', KEYS[1], i, 'garbage') end";
        redis.command(&format!("EVAL \"{fill}\" 1 {}:nodes {count}", shared.prefix));
        let other = Server::with(node(&shared));
        assert_eq!(addresses(&other).len(), 2, "nodes are found among {count} strange values");
    }
    let hash = format!("HLEN {}:nodes", shared.prefix);
    let values: u64 = redis.command(&hash).trim_start_matches(':').parse().unwrap();
    assert!(values <= 4_096, "{values} are left");
    // Another kind of value altogether.
    redis.command(&format!("SET {}:nodes garbage", shared.prefix));
    let health = || HttpConnection::open(server.address()).get("/health").json().to_string();
    wait_until("the lease is lost", || health().contains("node_lease_lost"));
    redis.command(&format!("DEL {}:nodes", shared.prefix));
    wait_until("and had again", || !health().contains("node_lease_lost"));
}

#[test]
fn a_second_cluster_under_the_same_prefix_is_said() {
    let Some(redis) = redis() else { return };
    let shared = shared(&redis);
    let server = Server::with(node(&shared));
    let secret = "x".repeat(32);
    redis.command(&format!("SET {}:secret {secret}", shared.prefix));
    let health = || HttpConnection::open(server.address()).get("/health").json().to_string();
    wait_until("it is said", || health().contains("cluster_mixed"));
    let other = Server::with(node(&shared));
    wait_until("both say so", || known(&other)["isMixed"] == true);
    assert_eq!(addresses(&other), expected(&[&other]), "it is no node of this cluster");
}

#[test]
fn a_redis_that_forgot_everything_has_the_secret_and_the_nodes_again() {
    let Some(redis) = redis() else { return };
    let shared = shared(&redis);
    let (one, other) = (Server::with(node(&shared)), Server::with(node(&shared)));
    wait_until("both are known", || addresses(&one).len() == 2);
    redis.command("FLUSHALL");
    let keys = format!("EXISTS {0}:secret {0}:nodes", shared.prefix);
    wait_until("both are there again", || redis.command(&keys) == ":2");
    let third = Server::with(node(&shared));
    wait_until("all know all", || {
        [&one, &other, &third].iter().all(|it| addresses(*it).len() == 3)
    });
    assert_eq!(known(&third)["isMixed"], false);
}

#[test]
fn a_node_that_listens_on_every_address_says_what_it_is_told_to_say() {
    let Some(redis) = redis() else { return };
    let shared = shared(&redis);
    let everywhere = Server::with(node(&shared).host("0.0.0.0"));
    let said = RedisConfig { advertise: Some("http://hub-1.example:4001".into()), ..shared };
    let told = Server::with(node(&said).host("0.0.0.0"));
    let known = known(&told);
    let nodes = known["nodes"].as_array().unwrap();
    let address = |is_self: bool| {
        let node = nodes.iter().find(|it| it["isSelf"] == is_self).unwrap();
        node.get("address").cloned()
    };
    assert_eq!(address(true), Some(json!("http://hub-1.example:4001")));
    assert_eq!(address(false), None);
    drop(everywhere);
}

#[test]
fn a_tenants_limit_of_connections_counts_those_at_other_nodes_but_not_for_who_comes_back() {
    let Some(redis) = redis() else { return };
    let shared = shared(&redis);
    let limits = LimitsConfig {
        connections_per_tenant_max: 8,
        api_requests_per_second_per_tenant: 0,
        api_requests_per_second_per_token: 0,
        ..limits()
    };
    let [one, other] = [(); 2].map(|()| Server::with(node(&shared).limits(limits.clone())));
    let comes = |server: &Server, number: usize| {
        let auth = json!({ "token": Who::chef(TENANT, &format!("chef-{number}")).token() });
        match Client::connect(server, &Options::new(Transport::WebSocket, auth)) {
            Connect::Connected(client) => Ok(client),
            Connect::Refused(error) => Err(error["data"]["code"].as_str().unwrap().to_owned()),
            Connect::HttpRefused(answer) => panic!("{answer}"),
        }
    };
    let mut here: Vec<_> = (0..5).map(|number| comes(&one, number).unwrap()).collect();
    let knows_of = |count: usize| {
        let nodes = known(&other)["nodes"].clone();
        nodes
            .as_array()
            .unwrap()
            .iter()
            .any(|it| it["isSelf"] == false && it["connections"] == count)
    };
    wait_until("the other node has heard of five", || knows_of(5));
    let _there: Vec<_> = (5..8).map(|number| comes(&other, number).unwrap()).collect();
    assert_eq!(comes(&other, 8).err().as_deref(), Some("too_many_connections"));
    // Whose session is back may be one of those that are counted at the node that it left.
    let back = here.pop().unwrap().tear().resume(&other);
    assert!(back.recovered);
    // Other tenants have their own limit.
    Client::join(&other, Transport::WebSocket, &Who::chef("sushi-kyoto", "carl"));
    drop(here);
    wait_until("they have gone", || knows_of(0));
    assert!(comes(&other, 8).is_ok());
}
