//! HTTP answers whose bodies come in pieces.

use std::time::{Duration, Instant};

use foodtrack_transport::Limits;
use test_support::wait_until;

use crate::client::{Wire, event, get, join_by_websocket};
use crate::server::Server;

/// Pieces of the test's application.
const PIECE_BYTES: usize = 64 * 1024;

fn letter(piece: usize) -> u8 {
    b"abcdefghijklmnopqrstuvwxyz"[piece % 26]
}

/// Asks for a stream of so many pieces.
fn ask(server: &Server, pieces: &str) -> Wire {
    let mut wire = Wire::connect(server.address);
    wire.write(get(&format!("/stream/{pieces}")).as_bytes());
    wire
}

#[test]
fn a_body_comes_in_pieces_and_then_ends() {
    let server = Server::start(Limits::default());
    let mut wire = ask(&server, "40");
    let head = wire.head();
    assert!(head.contains("transfer-encoding: chunked\r\n"), "{head}");
    assert!(head.contains("connection: close\r\n") && !head.contains("content-length"), "{head}");
    let mut chunks = 0;
    while let Some(chunk) = wire.chunk() {
        assert_eq!(chunk.len(), PIECE_BYTES);
        assert!(chunk.iter().all(|byte| *byte == letter(chunks)), "piece {chunks}");
        chunks += 1;
    }
    assert_eq!(chunks, 40);
    assert!(wire.ends());
    server.wait_until_empty(Duration::from_secs(5));
    assert_eq!(server.streams_ended(), 0, "the producer ended it");
}

#[test]
fn who_asks_in_http_1_0_gets_the_pieces_as_they_are_and_head_gets_none() {
    let server = Server::start(Limits::default());
    let mut wire = Wire::connect(server.address);
    wire.write(b"GET /stream/3 HTTP/1.0\r\nhost: hub\r\n\r\n");
    let head = wire.head();
    assert!(!head.contains("transfer-encoding") && !head.contains("content-length"), "{head}");
    assert_eq!(wire.rest().len(), 3 * PIECE_BYTES);
    let mut wire = Wire::connect(server.address);
    wire.write(b"HEAD /stream/3 HTTP/1.1\r\nhost: hub\r\n\r\n");
    assert!(wire.head().contains("transfer-encoding: chunked\r\n"));
    assert_eq!(wire.rest(), b"");
}

#[test]
fn a_slow_reader_holds_its_producer_up_and_is_closed_at_the_write_timeout() {
    let write_timeout = Duration::from_millis(400);
    let server = Server::start(Limits { write_timeout, ..Limits::default() });
    let mut wire = ask(&server, "endless");
    wire.shrink();
    wire.head();
    wait_until("the producer is refused a piece", || server.pieces_refused() > 0);
    let taken = server.pieces_taken();
    let mut other = join_by_websocket(server.address);
    other.send_text(&[event("echo", 1)]);
    other.expect_echoes(1..2);
    // What the kernel keeps for both sides of the connection, and 256 KiB.
    assert!(taken * PIECE_BYTES < 48 << 20, "{taken} pieces wait");
    wait_until("the producer hears", || server.streams_ended() == 1);
    drop(wire);
}

#[test]
fn a_reader_that_goes_on_gets_everything_in_order() {
    let server = Server::start(Limits::default());
    let mut wire = ask(&server, "400");
    wire.shrink();
    wire.head();
    wait_until("the producer is refused a piece", || server.pieces_refused() > 0);
    let mut chunks = 0;
    while let Some(chunk) = wire.chunk() {
        assert!(chunk.iter().all(|byte| *byte == letter(chunks)), "piece {chunks}");
        chunks += 1;
    }
    assert_eq!(chunks, 400);
}

#[test]
fn the_producer_hears_of_a_client_that_goes() {
    let server = Server::start(Limits::default());
    let mut wire = ask(&server, "waiting");
    wire.head();
    assert_eq!(server.streams_ended(), 0);
    drop(wire);
    wait_until("the producer hears", || server.streams_ended() == 1);
    server.wait_until_empty(Duration::from_secs(5));
}

#[test]
fn an_idle_stream_beats_where_it_has_a_heartbeat_and_ends_where_it_has_none() {
    let server = Server::start(Limits {
        stream_heartbeat_interval: Duration::from_millis(50),
        stream_idle_timeout: Duration::from_millis(200),
        ..Limits::default()
    });
    let mut beating = ask(&server, "beating");
    beating.head();
    let mut forgotten = ask(&server, "waiting");
    forgotten.head();
    let started = Instant::now();
    assert!(forgotten.ends(), "a body that its producer forgot is cut off");
    assert!(started.elapsed() < Duration::from_secs(5));
    wait_until("the producer hears", || server.streams_ended() == 1);
    for _ in 0..10 {
        assert_eq!(beating.chunk().as_deref(), Some(&b":\n\n"[..]));
    }
}

#[test]
fn many_streams_go_on_beside_one_another() {
    let server = Server::start(Limits::default());
    let mut waiting: Vec<_> = (0..200).map(|_| ask(&server, "beating")).collect();
    waiting.iter_mut().for_each(|wire| _ = wire.head());
    let mut wires: Vec<_> = (0..100).map(|_| ask(&server, "8")).collect();
    for wire in &mut wires {
        wire.head();
        let chunks = std::iter::from_fn(|| wire.chunk()).count();
        assert_eq!(chunks, 8);
    }
    drop(waiting);
    wait_until("the producer hears of all", || server.streams_ended() == 200);
    server.wait_until_empty(Duration::from_secs(5));
}

#[test]
fn streams_that_nobody_reads_share_the_memory_of_strangers() {
    let limits = Limits { strangers_bytes_max: 4 << 20, ..Limits::default() };
    let server = Server::start(limits);
    let wires: Vec<_> = (0..64)
        .map(|_| {
            let wire = ask(&server, "endless");
            wire.shrink();
            wire
        })
        .collect();
    // 64 of them hold up to 16 MiB: the oldest of them go.
    wait_until("some are closed", || server.streams_ended() > 32);
    drop(wires);
}
