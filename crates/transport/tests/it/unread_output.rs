//! Peers that ask and do not read the answers.

use std::time::{Duration, Instant};

use foodtrack_transport::{CloseReason, Limits};
use foodtrack_wire::rfc6455::{Opcode, write_client_frame};
use test_support::let_pass;

use crate::client::{Poller, Wire, event, get, join_by_websocket, open_websocket, post, upgrade};
use crate::server::Server;

/// Far more than the kernel keeps for both sides of a connection on this machine.
const PUSHED: usize = 96 << 20;
const TAKEN_MAX: usize = 48 << 20;

fn pings() -> Vec<u8> {
    let mut bytes = Vec::new();
    (0..500).for_each(|_| write_client_frame(&mut bytes, Opcode::Ping, &[7; 120], [1; 4]));
    bytes
}

/// What this sends is answered with at least as much.
fn expect_back_pressure(mut wire: Wire, bytes: &[u8]) -> Wire {
    let taken = wire.push(bytes, PUSHED);
    assert!(taken < TAKEN_MAX, "{} MiB were taken and answered", taken >> 20);
    wire
}

#[test]
fn requests_are_taken_no_faster_than_their_answers_are_read() {
    let server = Server::start(Limits { packets_per_second: 0, ..Limits::default() });
    let request = get(&format!("/{}", "x".repeat(8_000)));
    expect_back_pressure(Wire::connect(server.address), request.repeat(8).as_bytes());
    let preflight =
        get("/socket.io/?EIO=4&transport=polling").replace("GET", "OPTIONS").repeat(1_000);
    expect_back_pressure(Wire::connect(server.address), preflight.as_bytes());
    let poller = Poller::open(server.address);
    poller.post(&["40".to_owned()]);
    let posts = post(&poller.target, "3").repeat(100);
    expect_back_pressure(Wire::connect(server.address), posts.as_bytes());
    let mut good = join_by_websocket(server.address);
    good.send_text(&[event("echo", 1)]);
    good.expect_echoes(1..2);
}

#[test]
fn pings_are_taken_no_faster_than_their_pongs_are_read() {
    let limits = Limits { packets_per_second: 0, bytes_per_second: 0, ..Limits::default() };
    let server = Server::start(limits);
    let joined = expect_back_pressure(join_by_websocket(server.address), &pings());
    let open = expect_back_pressure(open_websocket(server.address), &pings());
    let poller = Poller::open(server.address);
    poller.post(&["40".to_owned()]);
    let mut probing = Wire::connect(server.address);
    let target = format!("/socket.io/?EIO=4&transport=websocket&sid={}", poller.sid);
    probing.write(upgrade(&target).as_bytes());
    assert_eq!(probing.response().status, 101);
    let probing = expect_back_pressure(probing, &pings());
    assert_eq!(server.closed(), [], "none of them was more than held up");
    drop((joined, open, probing));
}

#[test]
fn who_takes_nothing_of_what_waits_is_closed_at_the_write_timeout() {
    let write_timeout = Duration::from_millis(400);
    let server = Server::start(Limits { write_timeout, ..Limits::default() });
    let mut stranger = Wire::connect(server.address);
    stranger.push(get(&format!("/{}", "x".repeat(8_000))).repeat(8).as_bytes(), PUSHED);
    let mut slow = join_by_websocket(server.address);
    slow.shrink();
    slow.send_text(&vec![event("flood", 8); 16]);
    let started = Instant::now();
    server.wait_until_closed(1);
    assert_eq!(server.closed(), [CloseReason::SlowReader]);
    server.wait_until_empty(Duration::from_secs(5));
    assert!(started.elapsed() < Duration::from_secs(5));
    drop((stranger, slow));
}

#[test]
fn who_takes_a_little_now_and_then_gets_all_of_it() {
    let write_timeout = Duration::from_millis(1_500);
    let limits = Limits { write_timeout, queue_bytes_max: 64 << 20, ..Limits::default() };
    let server = Server::start(limits);
    let mut slow = join_by_websocket(server.address);
    slow.shrink();
    slow.send_text(&vec![event("flood", 8); 40]);
    slow.send_text(&[event("echo", 7)]);
    for n in 0..320 {
        assert!(slow.message().starts_with("42[\"flood\""));
        if n % 40 == 0 {
            let_pass(Duration::from_millis(300));
        }
    }
    slow.expect_echoes(7..8);
    assert_eq!(server.closed(), []);
}
