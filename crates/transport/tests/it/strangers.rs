//! Sockets that say nothing, or never enough.

use std::time::{Duration, Instant};

use foodtrack_transport::{Limits, OriginPolicy, ReactorConfig};

use crate::client::{Wire, event, get, join_by_websocket, open_websocket};
use crate::server::{Server, config};

const TIMEOUT: Duration = Duration::from_millis(400);

#[test]
fn a_thousand_sockets_that_never_speak_are_dropped_at_the_handshake_timeout() {
    let server = Server::start(Limits { handshake_timeout: TIMEOUT, ..Limits::default() });
    let mut good = join_by_websocket(server.address);
    let started = Instant::now();
    let mut strangers: Vec<_> = (0..1_000).map(|_| Wire::connect(server.address)).collect();
    // Half of them begin a request and never end it.
    strangers.iter_mut().step_by(2).for_each(|wire| wire.write(b"GET /socket.io/ HTT"));
    let opened = started.elapsed();
    for wire in &mut strangers {
        assert!(wire.ends());
    }
    let took = started.elapsed();
    assert!(took >= TIMEOUT && took < TIMEOUT + opened + Duration::from_secs(2), "{took:?}");
    good.send_text(&[event("echo", 1)]);
    good.expect_echoes(1..2);
    assert_eq!(server.counts(), (1, 1));
}

#[test]
fn a_trickle_does_not_buy_a_stranger_more_time() {
    let server = Server::start(Limits { handshake_timeout: TIMEOUT, ..Limits::default() });
    let mut wire = Wire::connect(server.address);
    let started = Instant::now();
    wire.stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    while server.counts().0 == 1 || started.elapsed() < TIMEOUT / 2 {
        // Once the server has let go, writing fails.
        let _ = std::io::Write::write(&mut wire.stream, b"x");
        std::thread::sleep(Duration::from_millis(20));
        assert!(started.elapsed() < TIMEOUT * 5);
    }
    server.wait_until_empty(Duration::from_secs(1));
}

#[test]
fn a_session_that_joins_nothing_is_closed_at_the_connect_timeout() {
    let server = Server::start(Limits { connect_timeout: TIMEOUT, ..Limits::default() });
    let started = Instant::now();
    let mut wire = open_websocket(server.address);
    assert!(wire.ends());
    assert!(started.elapsed() >= TIMEOUT);
    drop(wire);
    server.wait_until_empty(Duration::from_secs(2));
}

#[test]
fn a_socket_that_ends_takes_no_newcomer_with_it() {
    let server = Server::start(Limits::default());
    let churn = || {
        for n in 0..150 {
            let wire = join_by_websocket(server.address);
            // Its place is free now, and soon somebody else's.
            drop(wire);
            let mut newcomer = join_by_websocket(server.address);
            newcomer.send_text(&[event("echo", n)]);
            newcomer.expect_echoes(n..n + 1);
        }
    };
    std::thread::scope(|scope| (0..8).for_each(|_| _ = scope.spawn(churn)));
    server.wait_until_empty(Duration::from_secs(2));
}

#[test]
fn leaving_and_joining_again_ends_somewhere() {
    let server = Server::start(Limits::default());
    let mut wire = open_websocket(server.address);
    for _ in 0..32 {
        wire.send_text(&["40".to_owned(), "41".to_owned()]);
        assert!(wire.message().starts_with("40{"));
    }
    wire.send_text(&["40".to_owned()]);
    assert!(wire.ends());
}

#[test]
fn a_page_that_may_not_connect_may_not_read_why() {
    let config = ReactorConfig {
        origins: OriginPolicy::new(&["http://good.example"]),
        ..config(Limits::default())
    };
    let server = Server::with_shards(config, 1);
    for (origin, status, may_read) in
        [("http://good.example", 200, true), ("http://evil.example", 403, false)]
    {
        let mut wire = Wire::connect(server.address);
        let target = "/socket.io/?EIO=4&transport=polling";
        wire.write(
            get(target).replace("host: hub", &format!("host: hub\r\norigin: {origin}")).as_bytes(),
        );
        let response = wire.response();
        assert_eq!(response.status, status);
        assert_eq!(response.head.contains("access-control-allow-origin"), may_read, "{origin}");
    }
}
