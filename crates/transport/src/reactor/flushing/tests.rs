//! A ring that fails under a reactor with clients.

use std::borrow::Cow;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};

use foodtrack_session::{Event, HeartbeatConfig, NamespaceId, Namespaces};

use crate::{
    Application, ClientKey, CloseReason, Commons, Data, Endpoint, Flow, FrameMeta, Handover,
    HttpRequest, HttpTicket, Limits, OriginPolicy, PacketParts, Protocol, Reactor, ReactorConfig,
    TrustedProxies, Verdict, listen,
};

/// Sends every message to everybody.
struct Everybody;

impl Application for Everybody {
    type Transfer = ();

    fn connect(
        &mut self,
        _io: &mut Reactor,
        _client: ClientKey,
        _namespace: NamespaceId,
        _auth: Option<Cow<'_, str>>,
    ) -> Verdict<()> {
        unreachable!("nobody speaks Socket.IO here")
    }

    fn connected(&mut self, _io: &mut Reactor, _client: ClientKey, _namespace: NamespaceId) {}

    fn adopt(
        &mut self,
        _io: &mut Reactor,
        _client: ClientKey,
        _namespace: NamespaceId,
        (): (),
    ) -> Verdict<()> {
        unreachable!("there is one shard")
    }

    fn hand_over(&mut self, _shard: usize, _handover: Handover<()>) {}

    fn event(&mut self, _io: &mut Reactor, _client: ClientKey, _event: Event<'_>) -> Flow {
        Flow::Continue
    }

    fn acknowledged(&mut self, _io: &mut Reactor, _client: ClientKey, _event: Event<'_>) -> bool {
        false
    }

    fn left(&mut self, _io: &mut Reactor, _client: ClientKey, _namespace: NamespaceId) {}

    fn closed(&mut self, _io: &mut Reactor, _client: ClientKey, reason: CloseReason) {
        assert_eq!(reason, CloseReason::ServerClosed);
    }

    fn message(&mut self, io: &mut Reactor, _client: ClientKey, data: Data<'_>) {
        for client in io.clients() {
            io.send_message(client, data);
        }
    }

    fn http(&mut self, _io: &mut Reactor, _request: HttpRequest, _ticket: HttpTicket) {}

    fn turn(&mut self, _io: &mut Reactor) {}
}

fn reactor() -> Reactor {
    let config = ReactorConfig {
        endpoints: vec![Endpoint { path: "/raw".to_owned(), protocol: Protocol::WebSocket }],
        namespaces: Namespaces::new(&["/"]),
        heartbeat: HeartbeatConfig::default(),
        limits: Limits::default(),
        origins: OriginPolicy::new(&["*"], false),
        handshakes_per_minute: 0,
        proxies: TrustedProxies::default(),
        proxy_protocol: false,
        batched_sends: true,
        node: None,
        tls: None,
    };
    let listener = listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    Reactor::new(&Commons::new(config, 1), 0, Some(listener)).unwrap()
}

/// Takes turns until `client` has as many bytes as asked for.
fn receive(reactor: &mut Reactor, client: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut events = Reactor::events();
    let mut received = Vec::new();
    client.set_nonblocking(true).unwrap();
    while received.len() < count {
        reactor.waker().wake();
        reactor.turn(&mut Everybody, &mut events).unwrap();
        let mut buffer = [0; 4_096];
        match client.read(&mut buffer) {
            Ok(0) => panic!("ended after {}", received.len()),
            Ok(read) => received.extend_from_slice(&buffer[..read]),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
        }
    }
    received
}

/// Opens a WebSocket.
fn connect(reactor: &mut Reactor) -> TcpStream {
    let request = "GET /raw HTTP/1.1\r\nhost: hub\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
                   sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut client = TcpStream::connect(reactor.local_addr().unwrap()).unwrap();
    client.write_all(request.as_bytes()).unwrap();
    let switched = receive(reactor, &mut client, 129);
    assert!(switched.ends_with(b"\r\n\r\n"), "{}", String::from_utf8_lossy(&switched));
    client
}

#[test]
fn a_ring_that_fails_loses_nothing_and_repeats_nothing() {
    let mut reactor = reactor();
    let mut clients: Vec<_> = (0..8).map(|_| connect(&mut reactor)).collect();
    let had_a_ring = reactor.ring.is_some();
    for n in 0..10_u8 {
        if n == 5
            && let Some(ring) = &mut reactor.ring
        {
            ring.fail();
        }
        let mut frame = Vec::new();
        let text = [b'0' + n];
        let text_opcode = foodtrack_wire::rfc6455::Opcode::Text;
        foodtrack_wire::rfc6455::write_client_frame(&mut frame, text_opcode, &text, [1; 4]);
        clients[0].set_nonblocking(false).unwrap();
        clients[0].write_all(&frame).unwrap();
        for client in &mut clients {
            assert_eq!(receive(&mut reactor, client, 3), [0x81, 1, b'0' + n]);
        }
    }
    // Where the machine has no io_uring, the other way was in use all along.
    assert!(!had_a_ring || reactor.ring.is_none(), "the ring that failed is still in use");
}

#[test]
fn a_key_that_was_kept_too_long_finds_nobody() {
    let mut reactor = reactor();
    let _first = connect(&mut reactor);
    let [kept] = reactor.clients()[..] else { panic!("one client") };
    reactor.close(kept, CloseReason::ServerClosed);
    reactor.waker().wake();
    reactor.turn(&mut Everybody, &mut Reactor::events()).unwrap();
    assert_eq!(reactor.clients(), []);
    let mut second = connect(&mut reactor);
    let [there] = reactor.clients()[..] else { panic!("one client") };
    assert_eq!((kept.place(), kept == there), (there.place(), false));
    assert!(reactor.clients.find(kept).is_none() && reactor.clients.find(there).is_some());

    reactor.set_tag(kept, 7);
    assert_eq!((reactor.tag(kept), reactor.tag(there)), (0, 0));
    let parts = PacketParts::event(NamespaceId::ROOT, FrameMeta::default());
    let frame = reactor.frame(&parts, |out| out.extend_from_slice(b"\"many\""));
    assert!(!reactor.send(kept, frame) && reactor.send(there, frame));
    reactor.send_packet(kept, &parts, |out| out.extend_from_slice(b"\"one\""));
    reactor.send_message(kept, Data::Text("raw"));
    reactor.ping(kept, 1);
    reactor.disconnect(kept, NamespaceId::ROOT);
    reactor.close(kept, CloseReason::ServerClosed);
    reactor.tell_when_drained(kept);
    assert!(!reactor.clients.has_work());
    assert!(reactor.take_handshake(kept).is_none());
    assert_eq!(receive(&mut reactor, &mut second, 12), *b"\x81\x0a42[\"many\"]");
    assert_eq!(reactor.clients(), [there]);
}
