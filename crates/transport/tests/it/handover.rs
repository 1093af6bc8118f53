//! Clients that move to another shard.

use std::time::Duration;

use foodtrack_transport::Limits;

use crate::client::{Poller, Wire, events, get, join_by_websocket, open_websocket, upgrade};
use crate::server::{Server, config};
use crate::upgrade::open_probe;

const EVENTS: usize = 500;

fn two_shards() -> Server {
    Server::with_shards(config(Limits::default()), 2)
}

/// Where the client's CONNECT says that it lives.
fn shard(connect: &str) -> usize {
    connect.strip_prefix("40{\"shard\":").unwrap().strip_suffix('}').unwrap().parse().unwrap()
}

#[test]
fn a_websocket_that_is_handed_over_keeps_order_and_loses_nothing() {
    let server = two_shards();
    for round in 0..20 {
        let home = round % 2;
        let mut wire = open_websocket(server.address);
        // The events follow the CONNECT in the same write: some are read before the client moves.
        let mut texts = vec![format!("40{{\"shard\":{home}}}")];
        texts.extend(events("echo", 0..EVENTS));
        wire.send_text(&texts);
        wire.send_text(&events("echo", EVENTS..EVENTS + 50));
        assert_eq!(shard(&wire.message()), home);
        wire.expect_echoes(0..EVENTS + 50);
        wire.send_text(&events("echo", 0..3));
        wire.expect_echoes(0..3);
    }
    server.wait_until_empty(Duration::from_secs(2));
}

#[test]
fn a_polling_client_that_is_handed_over_keeps_order_and_loses_nothing() {
    let server = two_shards();
    for round in 0..20 {
        let home = round % 2;
        let poller = Poller::open(server.address);
        let mut waiting = Wire::connect(server.address);
        // A poll that waits moves along.
        waiting.write(get(&poller.target).as_bytes());
        let mut packets = vec![format!("40{{\"shard\":{home}}}")];
        packets.extend(events("echo", 0..20));
        poller.post(&packets);
        // Each request on a connection of its own: either shard may get it, before or behind the client.
        for at in (20..100).step_by(10) {
            poller.post(&events("echo", at..at + 10));
        }
        let first = waiting.response();
        assert_eq!(first.status, 200, "{}", first.body);
        let mut got: Vec<_> = first.body.split('\u{1e}').map(str::to_owned).collect();
        got.extend(poller.poll_until(101 - got.len()));
        assert_eq!(shard(&got[0]), home);
        assert_eq!(got[1..], events("echo", 0..100));
        poller.post(&["1".to_owned()]);
    }
    server.wait_until_empty(Duration::from_secs(5));
}

#[test]
fn an_upgraded_session_that_is_handed_over_leaves_no_id_behind() {
    let server = two_shards();
    let mut sids = Vec::new();
    for round in 0..8 {
        let poller = Poller::open(server.address);
        let mut wire = Wire::connect(server.address);
        let target = format!("/socket.io/?EIO=4&transport=websocket&sid={}", poller.sid);
        wire.write(upgrade(&target).as_bytes());
        assert_eq!(wire.response().status, 101);
        wire.send_text(&["2probe".to_owned()]);
        assert_eq!(wire.message(), "3probe");
        wire.send_text(&["5".to_owned(), format!("40{{\"shard\":{}}}", round % 2)]);
        assert_eq!(shard(&wire.message()), round % 2);
        wire.send_text(&events("echo", 0..3));
        wire.expect_echoes(0..3);
        // Whoever takes the place of the client that moved is not reached by its id.
        let others = [join_by_websocket(server.address), join_by_websocket(server.address)];
        let response = poller.request(&get(&poller.target));
        assert_eq!((response.status, response.body.contains("\"code\":3")), (400, true));
        drop((wire, others));
        sids.push(poller);
    }
    server.wait_until_empty(Duration::from_secs(2));
    for poller in sids {
        let response = poller.request(&get(&poller.target));
        assert_eq!((response.status, response.body.contains("\"code\":1")), (400, true));
    }
}

#[test]
fn an_upgrade_that_is_under_way_goes_on_where_its_client_is_handed_over() {
    let server = two_shards();
    for round in 0..40 {
        let home = round % 2;
        let is_answered_before = round / 2 % 2 == 0;
        let poller = Poller::open(server.address);
        let mut wire = open_probe(&poller);
        let connect =
            || poller.post(&[format!("40{{\"shard\":{home}}}"), events("echo", 0..1).remove(0)]);
        if !is_answered_before {
            connect();
        }
        wire.send_text(&["2probe".to_owned()]);
        assert_eq!(wire.message(), "3probe");
        if is_answered_before {
            connect();
        }
        let mut texts = vec!["5".to_owned()];
        texts.extend(events("echo", 1..3));
        wire.send_text(&texts);
        assert_eq!(shard(&wire.message()), home);
        wire.expect_echoes(0..3);
    }
    server.wait_until_empty(Duration::from_secs(5));
}

#[test]
fn an_upgrade_that_stalls_is_dropped_at_its_deadline_wherever_its_client_is_handed_over() {
    let limits = Limits { upgrade_timeout: Duration::from_millis(300), ..Limits::default() };
    let server = Server::with_shards(config(limits), 2);
    for home in [0, 1, 0, 1] {
        let poller = Poller::open(server.address);
        let mut wire = open_probe(&poller);
        poller.post(&[format!("40{{\"shard\":{home}}}")]);
        assert!(wire.ends());
        assert_eq!(shard(&poller.poll()[0]), home);
    }
}
