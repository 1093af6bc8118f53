//! Connections that carry more than one request.

use std::net::Shutdown;
use std::time::{Duration, Instant};

use foodtrack_transport::{Limits, OriginPolicy, ReactorConfig};
use test_support::let_pass;

use crate::client::{Poller, Wire, event, events, get, post, upgrade};
use crate::server::{Server, config};

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
    let keep_alive_timeout = Duration::from_secs(2);
    let limits = Limits { handshake_timeout, keep_alive_timeout, ..Limits::default() };
    let server = Server::start(limits);
    let poller = Poller::open(server.address);
    let mut wire = Wire::connect(server.address);
    wire.write(post(&poller.target, "40").as_bytes());
    assert_eq!(wire.response().body, "ok");
    for n in 0..20 {
        let_pass(Duration::from_millis(50));
        wire.write(post(&poller.target, &event("echo", n)).as_bytes());
        assert_eq!(wire.response().body, "ok");
    }
    // Left alone, it stays for as long as its answers said, and is closed then.
    let left = Instant::now();
    assert!(wire.ends());
    assert!(left.elapsed() > keep_alive_timeout / 2, "{:?}", left.elapsed());
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

#[test]
fn an_answer_says_how_long_its_connection_stays() {
    let server = Server::start(Limits::default());
    let mut wire = Wire::connect(server.address);
    for request in [get("/api"), get("/socket.io/?EIO=4&transport=polling")] {
        wire.write(request.as_bytes());
        let head = wire.response().head;
        assert!(head.contains("connection: keep-alive\r\nkeep-alive: timeout=75\r\n"), "{head}");
    }
    wire.write(b"GET /api HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n\r\n");
    let head = wire.response().head;
    assert!(head.contains("connection: close\r\n") && !head.contains("keep-alive"), "{head}");
}

#[test]
fn a_later_request_that_drips_is_closed_at_its_deadline_though_it_makes_progress() {
    let handshake_timeout = Duration::from_millis(600);
    let server = Server::start(Limits { handshake_timeout, ..Limits::default() });
    for begun in [
        "GET /x HTTP/1.1\r\nhost: hub\r\nx: ",
        "POST /x HTTP/1.1\r\nhost: hub\r\ncontent-length: 9000\r\n\r\n",
        // Who is authorized may take longer, but not for so little.
        "POST /x HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer x\r\ncontent-length: 900000\r\n\r\n",
        "POST /x HTTP/1.1\r\nhost: hub\r\ntransfer-encoding: chunked\r\n\r\nfff\r\n",
    ] {
        let mut wire = Wire::connect(server.address);
        wire.write(get("/first").as_bytes());
        assert_eq!(wire.response().body, "/first");
        let started = Instant::now();
        wire.write(begun.as_bytes());
        wire.stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        // A byte now and then, until the server has let go: reading tells, and then writing fails.
        while !matches!(std::io::Read::read(&mut wire.stream, &mut [0]), Ok(0)) {
            if std::io::Write::write(&mut wire.stream, b"y").is_err() {
                break;
            }
            assert!(started.elapsed() < handshake_timeout * 10, "{begun:?} goes on and on");
        }
        assert!(started.elapsed() >= handshake_timeout / 2, "{:?}", started.elapsed());
    }
    server.wait_until_empty(Duration::from_secs(2));
}

#[test]
fn a_large_body_of_somebody_authorized_may_take_long_while_it_comes_steadily() {
    let handshake_timeout = Duration::from_millis(300);
    let server = Server::start(Limits { handshake_timeout, ..Limits::default() });
    let poller = Poller::open(server.address);
    poller.post(&["40".to_owned()]);
    poller.poll();
    let text = "x".repeat(200_000);
    let by_session = post(&poller.target, &format!("42[\"echo\",\"{text}\"]"));
    let by_token = post("/api", &text).replace("host: hub", "host: hub\r\nauthorization: Bearer x");
    let chunks = format!("{:x}\r\n{text}\r\n0\r\n\r\n", text.len());
    let chunked = "POST /api HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer x\r\ntransfer-encoding: chunked\r\n\r\n";
    for request in [by_session, by_token, chunked.to_owned() + &chunks] {
        let mut wire = Wire::connect(server.address);
        let started = Instant::now();
        for piece in request.as_bytes().chunks(request.len() / 20) {
            let_pass(handshake_timeout / 5);
            wire.write(piece);
        }
        assert_eq!(wire.response().status, 200);
        assert!(started.elapsed() > handshake_timeout * 2);
    }
}

#[test]
fn a_target_with_a_host_in_it_reaches_what_is_there() {
    let server = Server::start(Limits::default());
    let mut wire = Wire::connect(server.address);
    wire.write(get("http://hub:4001/socket.io/?EIO=4&transport=polling").as_bytes());
    let open = wire.response();
    assert!(open.status == 200 && open.body.starts_with("0{"), "{}", open.body);
    // The API gets it as it gets any other.
    wire.write(get("HTTP://hub:4001/api?a=b").as_bytes());
    assert_eq!(wire.response().body, "/api?a=b");
    wire.write(get("http://hub").as_bytes());
    assert_eq!(wire.response().body, "/");
    wire.write(upgrade("http://hub/socket.io/?EIO=4&transport=websocket").as_bytes());
    assert_eq!(wire.response().status, 101);
}

#[test]
fn the_host_in_a_target_counts_and_not_the_header_beside_it() {
    let origins = OriginPolicy::new(&["http://other.example"], true);
    let server = Server::with_shards(ReactorConfig { origins, ..config(Limits::default()) }, 1);
    for (host, status) in [("hub", 200), ("elsewhere", 403)] {
        let target = format!("http://{host}/socket.io/?EIO=4&transport=polling");
        let mut wire = Wire::connect(server.address);
        let page = get(&target).replace("host: hub", "host: proxy\r\norigin: http://hub");
        wire.write(page.as_bytes());
        assert_eq!(wire.response().status, status, "{host}");
    }
}

#[test]
fn head_is_answered_as_get_without_the_body() {
    let server = Server::start(Limits::default());
    let mut wire = Wire::connect(server.address);
    wire.write((get("/target").replace("GET", "HEAD") + &get("/next")).as_bytes());
    let head = wire.head();
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("content-length: 7\r\n"), "{head}");
    // What comes next is the next answer.
    assert_eq!(wire.response().body, "/next");
}

#[test]
fn head_opens_no_session() {
    let server = Server::start(Limits::default());
    let mut wire = Wire::connect(server.address);
    let open = get("/socket.io/?EIO=4&transport=polling").replace("GET", "HEAD");
    wire.write((open + &get("/next")).as_bytes());
    let head = wire.head();
    assert!(head.starts_with("HTTP/1.1 405 ") && head.contains("allow: GET, POST"), "{head}");
    assert_eq!(wire.response().body, "/next");
    assert_eq!(server.counts().1, 0);
}

#[test]
fn a_websocket_in_another_version_is_told_which_is_spoken() {
    let server = Server::start(Limits::default());
    let request = upgrade("/socket.io/?EIO=4&transport=websocket");
    let line = "sec-websocket-version: 13\r\n";
    for asked in ["", "sec-websocket-version: 8\r\n", "sec-websocket-version: 13, 8\r\n"] {
        let mut wire = Wire::connect(server.address);
        wire.write(request.replace(line, asked).as_bytes());
        let response = wire.response();
        assert_eq!(response.status, 400);
        assert!(response.head.contains(line), "{}", response.head);
    }
    // Another fault is not the version's.
    let mut wire = Wire::connect(server.address);
    wire.write(request.replace("dGhlIHNhbXBsZSBub25jZQ==", "short").as_bytes());
    assert!(!wire.response().head.contains("sec-websocket-version"));
}

#[test]
fn the_first_subprotocol_that_is_offered_is_chosen() {
    let server = Server::start(Limits::default());
    let offering = |offers: &str| {
        let mut wire = Wire::connect(server.address);
        let key = "sec-websocket-key";
        let request = upgrade("/socket.io/?EIO=4&transport=websocket");
        wire.write(request.replace(key, &format!("{offers}{key}")).as_bytes());
        wire.response()
    };
    let header = "sec-websocket-protocol";
    for (offers, chosen) in [
        (format!("{header}: v2.foodtrack\r\n"), "v2.foodtrack"),
        (format!("{header}: b , a\r\n"), "b"),
        (format!("{header}: c\r\n{header}: a\r\n"), "c"),
    ] {
        let response = offering(&offers);
        assert_eq!(response.status, 101);
        assert!(response.head.contains(&format!("{header}: {chosen}\r\n")), "{}", response.head);
    }
    // Who offers none is told none: it would end the connection.
    assert!(!offering("").head.contains(header));
    for broken in ["a,,b", "a b", ""] {
        assert_eq!(offering(&format!("{header}: {broken}\r\n")).status, 400, "{broken:?}");
    }
}
