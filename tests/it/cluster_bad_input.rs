//! A Redis that is full, or whose scripts were flushed: it costs nobody what was accepted.

use crate::cluster::Cluster;
use crate::harness::{Client, Server, Transport, Who, config};
use crate::support::{TENANT, back_end, expect_numbers, publish, update};

fn chef(node: &Server) -> Client {
    Client::join(node, Transport::WebSocket, &Who::chef(TENANT, "carl"))
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
