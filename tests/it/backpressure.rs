//! A client that does not read costs itself its connection, and nobody else anything.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Client, PATIENCE, Server, Transport, Who, config, eventually, limits};
use crate::support::{TENANT, slow_client};

/// A server that closes slow readers soon.
fn server() -> Server {
    let mut tight = limits();
    tight.payload_bytes_max = 100_000;
    (tight.queue_messages_max, tight.queue_bytes_max) = (64, 512 << 10);
    Server::with(config().limits(tight))
}

fn never_reading(server: &Server) -> Client {
    slow_client(server, Transport::WebSocket, &Who::chef(TENANT, "idle"))
}

/// Each differs from the one before, or it would be a repeat.
fn notes(bytes: usize) -> Value {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let status = NUMBER.fetch_add(1, Ordering::Relaxed).to_string();
    json!({ "orderId": "1", "status": status, "notes": "x".repeat(bytes) })
}

#[test]
fn a_client_that_never_reads_is_closed_while_the_others_get_everything() {
    let server = server();
    let mut idle = never_reading(&server);
    let mut polling_idle = Client::join(&server, Transport::Polling, &Who::chef(TENANT, "idle"));
    let mut readers = Transport::ALL
        .map(|transport| Client::join(&server, transport, &Who::chef(TENANT, "carl")));
    let mut dashboard = Client::join(&server, Transport::WebSocket, &Who::manager(TENANT, "mia"));
    let mut sent = 0;
    let deadline = Instant::now() + PATIENCE;
    while server.metric("slow_readers_closed_total") < 2 {
        assert!(Instant::now() < deadline, "nobody was closed after {sent} events");
        for _ in 0..20 {
            dashboard.accepted("order:status_changed", notes(20_000));
            dashboard.expect("order:status_changed");
            for reader in &mut readers {
                reader.expect("order:status_changed");
            }
            sent += 1;
        }
    }
    // The readers and the dashboard are as they were.
    for reader in &mut readers {
        assert_eq!(reader.drain_names(), [""; 0]);
    }
    let others = readers.len() + 1;
    eventually(|| (server.count(TENANT) == others).then_some(()));
    let (events, _) = idle.until_closed();
    assert!(events.len() < sent, "the idle client got all {sent} events");
    assert!(polling_idle.until_closed().0.len() < sent);
}

#[test]
fn volatile_events_are_dropped_for_a_slow_reader_who_stays() {
    let server = server();
    let mut slow = Client::join(&server, Transport::Polling, &Who::manager(TENANT, "slow"));
    let mut courier = Client::join(&server, Transport::WebSocket, &Who::courier(TENANT, "dora"));
    for number in 0..500 {
        let place = json!({ "orderId": "1", "latitude": 1, "longitude": 2, "number": number });
        courier.accepted("delivery:location_updated", place);
    }
    let events = slow.drain();
    assert!((1..500).contains(&events.len()), "{} events", events.len());
    assert_eq!(events.last().unwrap().payload("number"), 499, "the newest is kept");
    assert_eq!(server.metric("slow_readers_closed_total"), 0);
}

#[test]
fn two_hundred_clients_that_never_read_cost_bounded_memory() {
    const IDLE: usize = 200;
    /// Payload to each of them: far more than the bounds of all queues together allow to keep.
    const BYTES_EACH: usize = 4 << 20;
    const EVENT_BYTES: usize = 20_000;
    let server = server();
    let mut idle: Vec<Client> = (0..IDLE).map(|_| never_reading(&server)).collect();
    let mut dashboard = Client::join(&server, Transport::WebSocket, &Who::manager(TENANT, "mia"));
    let before = server.resident_bytes();
    let mut peak = before;
    for number in 0..BYTES_EACH / EVENT_BYTES {
        dashboard.accepted("order:status_changed", notes(EVENT_BYTES));
        dashboard.expect("order:status_changed");
        if number % 20 == 0 {
            peak = peak.max(server.resident_bytes());
        }
    }
    let closed = server.metric("slow_readers_closed_total");
    assert_eq!(closed, IDLE as u64, "every one of them is closed");
    let grown = peak.saturating_sub(before);
    let bound = IDLE as u64 * (512 << 10) + (64 << 20);
    assert!(grown < bound, "{} MiB more than before", grown >> 20);
    // Once they are gone, so is what waited for them.
    idle.clear();
    eventually(|| (server.count(TENANT) == 1).then_some(()));
    let started = Instant::now();
    dashboard.accepted("order:status_changed", notes(10));
    assert!(started.elapsed() < Duration::from_secs(1));
}
