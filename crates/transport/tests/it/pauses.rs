//! Clients that are held up by the application.

use std::time::{Duration, Instant};

use foodtrack_transport::Limits;

use crate::client::{Poller, Wire, event, get, join_by_websocket, post};
use crate::server::Server;

/// Events of which every tenth holds its sender up.
fn mixed(name: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| event(if n % 10 == 0 { name } else { "echo" }, n)).collect()
}

#[test]
fn a_paused_client_resumes_and_loses_nothing() {
    let server = Server::start(Limits::default());
    let mut wire = join_by_websocket(server.address);
    let started = Instant::now();
    wire.send_text(&mixed("pause", 200));
    wire.expect_echoes(0..200);
    // Twenty pauses; the last one holds up nothing but the nine events behind it.
    assert!(started.elapsed() >= Duration::from_millis(20 * 15));
}

#[test]
fn a_pause_holds_while_more_arrives_than_one_read_takes() {
    let server = Server::start(Limits::default());
    let mut wire = join_by_websocket(server.address);
    let started = Instant::now();
    // Some 300 KiB, of which the kernel keeps what the pause leaves there.
    let mut texts = mixed("pause", 100);
    texts
        .iter_mut()
        .for_each(|text| *text = text.replace("\",", &format!("\",{}", " ".repeat(3_000))));
    wire.send_text(&texts);
    wire.expect_echoes(0..100);
    assert!(started.elapsed() >= Duration::from_millis(10 * 15 - 15));
}

#[test]
fn a_client_that_yields_goes_on_next_turn_and_loses_nothing() {
    let server = Server::start(Limits::default());
    let mut wire = join_by_websocket(server.address);
    let mut other = join_by_websocket(server.address);
    wire.send_text(&mixed("yield", 5_000));
    other.send_text(&[event("echo", 7)]);
    other.expect_echoes(7..8);
    wire.expect_echoes(0..5_000);
}

#[test]
fn a_pause_that_ends_finds_the_end_of_the_connection() {
    let server = Server::start(Limits::default());
    let mut wire = join_by_websocket(server.address);
    wire.send_text(&mixed("pause", 20));
    drop(wire);
    server.wait_until_empty(Duration::from_secs(2));
}

#[test]
fn a_polling_clients_next_post_waits_for_the_pause() {
    let server = Server::start(Limits::default());
    let poller = Poller::open(server.address);
    let mut wire = Wire::connect(server.address);
    wire.write(post(&poller.target, "40").as_bytes());
    assert_eq!(wire.response().body, "ok");
    let started = Instant::now();
    for n in 0..10 {
        wire.write(post(&poller.target, &event("pause", n)).as_bytes());
        assert_eq!(wire.response().body, "ok");
    }
    // A pause counts from when the turn began, which on a busy machine is a while before. Without pauses this takes a few milliseconds.
    assert!(started.elapsed() >= Duration::from_millis(9 * 15 / 2));
    let packets = poller.poll_until(11);
    assert!((0..10).all(|n| packets[n + 1] == event("echo", n)), "{packets:?}");
    assert_eq!(poller.request(&get("/other")).status, 200);
}
