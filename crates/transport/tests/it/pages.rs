//! What pages of other origins may read: every answer where their origin is allowed, also the last one of a connection.

use std::time::Duration;

use foodtrack_transport::{Limits, OriginPolicy, ReactorConfig};

use crate::client::{Response, Wire, get, join_by_websocket};
use crate::server::{Server, config};

const GOOD: &str = "http://good.example";
const EVIL: &str = "http://evil.example";

fn server(limits: Limits) -> Server {
    let origins = OriginPolicy::new(&[GOOD], true);
    Server::with_shards(ReactorConfig { origins, ..config(limits) }, 1)
}

/// The answer to a request of a page of `origin`.
fn ask(server: &Server, request: &str, origin: &str) -> Response {
    let mut wire = Wire::connect(server.address);
    let request = request.replacen("\r\n", &format!("\r\norigin: {origin}\r\n"), 1);
    // The server may have answered and closed before it took all of it.
    wire.try_write(request.as_bytes());
    wire.response()
}

/// Requests whose answers are the last of their connections.
fn refused() -> Vec<(u16, String)> {
    let post = "POST /api/v1/publish HTTP/1.1\r\nhost: hub\r\n";
    let poll = "/socket.io/?EIO=4&transport=polling";
    let token = "authorization: Bearer x\r\n";
    vec![
        (400, "GET /x HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n".to_owned()),
        (400, "GET /x HTTP/1.1\r\nhost: hub\r\nbroken\r\n\r\n".to_owned()),
        (
            400,
            format!("POST {poll}&sid=none HTTP/1.1\r\nhost: hub\r\ncontent-length: 900000\r\n\r\n"),
        ),
        (400, format!("{post}transfer-encoding: chunked\r\n\r\nno length\r\n")),
        (401, format!("{post}content-length: 900000\r\n\r\n")),
        (413, format!("{post}{token}content-length: 9000000\r\n\r\n")),
        (431, format!("GET /x HTTP/1.1\r\nhost: hub\r\ncookie: {}\r\n\r\n", "c".repeat(20_000))),
        (431, format!("GET /x HTTP/1.1\r\nhost: hub\r\n{}\r\n", "x: y\r\n".repeat(70))),
        (501, format!("{post}transfer-encoding: gzip, chunked\r\n\r\n")),
        (505, "GET /x HTTP/2.0\r\nhost: hub\r\n\r\n".to_owned()),
    ]
}

#[test]
fn a_page_may_read_why_its_request_was_the_last_of_its_connection() {
    let server = server(Limits::default());
    for (status, request) in refused() {
        let answer = ask(&server, &request, GOOD);
        let shown = &request[..request.len().min(100)];
        assert_eq!(answer.status, status, "{shown:?}");
        assert_may_read(&answer);
        assert_may_not_read(&ask(&server, &request, EVIL));
    }
}

#[test]
fn a_page_may_read_that_there_is_no_room() {
    let limits =
        Limits { sockets_max: 32, handshake_timeout: Duration::from_secs(60), ..Limits::default() };
    let server = server(limits);
    // All that the limit allows, and the few more that fit while others might go.
    let _people: Vec<_> = (0..36).map(|_| join_by_websocket(server.address)).collect();
    let answer = ask(&server, &get("/x"), GOOD);
    assert_eq!(answer.status, 503);
    assert_may_read(&answer);
    assert_may_not_read(&ask(&server, &get("/x"), EVIL));
    // Who asks nothing hears it as well.
    assert_eq!(Wire::connect(server.address).response().status, 503);
}

#[test]
fn a_connection_does_not_remember_the_page_of_an_earlier_request() {
    let server = server(Limits::default());
    let mut wire = Wire::connect(server.address);
    let of_page = get("/x").replace("host: hub", &format!("host: hub\r\norigin: {GOOD}"));
    wire.write(of_page.as_bytes());
    assert_may_read(&wire.response());
    wire.write(get("/x").as_bytes());
    assert_may_not_read(&wire.response());
    wire.write(b"GET /x HTTP/1.1\r\n\r\n");
    assert_may_not_read(&wire.response());
}

#[track_caller]
fn assert_may_read(answer: &Response) {
    let head = &answer.head;
    let once = |line: &str| assert_eq!(head.matches(line).count(), 1, "{line}: {head}");
    once(&format!("access-control-allow-origin: {GOOD}\r\n"));
    once("access-control-allow-credentials: true\r\n");
    once("vary: origin\r\n");
}

#[track_caller]
fn assert_may_not_read(answer: &Response) {
    let head = &answer.head;
    assert!(!head.contains("access-control"), "{head}");
    assert!(head.contains("vary: origin\r\n"), "{head}");
}
