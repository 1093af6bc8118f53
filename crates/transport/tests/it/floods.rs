//! Clients that send very much, or what can mean nothing.

use std::time::{Duration, Instant};

use foodtrack_transport::{CloseReason, Limits};
use foodtrack_wire::rfc6455::{Opcode, write_client_frame};
use test_support::let_pass;

use crate::client::{Poller, Wire, event, events, get, join_by_websocket, open_websocket, post};
use crate::server::Server;
use crate::upgrade::probe;

fn texts(text: &str, count: usize) -> Vec<String> {
    vec![text.to_owned(); count]
}

#[test]
fn packets_that_mean_nothing_close_their_sender_once_there_are_many() {
    let server = Server::start(Limits::default());
    let mut closed = 0;
    // Pongs and acknowledgements that nobody asked for, and noops.
    for text in ["3", "431[]", "6"] {
        let mut wire = join_by_websocket(server.address);
        wire.send_text(&texts(text, 100));
        wire.send_text(&[event("echo", 1)]);
        wire.expect_echoes(1..2);
        wire.send_text(&texts(text, 400));
        assert!(wire.ends(), "{text}");
        closed += 1;
        server.wait_until_closed(closed);
    }
    let mut wire = join_by_websocket(server.address);
    let mut pongs = Vec::new();
    (0..400).for_each(|_| write_client_frame(&mut pongs, Opcode::Pong, b"", [1; 4]));
    wire.write(&pongs);
    assert!(wire.ends());
    let poller = Poller::open(server.address);
    poller.post(&["40".to_owned()]);
    poller.post(&texts("3", 400));
    server.wait_until_closed(closed + 2);
    assert!(server.closed().iter().all(|reason| *reason == CloseReason::ProtocolError));
}

#[test]
fn a_stranger_may_send_few_packets_that_mean_nothing() {
    let server = Server::start(Limits::default());
    let mut wire = open_websocket(server.address);
    wire.send_text(&texts("3", 40));
    assert!(wire.ends());
    let mut wire = open_websocket(server.address);
    wire.send_text(&texts("3", 10));
    wire.send_text(&["40".to_owned()]);
    assert!(wire.message().starts_with("40{"));
}

#[test]
fn who_is_over_the_rate_of_packets_waits_and_loses_nothing() {
    let server = Server::start(Limits { packets_per_second: 500, ..Limits::default() });
    let mut other = join_by_websocket(server.address);
    let mut wire = join_by_websocket(server.address);
    let started = Instant::now();
    wire.send_text(&events("echo", 0..1_250));
    other.send_text(&[event("echo", 1)]);
    other.expect_echoes(1..2);
    wire.expect_echoes(0..1_250);
    assert!(started.elapsed() >= Duration::from_millis(1_000), "{:?}", started.elapsed());
    assert_eq!(server.closed(), []);
}

#[test]
fn who_is_over_the_rate_of_bytes_waits_and_loses_nothing() {
    let server = Server::start(Limits { bytes_per_second: 400_000, ..Limits::default() });
    let mut wire = join_by_websocket(server.address);
    let started = Instant::now();
    let padded = |text: String| text.replace("\",", &format!("\",{}", " ".repeat(50_000)));
    wire.send_text(&events("echo", 0..16).into_iter().map(padded).collect::<Vec<_>>());
    wire.expect_echoes(0..16);
    assert!(started.elapsed() >= Duration::from_millis(700), "{:?}", started.elapsed());
}

#[test]
fn a_stranger_has_a_small_rate_and_a_joined_client_its_own() {
    let server = Server::start(Limits::default());
    let mut wire = open_websocket(server.address);
    let started = Instant::now();
    // Each ping of a WebSocket counts as four packets.
    let mut pings = Vec::new();
    (0..35).for_each(|_| write_client_frame(&mut pings, Opcode::Ping, b"", [1; 4]));
    wire.write(&pings);
    wire.send_text(&["40".to_owned()]);
    (0..35).for_each(|_| assert_eq!(wire.message(), "", "a pong"));
    assert!(wire.message().starts_with("40{"));
    assert!(started.elapsed() >= Duration::from_millis(500), "{:?}", started.elapsed());
    let started = Instant::now();
    wire.send_text(&events("echo", 0..500));
    wire.expect_echoes(0..500);
    assert!(started.elapsed() < Duration::from_millis(5_000), "{:?}", started.elapsed());
}

#[test]
fn a_polling_clients_posts_wait_for_its_rate() {
    let limits =
        Limits { packets_per_second: 500, queue_messages_max: 10_000, ..Limits::default() };
    let server = Server::start(limits);
    let poller = Poller::open(server.address);
    poller.post(&["40".to_owned()]);
    let started = Instant::now();
    poller.post(&events("echo", 0..1_000));
    // Over another connection, too.
    poller.post(&[event("echo", 1_000)]);
    assert!(started.elapsed() >= Duration::from_millis(700), "{:?}", started.elapsed());
    assert_eq!(poller.poll_until(1_002)[1..], events("echo", 0..1_001));
}

#[test]
fn a_body_of_many_packets_is_taken_in_turns_and_in_order() {
    let server = Server::start(Limits {
        packets_per_second: 0,
        queue_messages_max: 100_000,
        ..Limits::default()
    });
    let poller = Poller::open(server.address);
    poller.post(&["40".to_owned()]);
    let mut wire = probe(&poller);
    let mut other = join_by_websocket(server.address);
    poller.post(&events("echo", 0..5_000));
    other.send_text(&[event("echo", 1)]);
    other.expect_echoes(1..2);
    poller.post(&events("echo", 5_000..6_000));
    // What was posted comes before what the WebSocket brings.
    wire.send_text(&["5".to_owned(), event("echo", 6_000)]);
    assert!(wire.message().starts_with("40{"));
    wire.expect_echoes(0..6_001);
}

#[test]
fn a_body_of_more_packets_than_anybody_posts_is_refused() {
    let server = Server::start(Limits::default());
    let poller = Poller::open(server.address);
    poller.post(&["40".to_owned()]);
    let response = poller.request(&post(&poller.target, &texts("3", 20_000).join("\u{1e}")));
    assert_eq!(response.status, 400);
    // The answer is written before the server is told of the close.
    server.wait_until_closed(1);
    assert_eq!(server.closed(), [CloseReason::ProtocolError]);
}

#[test]
fn before_joining_a_message_is_small_and_then_as_large_as_any() {
    let server = Server::start(Limits::default());
    let mut wire = open_websocket(server.address);
    wire.send_text(&[format!("40{{\"token\":\"{}\"}}", "x".repeat(17_000))]);
    let (code, reason) = wire.close_frame();
    assert_eq!(code, 1_009);
    assert!(reason.contains("before joining") && reason.contains("16384"), "{reason}");
    let poller = Poller::open(server.address);
    let response = poller.request(&post(&poller.target, &format!("40{}", "x".repeat(17_000))));
    assert_eq!(response.status, 413);
    assert!(response.body.contains("before joining"), "{}", response.body);
    // A large token, and an event right behind it in the same write.
    let mut wire = open_websocket(server.address);
    let echo = event("echo", 1).replace("\",", &format!("\",{}", " ".repeat(100_000)));
    wire.send_text(&[format!("40{{\"token\":\"{}\"}}", "x".repeat(12_000)), echo]);
    assert!(wire.message().starts_with("40{"));
    wire.expect_echoes(1..2);
}

#[test]
fn a_message_over_the_limit_is_closed_with_a_reason() {
    let server = Server::start(Limits { payload_bytes_max: 20_000, ..Limits::default() });
    let mut wire = join_by_websocket(server.address);
    wire.send_text(&["x".repeat(20_001)]);
    let (code, reason) = wire.close_frame();
    assert_eq!(code, 1_009);
    assert!(reason.contains("20000") && reason.contains("limits.payloadBytesMax"), "{reason}");
    let mut wire = join_by_websocket(server.address);
    wire.send_text(&["4x".to_owned()]);
    assert_eq!(wire.close_frame().0, 1_002);
}

#[test]
fn a_namespace_that_is_not_there_buys_nobody_time() {
    let connect_timeout = Duration::from_millis(500);
    let server = Server::start(Limits { connect_timeout, ..Limits::default() });
    let mut wire = open_websocket(server.address);
    let started = Instant::now();
    let mut asked = 0;
    while server.closed().is_empty() && asked < 30 {
        asked += 1;
        let _ = wire.try_send_text(&[format!("40/n{asked},")]);
        let_pass(Duration::from_millis(100));
    }
    assert_eq!(server.closed(), [CloseReason::ConnectTimeout]);
    assert!(started.elapsed() < Duration::from_millis(2_000), "{:?}", started.elapsed());
}

#[test]
fn a_refusal_says_no_long_name_again() {
    let server = Server::start(Limits::default());
    let mut wire = open_websocket(server.address);
    wire.send_text(&[format!("40/{},", "n".repeat(10_000)), "40/short,".to_owned()]);
    assert_eq!(wire.message(), "44/short,{\"message\":\"Invalid namespace\"}");
    let mut wire = Wire::connect(server.address);
    wire.write(get("/other").as_bytes());
    assert_eq!(wire.response().status, 200);
}
