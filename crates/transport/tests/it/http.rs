//! Connections that carry more than one request.

use std::net::Shutdown;
use std::time::Duration;

use foodtrack_transport::Limits;

use crate::client::{Poller, Wire, event, events, get, post};
use crate::server::Server;

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Server::start(Limits::default());
    let mut wire = Wire::connect(server.address);
    let requests: String = (0..200).map(|n| get(&format!("/{n}"))).collect();
    wire.write(requests.as_bytes());
    for n in 0..200 {
        assert_eq!(wire.response().body, format!("/{n}"));
    }
}

#[test]
fn requests_behind_a_waiting_poll_are_answered_after_it() {
    let server = Server::start(Limits::default());
    let poller = Poller::open(server.address);
    poller.post(&["40".to_owned()]);
    poller.poll();
    let mut wire = Wire::connect(server.address);
    wire.write((get(&poller.target) + &get("/behind")).as_bytes());
    poller.post(&[event("echo", 1)]);
    assert_eq!(wire.response().body, event("echo", 1));
    assert_eq!(wire.response().body, "/behind");
}

#[test]
fn a_connection_in_use_outlives_the_deadline_of_its_first_request() {
    let handshake_timeout = Duration::from_millis(300);
    let server = Server::start(Limits { handshake_timeout, ..Limits::default() });
    let poller = Poller::open(server.address);
    let mut wire = Wire::connect(server.address);
    wire.write(post(&poller.target, "40").as_bytes());
    assert_eq!(wire.response().body, "ok");
    for n in 0..20 {
        std::thread::sleep(Duration::from_millis(50));
        wire.write(post(&poller.target, &event("echo", n)).as_bytes());
        assert_eq!(wire.response().body, "ok");
    }
    // Left alone, it is closed.
    assert!(wire.ends());
}

#[test]
fn more_than_enough_ahead_of_a_waiting_poll_is_left_to_the_kernel() {
    let server = Server::start(Limits::default());
    let poller = Poller::open(server.address);
    poller.post(&["40".to_owned()]);
    poller.poll();
    let mut wire = Wire::connect(server.address);
    wire.write(get(&poller.target).as_bytes());
    // 64 MiB of further requests: the kernel's buffers fill up, and then the writer has to wait.
    wire.stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let ahead = get("/ahead").repeat(1_000);
    let mut written = 0;
    while std::io::Write::write(&mut wire.stream, ahead.as_bytes()).is_ok_and(|count| count > 0) {
        written += ahead.len();
        assert!(written < 64 << 20, "the server takes it all");
    }
    // They are answered once the poll is.
    poller.post(&[event("echo", 1)]);
    assert_eq!(wire.response().body, event("echo", 1));
    for _ in 0..5_000 {
        assert_eq!(wire.response().body, "/ahead");
    }
}

#[test]
fn who_closes_its_own_side_still_gets_its_answer() {
    let server = Server::start(Limits::default());
    let mut wire = Wire::connect(server.address);
    wire.write(get("/last").as_bytes());
    wire.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(wire.response().body, "/last");
    assert!(wire.ends());
    server.wait_until_empty(Duration::from_secs(2));
}

#[test]
fn a_body_comes_through_whatever_its_pieces() {
    let server = Server::start(Limits::default());
    let poller = Poller::open(server.address);
    poller.post(&["40".to_owned()]);
    poller.poll();
    let text = "x".repeat(500_000);
    let request = post(&poller.target, &format!("42[\"echo\",\"{text}\"]"));
    let mut wire = Wire::connect(server.address);
    for piece in request.as_bytes().chunks(7_001) {
        wire.write(piece);
    }
    assert_eq!(wire.response().body, "ok");
    assert_eq!(poller.poll(), [format!("42[\"echo\",\"{text}\"]")]);
}

#[test]
fn a_poll_brings_no_more_packets_than_every_client_takes() {
    let server = Server::start(Limits::default());
    let poller = Poller::open(server.address);
    poller.post(&["40".to_owned()]);
    poller.poll();
    poller.post(&events("echo", 0..40));
    let bodies: Vec<_> = std::iter::repeat_with(|| poller.poll()).take(3).collect();
    assert_eq!(bodies.iter().map(Vec::len).collect::<Vec<_>>(), [16, 16, 8]);
    assert_eq!(bodies.concat(), events("echo", 0..40));
}
