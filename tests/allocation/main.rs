//! A fan-out allocates nothing for a recipient: the hub's allocations for a broadcast are the same in a room of ten
//! and in one of a thousand. Broadcasts are counted one by one, and heartbeats are turned off: how the events of a faster
//! publisher are spread over turns and commits, each of which allocates, would depend on how busy the machine is.

#![allow(clippy::unwrap_used, reason = "Clippy does not see that helpers of tests are tests")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use foodtrack_contract::{ApplicationSet, ApplicationType, UserRole};
use foodtrack_server::{LimitsConfig, TokenClaims, TokenSigner, WebSocketConfig, WebSocketServer};
use foodtrack_wire::rfc6455::{Opcode, write_client_frame};

const SECRET: &str = "a secret for tests, of at least 32 bytes";
const BROADCASTS: usize = 51;

/// Counts the allocations of the server's threads: those of every thread but the test's own.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static IS_TEST: Cell<bool> = const { Cell::new(false) };
}

fn count() {
    // A thread that is on its way out has no such cell any more, and is the server's.
    if !IS_TEST.try_with(Cell::get).unwrap_or(false) {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    }
}

#[expect(unsafe_code, reason = "an allocator cannot be written without")]
// SAFETY: every call goes to the system's allocator as it came; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are passed on; what `alloc` gave came from the system's allocator.
        unsafe { System.realloc(place, layout, bytes) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on; what `alloc` gave came from the system's allocator.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn token(role: UserRole, applications: &[ApplicationType]) -> String {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = TokenClaims {
        tenant_id: "t1".into(),
        user_id: "u1".into(),
        role,
        application_types: ApplicationSet::of(applications),
        permissions: None,
        device_id: None,
        issued_at_s: now_s,
        expires_at_s: now_s + 3_600,
        token_id: None,
        issuer: None,
        audience: None,
    };
    TokenSigner::hs256(SECRET).sign(&claims).unwrap()
}

/// A WebSocket that counts the events it reads.
struct Socket {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Socket {
    fn connect(server: &WebSocketServer, token: &str) -> Self {
        let address = server.local_addr();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let request = format!(
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {address}\r\n\
             Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut socket = Self { stream, read: Vec::new() };
        socket.read_through(b"\"maxPayload\"");
        socket.send(&format!("40{{\"token\":\"{token}\"}}"));
        socket.read_through(b"system:connection_established\",");
        socket
    }

    fn send(&mut self, packet: &str) {
        let mut frame = Vec::new();
        write_client_frame(&mut frame, Opcode::Text, packet.as_bytes(), [1, 2, 3, 4]);
        self.stream.write_all(&frame).unwrap();
    }

    /// Reads until `mark` was there, and forgets what it read.
    fn read_through(&mut self, mark: &[u8]) {
        let mut chunk = [0; 65_536];
        while !self.read.windows(mark.len()).any(|window| window == mark) {
            let read = self.stream.read(&mut chunk).unwrap();
            assert_ne!(read, 0, "the server has closed");
            self.read.extend_from_slice(&chunk[..read]);
        }
        self.read.clear();
    }
}

/// Broadcasts to every recipient and waits until they have it.
fn broadcast(publisher: &mut Socket, recipients: &mut [Socket]) {
    // A recoverable event: what a fan-out costs with the log on. Each differs from the one before, or it would be a repeat.
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    publisher
        .send(&format!(r#"42["order:updated",{{"orderId":"1","items":[{{"number":{number}}}]}}]"#));
    for recipient in recipients {
        recipient.read_through(b"[\"order:updated\",");
    }
}

/// Allocations of the server's threads for one broadcast to so many recipients: the median.
fn allocations_per_broadcast(recipients: usize) -> u64 {
    let limits = LimitsConfig {
        connections_per_user_max: 0,
        messages_per_second_per_connection: 0,
        messages_per_second_per_tenant: 0,
        bytes_per_second_per_connection: 0,
        ..LimitsConfig::default()
    };
    let config = WebSocketConfig::default()
        .host("127.0.0.1")
        .port(0)
        .shards(1)
        .jwt_secret(SECRET)
        .handshakes_per_minute(0)
        .heartbeat_interval(Duration::from_secs(3_600))
        .limits(limits);
    let server = WebSocketServer::bind(config.check().unwrap()).unwrap();
    let mut publisher = Socket::connect(&server, &token(UserRole::System, &[]));
    let chef = token(UserRole::Chef, &[ApplicationType::KitchenApp]);
    let mut recipients: Vec<Socket> =
        (0..recipients).map(|_| Socket::connect(&server, &chef)).collect();
    for _ in 0..3 {
        broadcast(&mut publisher, &mut recipients);
    }
    let mut counted: Vec<u64> = (0..BROADCASTS)
        .map(|_| {
            let before = ALLOCATIONS.load(Ordering::Relaxed);
            broadcast(&mut publisher, &mut recipients);
            ALLOCATIONS.load(Ordering::Relaxed) - before
        })
        .collect();
    server.stop();
    counted.sort_unstable();
    counted[BROADCASTS / 2]
}

#[test]
fn a_fan_out_allocates_nothing_for_a_recipient() {
    IS_TEST.set(true);
    let few = allocations_per_broadcast(10);
    let many = allocations_per_broadcast(1_000);
    eprintln!("allocations per broadcast: {few} to 10 recipients, {many} to 1000");
    assert!(few > 0, "nothing was counted");
    // One allocation for a hundred recipients would make 10 more. The rest is the noise of other threads: a broadcast to many
    // takes longer, and they work meanwhile.
    assert!(many < few + 9, "{few} to 10 recipients, but {many} to 1000");
}
