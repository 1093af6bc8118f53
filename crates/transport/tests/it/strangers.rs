//! Sockets that say nothing, or never enough.

use std::time::{Duration, Instant};

use foodtrack_transport::{Limits, OriginPolicy, ReactorConfig};
use test_support::{let_pass, wait_until};

use crate::client::{Wire, event, get, join_by_websocket, open_websocket, upgrade};
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
        let_pass(Duration::from_millis(20));
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
fn a_refused_origin_is_named_with_where_to_allow_it() {
    let config = ReactorConfig {
        origins: OriginPolicy::new(&["http://good.example"], true),
        ..config(Limits::default())
    };
    let server = Server::with_shards(config, 1);
    let from = |origin: &str, request: String| {
        let mut wire = Wire::connect(server.address);
        let request = request.replace("host: hub", &format!("host: hub\r\norigin: {origin}"));
        wire.write(request.as_bytes());
        wire.response()
    };
    let (polling, websocket) =
        ("/socket.io/?EIO=4&transport=polling", "/socket.io/?EIO=4&transport=websocket");
    for request in [get(polling), upgrade(websocket)] {
        let refused = from("https://evil.example", request);
        assert_eq!(refused.status, 403);
        let names = |word| refused.body.contains(word);
        assert!(names("https://evil.example") && names("cors.origin"), "{}", refused.body);
    }
    assert_eq!(from("HTTP://Good.example:80", upgrade(websocket)).status, 101);
}

#[test]
fn any_origin_may_read_without_credentials() {
    let server = Server::start(Limits::default());
    let poll = get("/socket.io/?EIO=4&transport=polling");
    for request in [poll.clone(), poll.replace("GET", "OPTIONS")] {
        let mut wire = Wire::connect(server.address);
        let request = request.replace("host: hub", "host: hub\r\norigin: http://any.example");
        wire.write(request.as_bytes());
        let head = wire.response().head;
        assert!(head.contains("access-control-allow-origin: *\r\n"), "{head}");
        assert!(!head.contains("credentials"), "{head}");
    }
}

#[test]
fn a_page_that_may_not_connect_may_not_read_why() {
    let config = ReactorConfig {
        origins: OriginPolicy::new(&["http://good.example"], true),
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

#[test]
fn a_large_body_is_not_kept_for_somebody_without_authorization() {
    let server = Server::start(Limits::default());
    let head = |target: &str, more: &str| {
        format!("POST {target} HTTP/1.1\r\nhost: hub\r\n{more}content-length: 900000\r\n\r\n[")
    };
    let engine = "/socket.io/?EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAA";
    for (target, status) in [("/api/v1/publish", 401), (engine, 400)] {
        let mut wire = Wire::connect(server.address);
        wire.write(head(target, "").as_bytes());
        assert_eq!(wire.response().status, status);
        assert!(wire.ends());
    }
    // With it, the body is waited for.
    let mut wire = Wire::connect(server.address);
    wire.write(head("/api/v1/publish", "authorization: Bearer x\r\n").as_bytes());
    wire.write(&b"x".repeat(899_999));
    assert_eq!(wire.response().status, 200);
}

#[test]
fn a_body_of_tiny_chunks_is_refused() {
    let server = Server::start(Limits::default());
    let mut wire = Wire::connect(server.address);
    let head = "POST /x HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer x\r\ntransfer-encoding: chunked\r\n\r\n";
    wire.write(head.as_bytes());
    wire.write(&b"1\r\nx\r\n".repeat(10_000));
    assert_eq!(wire.response().status, 400);
}

#[test]
fn half_sent_bodies_share_one_budget_and_the_oldest_go() {
    // Nobody goes because of the time.
    let handshake_timeout = Duration::from_secs(60);
    let limits = Limits { strangers_bytes_max: 4 << 20, handshake_timeout, ..Limits::default() };
    let server = Server::start(limits);
    let mut good = join_by_websocket(server.address);
    let head = "POST /x HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer x\r\ncontent-length: 900000\r\n\r\n";
    let mut wires: Vec<_> = (0..40).map(|_| Wire::connect(server.address)).collect();
    for wire in &mut wires {
        // Who was let go of already does not take it.
        let _ = std::io::Write::write_all(&mut wire.stream, head.as_bytes());
        let _ = std::io::Write::write_all(&mut wire.stream, &b"x".repeat(500_000));
    }
    assert!(wires[0].ends());
    good.send_text(&[event("echo", 1)]);
    good.expect_echoes(1..2);
    // The server may still be reading what the last of them sent.
    wait_until("fewer than 20 sockets", || server.counts().0 < 20);
    assert_eq!(server.counts().1, 1, "who has joined stays");
}

#[test]
fn what_those_who_have_joined_are_owed_does_not_wait_for_a_strangers_turn() {
    const HELD: Duration = Duration::from_millis(1_500);
    let server = Server::start(Limits::default());
    let (mut first, mut second) =
        (join_by_websocket(server.address), join_by_websocket(server.address));
    let mut stranger = Wire::connect(server.address);
    server.settle();
    // Both of the others find the shard held, so that it reads them in one turn.
    first.send_text(&[event("hold", 200)]);
    server.wait_until_held();
    stranger.write(get(&format!("/hold/{}", HELD.as_millis())).as_bytes());
    second.send_text(&[event("echo", 7)]);
    let sent = Instant::now();
    second.expect_echoes(7..8);
    let took = sent.elapsed();
    assert!(took < HELD, "it waited {took:?}");
    assert_eq!(stranger.response().status, 200);
}
