//! What a node hears of the others, and finds where it could not hear.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use foodtrack_contract::Offset;
use foodtrack_tenant_log::{
    Answer, Completion, LogReader, Note, NoteKind, RedisOptions, SubscriberStore, TenantLog,
};
use test_support::wait_until;

use crate::redis_node::{KEEPS, Node, next, options, server};
use crate::support::{offset, tenant};

#[test]
fn what_was_published_while_nobody_listened_is_found_when_the_follower_listens_again() {
    let Some(server) = server(&[]) else { return };
    let [mut one, follower] = [(); 2].map(|()| Node::of(&server));
    follower.log.follow(&tenant("t")).unwrap();
    follower.hears_of(0);
    server.command("CLIENT KILL TYPE pubsub");
    assert_eq!(one.append(1), Answer::Committed(offset(1)));
    follower.hears_of(1);
    assert_eq!(follower.ids(), [1]);
}

#[test]
fn what_was_read_and_not_heard_of_yet_is_no_end_of_a_log_that_memory_has() {
    let Some(server) = server(&[]) else { return };
    let [one, mut other] = [(); 2].map(|()| Node::of(&server));
    one.log.follow(&tenant("t")).unwrap();
    (1..=3).for_each(|n| assert_eq!(other.append(n), Answer::Committed(offset(n))));
    one.hears_of(3);
    let outline = |through: u64| {
        let tail = one.log.tail(&tenant("t"), offset(through));
        (tail.after(), tail.outline(offset(0), offset(through)).len())
    };
    assert_eq!(outline(3), (offset(0), 3));
    // The fourth was read by whoever asks, and its notice is on its way: what was planned without it would leave it out.
    assert_eq!(outline(4), (Offset::MAX, 0));
}

#[test]
fn what_one_node_notes_the_others_hear_and_what_they_could_not_hear_they_read() {
    let Some(server) = server(&[]) else { return };
    let [one, follower] = [(); 2].map(|()| Node::of(&server));
    follower.log.follow(&tenant("t")).unwrap();
    let note = |key: &str, value: Option<&str>| Note {
        // What is taken away does not expire.
        expires_at_ms: value.map(|_| u64::MAX),
        kind: NoteKind::Session,
        key: key.into(),
        value: value.map(Into::into),
    };
    let told = [note("a b", Some("c d")), note("a b", None), note("ü", Some(""))];
    for it in &told {
        one.log.save_note(&tenant("t"), it.clone(), Some(1)).unwrap();
        one.next(|it| matches!(it, Completion::Noted { .. }));
    }
    // Whoever waits until all is heard has heard all that was answered before.
    follower.log.hear_notes(&tenant("t")).unwrap();
    let heard: Vec<Note> = follower
        .completions
        .try_iter()
        .filter_map(|it| match it {
            Completion::NotedElsewhere { note, .. } => Some(note),
            _ => None,
        })
        .collect();
    assert_eq!(heard, told);
    assert!(one.completions.try_iter().all(|it| !matches!(it, Completion::NotedElsewhere { .. })));
    server.command("CLIENT KILL TYPE pubsub");
    one.log.save_note(&tenant("t"), note("late", Some("x")), Some(2)).unwrap();
    let opened = follower.next(|it| match it {
        Completion::Opened { head, .. } => head.notes.contains(&note("late", Some("x"))),
        _ => false,
    });
    assert!(matches!(opened, Completion::Opened { .. }));
    follower.log.hear_notes(&tenant("t")).unwrap();
}

#[test]
fn once_redis_answers_again_all_is_heard_before_anybody_loses_patience() {
    let Some(mut server) = server(&KEEPS) else { return };
    let patience = Duration::from_millis(700);
    let node = Node::with(&RedisOptions { patience, ..options(&server) });
    node.log.follow(&tenant("t")).unwrap();
    node.log.hear_notes(&tenant("t")).unwrap();
    server.kill();
    // By then who writes tries it less often than who listens.
    wait_until("it is away", || node.is_away());
    server.start_again();
    wait_until("it answers again", || !node.is_away());
    node.log.hear_notes(&tenant("t")).unwrap();
}

#[test]
fn what_was_heard_of_before_a_log_is_opened_is_in_its_head_or_was_noted_meanwhile() {
    let Some(server) = server(&[]) else { return };
    let [one, follower] = [(); 2].map(|()| Node::of(&server));
    let note = |n: u64| Note {
        expires_at_ms: Some(u64::MAX),
        kind: NoteKind::Session,
        key: "k".into(),
        value: Some(n.to_string().into()),
    };
    let number = |note: &Note| note.value.as_deref().map_or(0, |it| it.parse::<u64>().unwrap());
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let (log, completions) = (&one.log, one.completions);
        let is_over = &is_over;
        scope.spawn(move || {
            for n in (1..).take_while(|_| !is_over.load(Ordering::Relaxed)) {
                log.save_note(&tenant("t"), note(n), Some(n)).unwrap();
                next(&completions, |it| matches!(it, Completion::Noted { .. }));
            }
        });
        let mut heard = 0;
        for opening in 0..200 {
            follower.log.open(&tenant("t"), 0).unwrap();
            let known = loop {
                match follower.next(|_| true) {
                    Completion::NotedElsewhere { note, .. } => heard = number(&note),
                    Completion::Opened { head, noted_meanwhile, .. } => {
                        let noted = noted_meanwhile.notes().unwrap();
                        break head.notes.iter().chain(&noted).map(number).max().unwrap_or(0);
                    }
                    _ => {}
                }
            };
            if known < heard {
                is_over.store(true, Ordering::Relaxed);
                panic!("opening {opening}: {heard} was heard, and is undone by {known}");
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
}
