//! Nodes beside each other with one Redis: whichever a client comes to, it gets the same, and the end of a node or of Redis costs
//! nothing that was accepted.

use std::time::Duration;

use foodtrack_server::{RedisConfig, WebSocketConfig};
use serde_json::json;
use test_support::{RedisServer, skipped, wait_until};

use crate::harness::{
    Client, HttpConnection, Server, Transport, Who, config, on_every_transport, redis_at,
};
use crate::support::{TENANT, back_end, expect_nothing, expect_numbers, numbers, publish, update};

/// A Redis, and nodes that share it.
pub(crate) struct Cluster {
    pub(crate) redis: RedisServer,
    pub(crate) nodes: Vec<Server>,
}

/// What Redis keeps is there again after a crash.
const KEEPS: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

impl Cluster {
    /// `None` where there is no Redis to start.
    fn of(nodes: usize) -> Option<Self> {
        Self::with(nodes, |_, config| config)
    }

    /// The same; each node's configuration is changed by its number.
    fn with(
        nodes: usize,
        change: impl Fn(usize, WebSocketConfig) -> WebSocketConfig,
    ) -> Option<Self> {
        let (redis, shared) = shared_redis()?;
        let start = |node| Server::with(change(node, config().redis(shared.clone())));
        let nodes = (0..nodes).map(start).collect();
        Some(Self { redis, nodes })
    }

    /// Nodes of this configuration, and the Redis.
    pub(crate) fn alike(nodes: usize, config: impl Fn() -> WebSocketConfig) -> Option<Self> {
        let (redis, shared) = shared_redis()?;
        let nodes = (0..nodes).map(|_| Server::with(config().redis(shared.clone()))).collect();
        Some(Self { redis, nodes })
    }
}

/// A Redis, and how nodes use it that find out soon what becomes of it and of each other. `None` where there is none to start.
pub(crate) fn shared_redis() -> Option<(RedisServer, RedisConfig)> {
    let Some(redis) = RedisServer::start(&KEEPS) else {
        skipped("redis-server is not installed");
        return None;
    };
    let shared = RedisConfig { timeout_ms: 1_000, lease_ms: 1_500, ..redis_at(&redis.url()) };
    Some((redis, shared))
}

fn chef() -> Who {
    Who::chef(TENANT, "carl")
}

on_every_transport! {
    fn clients_of_every_node_get_each_event_once_in_one_order(transport) {
        let Some(cluster) = Cluster::of(2) else { return };
        let mut chefs: Vec<Client> =
            cluster.nodes.iter().map(|node| Client::join(node, transport, &chef())).collect();
        let mut senders: Vec<Client> = cluster.nodes.iter().map(back_end).collect();
        for number in (1..=30).step_by(2) {
            for (number, sender) in (number..).zip(&mut senders) {
                sender.accepted("order:updated", update("1", number));
            }
        }
        for chef in &mut chefs {
            expect_numbers(chef, &(1..=30).collect::<Vec<_>>(), "");
        }
    }

    fn a_client_that_comes_to_another_node_is_the_session_it_was_with_its_rooms(transport) {
        let Some(cluster) = Cluster::of(2) else { return };
        let [one, other] = &cluster.nodes[..] else { panic!() };
        let mut ada = Client::join(one, transport, &Who::customer(TENANT, "ada"));
        let mut sender = back_end(one);
        let made = |order: &str| json!({ "orderId": order, "customerId": "ada" });
        sender.accepted("order:created", made("1"));
        ada.expect("order:created");
        ada.subscribe("order", "1");
        publish(&mut sender, 1..=2);
        assert_eq!(numbers(&ada.take(2)), [1, 2]);
        let id = ada.id.clone();
        let away = ada.tear();
        publish(&mut sender, 3..=4);
        let mut back = away.resume(other);
        assert!(back.recovered);
        assert_eq!(back.id, id);
        publish(&mut sender, 5..=5);
        publish(&mut back_end(other), 6..=6);
        expect_numbers(&mut back, &[3, 4, 5, 6], "");
        // And back.
        let mut home = back.tear().resume(one);
        assert!(home.recovered);
        publish(&mut sender, 7..=7);
        expect_numbers(&mut home, &[7], "");
    }
}

#[test]
fn what_is_in_no_log_reaches_the_clients_of_every_node_and_of_no_other_tenant() {
    let Some(cluster) = Cluster::of(2) else { return };
    let [one, other] = &cluster.nodes[..] else { panic!() };
    let owner =
        |node, tenant: &str| Client::join(node, Transport::WebSocket, &Who::manager(tenant, "mia"));
    let mut ours = [owner(one, TENANT), owner(other, TENANT)];
    let mut theirs = owner(other, "pizza-Roma");
    ours.iter_mut().chain([&mut theirs]).for_each(|client| _ = client.drain());
    let mut courier = Client::join(one, Transport::WebSocket, &Who::courier(TENANT, "dora"));
    let place = json!({ "orderId": "1", "latitude": 41, "longitude": 12 });
    courier.accepted("delivery:location_updated", place);
    for client in &mut ours {
        client.expect("delivery:location_updated");
        expect_nothing(client, "once");
    }
    expect_nothing(&mut theirs, "another tenant's");
}

#[test]
fn what_is_in_no_log_and_is_sent_again_through_another_node_is_one() {
    let Some(cluster) = Cluster::of(2) else { return };
    let owner = |node| Client::join(node, Transport::WebSocket, &Who::manager(TENANT, "mia"));
    let mut owners: Vec<Client> = cluster.nodes.iter().map(owner).collect();
    let place = json!({ "orderId": "1", "latitude": 41, "longitude": 12 });
    let message = json!({
        "id": uuid::Uuid::from_u128(7), "type": "delivery:location_updated", "payload": place,
    });
    owners.iter_mut().for_each(|owner| _ = owner.drain());
    for (node, is_repeat) in cluster.nodes.iter().zip([false, true]) {
        let answer = back_end(node).accepted("delivery:location_updated", message.clone());
        assert_eq!(answer["duplicate"] == true, is_repeat, "{answer}");
        if !is_repeat {
            owners.iter_mut().for_each(|owner| _ = owner.expect("delivery:location_updated"));
        }
    }
    owners.iter_mut().for_each(|owner| expect_nothing(owner, "once"));
}

#[test]
fn a_node_that_ends_costs_its_clients_a_connection_and_no_event() {
    let Some(mut cluster) = Cluster::of(2) else { return };
    let mut carl = Client::join(&cluster.nodes[0], Transport::WebSocket, &chef());
    let mut sender = back_end(&cluster.nodes[1]);
    publish(&mut sender, 1..=3);
    assert_eq!(numbers(&carl.take(3)), [1, 2, 3]);
    let away = carl.away();
    drop(cluster.nodes.remove(0));
    publish(&mut sender, 4..=6);
    let mut back = away.resume(&cluster.nodes[0]);
    assert!(back.recovered);
    expect_numbers(&mut back, &[4, 5, 6], "");
}

#[test]
fn a_node_that_stops_sends_its_clients_elsewhere_little_by_little_and_none_misses_anything() {
    let within = Duration::from_millis(1_500);
    let spread = |node, config: WebSocketConfig| match node {
        0 => config.spread(within),
        _ => config,
    };
    let Some(mut cluster) = Cluster::with(2, spread) else { return };
    let leaving = cluster.nodes.remove(0);
    let join = |_| Client::join(&leaving, Transport::WebSocket, &chef());
    let mut chefs: Vec<Client> = (0..10).map(join).collect();
    let mut sender = back_end(&cluster.nodes[0]);
    publish(&mut sender, 1..=1);
    for chef in &mut chefs {
        expect_numbers(chef, &[1], "");
    }
    let began = std::time::Instant::now();
    let stopped = std::thread::spawn(move || drop(leaving));
    let mut gone_after = Vec::new();
    for chef in &mut chefs {
        chef.until_closed();
        gone_after.push(began.elapsed());
    }
    let first = gone_after.iter().min().unwrap();
    let last = gone_after.iter().max().unwrap();
    assert!(*last - *first > within / 3, "{gone_after:?}");
    stopped.join().unwrap();
    publish(&mut sender, 2..=2);
    for chef in chefs {
        let mut back = chef.away().resume(&cluster.nodes[0]);
        assert!(back.recovered);
        expect_numbers(&mut back, &[2], "");
    }
}

#[test]
fn the_same_message_through_two_nodes_is_one() {
    let Some(cluster) = Cluster::of(2) else { return };
    let mut carl = Client::join(&cluster.nodes[0], Transport::WebSocket, &chef());
    let message = json!({
        "id": uuid::Uuid::from_u128(7),
        "type": "order:updated",
        "payload": update("1", 1),
    });
    let answers: Vec<_> = cluster
        .nodes
        .iter()
        .map(|node| back_end(node).accepted("order:updated", message.clone()))
        .collect();
    assert_eq!(answers[0]["offset"], answers[1]["offset"]);
    assert_eq!(answers[1]["duplicate"], true);
    expect_numbers(&mut carl, &[1], "");
}

#[test]
fn tenants_with_equal_everything_stay_apart_on_every_node() {
    let Some(cluster) = Cluster::of(2) else { return };
    let other = "pizza-Roma";
    let mut theirs: Vec<Client> = cluster
        .nodes
        .iter()
        .map(|node| Client::join(node, Transport::WebSocket, &Who::chef(other, "carl")))
        .collect();
    let mut ours = Client::join(&cluster.nodes[1], Transport::WebSocket, &chef());
    publish(&mut back_end(&cluster.nodes[0]), 1..=3);
    expect_numbers(&mut ours, &[1, 2, 3], "");
    for client in &mut theirs {
        expect_nothing(client, "another tenant's");
    }
}

#[test]
fn while_redis_is_away_connections_stay_and_what_must_be_kept_is_refused() {
    let Some(mut cluster) = Cluster::of(2) else { return };
    let mut carl = Client::join(&cluster.nodes[0], Transport::WebSocket, &chef());
    let (mut here, mut sender) = (back_end(&cluster.nodes[0]), back_end(&cluster.nodes[1]));
    publish(&mut sender, 1..=2);
    expect_numbers(&mut carl, &[1, 2], "");
    cluster.redis.kill();
    let mut refused = 0;
    while refused < 3 {
        let answer = sender.ask("order:updated", update("1", 90 + refused));
        let code = answer["error"]["code"].as_str().unwrap_or_default();
        assert!(["degraded", "timeout"].contains(&code), "{answer}");
        refused += 1;
    }
    assert_eq!(cluster.nodes[0].count(TENANT), 2);
    let health = || HttpConnection::open(cluster.nodes[0].address()).get("/health").json();
    wait_until("its health says so", || health().to_string().contains("redis_away"));
    // What need not be kept goes on among a node's own clients.
    wait_until("its node has found out", || {
        here.ask("notification:info", json!({ "message": "no network" }))["success"] == true
    });
    carl.expect("notification:info");
    cluster.redis.start_again();
    wait_until("it is taken again", || {
        sender.ask("order:updated", update("1", 3))["success"] == true
    });
    let health = || HttpConnection::open(cluster.nodes[0].address()).get("/health").json();
    wait_until("its health says so, too", || !health().to_string().contains("redis_away"));
    publish(&mut sender, 4..=4);
    let mut got = Vec::new();
    while got.last() != Some(&4) {
        got.extend(numbers(&carl.take(1)));
    }
    // What nobody knew about may have come through; it comes once, and everything else as well.
    got.retain(|it| *it < 90);
    assert_eq!(got, [3, 4]);
    assert!(carl.next_within(Duration::from_millis(100)).is_none());
}

#[test]
fn a_redis_that_is_not_there_is_said_at_the_start() {
    let nowhere = redis_at("redis://127.0.0.1:1");
    let Err(error) =
        foodtrack_server::WebSocketServer::bind(config().redis(nowhere).check().unwrap())
    else {
        panic!("it starts without Redis")
    };
    assert!(error.to_string().contains("Redis cannot be reached"), "{error}");
}
