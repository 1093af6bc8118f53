//! What several nodes tell back ends of devices: each fact once, whichever nodes a device comes to, and whatever becomes of them.

use std::time::Duration;

use foodtrack_server::WebSocketConfig;
use test_support::{stays_false_for, wait_until};

use crate::cluster::{Cluster, shared_redis};
use crate::cluster_webhooks::of_process;
use crate::harness::{BackEnd, Client, Process, Server, Transport, Who};
use crate::hub_events::{DEVICES, tablet, telling_of, told, wait_for};
use crate::support::{TENANT, back_end, publish, update};
use crate::webhooks::{numbers, takes};

/// Longer than it takes until a node is taken for gone, and its devices for away.
const SETTLED: Duration = Duration::from_millis(4_500);

const ONE: (&str, &str) = ("device.online", "tablet-1");
const ONE_AWAY: (&str, &str) = ("device.offline", "tablet-1");

fn config(receiver: &BackEnd) -> WebSocketConfig {
    telling_of(receiver, &[DEVICES[0], DEVICES[1], "order:*"])
}

fn nothing_more(receiver: &BackEnd) {
    let before = told(receiver, TENANT);
    stays_false_for(SETTLED, "more is told", || told(receiver, TENANT) != before);
}

#[test]
fn a_device_that_moves_from_node_to_node_comes_once_and_goes_once() {
    let receiver = BackEnd::start(|_| takes());
    let Some(cluster) = Cluster::alike(2, || config(&receiver)) else { return };
    let [one, other] = &cluster.nodes[..] else { panic!() };
    let here = tablet(one, TENANT, "tablet-1");
    wait_for(&receiver, &[ONE]);
    drop(here);
    let there = tablet(other, TENANT, "tablet-1");
    nothing_more(&receiver);
    drop(there);
    wait_for(&receiver, &[ONE, ONE_AWAY]);
    let _back = tablet(one, TENANT, "tablet-1");
    wait_for(&receiver, &[ONE, ONE_AWAY, ONE]);
    nothing_more(&receiver);
}

#[test]
fn a_login_at_two_nodes_is_one_device_until_it_has_gone_from_both() {
    let receiver = BackEnd::start(|_| takes());
    let Some(cluster) = Cluster::alike(2, || config(&receiver)) else { return };
    // It names no device: none of its sockets takes another one's place.
    let carl = Who::chef(TENANT, "carl");
    let mut both: Vec<Client> =
        cluster.nodes.iter().map(|node| Client::join(node, Transport::WebSocket, &carl)).collect();
    wait_for(&receiver, &[("device.online", "-")]);
    drop(both.remove(0));
    nothing_more(&receiver);
    drop(both);
    wait_for(&receiver, &[("device.online", "-"), ("device.offline", "-")]);
    nothing_more(&receiver);
}

#[test]
fn of_a_killed_node_s_devices_those_that_do_not_come_back_are_away_once() {
    let Some((_redis, shared)) = shared_redis() else { return };
    let receiver = BackEnd::start(|_| takes());
    let directory = tempfile::tempdir().unwrap();
    let config = of_process(directory.path(), config(&receiver), &shared);
    let [one, other] =
        ["one", "other"].map(|name| Process::serve(&directory.path().join(name), &config));
    let _here = [tablet(&one, TENANT, "tablet-1"), tablet(&one, TENANT, "tablet-2")];
    let _there = tablet(&other, TENANT, "tablet-3");
    wait_until("all are told of", || told(&receiver, TENANT).len() == 3);
    one.kill();
    let _back = tablet(&other, TENANT, "tablet-1");
    wait_until("one is away", || told(&receiver, TENANT).len() == 4);
    let away = told(&receiver, TENANT).pop().unwrap();
    assert_eq!(away, ("device.offline".into(), "tablet-2".into()));
    nothing_more(&receiver);
}

#[test]
fn a_killed_node_s_device_is_away_though_no_other_node_knew_its_tenant() {
    let Some((_redis, shared)) = shared_redis() else { return };
    let receiver = BackEnd::start(|_| takes());
    let directory = tempfile::tempdir().unwrap();
    let config = of_process(directory.path(), config(&receiver), &shared);
    let [one, _other] =
        ["one", "other"].map(|name| Process::serve(&directory.path().join(name), &config));
    let _tablet = tablet(&one, TENANT, "tablet-1");
    wait_for(&receiver, &[ONE]);
    one.kill();
    wait_for(&receiver, &[ONE, ONE_AWAY]);
    nothing_more(&receiver);
}

#[test]
fn devices_that_come_and_go_while_redis_is_away_are_told_of_when_it_is_back() {
    let receiver = BackEnd::start(|_| takes());
    let Some(mut cluster) = Cluster::alike(2, || config(&receiver)) else { return };
    let mut sender = back_end(&cluster.nodes[1]);
    let stays = tablet(&cluster.nodes[0], TENANT, "tablet-1");
    let goes = tablet(&cluster.nodes[0], TENANT, "tablet-2");
    wait_until("both are told of", || told(&receiver, TENANT).len() == 2);
    cluster.redis.kill();
    drop(goes);
    stays_false_for(Duration::from_millis(2_500), "it is told", || {
        told(&receiver, TENANT).len() > 2
    });
    cluster.redis.start_again();
    // The one that stayed may be told of anew, before it or behind it: nobody could know meanwhile.
    let of_the_one_that_went = || {
        let mut told = told(&receiver, TENANT).split_off(2);
        told.retain(|(_, device)| device == "tablet-2");
        told
    };
    wait_until("it is told", || !of_the_one_that_went().is_empty());
    wait_until("events are taken", || {
        sender.ask("order:updated", update("1", 1))["success"] == true
    });
    assert_eq!(of_the_one_that_went(), [("device.offline".into(), "tablet-2".into())]);
    drop(stays);
}

#[test]
fn what_stands_strangely_in_redis_of_devices_holds_up_no_event() {
    let Some((redis, shared)) = shared_redis() else { return };
    let receiver = BackEnd::start(|_| takes());
    let node = Server::with(config(&receiver).redis(shared.clone()));
    let mut sender = back_end(&node);
    let key = format!("{}:{{{TENANT}}}:devices", shared.prefix);
    redis.command(&format!(
        "HSET {key} strange \"no node at all\" \"carl:kitchen_app:tablet-9\" zz"
    ));
    let one = tablet(&node, TENANT, "tablet-1");
    wait_until("it is told of", || told(&receiver, TENANT).contains(&(ONE.0.into(), ONE.1.into())));
    redis.command(&format!("DEL {key}"));
    redis.command(&format!("SET {key} 1"));
    drop(one);
    let _two = tablet(&node, TENANT, "tablet-2");
    publish(&mut sender, 1..=20);
    wait_until("events come", || numbers(&receiver).len() == 20);
    redis.command(&format!("DEL {key}"));
    let _three = tablet(&node, TENANT, "tablet-3");
    wait_until("devices are told of again", || {
        told(&receiver, TENANT).iter().any(|(_, device)| device == "tablet-3")
    });
}
