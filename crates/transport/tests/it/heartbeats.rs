//! Pings, and what the answers prove.

use std::time::{Duration, Instant};

use foodtrack_session::HeartbeatConfig;
use foodtrack_transport::{Limits, ReactorConfig};
use test_support::{eventually, let_pass, wait_until};

use crate::backlogs::blocked_websocket;
use crate::client::{Poller, Wire, event, join_by_websocket, open_websocket};
use crate::server::{Server, config};
use crate::upgrade::probe;

const PONG: &str = "3";

fn server(interval_ms: u64, timeout_ms: u64, shards: usize) -> Server {
    let limits = Limits { queue_bytes_max: 64 << 20, ..Limits::default() };
    let heartbeat = HeartbeatConfig { interval_ms, timeout_ms, missed_max: 100 };
    Server::with_shards(ReactorConfig { heartbeat, ..config(limits) }, shards)
}

fn expect_confirmed(server: &Server, marks: &[u64]) {
    wait_until(&format!("{marks:?}"), || server.confirmed().len() >= marks.len());
    assert_eq!(server.confirmed(), marks);
}

fn wait_for_ping(wire: &mut Wire) {
    while wire.message() != "2" {}
}

fn answer(wire: &mut Wire) {
    wire.send_text(&[PONG.to_owned()]);
}

/// Sends a new client `entries` entries and waits for the ping behind them; nothing is answered. On a busy machine a ping may
/// come before they do: then another client is tried, on another server.
fn pinged_behind(entries: usize, server: impl Fn() -> Server) -> (Server, Wire) {
    eventually("a ping behind the entries and none before them", || {
        let server = server();
        let mut wire = join_by_websocket(server.address);
        wire.send_text(&[event("urgent", entries)]);
        let is_early = (0..entries).any(|_| wire.message() == "2");
        (!is_early).then(|| {
            wait_for_ping(&mut wire);
            (server, wire)
        })
    })
}

/// Reads on to the echo of `number`. Returns whether a ping came before it.
fn pinged_before_echo(wire: &mut Wire, number: usize) -> bool {
    let mut is_pinged = false;
    loop {
        match wire.message() {
            message if message == event("echo", number) => return is_pinged,
            message => is_pinged |= message == "2",
        }
    }
}

#[test]
fn a_pong_confirms_what_was_sent_before_its_ping() {
    let (server, mut wire) = pinged_behind(2, || server(300, 60_000, 1));
    // This one comes behind the ping.
    wire.send_text(&[event("urgent", 1)]);
    wire.message();
    // Once; and nothing by a pong that nobody asked for.
    wire.send_text(&[PONG.to_owned(), PONG.to_owned(), event("echo", 1)]);
    let is_pinged = pinged_before_echo(&mut wire, 1);
    expect_confirmed(&server, &[2]);
    if !is_pinged {
        wait_for_ping(&mut wire);
    }
    answer(&mut wire);
    expect_confirmed(&server, &[2, 3]);
}

#[test]
fn a_late_pong_confirms_no_more_than_its_own_ping() {
    let (server, mut wire) = pinged_behind(1, || server(300, 100, 1));
    wire.send_text(&[event("urgent", 1)]);
    while wire.message() == "2" {}
    wait_for_ping(&mut wire);
    // The second one's answer, on time or not, says nothing of what came between the two.
    wire.send_text(&[PONG.to_owned(), PONG.to_owned(), event("echo", 1)]);
    pinged_before_echo(&mut wire, 1);
    expect_confirmed(&server, &[1]);
}

/// When the next ping came, if it came in time.
fn ping_within(wire: &mut Wire, patience: Duration) -> Option<Duration> {
    let started = Instant::now();
    while let Some(message) = wire.message_within(patience.saturating_sub(started.elapsed())) {
        if message == "2" {
            return Some(started.elapsed());
        }
    }
    None
}

#[test]
fn who_was_sent_an_entry_is_asked_soon_whether_it_arrived_and_nobody_else() {
    let server = server(60_000, 5_000, 1);
    server.ask_soon();
    let mut idle = join_by_websocket(server.address);
    let mut wire = join_by_websocket(server.address);
    // No entry of a log: nothing to confirm.
    wire.send_text(&[event("echo", 1)]);
    wire.expect_echoes(1..2);
    assert_eq!(ping_within(&mut wire, Duration::from_millis(2_300)), None);
    wire.send_text(&[event("urgent", 2)]);
    let after = ping_within(&mut wire, Duration::from_millis(2_500)).expect("a ping");
    assert!(after >= Duration::from_millis(900), "{after:?}");
    answer(&mut wire);
    expect_confirmed(&server, &[2]);
    // However much comes, the next is some seconds away.
    wire.send_text(&[event("urgent", 1)]);
    assert_eq!(ping_within(&mut wire, Duration::from_millis(4_000)), None);
    ping_within(&mut wire, Duration::from_millis(2_500)).expect("another ping");
    answer(&mut wire);
    expect_confirmed(&server, &[2, 3]);
    assert_eq!(ping_within(&mut wire, Duration::from_millis(6_000)), None, "all is confirmed");
    assert_eq!(ping_within(&mut idle, Duration::from_millis(100)), None);
}

#[test]
fn a_ping_stays_behind_a_backlog_and_its_pong_confirms_all_of_it() {
    let server = server(500, 5_000, 1);
    let mut wire = blocked_websocket(&server);
    // Its ping is due while the backlog is there.
    let_pass(Duration::from_millis(700));
    let mut entries = 0;
    while wire.message() != "2" {
        entries += 1;
    }
    assert_eq!(entries, 400, "a ping overtook");
    answer(&mut wire);
    expect_confirmed(&server, &[400]);
}

#[test]
fn a_polling_clients_pong_confirms_what_its_polls_brought() {
    let server = server(300, 5_000, 1);
    let poller = Poller::open(server.address);
    poller.post(&["40".to_owned(), event("urgent", 3)]);
    assert_eq!(poller.poll_as("entries").len(), 4);
    poller.start_poll_as("ping").lose_answer();
    // Of what the lost answer brought nothing is confirmed by a pong that answers nothing.
    poller.post(&[event("urgent", 1)]);
    assert_eq!(poller.poll_as("ping"), ["2"]);
    poller.post(&[PONG.to_owned()]);
    expect_confirmed(&server, &[3]);
}

#[test]
fn polls_without_a_t_prove_nothing() {
    let server = server(200, 60_000, 1);
    let poller = Poller::open(server.address);
    poller.post(&["40".to_owned()]);
    poller.poll();
    poller.post(&[event("urgent", 1)]);
    // An entry and a ping, in whichever order and by however many polls.
    let mut came = 0;
    while came < 2 {
        came += poller.poll().len();
    }
    poller.post(&[PONG.to_owned()]);
    // Nor does a better poll, or a WebSocket, know what became of the entry.
    assert_eq!(poller.poll_as("ping"), ["2"]);
    poller.post(&[PONG.to_owned()]);
    let mut wire = probe(&poller);
    wire.send_text(&["5".to_owned()]);
    wait_for_ping(&mut wire);
    wire.send_text(&[PONG.to_owned(), event("echo", 1)]);
    wire.expect_echoes(1..2);
    expect_confirmed(&server, &[]);
}

#[test]
fn who_got_no_entry_by_polls_is_believed_on_its_websocket() {
    let server = server(200, 5_000, 1);
    let poller = Poller::open(server.address);
    poller.post(&["40".to_owned()]);
    poller.poll();
    let mut wire = probe(&poller);
    wire.send_text(&["5".to_owned(), event("urgent", 1)]);
    wait_for_ping(&mut wire);
    answer(&mut wire);
    expect_confirmed(&server, &[1]);
}

#[test]
fn a_mark_stays_behind_when_its_client_moves_to_another_shard() {
    let server = server(200, 5_000, 2);
    for round in 0..6 {
        let mut wire = open_websocket(server.address);
        wait_for_ping(&mut wire);
        // Whichever shard had it: in half of the rounds it moves. A shard fails when it is given another's mark.
        let connect = format!("40{{\"shard\":{}}}", round % 2);
        wire.send_text(&[connect, PONG.to_owned(), event("echo", 1)]);
        assert!(wire.message().starts_with("40{"));
        wire.expect_echoes(1..2);
        wait_for_ping(&mut wire);
        answer(&mut wire);
    }
}
