//! Durable events that come while Redis is away and are kept on the node's disk: answered as what they are, delivered to everybody once, in
//! order, when Redis is back; also when the node was killed in between.

use foodtrack_server::{RedisConfig, WebSocketConfig};
use serde_json::{Value, json};
use test_support::{RedisServer, skipped, wait_until};

use crate::harness::{
    Address, Client, HttpConnection, Process, Server, Transport, Who, config, redis_at,
};
use crate::support::{TENANT, back_end, numbers, update};

const KEEPS: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

fn redis() -> Option<RedisServer> {
    let redis = RedisServer::start(&KEEPS);
    if redis.is_none() {
        skipped("redis-server is not installed");
    }
    redis
}

/// What nodes share that keep what Redis does not take.
fn spooling(redis: &RedisServer) -> RedisConfig {
    RedisConfig { spool: true, timeout_ms: 500, node_lease_ms: 60_000, ..redis_at(&redis.url()) }
}

fn node(shared: &RedisConfig, directory: &tempfile::TempDir) -> WebSocketConfig {
    config().redis(shared.clone()).data_dir(directory.path().join("data").to_str().unwrap())
}

fn chef(node: &impl Address) -> Client {
    Client::join(node, Transport::WebSocket, &Who::chef(TENANT, "carl"))
}

fn health(node: &impl Address) -> Value {
    HttpConnection::open(node.address()).get("/health").json()
}

/// A back end that is up to date: who catches up is sent away when Redis goes.
fn sender_at(node: &impl Address) -> Client {
    let mut sender = back_end(node);
    sender.drain();
    sender
}

/// Makes the order that the updates are about. A node knows of it that made it, or heard of it: of others it would have to ask Redis.
fn make(sender: &mut Client, order: &str) {
    sender.accepted("order:created", json!({ "orderId": order }));
}

/// Publishes until it is answered as kept on disk; what comes before has numbers from 900 on.
fn until_spooled(sender: &mut Client) {
    let mut n = 900;
    wait_until("the node keeps what comes", || {
        n += 1;
        sender.ask("order:updated", update("1", n))["data"]["spooled"] == true
    });
}

/// The numbers of what comes, but for those from 900 on, through one.
fn got_through(client: &mut Client, last: u64) -> Vec<u64> {
    let mut got = Vec::new();
    while got.last() != Some(&last) {
        got.extend(numbers(&client.take(1)).into_iter().filter(|it| *it < 900));
    }
    got
}

#[test]
fn what_is_kept_on_disk_is_answered_so_and_reaches_everybody_once_when_redis_is_back() {
    let Some(mut redis) = redis() else { return };
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let shared = spooling(&redis);
    let nodes = directories.each_ref().map(|it| Server::with(node(&shared, it)));
    let mut chefs = nodes.each_ref().map(chef);
    let mut sender = sender_at(&nodes[0]);
    let mut senders = nodes.each_ref().map(sender_at);
    make(&mut sender, "1");
    assert_eq!(sender.accepted("order:updated", update("1", 1))["offset"], 2);
    for chef in &mut chefs {
        chef.expect("order:created");
        assert_eq!(got_through(chef, 1), [1]);
        chef.drain();
    }
    redis.kill();
    senders.iter_mut().for_each(until_spooled);
    let mut ids = Vec::new();
    for n in 2..=50 {
        let answer = sender.accepted("order:updated", update("1", n));
        assert_eq!((&answer["spooled"], answer.get("offset")), (&json!(true), None), "{answer}");
        ids.push(answer["id"].as_str().unwrap().to_owned());
    }
    // What is sent again waits once.
    let again = json!({ "id": ids[0], "type": "order:updated", "payload": update("1", 2) });
    let answer = sender.accepted("order:updated", again);
    assert_eq!((&answer["duplicate"], &answer["spooled"]), (&json!(true), &json!(true)));
    wait_until("its health says so", || health(&nodes[0]).to_string().contains("redis_spooled"));
    assert!(nodes[0].metrics_page().contains("foodtrack_redis_spooled_events"));
    // What need not be kept goes on, and says nothing of the log.
    let light = sender.accepted("notification:info", json!({ "message": "no network" }));
    assert_eq!((light.get("spooled"), light.get("offset")), (None, None));
    chefs[0].expect("notification:info");
    redis.start_again();
    for chef in &mut chefs {
        assert_eq!(got_through(chef, 50), (2..=50).collect::<Vec<_>>());
    }
    wait_until("all is well again", || {
        nodes.iter().all(|it| health(it)["redis"]["state"] == "healthy")
    });
    assert!(sender.accepted("order:updated", update("1", 51))["offset"].is_u64());
    for chef in &mut chefs {
        assert_eq!(got_through(chef, 51), [51]);
    }
}

#[test]
fn what_a_node_kept_that_was_killed_is_delivered_once_after_both_are_back() {
    let Some(mut redis) = redis() else { return };
    let directory = tempfile::tempdir().unwrap();
    let shared = spooling(&redis);
    let of_other = RedisConfig { spool: false, ..shared.clone() };
    let other = Server::with(config().redis(of_other));
    let process = Process::serve(directory.path(), &node(&shared, &directory));
    let mut here = chef(&process);
    let mut elsewhere = Client::join(&other, Transport::WebSocket, &Who::chef(TENANT, "cora"));
    let mut sender = sender_at(&process);
    make(&mut sender, "1");
    sender.accepted("order:updated", update("1", 1));
    for chef in [&mut here, &mut elsewhere] {
        chef.expect("order:created");
    }
    assert_eq!(got_through(&mut here, 1), [1]);
    here.drain();
    redis.kill();
    until_spooled(&mut sender);
    for n in 2..=30 {
        assert_eq!(sender.accepted("order:updated", update("1", n))["spooled"], true);
    }
    let away = here.away();
    process.kill();
    redis.start_again();
    let process = Process::serve(directory.path(), &node(&shared, &directory));
    assert_eq!(got_through(&mut elsewhere, 30), (1..=30).collect::<Vec<_>>());
    // Who was here when it was killed misses nothing and gets nothing twice.
    let mut here = away.resume(&process);
    assert_eq!(got_through(&mut here, 30), (2..=30).collect::<Vec<_>>());
    let mut sender = back_end(&process);
    assert!(sender.accepted("order:updated", update("1", 31))["offset"].is_u64());
    assert_eq!(got_through(&mut here, 31), [31]);
    assert_eq!(got_through(&mut elsewhere, 31), [31]);
}

#[test]
fn what_the_log_alone_may_say_of_an_order_is_not_guessed_while_it_is_on_disk() {
    let Some(mut redis) = redis() else { return };
    let directory = tempfile::tempdir().unwrap();
    let server = Server::with(node(&spooling(&redis), &directory));
    let join = |who: &Who| {
        let mut client = Client::join(&server, Transport::WebSocket, who);
        client.drain();
        client
    };
    let [mut ana, mut eve] = ["ana", "eve"].map(|it| join(&Who::customer(TENANT, it)));
    let mut mia = join(&Who::courier(TENANT, "mia"));
    let mut sender = sender_at(&server);
    make(&mut sender, "1");
    make(&mut sender, "5");
    redis.kill();
    until_spooled(&mut sender);
    let order = |customer: &str| json!({ "orderId": "7", "customerId": customer });
    // Nobody can be asked whether somebody has made it: the log will say.
    assert_eq!(ana.accepted("order:created", order("ana"))["spooled"], true);
    // Nobody becomes its customer, and nobody waits for a log that is away.
    assert_eq!(eve.refused("order:created", order("eve")), "degraded");
    assert_eq!(ana.refused("order:cancelled", json!({ "orderId": "7" })), "degraded");
    // Of another one it is not known whom it goes to.
    assert_eq!(sender.refused("order:updated", update("6", 1)), "degraded");
    let assigned = |courier: &str| json!({ "orderId": "5", "assigneeId": courier });
    assert_eq!(sender.accepted("delivery:assigned", assigned("max"))["spooled"], true);
    assert_eq!(mia.refused("delivery:assigned", assigned("mia")), "degraded");
    redis.start_again();
    wait_until("the log says so", || {
        ana.ask("order:cancelled", json!({ "orderId": "7" }))["success"] == true
    });
    assert_eq!(eve.refused("order:updated", json!({ "orderId": "7" })), "order_forbidden");
    assert_eq!(mia.refused("delivery:assigned", assigned("mia")), "order_taken");
}

#[test]
fn a_full_spool_refuses_with_storage_full() {
    let Some(mut redis) = redis() else { return };
    let directory = tempfile::tempdir().unwrap();
    let shared = RedisConfig { spool_bytes_max: 1 << 20, ..spooling(&redis) };
    let server = Server::with(node(&shared, &directory));
    let mut sender = sender_at(&server);
    make(&mut sender, "1");
    redis.kill();
    until_spooled(&mut sender);
    let large = |n: u64| {
        let notes: String = (0..4_000)
            .map(|it| format!("{:016x}", (it + n).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
            .collect();
        json!({ "orderId": "1", "number": n, "notes": notes })
    };
    let mut n = 1;
    let code = loop {
        let answer = sender.ask("order:updated", large(n));
        match answer["success"].as_bool() {
            Some(true) => n += 1,
            _ => break answer["error"]["code"].clone(),
        }
        assert!(n < 1_000, "it is not bounded");
    };
    assert_eq!(code, "storage_full");
}
