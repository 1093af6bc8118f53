//! Proxies that say before the first byte for whom they speak.

use std::io::Write as _;
use std::time::Duration;

use foodtrack_transport::{DoorRefusal, Limits, ReactorConfig, TrustedProxies};
use test_support::{let_pass, wait_until};

use crate::client::{Wire, event, get, join_by_websocket};
use crate::server::{Server, config};

const PATIENCE: Duration = Duration::from_secs(20);

/// A server behind a proxy at 127.0.0.1, which is believed before the first byte.
fn behind_a_proxy(limits: Limits) -> Server {
    let proxies = TrustedProxies::new(&["127.0.0.1", "10.0.0.5"]).unwrap();
    Server::with_shards(ReactorConfig { proxies, proxy_protocol: true, ..config(limits) }, 1)
}

fn v1(client: &str) -> String {
    format!("PROXY TCP4 {client} 127.0.0.1 51234 443\r\n")
}

/// Who the server takes it to be that says this.
fn asker(server: &Server, header: &[u8], request: &str) -> String {
    let mut wire = Wire::connect(server.address);
    wire.write(header);
    wire.write(request.as_bytes());
    wire.response().body
}

#[test]
fn whom_a_proxy_names_before_the_first_byte_is_who_asks() {
    let server = behind_a_proxy(Limits::default());
    assert_eq!(asker(&server, v1("203.0.113.7").as_bytes(), &get("/whoami")), "203.0.113.7");
    let mut v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    v2.extend_from_slice(&[203, 0, 113, 8, 10, 0, 0, 1, 0xc8, 0x22, 1, 0xbb]);
    assert_eq!(asker(&server, &v2, &get("/whoami")), "203.0.113.8");
    // A proxy that asks for itself, as to see whether the server is well.
    assert_eq!(asker(&server, b"PROXY UNKNOWN\r\n", &get("/whoami")), "127.0.0.1");
}

#[test]
fn headers_behind_it_are_the_clients_own_and_are_not_believed() {
    let server = behind_a_proxy(Limits::default());
    let claim = get("/whoami").replace("host: hub", "host: hub\r\nx-forwarded-for: 198.51.100.1");
    assert_eq!(asker(&server, v1("203.0.113.7").as_bytes(), &claim), "203.0.113.7");
    // Unless it names a proxy that is believed.
    assert_eq!(asker(&server, v1("10.0.0.5").as_bytes(), &claim), "198.51.100.1");
}

#[test]
fn a_header_that_comes_byte_by_byte_is_waited_for() {
    let server = behind_a_proxy(Limits::default());
    let mut wire = Wire::connect(server.address);
    for byte in v1("203.0.113.7").as_bytes() {
        wire.write(&[*byte]);
        let_pass(Duration::from_millis(1));
    }
    wire.write(get("/whoami").as_bytes());
    assert_eq!(wire.response().body, "203.0.113.7");
}

#[test]
fn a_trusted_proxy_without_a_header_is_closed_and_counted() {
    let server = behind_a_proxy(Limits::default());
    let long = [b"PROXY UNKNOWN ".as_slice(), &[b'x'; 4_000]].concat();
    for (count, said) in [get("/whoami").as_bytes(), b"\x16\x03\x01", &long].iter().enumerate() {
        let mut wire = Wire::connect(server.address);
        wire.write(said);
        assert!(wire.ends());
        let refused = || server.refused(DoorRefusal::ProxyHeaderMalformed);
        wait_until("it is counted", || refused() == count as u64 + 1);
    }
    server.wait_until_empty(PATIENCE);
}

#[test]
fn a_header_that_does_not_end_is_dropped_at_the_handshake_timeout() {
    let handshake_timeout = Duration::from_millis(300);
    let server = behind_a_proxy(Limits { handshake_timeout, ..Limits::default() });
    let mut wires: Vec<_> = (0..20).map(|_| Wire::connect(server.address)).collect();
    wires.iter_mut().step_by(2).for_each(|wire| wire.write(b"PROXY TCP4 203.0."));
    assert!(wires.iter_mut().all(Wire::ends));
    server.wait_until_empty(PATIENCE);
}

#[test]
fn whom_it_names_is_bounded_and_others_behind_it_are_not_shut_out() {
    let limits =
        Limits { strangers_per_address_max: 40, handshake_timeout: PATIENCE, ..Limits::default() };
    let server = behind_a_proxy(limits);
    let mut strangers: Vec<_> = (0..100).map(|_| Wire::connect(server.address)).collect();
    for wire in &mut strangers {
        wire.write(v1("203.0.113.7").as_bytes());
        let _ = wire.stream.flush();
    }
    wait_until("40 sockets", || server.counts().0 == 40);
    assert_eq!(asker(&server, v1("203.0.113.8").as_bytes(), &get("/whoami")), "203.0.113.8");
}

#[test]
fn nobody_else_is_believed() {
    let proxies = TrustedProxies::new(&["10.0.0.5"]).unwrap();
    let config = ReactorConfig { proxies, proxy_protocol: true, ..config(Limits::default()) };
    let server = Server::with_shards(config, 1);
    let mut wire = Wire::connect(server.address);
    wire.write(v1("203.0.113.7").as_bytes());
    wire.write(get("/whoami").as_bytes());
    // It is no HTTP/1.1.
    assert_eq!(wire.response().status, 505);
    // Who says nothing of the kind is served.
    let mut good = join_by_websocket(server.address);
    good.send_text(&[event("echo", 1)]);
    good.expect_echoes(1..2);
}
