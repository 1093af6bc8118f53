//! What stands in Redis that no node wrote, and a Redis that is slow or full: each is said to whom it concerns, costs nobody what was
//! accepted, and no other tenant anything.

use std::time::Duration;

use foodtrack_server::RedisConfig;
use serde_json::json;
use test_support::{Line, wait_until};

use crate::cluster::{Cluster, shared_redis};
use crate::harness::{Client, HttpConnection, Server, Transport, Who, config, redis_at};
use crate::support::{TENANT, back_end, cursor, expect_nothing, expect_numbers, publish, update};

const OTHER: &str = "pizza-Roma";

fn chef(node: &Server) -> Client {
    Client::join(node, Transport::WebSocket, &Who::chef(TENANT, "carl"))
}

/// The client is told that it missed something, and then gets this.
#[track_caller]
fn expect_gap_and(client: &mut Client, number: u64) {
    let told = client.expect("system:reconnection_required");
    assert_eq!(told.payload("reason"), "gap", "{told:?}");
    expect_numbers(client, &[number], "behind the gap");
}

#[test]
fn entries_that_cannot_be_read_are_told_as_a_gap_and_hold_up_nobody() {
    let Some((redis, shared)) = shared_redis() else { return };
    let nodes = [0; 2].map(|_| Server::with(config().redis(shared.clone())));
    let (mut chefs, mut torn) = ([chef(&nodes[0]), chef(&nodes[1])], chef(&nodes[1]));
    let mut theirs = Client::join(&nodes[0], Transport::WebSocket, &Who::chef(OTHER, "carl"));
    publish(&mut back_end(&nodes[0]), 1..=2);
    let last = cursor(&expect_numbers(&mut chefs[0], &[1, 2], "")[1]).through().get();
    expect_numbers(&mut chefs[1], &[1, 2], "");
    expect_numbers(&mut torn, &[1, 2], "");
    let away = torn.tear();
    let (damaged, key) = (last + 1, format!("{}:{{{TENANT}}}", shared.prefix));
    redis.command(&format!("XADD {key}:log {damaged}-0 of another version too"));
    redis.command(&format!("HSET {key}:head last {damaged} entries {damaged}"));
    publish(&mut back_end(&nodes[1]), 3..=3);
    for chef in &mut chefs {
        expect_gap_and(chef, 3);
    }
    for node in &nodes {
        expect_gap_and(&mut away.resume(node), 3);
    }
    // A node that has never seen it, too.
    let fresh = Server::with(config().redis(shared.clone()));
    expect_gap_and(&mut away.resume(&fresh), 3);
    expect_nothing(&mut theirs, "another tenant's");
}

#[test]
fn strange_things_under_a_tenants_keys_cost_it_its_log_and_no_other_tenant_anything() {
    let Some((redis, shared)) = shared_redis() else { return };
    let nodes = [0; 2].map(|_| Server::with(config().redis(shared.clone())));
    let head = format!("{}:{{{TENANT}}}:head", shared.prefix);
    redis.command(&format!("SET {head} nonsense"));
    let say = |node: &Server, tenant: &str| {
        let body = json!({ "type": "order:updated", "payload": update("1", 1) });
        let mut http = HttpConnection::open(node.address());
        http.call("POST /api/v1/publish", &Who::service(tenant).token(), &body).json().to_string()
    };
    let mut theirs = Client::join(&nodes[0], Transport::WebSocket, &Who::chef(OTHER, "carl"));
    for node in &nodes {
        wait_until("it is refused", || say(node, TENANT).contains("\"degraded\""));
    }
    assert!(say(&nodes[1], OTHER).contains("\"success\":true"));
    expect_numbers(&mut theirs, &[1], "another tenant's");
    redis.command(&format!("DEL {head}"));
    wait_until("it is taken", || say(&nodes[0], TENANT).contains("\"success\":true"));
}

#[test]
fn a_full_redis_is_said_to_who_publishes_and_what_was_refused_is_not_there() {
    let Some(Cluster { redis, nodes }) = Cluster::alike(2, config) else { return };
    let mut chefs = [chef(&nodes[0]), chef(&nodes[1])];
    let mut sender = back_end(&nodes[0]);
    publish(&mut sender, 1..=1);
    redis.command("CONFIG SET maxmemory 1");
    for number in 2..=3 {
        assert_eq!(sender.refused("order:updated", update("1", number)), "storage_full");
    }
    redis.command("CONFIG SET maxmemory 0");
    publish(&mut sender, 4..=4);
    for chef in &mut chefs {
        expect_numbers(chef, &[1, 4], "");
    }
}

#[test]
fn scripts_that_were_flushed_are_brought_again_and_nothing_is_lost_or_repeated() {
    let Some(Cluster { redis, nodes }) = Cluster::alike(2, config) else { return };
    let mut chefs = [chef(&nodes[0]), chef(&nodes[1])];
    let mut senders = [back_end(&nodes[0]), back_end(&nodes[1])];
    for (number, node) in (1..=6).zip([0, 1].into_iter().cycle()) {
        redis.command("SCRIPT FLUSH");
        publish(&mut senders[node], number..=number);
    }
    for chef in &mut chefs {
        expect_numbers(chef, &[1, 2, 3, 4, 5, 6], "");
    }
}

#[test]
fn a_slow_redis_costs_time_and_nothing_else() {
    let Some((redis, shared)) = shared_redis() else { return };
    let lines = [0, 1].map(|_| Line::to(([127, 0, 0, 1], redis.port()).into()));
    let nodes = lines.each_ref().map(|line| {
        let url = redis_at(&format!("redis://{}", line.address())).url;
        Server::with(config().redis(RedisConfig { url, ..shared.clone() }))
    });
    let mut chefs = [chef(&nodes[0]), chef(&nodes[1])];
    let mut senders = [back_end(&nodes[0]), back_end(&nodes[1])];
    for line in &lines {
        line.slow_down(Duration::from_millis(40));
    }
    for (number, node) in (1..=6).zip([0, 1].into_iter().cycle()) {
        publish(&mut senders[node], number..=number);
    }
    for chef in &mut chefs {
        expect_numbers(chef, &[1, 2, 3, 4, 5, 6], "");
    }
}
