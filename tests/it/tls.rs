//! The promises over TLS, one scenario of each kind; `FOODTRACK_TEST_TLS=1` runs all of them so.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use foodtrack_server::{WebSocketConfig, WebSocketServer};
use serde_json::{Value, json};
use test_support::{RedisServer, skipped, wait_until};

use crate::harness::{
    Client, EventSource, HttpConnection, Link, Outgoing, PATIENCE, Received, Server, Transport,
    WebSocketLink, Who, config, on_every_transport, redis_at, tls,
};
use crate::support::{TENANT, back_end, expect_numbers, publish, slow_client, update};

/// What a server is to be that speaks TLS; `None` where this machine makes no certificates.
fn encrypted() -> Option<WebSocketConfig> {
    let tls = tls();
    if tls.is_none() {
        skipped("openssl is not installed");
    }
    Some(config().tls(tls?))
}

on_every_transport! {
    fn who_is_in_a_tenant_gets_its_events_over_tls(transport) {
        let Some(config) = encrypted() else { return };
        let server = Server::with(config);
        let mut chef = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        let mut other = Client::join(&server, transport, &Who::chef("sushi-kyoto", "carl"));
        publish(&mut back_end(&server), 1..=20);
        expect_numbers(&mut chef, &(1..=20).collect::<Vec<_>>(), "over TLS");
        assert_eq!(other.drain_names(), [""; 0]);
    }

    fn who_reads_slowly_gets_everything_over_tls(transport) {
        let Some(config) = encrypted() else { return };
        let server = Server::with(config);
        let mut chef = slow_client(&server, transport, &Who::chef(TENANT, "carl"));
        let mut sender = back_end(&server);
        for number in 1..=60 {
            let mut payload = update("1", number);
            payload["note"] = "x".repeat(20_000).into();
            sender.accepted("order:updated", payload);
        }
        expect_numbers(&mut chef, &(1..=60).collect::<Vec<_>>(), "slowly over TLS");
    }
}

#[test]
fn a_stream_of_events_and_the_http_api_are_served_over_tls() {
    let Some(config) = encrypted() else { return };
    let server = Server::with(config);
    let mut source = EventSource::open(&server, &Who::chef(TENANT, "carl"), "", None);
    let mut http = HttpConnection::open(server.address());
    let message =
        json!({ "type": "order:created", "payload": { "orderId": "1", "customerId": "ada" } });
    let answer = http.call("POST /api/v1/publish", &Who::service(TENANT).token(), &message);
    assert_eq!(answer.status, 200, "{answer:?}");
    source.expect("order:created");
    assert_eq!(http.get("/health").json()["status"], "healthy");
    assert!(http.get("/metrics").body.contains("foodtrack_connections"));
}

#[test]
fn a_session_comes_back_after_a_restart_over_tls() {
    let Some(config) = encrypted() else { return };
    let mut server = Server::durable(config);
    let (who, query) = (Who::chef(TENANT, "carl"), "?deviceId=screen-1");
    let mut source = EventSource::open(&server, &who, query, None);
    publish(&mut back_end(&server), 1..=3);
    assert_eq!(source.numbers(2), [1, 2]);
    let last_id = source.last_id.clone();
    drop(source);
    server.restart();
    let mut source = EventSource::open(&server, &who, query, last_id.as_deref());
    assert_eq!(source.numbers(1), [3]);
}

/// The next packet that is no ping.
fn packet(link: &mut WebSocketLink) -> String {
    loop {
        match link.receive(Instant::now() + PATIENCE) {
            Received::Text(text) if text == "2" => {
                assert!(link.send(&[Outgoing::Text("3".into())]));
            }
            Received::Text(text) => return text,
            other => panic!("no text: {other:?}"),
        }
    }
}

#[test]
fn a_websocket_reaches_its_session_at_another_node_over_tls() {
    let Some(config) = encrypted() else { return };
    let Some(redis) = RedisServer::start(&[]) else {
        return skipped("redis-server is not installed");
    };
    let config = config.redis(redis_at(&redis.url()));
    let nodes = [Server::with(config.clone()), Server::with(config)];
    for node in &nodes {
        wait_until("the nodes know each other", || {
            node.metrics_page().contains("foodtrack_cluster_nodes 2\n")
        });
    }
    let path = "/socket.io/?EIO=4&transport=polling";
    let open = HttpConnection::open(nodes[0].address()).get(path).body;
    let open: Value = serde_json::from_str(&open[1..]).unwrap();
    let sid = open["sid"].as_str().unwrap();
    // A poll of it, too, comes to the node that has it not.
    let token = Who::chef(TENANT, "carl").token();
    let join = format!("40{}", json!({ "token": token, "application": "kitchen_app" }));
    let posted = HttpConnection::open(nodes[1].address()).request(
        &format!("POST {path}&sid={sid}"),
        &[("Content-Type", "text/plain;charset=UTF-8")],
        &join,
    );
    assert_eq!((posted.status, posted.body.as_str()), (200, "ok"));
    let upgrade = format!("/socket.io/?EIO=4&transport=websocket&sid={sid}");
    let mut link = WebSocketLink::open_at(nodes[1].address(), &upgrade, &[], None).unwrap();
    assert!(link.send(&[Outgoing::Text("2probe".into())]));
    assert_eq!(packet(&mut link), "3probe");
    assert!(link.send(&[Outgoing::Text("5".into())]));
    assert!(packet(&mut link).starts_with("40{"));
    let mut sender = back_end(&nodes[0]);
    for number in 1..=50 {
        let mut payload = update("1", number);
        payload["note"] = "x".repeat(20_000).into();
        sender.accepted("order:updated", payload);
    }
    let mut number = 0;
    while number < 50 {
        let text = packet(&mut link);
        if text.starts_with("42[\"order:updated\"") {
            number += 1;
            assert!(text.contains(&format!("\"number\":{number},")), "{number} in {text:.200}");
        }
    }
}

#[test]
fn plain_http_is_told_that_the_port_speaks_tls() {
    let Some(config) = encrypted() else { return };
    let server = Server::with(config);
    let mut socket = TcpStream::connect(server.address()).unwrap();
    socket.write_all(b"GET /health HTTP/1.1\r\nHost: hub\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("https://"), "{answer}");
    let page = HttpConnection::open(server.address()).get("/metrics").body;
    assert!(page.contains("code=\"tls_expected\"} 1"), "{page}");
}

#[test]
fn a_certificate_that_cannot_be_used_is_refused_at_the_start_with_a_sentence() {
    let Some(config) = encrypted() else { return };
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let read = |path: &Option<String>| std::fs::read(path.as_ref().unwrap()).unwrap();
    let other = test_support::Certificates::make(directory.path()).unwrap();
    let text = |path: std::path::PathBuf| path.to_str().unwrap().to_owned();
    let lax = file("lax.key", &read(&config.tls.key_file));
    set_mode(&lax, 0o644);
    let expired = other.make_between("expired", "20200101000000Z", "20200102000000Z");
    let cases = [
        (None, Some(text(other.key())), "is not that of the certificate"),
        (None, Some(lax), "chmod 600"),
        (None, Some("/nowhere/hub.key".into()), "cannot be read"),
        (Some(file("empty.pem", b"")), None, "is no certificate"),
        (None, Some(text(other.certificate())), "has no private key"),
        (Some(text(expired)), Some(text(other.key())), "expired at"),
    ];
    for (certificate, key, sentence) in cases {
        let mut tls = config.tls.clone();
        if certificate.is_some() {
            tls.cert_file = certificate;
        }
        if let Some(key) = key {
            if sentence == "has no private key" {
                set_mode(&key, 0o600);
            }
            tls.key_file = Some(key);
        }
        let errors = config.clone().tls(tls).check().unwrap_err().to_string();
        assert!(errors.contains(sentence), "{sentence}: {errors}");
    }
    let mut half = config.tls.clone();
    half.key_file = None;
    let errors = config.clone().tls(half).check().unwrap_err().to_string();
    assert!(errors.contains("tls.keyFile"), "{errors}");
    WebSocketServer::bind(config.check().unwrap()).unwrap().stop();
}

fn set_mode(path: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}
