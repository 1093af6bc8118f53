//! Clients that do not read what they are sent.

use std::time::Duration;

use foodtrack_transport::{CloseReason, Limits};

use crate::client::{Poller, event, events, join_by_websocket};
use crate::server::Server;

/// Of this process, in bytes.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4_096
}

#[test]
fn a_slow_reader_is_closed_and_its_memory_is_released() {
    let server = Server::start(Limits { queue_bytes_max: 4 << 20, ..Limits::default() });
    let mut good = join_by_websocket(server.address);
    let mut resident_after_first = None;
    for n in 0..25 {
        let mut slow = join_by_websocket(server.address);
        slow.shrink();
        // 32 MiB, in portions: more than the queue and the kernel's buffers take together.
        for _ in 0..64 {
            if slow.try_send_text(&[event("flood", 8)]).is_err() {
                break;
            }
        }
        good.send_text(&[event("echo", n)]);
        good.expect_echoes(n..n + 1);
        assert!(slow.ends());
        drop(slow);
        resident_after_first.get_or_insert_with(resident_bytes);
    }
    let grown = resident_bytes().saturating_sub(resident_after_first.unwrap());
    assert!(grown < 32 << 20, "grown by {grown} bytes");
    let slow = server.closed().iter().filter(|reason| **reason == CloseReason::SlowReader).count();
    assert_eq!(slow, 25);
    assert_eq!(server.counts(), (1, 1));
}

#[test]
fn a_reader_that_lags_within_its_bounds_gets_everything_in_order() {
    let server = Server::start(Limits {
        queue_bytes_max: 64 << 20,
        queue_messages_max: 100_000,
        ..Limits::default()
    });
    let mut lagging = join_by_websocket(server.address);
    for n in 0..200 {
        lagging.send_text(&[event("flood", 1), event("echo", n)]);
    }
    std::thread::sleep(Duration::from_millis(300));
    for n in 0..200 {
        assert!(lagging.message().starts_with("42[\"flood\""));
        lagging.expect_echoes(n..n + 1);
    }
}

#[test]
fn a_session_that_never_polls_is_closed_at_the_queues_bound() {
    let server = Server::start(Limits { queue_messages_max: 100, ..Limits::default() });
    let poller = Poller::open(server.address);
    poller.post(&["40".to_owned()]);
    poller.post(&events("echo", 0..150));
    let response = poller.request(&crate::client::get(&poller.target));
    assert_eq!(response.status, 400);
    assert_eq!(server.closed(), [CloseReason::SlowReader]);
    server.wait_until_empty(Duration::from_secs(2));
}
