//! How a node stands towards its Redis: healthy, degraded, fenced. `/health`, `/metrics` and its clients say the same.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use foodtrack_server::RedisConfig;
use serde_json::Value;
use test_support::{Line, RedisServer, skipped, wait_until};

use crate::harness::{Client, HttpConnection, Server, Transport, Who};
use crate::nodes::{node, redis, shared};
use crate::support::TENANT;

fn health(server: &Server) -> Value {
    HttpConnection::open(server.address()).get("/health").json()
}

/// Waits until health and metrics say that the node is in this state, and for this reason where it is not well.
fn expect_state(server: &Server, state: &str, condition: Option<&str>) {
    wait_until("its health says so", || health(server)["redis"]["state"] == state);
    let is_named = |it: &Value| condition.is_none_or(|condition| it["condition"] == condition);
    wait_until("and why", || {
        let conditions = health(server)["conditions"].as_array().unwrap().clone();
        if condition.is_some() { conditions.iter().any(is_named) } else { conditions.is_empty() }
    });
    wait_until("and whether clients are better off elsewhere", || {
        let ready = HttpConnection::open(server.address()).get("/ready");
        (ready.status == 503) == (state == "fenced")
    });
    let page = server.metrics_page();
    for each in ["healthy", "degraded", "fenced"] {
        let line =
            format!("foodtrack_redis_state{{state=\"{each}\"}} {}\n", u8::from(each == state));
        assert!(page.contains(&line), "{page}");
    }
}

fn chef(server: &Server) -> Client {
    Client::join(server, Transport::WebSocket, &Who::chef(TENANT, "carl"))
}

#[test]
fn a_node_whose_redis_goes_is_degraded_then_fenced_and_healthy_when_it_is_back() {
    // One that forgot everything would be another log, and clients would be sent away.
    let Some(mut redis) = RedisServer::start(&["--appendonly", "yes"]) else {
        return skipped("redis-server is not installed");
    };
    let shared = RedisConfig { node_lease_ms: 4_000, timeout_ms: 500, ..shared(&redis) };
    let server = Server::with(node(&shared));
    let (mut carl, mut sender) = (chef(&server), crate::support::back_end(&server));
    expect_state(&server, "healthy", None);
    let mut mia = Client::join(&server, Transport::WebSocket, &Who::manager(TENANT, "mia"));
    sender.accepted("order:updated", crate::support::update("1", 1));
    mia.expect("order:updated");
    redis.kill();
    // What is written finds out; it is refused.
    wait_until("it is away", || {
        sender.ask("order:updated", crate::support::update("1", 2))["error"]["code"] == "degraded"
    });
    expect_state(&server, "degraded", Some("redis_away"));
    assert_eq!(carl.next_redis_state(), "degraded");
    // Its lease is over, so the other nodes take it for ended.
    assert_eq!(carl.next_redis_state(), "fenced");
    expect_state(&server, "fenced", Some("node_lease_lost"));
    // Who comes back while it is so hears it behind the greeting.
    assert_eq!(mia.tear().resume(&server).next_redis_state(), "fenced");
    redis.start_again();
    loop {
        // The lease and what is written come back in either order.
        match carl.next_redis_state().as_str() {
            "healthy" => break,
            "degraded" => {}
            other => panic!("{other}"),
        }
    }
    expect_state(&server, "healthy", None);
    let changes = "foodtrack_redis_state_changes_total{state=\"fenced\"} 1\n";
    assert!(server.metrics_page().contains(changes), "{}", server.metrics_page());
}

#[test]
fn a_node_that_is_cut_off_is_told_from_one_that_is_not() {
    let Some(redis) = redis() else { return };
    let line = Line::to(SocketAddr::from(([127, 0, 0, 1], redis.port())));
    let whole = RedisConfig { node_lease_ms: 1_500, timeout_ms: 500, ..shared(&redis) };
    let over_line = RedisConfig { port: line.address().port(), ..whole.clone() };
    let (cut, other) = (Server::with(node(&over_line)), Server::with(node(&whole)));
    let (mut carl, mut cora) = (chef(&cut), chef(&other));
    line.cut();
    expect_state(&cut, "fenced", Some("node_lease_lost"));
    expect_state(&other, "healthy", None);
    line.mend();
    expect_state(&cut, "healthy", None);
    let mut told = Vec::new();
    while told.last().is_none_or(|it| it != "healthy") {
        told.push(carl.next_redis_state());
    }
    assert!(told.contains(&"fenced".into()), "{told:?}");
    // What a node says of itself is for its own clients.
    cora.emit("ping", Value::Null);
    cora.expect("pong");
    assert!(!cora.is_told_of_its_node());
}

#[test]
fn who_comes_back_and_waits_for_other_nodes_holds_up_nobody_who_asks_about_an_order() {
    let Some(redis) = redis() else { return };
    let shared = RedisConfig { timeout_ms: 2_000, ..shared(&redis) };
    let server = Server::with(node(&shared));
    let away = ["carl", "cora", "curt"]
        .map(|user| Client::join(&server, Transport::WebSocket, &Who::chef(TENANT, user)).tear());
    let mut eve = Client::join(&server, Transport::WebSocket, &Who::customer(TENANT, "eve"));
    let mut ask = |order: usize| {
        let began = Instant::now();
        let update = crate::support::update(&order.to_string(), 1);
        assert_eq!(eve.refused("order:updated", update), "order_forbidden");
        began.elapsed()
    };
    ask(0);
    // The node's subscription breaks, and is not made again: scripts wait meanwhile, and what is only read is answered.
    let listener = |redis: &RedisServer| {
        let all = redis.command("CLIENT LIST TYPE pubsub");
        let one = all.lines().find(|it| it.contains(" sub=1 "))?;
        one.split(' ').next().map(str::to_owned)
    };
    let before = listener(&redis);
    redis.command("CLIENT PAUSE 60000 WRITE");
    redis.command("CLIENT KILL TYPE pubsub");
    wait_until("it tries to listen again", || {
        listener(&redis).is_some_and(|it| before.as_ref() != Some(&it))
    });
    thread::scope(|scope| {
        let back = away.each_ref().map(|it| scope.spawn(|| it.resume(&server)));
        let longest = (1..=10).map(|order| {
            thread::sleep(Duration::from_millis(50));
            ask(order)
        });
        let longest = longest.max().unwrap_or_default();
        let are_waiting = !back.iter().any(thread::ScopedJoinHandle::is_finished);
        redis.command("CLIENT UNPAUSE");
        assert!(are_waiting && longest < Duration::from_secs(1), "{are_waiting} {longest:?}");
    });
}

#[test]
fn a_node_whose_lease_alone_is_lost_is_fenced() {
    let Some(redis) = redis() else { return };
    let shared = shared(&redis);
    let server = Server::with(node(&shared));
    let mut carl = chef(&server);
    // Something else has the key of the nodes: no lease is renewed, and all else goes on.
    redis.command(&format!("SET {}:nodes garbage", shared.prefix));
    assert_eq!(carl.next_redis_state(), "fenced");
    expect_state(&server, "fenced", Some("node_lease_lost"));
    redis.command(&format!("DEL {}:nodes", shared.prefix));
    assert_eq!(carl.next_redis_state(), "healthy");
    expect_state(&server, "healthy", None);
}

#[test]
fn a_node_that_wants_a_replica_which_is_not_there_is_degraded() {
    let Some(redis) = redis() else { return };
    let shared = RedisConfig { wait_replicas: 1, timeout_ms: 500, ..shared(&redis) };
    let server = Server::with(node(&shared));
    let mut carl = chef(&server);
    let mut sender = crate::support::back_end(&server);
    assert_eq!(sender.refused("order:updated", crate::support::update("1", 1)), "timeout");
    assert_eq!(carl.next_redis_state(), "degraded");
    expect_state(&server, "degraded", Some("redis_unreplicated"));
    let port = redis.port().to_string();
    let of_master = ["--replicaof", "127.0.0.1", &port, "--repl-diskless-sync-delay", "0"];
    let _replica = RedisServer::start(&of_master).unwrap();
    assert_eq!(carl.next_redis_state(), "healthy");
    expect_state(&server, "healthy", None);
}
