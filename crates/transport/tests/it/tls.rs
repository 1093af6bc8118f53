//! The promises over TLS, and what strangers make of its handshakes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use foodtrack_transport::{DoorRefusal, Limits, ReactorConfig, TlsDoor};
use foodtrack_wire::rfc6455::{Opcode, write_client_frame};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{HandshakeKind, ProtocolVersion, ServerConfig};
use tempfile::TempDir;
use test_support::{Certificates, ClientStream, ClientTls, let_pass, skipped, wait_until};

use crate::client::{event, events, get, upgrade};
use crate::server::{Server, config};

const PATIENCE: Duration = Duration::from_secs(20);
const MASK: [u8; 4] = [1, 2, 3, 4];

/// A server that speaks TLS, and what its clients believe.
struct Encrypted {
    server: Server,
    trust: ClientTls,
    _directory: TempDir,
}

impl Encrypted {
    fn start(limits: Limits, shards: usize) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let Some(certificates) = Certificates::make(directory.path()) else {
            skipped("openssl is not installed");
            return None;
        };
        let door = Arc::new(TlsDoor::new(handshakes(&certificates)));
        let server =
            Server::with_shards(ReactorConfig { tls: Some(door), ..config(limits) }, shards);
        let trust = ClientTls::trusting(&certificates.authority());
        Some(Self { server, trust, _directory: directory })
    }

    fn address(&self) -> SocketAddr {
        self.server.address
    }

    fn socket(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address()).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        socket
    }

    fn connect(&self) -> Secure {
        Secure::of(self.trust.connect(self.socket()).unwrap())
    }

    fn join(&self, shard: usize) -> Secure {
        let mut secure = self.connect();
        secure.write(upgrade("/socket.io/?EIO=4&transport=websocket").as_bytes());
        assert!(secure.until(b"\r\n\r\n").starts_with(b"HTTP/1.1 101"));
        assert!(secure.message().starts_with("0{"));
        secure.send_text(&[format!("40{{\"shard\":{shard}}}")]);
        assert_eq!(secure.message(), format!("40{{\"shard\":{shard}}}"));
        secure
    }
}

fn handshakes(certificates: &Certificates) -> Arc<ServerConfig> {
    let chain = vec![CertificateDer::from_pem_file(certificates.certificate()).unwrap()];
    let key = PrivateKeyDer::from_pem_file(certificates.key()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().unwrap();
    Arc::new(config)
}

/// A client's end.
struct Secure {
    stream: ClientStream,
    unread: Vec<u8>,
}

impl Secure {
    fn of(stream: ClientStream) -> Self {
        Self { stream, unread: Vec::new() }
    }

    fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
        self.stream.flush().unwrap();
    }

    fn read_more(&mut self) -> bool {
        let mut buffer = [0; 64 * 1024];
        let read = self.stream.read(&mut buffer).unwrap();
        self.unread.extend_from_slice(&buffer[..read]);
        read > 0
    }

    fn until(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self.unread.windows(end.len()).position(|window| window == end) {
                return self.unread.drain(..at + end.len()).collect();
            }
            assert!(self.read_more(), "ended: {:?}", self.unread);
        }
    }

    fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.unread.len() < count {
            assert!(self.read_more(), "ended within {count} bytes");
        }
        self.unread.drain(..count).collect()
    }

    fn send_text(&mut self, texts: &[String]) {
        let mut bytes = Vec::new();
        for text in texts {
            write_client_frame(&mut bytes, Opcode::Text, text.as_bytes(), MASK);
        }
        self.write(&bytes);
    }

    fn message(&mut self) -> String {
        let head = self.exactly(2);
        let length = match head[1] {
            126 => usize::from(u16::from_be_bytes(self.exactly(2).try_into().unwrap())),
            127 => {
                usize::try_from(u64::from_be_bytes(self.exactly(8).try_into().unwrap())).unwrap()
            }
            short => usize::from(short),
        };
        String::from_utf8(self.exactly(length)).unwrap()
    }

    fn expect_echoes(&mut self, numbers: std::ops::Range<usize>) {
        for number in numbers {
            assert_eq!(self.message(), format!("42[\"echo\",{number}]"));
        }
    }
}

#[test]
fn a_websocket_keeps_order_and_loses_nothing_on_whichever_shard() {
    let Some(hub) = Encrypted::start(Limits::default(), 2) else { return };
    for round in 0..6 {
        let mut client = hub.join(round % 2);
        client.send_text(&events("echo", 0..500));
        client.expect_echoes(0..500);
        client.send_text(&events("echo", 500..503));
        client.expect_echoes(500..503);
    }
    hub.server.wait_until_empty(PATIENCE);
}

#[test]
fn what_is_larger_than_a_record_comes_whole_both_ways() {
    let Some(hub) = Encrypted::start(Limits::default(), 1) else { return };
    let mut client = hub.join(0);
    let long = format!("42[\"echo\",\"{}\"]", "x".repeat(300_000));
    client.send_text(&[long.clone(), event("echo", 1)]);
    assert_eq!(client.message(), long);
    client.expect_echoes(1..2);
}

#[test]
fn an_answer_in_pieces_comes_whole_and_ends_with_a_farewell() {
    let Some(hub) = Encrypted::start(Limits::default(), 1) else { return };
    let mut client = hub.connect();
    client.write(get("/stream/40").as_bytes());
    let head = client.until(b"\r\n\r\n");
    assert!(head.starts_with(b"HTTP/1.1 200"));
    // Without the farewell the last read would be an error.
    while client.read_more() {}
    let letters = client.unread.iter().filter(|byte| byte.is_ascii_lowercase()).count();
    assert!(letters >= 40 * 64 * 1024, "{letters}");
    assert!(client.unread.ends_with(b"\r\n0\r\n\r\n"));
}

#[test]
fn a_reader_that_pauses_gets_all_of_it_in_order() {
    let limits = Limits { queue_bytes_max: 64 << 20, ..Limits::default() };
    let Some(hub) = Encrypted::start(limits, 1) else { return };
    let mut client = hub.join(0);
    client.send_text(&[event("log", 200)]);
    hub.server.wait_for_entries(200);
    for entry in 1..=200 {
        let message = client.message();
        assert!(message.starts_with(&format!("42[\"e{entry}\",")), "{}", &message[..20]);
    }
    client.send_text(&[event("echo", 9)]);
    client.expect_echoes(9..10);
}

#[test]
fn a_reader_that_never_reads_is_closed_and_nobody_waits_for_it() {
    let Some(hub) = Encrypted::start(Limits::default(), 1) else { return };
    let (mut slow, mut good) = (hub.join(0), hub.join(0));
    slow.send_text(&[event("flood", 400)]);
    hub.server.wait_until_closed(1);
    good.send_text(&events("echo", 0..3));
    good.expect_echoes(0..3);
}

/// Counts the records that come.
struct Counting {
    socket: TcpStream,
    seen: Vec<u8>,
}

impl Read for Counting {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.socket.read(buffer)?;
        self.seen.extend_from_slice(&buffer[..read]);
        Ok(read)
    }
}

impl Write for Counting {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.socket.flush()
    }
}

impl Counting {
    /// Whole records since it was asked last.
    fn records(&mut self) -> usize {
        let (mut at, mut count) = (0, 0);
        while let Some(head) = self.seen.get(at..at + 5) {
            at += 5 + usize::from(u16::from_be_bytes([head[3], head[4]]));
            count += 1;
        }
        self.seen.clear();
        count
    }
}

#[test]
fn what_a_turn_sends_to_one_socket_is_one_record() {
    let Some(hub) = Encrypted::start(Limits::default(), 1) else { return };
    let ClientStream::Tls(stream) = hub.join(0).stream else { panic!("no TLS") };
    let (mut connection, socket) = stream.into_parts();
    let mut counting = Counting { socket, seen: Vec::new() };
    let mut bytes = Vec::new();
    for text in events("echo", 0..100) {
        write_client_frame(&mut bytes, Opcode::Text, text.as_bytes(), MASK);
    }
    let mut stream = rustls::Stream::new(&mut connection, &mut counting);
    stream.write_all(&bytes).unwrap();
    stream.flush().unwrap();
    let expected: usize = (0..100).map(|n| 2 + format!("42[\"echo\",{n}]").len()).sum();
    let mut got = vec![0; expected];
    stream.read_exact(&mut got).unwrap();
    // They came in one record, so they were most likely read in one turn.
    let records = counting.records();
    assert!(records <= 3, "{records} records for 100 frames");
}

#[test]
fn a_client_that_comes_back_resumes_its_session_of_tls() {
    let Some(hub) = Encrypted::start(Limits::default(), 1) else { return };
    let ask = || {
        let mut client = hub.connect();
        client.write(get("/nothing").as_bytes());
        client.until(b"\r\n\r\n");
        let tls = client.stream.tls().unwrap();
        (tls.handshake_kind().unwrap(), tls.protocol_version().unwrap())
    };
    assert_eq!(ask(), (HandshakeKind::Full, ProtocolVersion::TLSv1_3));
    assert_eq!(ask(), (HandshakeKind::Resumed, ProtocolVersion::TLSv1_3));
}

#[test]
fn plain_http_where_tls_is_spoken_is_told_so() {
    let Some(hub) = Encrypted::start(Limits::default(), 1) else { return };
    let mut socket = hub.socket();
    socket.write_all(get("/health").as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("https://"), "{answer}");
    assert_eq!(hub.server.refused(DoorRefusal::TlsExpected), 1);
    hub.server.wait_until_empty(PATIENCE);
}

#[test]
fn garbage_where_tls_is_spoken_is_closed_and_counted() {
    let Some(hub) = Encrypted::start(Limits::default(), 1) else { return };
    let mut broken_record = vec![0x16, 3, 1, 0, 200];
    broken_record.extend_from_slice(&[0xff; 200]);
    for (bytes, code) in [
        (&b"\0\0\0\0"[..], DoorRefusal::TlsExpected),
        (&broken_record, DoorRefusal::TlsFailed),
        // A record that is longer than any may be.
        (&[0x16, 3, 1, 0xff, 0xff, 1], DoorRefusal::TlsFailed),
    ] {
        let before = hub.server.refused(code);
        let mut socket = hub.socket();
        socket.write_all(bytes).unwrap();
        // With an alert or without.
        let _ = socket.read_to_end(&mut Vec::new());
        wait_until("it is counted", || hub.server.refused(code) == before + 1);
    }
    hub.server.wait_until_empty(PATIENCE);
}

#[test]
fn a_handshake_message_without_end_is_given_up() {
    let Some(hub) = Encrypted::start(Limits::default(), 1) else { return };
    let mut socket = hub.socket();
    // A hello that says it has 65 000 bytes, a few in each record.
    let mut hello = vec![0x16, 3, 1, 0, 4, 1, 0, 0xfd, 0xe8];
    for _ in 0..40_000 {
        hello.extend_from_slice(&[0x16, 3, 1, 0, 1, 0]);
    }
    let _ = socket.write_all(&hello);
    let _ = socket.read_to_end(&mut Vec::new());
    wait_until("it is counted", || hub.server.refused(DoorRefusal::TlsFailed) == 1);
    hub.server.wait_until_empty(PATIENCE);
}

#[test]
fn a_handshake_that_does_not_end_is_dropped_at_the_handshake_timeout() {
    let handshake_timeout = Duration::from_millis(400);
    let limits = Limits { handshake_timeout, ..Limits::default() };
    let Some(hub) = Encrypted::start(limits, 1) else { return };
    let mut good = hub.join(0);
    let started = Instant::now();
    let mut sockets: Vec<_> = (0..200).map(|_| hub.socket()).collect();
    // Some say nothing, others begin.
    sockets.iter_mut().step_by(2).for_each(|it| it.write_all(&[0x16, 3, 1, 2, 0, 1]).unwrap());
    for socket in &mut sockets {
        let _ = socket.read_to_end(&mut Vec::new());
    }
    assert!(started.elapsed() >= handshake_timeout);
    good.send_text(&[event("echo", 1)]);
    good.expect_echoes(1..2);
    wait_until("they are gone", || hub.server.counts() == (1, 1));
}

#[test]
fn a_hello_where_no_tls_is_spoken_is_closed_and_counted() {
    let server = Server::start(Limits::default());
    let mut socket = TcpStream::connect(server.address).unwrap();
    socket.write_all(&[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3]).unwrap();
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    assert_eq!(answer, b"", "HTTP would be no answer to it");
    wait_until("it is counted", || server.refused(DoorRefusal::TlsUnexpected) == 1);
    server.wait_until_empty(PATIENCE);
}

#[test]
fn a_flood_of_handshakes_does_not_keep_who_has_joined_waiting() {
    let Some(hub) = Encrypted::start(Limits::default(), 1) else { return };
    let mut good = hub.join(0);
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                    drop(hub.connect());
                }
            });
        }
        let mut waits: Vec<_> = (0..100)
            .map(|n| {
                let_pass(Duration::from_millis(2));
                let asked = Instant::now();
                good.send_text(&[event("echo", n)]);
                good.expect_echoes(n..n + 1);
                asked.elapsed()
            })
            .collect();
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
        waits.sort();
        // The machine has other things to do meanwhile: the clients' part of the handshakes is dearer than the server's.
        assert!(waits[50] < Duration::from_millis(250), "{waits:?}");
    });
}
