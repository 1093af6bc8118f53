//! A session is as old as its last connection, whatever the wall clock says meanwhile.

use std::fs;
use std::path::Path;
use std::time::Duration;

use foodtrack_shard::Clock;
use foodtrack_tenant_log::SqliteOptions;
use serde_json::json;
use test_support::let_pass;

use crate::harness::{Away, Client, Hands, Hub, Transport, Who, eventually};
use crate::support::{TENANT, expect_numbers, publish, update};

const HOUR_S: u64 = 3_600;
/// Long enough for all connections to have been looked at by a hub that sweeps every few milliseconds.
const AN_HOUR_OF_SWEEPS: Duration = Duration::from_millis(1_500);

/// A token that lives through all of it.
fn living(mut who: Who) -> Who {
    who.claims.expires_at_s += 400 * HOUR_S;
    who
}

/// A courier sees an order only where it follows it.
fn courier() -> Who {
    living(Who::courier(TENANT, "dora"))
}

fn gateway(hub: &Hub) -> Client {
    Client::join(hub, Transport::WebSocket, &living(Who::service(TENANT)))
}

fn hub(directory: &Path, clock: Clock) -> Hub {
    Hub::on_disk_by(directory, SqliteOptions::default(), clock)
}

fn follower(hub: &Hub) -> Client {
    let mut client = Client::join(hub, Transport::WebSocket, &courier());
    client.subscribe("order", "1");
    client
}

/// What was published while it was away comes, since it is in the room of the order.
#[track_caller]
fn expect_back(hub: &Hub, away: Away) -> Client {
    let mut client = away.resume(hub);
    assert!(client.recovered);
    expect_numbers(&mut client, &[1], "what it missed in the order's room");
    client
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => _ = fs::copy(entry.path(), to).unwrap(),
        }
    }
}

#[test]
fn who_was_connected_for_days_and_is_away_for_a_second_misses_nothing() {
    let (directory, hands) = (tempfile::tempdir().unwrap(), Hands::now());
    let hub = hub(directory.path(), hands.clock());
    let client = follower(&hub);
    hands.pass_s(60 * HOUR_S);
    let away = client.tear();
    eventually(|| (hub.count(TENANT) == 0).then_some(()));
    hands.pass_s(1);
    publish(&mut gateway(&hub), 1..=1);
    let client = expect_back(&hub, away);
    hands.pass_s(30 * HOUR_S);
    let away = client.tear();
    eventually(|| (hub.count(TENANT) == 0).then_some(()));
    hands.pass_s(47 * HOUR_S);
    assert!(away.resume(&hub).recovered, "47 hours are not too long");
}

#[test]
fn who_was_connected_for_days_when_the_server_was_killed_misses_nothing() {
    let (directory, hands) = (tempfile::tempdir().unwrap(), Hands::now());
    let first = hub(&directory.path().join("first"), hands.clock());
    let (followers, roomless) =
        (follower(&first), Client::join(&first, Transport::WebSocket, &courier()));
    for _ in 0..4 {
        hands.pass_s(20 * HOUR_S);
        let_pass(AN_HOUR_OF_SWEEPS);
    }
    let second = directory.path().join("second");
    // As a kill leaves it: nobody's end is written.
    copy(&directory.path().join("first"), &second);
    drop(first);
    hands.pass_s(40 * HOUR_S);
    let hub = hub(&second, hands.clock());
    publish(&mut gateway(&hub), 1..=1);
    expect_back(&hub, followers.tear());
    assert!(roomless.tear().resume(&hub).recovered);
}

#[test]
fn who_was_away_for_too_long_is_not_told_that_it_is_back() {
    let (directory, hands) = (tempfile::tempdir().unwrap(), Hands::now());
    let hub = hub(directory.path(), hands.clock());
    let away = follower(&hub).tear();
    eventually(|| (hub.count(TENANT) == 0).then_some(()));
    hands.pass_s(60 * HOUR_S);
    let_pass(AN_HOUR_OF_SWEEPS);
    assert!(!away.resume(&hub).recovered);
}

#[test]
fn a_wall_clock_that_is_days_ahead_for_a_minute_after_the_start_takes_nothing_from_anybody() {
    let (directory, hands) = (tempfile::tempdir().unwrap(), Hands::now());
    let first = hub(directory.path(), hands.clock());
    let away = follower(&first).tear();
    publish(&mut gateway(&first), 1..=1);
    let clock = first.clock();
    drop(first);
    hands.set_by_s(72 * 3_600);
    let second = hub(directory.path(), hands.clock().going_on_from(Some(clock.believed_ms())));
    // The log is opened, and what has expired is let go.
    drop(Client::join(&second, Transport::WebSocket, &courier()));
    let_pass(AN_HOUR_OF_SWEEPS);
    hands.pass_s(60);
    hands.set_by_s(-72 * 3_600);
    expect_back(&second, away.clone());
    drop(second);
    let third = hub(directory.path(), hands.clock());
    expect_back(&third, away);
}

#[test]
fn a_wall_clock_that_is_set_back_makes_no_event_a_repeat_of_one_long_ago() {
    let (directory, hands) = (tempfile::tempdir().unwrap(), Hands::now());
    let hub = hub(directory.path(), hands.clock());
    let mut client = follower(&hub);
    let mut sender = Client::join(&hub, Transport::WebSocket, &courier());
    let delayed = json!({ "orderId": "1", "reason": "traffic", "number": 1 });
    sender.accepted("delivery:delayed", delayed.clone());
    hands.set_by_s(-3_600);
    sender.accepted("delivery:delayed", delayed.clone());
    hands.pass_s(11);
    sender.accepted("delivery:delayed", delayed);
    sender.accepted("delivery:delayed", update("1", 2));
    expect_numbers(&mut client, &[1, 1, 2], "but for the one within ten seconds");
}
