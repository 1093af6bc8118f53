//! Clients that do not read what they are sent.

use std::time::Duration;

use foodtrack_transport::{CloseReason, Limits, ReactorConfig};

use crate::client::{Poller, event, events, join_by_websocket};
use crate::server::{Server, config};

/// Of this process, in bytes.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4_096
}

#[test]
fn a_slow_reader_is_closed_and_its_memory_is_released() {
    let write_timeout = Duration::from_millis(200);
    let limits = Limits { queue_bytes_max: 4 << 20, write_timeout, ..Limits::default() };
    let server = Server::start(limits);
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
        // Nothing is read before that, or it would be no slow reader.
        server.wait_until_closed(n + 1);
        assert!(slow.ends());
        drop(slow);
        resident_after_first.get_or_insert_with(resident_bytes);
    }
    let grown = resident_bytes().saturating_sub(resident_after_first.unwrap());
    assert!(grown < 32 << 20, "grown by {grown} bytes");
    let slow = server.closed().iter().filter(|reason| **reason == CloseReason::SlowReader).count();
    assert_eq!(slow, 25);
    good.send_text(&[event("echo", 25)]);
    good.expect_echoes(25..26);
    drop(good);
    server.wait_until_empty(Duration::from_secs(10));
}

/// Whatever the way in which a turn's frames go to the kernel.
#[test]
fn a_reader_that_lags_within_its_bounds_gets_everything_in_order() {
    for batched_sends in [false, true] {
        let limits =
            Limits { queue_bytes_max: 64 << 20, queue_messages_max: 100_000, ..Limits::default() };
        let server = Server::with_shards(ReactorConfig { batched_sends, ..config(limits) }, 1);
        let mut lagging: Vec<_> = (0..6).map(|_| join_by_websocket(server.address)).collect();
        for n in 0..100 {
            for wire in &mut lagging {
                wire.send_text(&[event("flood", 1), event("echo", n)]);
            }
        }
        server.wait_for_events(100 * 2 * lagging.len() as u64);
        for n in 0..100 {
            for wire in &mut lagging {
                assert!(wire.message().starts_with("42[\"flood\""));
                wire.expect_echoes(n..n + 1);
            }
        }
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

/// There is one copy of what waits for many; what each has of its own is the rest of a turn.
#[test]
fn clients_that_never_read_share_what_waits_for_them() {
    const CLIENTS: usize = 200;
    let server = Server::start(Limits { queue_bytes_max: 4 << 20, ..Limits::default() });
    let mut good = join_by_websocket(server.address);
    let slow: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let wire = join_by_websocket(server.address);
            wire.shrink();
            wire
        })
        .collect();
    let before = resident_bytes();
    let mut most = 0;
    // 16 MiB for each of them.
    for _ in 0..64 {
        good.send_text(&[event("floodAll", 4)]);
        for _ in 0..4 {
            assert!(good.message().starts_with("42[\"flood\""));
        }
        most = most.max(resident_bytes().saturating_sub(before));
    }
    assert!(most < CLIENTS << 20, "a quarter of what would wait if each had its own: {most}");
    assert_eq!(server.closed().len(), CLIENTS);
    assert!(server.closed().iter().all(|reason| *reason == CloseReason::SlowReader));
    assert_eq!(server.counts(), (1, 1));
    drop(slow);
}

#[test]
fn what_one_turn_may_leave_behind_a_full_socket_is_bounded_too() {
    let server = Server::start(Limits { queue_bytes_max: 4 << 20, ..Limits::default() });
    let mut slow = join_by_websocket(server.address);
    slow.shrink();
    slow.send_text(&[event("flood", 512)]);
    server.wait_until_closed(1);
    assert!(slow.ends());
    assert_eq!(server.closed(), [CloseReason::SlowReader]);
}
