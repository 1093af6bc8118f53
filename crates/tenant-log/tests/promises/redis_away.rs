//! A Redis that is cut off, goes away, hangs, or is full.

use std::process::Command;
use std::time::{Duration, Instant};

use foodtrack_tenant_log::{
    Answer, Completion, LogAdmin, LogEntry, LogReader, Note, NoteKind, ReadError, RedisOptions,
    RefusedReason, SubmitError, SubscriberStore, TenantLog,
};
use test_support::RedisServer;

use crate::redis_node::{KEEPS, Node, options, server};
use crate::support::{entry, id, noise, offset, tenant};

#[test]
fn whatever_is_cut_off_nothing_that_was_committed_is_lost_or_kept_twice() {
    let Some(mut server) = server(&KEEPS) else { return };
    let mut node = Node::of(&server);
    node.log.follow(&tenant("t")).unwrap();
    let mut committed = Vec::new();
    for n in 1..=60 {
        let ticket = node.submit(n);
        match n {
            // With an entry on its way.
            20 => {
                server.kill();
                server.start_again();
            }
            40 => _ = server.command("CLIENT KILL TYPE normal SKIPME no"),
            50 => _ = server.command("SCRIPT FLUSH"),
            _ => {}
        }
        match node.answer(ticket) {
            Answer::Committed(offset) => committed.push((offset, n)),
            other => panic!("{n}: {other:?}"),
        }
    }
    assert!(committed.windows(2).all(|it| it[0].0 < it[1].0));
    assert_eq!(node.ids(), (1..=60).collect::<Vec<_>>());
}

#[test]
fn what_cannot_be_sent_is_refused_after_a_while_and_then_at_once_until_redis_is_back() {
    let Some(mut server) = server(&KEEPS) else { return };
    let mut node = Node::of(&server);
    assert_eq!(node.append(1), Answer::Committed(offset(1)));
    server.kill();
    // It was sent on a connection that broke, or not: nobody knows, or it was not.
    let away = [RefusedReason::Away, RefusedReason::Unknown].map(Answer::Refused);
    let start = Instant::now();
    assert!(away.contains(&node.append(2)));
    assert!(start.elapsed() > Duration::from_millis(700), "it waits a little for a restart");
    let start = Instant::now();
    assert_eq!(node.append(3), Answer::Refused(RefusedReason::Away));
    assert!(start.elapsed() < Duration::from_millis(700));
    let room = || Note {
        kind: NoteKind::Room,
        key: "a".into(),
        value: Some("b".into()),
        expires_at_ms: None,
    };
    node.log.save_note(&tenant("t"), room(), Some(7)).unwrap();
    let refused = node.next(|it| matches!(it, Completion::NoteRefused { .. }));
    assert!(matches!(refused, Completion::NoteRefused { reason: RefusedReason::Away, .. }));
    assert!(matches!(node.log.stats(&tenant("t")), Err(ReadError::Store(_))));
    node.log.open(&tenant("u"), 0).unwrap();
    node.next(|it| matches!(it, Completion::OpenFailed { reason: RefusedReason::Away, .. }));
    server.start_again();
    assert_eq!(node.append_until_taken(4), Answer::Committed(offset(2)));
    assert_eq!(node.ids(), [1, 4]);
}

fn signal(server: &RedisServer, name: &str) {
    let pid = server.pid().to_string();
    assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
}

#[test]
fn a_server_that_does_not_answer_holds_up_nobody_for_ever_and_what_waits_is_bounded() {
    let Some(server) = server(&[]) else { return };
    // Longer than it takes a busy machine to hand over what may wait: nothing of it is given up meanwhile.
    let options = RedisOptions { patience: Duration::from_secs(5), ..options(&server) };
    let mut node = Node::with(&options);
    signal(&server, "-STOP");
    let ticket = node.submit(1);
    let large = LogEntry { message: noise(7, 1 << 20).into(), ..entry(offset(1), id(2)) };
    let mut taken = 0;
    let refused = loop {
        match node.writer.submit(&tenant("t"), &large.by_ref()) {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken < 1_000, "a thousand megabytes wait");
    };
    assert_eq!(refused, SubmitError::Overloaded);
    assert_eq!(node.answer(ticket), Answer::Refused(RefusedReason::Unknown));
    signal(&server, "-CONT");
    assert!(matches!(node.append_until_taken(3), Answer::Committed(_)));
}

#[test]
fn what_nobody_knew_of_is_told_to_its_own_node_when_it_turns_out_to_be_in_the_log() {
    let Some(server) = server(&[]) else { return };
    let mut node = Node::of(&server);
    node.log.follow(&tenant("t")).unwrap();
    node.hears_of(0);
    signal(&server, "-STOP");
    let ticket = node.submit(1);
    assert_eq!(node.answer(ticket), Answer::Refused(RefusedReason::Unknown));
    signal(&server, "-CONT");
    node.hears_of(1);
    assert_eq!(node.ids(), [1]);
}

#[test]
fn a_full_server_refuses_what_must_be_kept_and_takes_it_when_there_is_room_again() {
    let Some(server) = server(&[]) else { return };
    let mut node = Node::of(&server);
    assert_eq!(node.append(1), Answer::Committed(offset(1)));
    server.command("CONFIG SET maxmemory 1");
    assert_eq!(node.append(2), Answer::Refused(RefusedReason::DiskFull));
    assert_eq!(node.ids(), [1]);
    server.command("CONFIG SET maxmemory 0");
    assert_eq!(node.append(2), Answer::Committed(offset(2)));
}
