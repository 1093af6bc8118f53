//! Nodes whose Redis is a master with a replica: sentinels put that in its place, and clients get everything that both had.

use foodtrack_server::RedisConfig;
use test_support::{RedisSentinels, RedisServer, skipped, wait_until};

use crate::harness::{Client, Server, Transport, Who, config, redis_at};
use crate::support::{TENANT, back_end, expect_numbers, publish, update};

/// What Redis keeps is there again after a crash.
const KEEPS: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

#[test]
fn a_fail_over_of_redis_costs_clients_no_acknowledged_event_and_no_connection() {
    let Some(mut master) = RedisServer::start(&KEEPS) else {
        return skipped("redis-server is not installed");
    };
    let port = master.port().to_string();
    let of_master = ["--replicaof", "127.0.0.1", &port, "--repl-diskless-sync-delay", "0"];
    let replica = RedisServer::start(&[&KEEPS[..], &of_master].concat()).unwrap();
    wait_until("the replica has what its master has", || {
        replica.command("INFO replication").contains("master_link_status:up")
    });
    let sentinels = RedisSentinels::watch(&master);
    let shared = RedisConfig {
        url: None,
        sentinels: sentinels.ports().iter().map(|port| format!("127.0.0.1:{port}")).collect(),
        master: Some(sentinels.master().into()),
        timeout_ms: 1_000,
        wait_replicas: 1,
        ..redis_at("")
    };
    let without_replica = RedisConfig { wait_replicas: 0, ..shared.clone() };
    let nodes = [shared, without_replica].map(|redis| Server::with(config().redis(redis)));
    let chef = |node| Client::join(node, Transport::WebSocket, &Who::chef(TENANT, "carl"));
    let mut chefs = [chef(&nodes[0]), chef(&nodes[1])];
    let mut wants_replica = back_end(&nodes[0]);
    let mut sender = back_end(&nodes[1]);
    // Each of these is at the replica when it is answered.
    publish(&mut wants_replica, 1..=5);
    master.kill();
    // Who is refused sends the same again.
    let id = uuid::Uuid::from_u128(6);
    let sixth = serde_json::json!({ "id": id, "type": "order:updated", "payload": update("1", 6) });
    wait_until("the replica is the master", || {
        sender.ask("order:updated", sixth.clone())["success"] == true
    });
    publish(&mut sender, 7..=8);
    for chef in &mut chefs {
        expect_numbers(chef, &[1, 2, 3, 4, 5, 6, 7, 8], "");
    }
    // The first node wants a replica, which is no more: what it takes is delivered, and nobody is told that it is kept.
    // Until it has found the new master it refuses; what it takes once it has, is sent with the same id.
    let id = uuid::Uuid::from_u128(9);
    let ninth = serde_json::json!({ "id": id, "type": "order:updated", "payload": update("1", 9) });
    wait_until("the first node has found the master", || {
        let answer = wants_replica.ask("order:updated", ninth.clone());
        assert_eq!(answer["success"], false, "{answer}");
        answer["error"]["code"] == "timeout"
    });
    for chef in &mut chefs {
        expect_numbers(chef, &[9], "");
    }
}
