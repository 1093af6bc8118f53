//! Cursors in Redis of those who never come back.

use std::time::Duration;

use foodtrack_contract::Cursor;
use foodtrack_tenant_log::{
    Completion, LogAdmin as _, Note, NoteKind, RedisOptions, Retention, SavedCursor, SubscriberKey,
    SubscriberStore as _,
};
use test_support::wait_until;

use crate::redis_node::{KEEPS, Node, options, server};
use crate::support::{KEEPS_ALL, offset, tenant};

const DEVICES_MAX: u64 = 256;
const DAY_MS: u64 = 24 * 3_600_000;

fn key(text: &str) -> SubscriberKey {
    SubscriberKey::new(text).unwrap()
}

fn begin(node: &Node, text: &str, n: u64, at_ms: u64) {
    let cursor = Cursor::new(node.head.epoch, offset(n));
    let first = SavedCursor { cursor, updated_at_ms: at_ms };
    node.log.begin_cursor(&tenant("t"), &key(text), first).unwrap();
}

fn is_kept(node: &Node, text: &str) -> bool {
    node.log.cursor(&tenant("t"), &key(text)).unwrap().is_some()
}

#[test]
fn a_login_that_makes_up_devices_keeps_its_newest_and_takes_nobody_elses() {
    let Some(server) = server(&[]) else { return };
    let node = Node::of(&server);
    let others =
        ["eve:client_app:d1", "ev:kitchen_app:d1", "eve2:kitchen_app:d1", "eve:kitchen_app"];
    others.into_iter().for_each(|other| begin(&node, other, 0, 0));
    for n in 0..DEVICES_MAX + 40 {
        begin(&node, &format!("eve:kitchen_app:d{n}"), 0, n);
    }
    let last = format!("eve:kitchen_app:d{}", DEVICES_MAX + 39);
    wait_until("the last is kept", || is_kept(&node, &last));
    let of = |n: u64| is_kept(&node, &format!("eve:kitchen_app:d{n}"));
    let kept: Vec<u64> = (0..DEVICES_MAX + 40).filter(|n| of(*n)).collect();
    assert_eq!(kept, (40..DEVICES_MAX + 40).collect::<Vec<_>>());
    assert!(others.into_iter().all(|other| is_kept(&node, other)), "another's cursor went");
}

#[test]
fn a_cursor_goes_that_nobody_moved_for_long_and_that_leads_to_what_is_gone() {
    let Some(server) = server(&[]) else { return };
    let retention = Retention { entries_max: 10, entries_min: 0, ..KEEPS_ALL };
    let mut node = Node::with(&RedisOptions { retention, ..options(&server) });
    begin(&node, "ada:client_app:gone", 2, DAY_MS);
    begin(&node, "ada:client_app:late", 2, 80 * DAY_MS);
    (1..=30).for_each(|n| _ = node.append(n));
    begin(&node, "ada:client_app:there", 28, DAY_MS);
    for n in 0..3_000 {
        begin(&node, &format!("u{n}:client_app:d"), 2, DAY_MS);
    }
    server.command("HSET foodtrack:{t}:cursors what ever");
    wait_until("all are kept", || is_kept(&node, "u2999:client_app:d"));
    node.log.trim(90 * DAY_MS).unwrap();
    assert!(is_kept(&node, "ada:client_app:gone"), "it may come back yet");
    // Some in each round.
    let mut rounds = 0;
    let count = || server.command("HLEN foodtrack:{t}:cursors");
    wait_until("the old ones are gone", || {
        rounds += 1;
        node.log.trim(92 * DAY_MS).unwrap();
        count() == ":3"
    });
    assert!(rounds > 1);
    assert!(!is_kept(&node, "ada:client_app:gone"));
    assert!(is_kept(&node, "ada:client_app:late") && is_kept(&node, "ada:client_app:there"));
}

#[test]
fn where_somebody_began_while_redis_was_away_is_known_to_other_nodes_once_it_is_back() {
    let Some(mut server) = server(&KEEPS) else { return };
    let patience = Duration::from_millis(500);
    let with_patience = RedisOptions { patience, ..options(&server) };
    let [node, other] = [(); 2].map(|()| Node::with(&with_patience));
    server.kill();
    wait_until("it is away", || node.is_away());
    begin(&node, "ada", 1, 7);
    // What comes behind it is refused: so was it.
    let (kind, expires_at_ms) = (NoteKind::Session, Some(u64::MAX));
    let note = Note { kind, key: "behind it".into(), value: Some("".into()), expires_at_ms };
    node.log.save_note(&tenant("t"), note, Some(1)).unwrap();
    node.next(|it| matches!(it, Completion::NoteRefused { .. }));
    server.start_again();
    wait_until("its beginning is there", || {
        other.log.cursor(&tenant("t"), &key("ada")).is_ok_and(|it| it.is_some())
    });
}
