//! What nodes of a later version wrote to Redis: it is said, and left alone.

use foodtrack_contract::{Cursor, Offset};
use foodtrack_tenant_log::{
    Answer, Completion, DeadLetter, DeadLetterReason, LogAdmin, LogReader, Note, NoteKind,
    PageStart, ReadError, RedisOpenError, RefusedReason, SavedCursor, SubscriberKey,
    SubscriberStore, TenantLog, WebhookPlaces, first_look,
};

use crate::redis_node::{Node, is_shut_out, options, server};
use crate::support::{id, offset, request, tenant};

fn subscriber() -> SubscriberKey {
    SubscriberKey::new("u1 kitchen_app").unwrap()
}

#[test]
fn a_log_of_a_later_layout_is_left_alone_until_its_version_is_there() {
    let Some(server) = server(&[]) else { return };
    let mut node = Node::of(&server);
    assert_eq!(node.append(1), Answer::Committed(offset(1)));
    // Another node, of a later version, brings the log over.
    server.command("HSET foodtrack:{t}:head layout 2");
    assert!(is_shut_out(node.append(2)));
    node.log.open(&tenant("t"), 0).unwrap();
    node.next(|it| matches!(it, Completion::OpenFailed { reason: RefusedReason::Away, .. }));
    // Nothing is written beside it either.
    let note = Note {
        kind: NoteKind::Room,
        key: "a".into(),
        value: Some("b".into()),
        expires_at_ms: None,
    };
    node.log.save_note(&tenant("t"), note, Some(7)).unwrap();
    node.next(|it| matches!(it, Completion::NoteRefused { .. }));
    let cursor = Cursor::new(node.head.epoch, offset(1));
    let saved = SavedCursor { cursor, updated_at_ms: 1 };
    node.log.save_cursor(&tenant("t"), &subscriber(), saved.clone()).unwrap();
    let letter = DeadLetter {
        offset: offset(1),
        subscriber: subscriber(),
        id: id(1),
        reason: DeadLetterReason::Failed,
        attempts: 1,
        at_ms: 1,
    };
    node.log.put_dead_letter(&tenant("t"), letter).unwrap();
    node.log.begin_at(&tenant("t"), &subscriber(), &saved).unwrap();
    node.log.trim(1).unwrap();
    // What was sent before this is done.
    node.log
        .save_note(
            &tenant("t"),
            Note { kind: NoteKind::Room, key: "c".into(), value: None, expires_at_ms: None },
            Some(8),
        )
        .unwrap();
    node.next(|it| matches!(it, Completion::NoteRefused { ticket: 8, .. }));
    assert_eq!(server.command("XLEN foodtrack:{t}:log"), ":1");
    for key in ["notes:room", "cursors", "dead-letters", "webhooks"] {
        assert_eq!(server.command(&format!("EXISTS foodtrack:{{t}}:{key}")), ":0", "{key}");
    }
    let read = node.log.read(&request(&tenant("t"), 0, 10));
    assert!(matches!(read, Err(ReadError::UnknownTenant(_))), "{read:?}");
    // It was brought back.
    server.command("HSET foodtrack:{t}:head layout 1");
    node.open_again();
    assert_eq!(node.head.next, offset(2));
    assert_eq!(node.append(2), Answer::Committed(offset(2)));
    assert_eq!(node.ids(), [1, 2]);
}

#[test]
fn an_entry_of_a_later_version_is_a_gap_and_others_are_read() {
    let Some(server) = server(&[]) else { return };
    let mut node = Node::of(&server);
    assert_eq!(node.append(1), Answer::Committed(offset(1)));
    server.command("XADD foodtrack:{t}:log 2-0 t 1 s 2 i 0123456789abcdef h x b y z more");
    server.command("HSET foodtrack:{t}:head last 2 entries 2");
    // News of a kind that this version does not know harm nobody.
    server.command("PUBLISH foodtrack:{t}:news Z12345678what");
    assert_eq!(node.append(3), Answer::Committed(offset(3)));
    let page = node.log.read(&request(&tenant("t"), 1, 10)).unwrap();
    assert_eq!(page.start, PageStart::Gap { through: offset(2) });
    assert_eq!(page.entries[0].offset, offset(3));
    assert_eq!(page.next, Offset::ZERO.plus(3));
}

#[test]
fn a_hub_of_a_later_format_is_not_started_on() {
    let Some(server) = server(&[]) else { return };
    let options = options(&server);
    assert!(first_look(&options, [1; 32]).is_ok());
    assert_eq!(server.command("GET foodtrack:format"), "$1\r\n1");
    server.command("SET foodtrack:format 2");
    let later = first_look(&options, [1; 32]).err().unwrap();
    assert!(matches!(later, RedisOpenError::Later { found: 2, known: 1, .. }), "{later}");
    assert!(later.to_string().contains("start this node with that version"), "{later}");
    for strange in ["what", "0", "-1"] {
        server.command(&format!("SET foodtrack:format {strange}"));
        let foreign = first_look(&options, [1; 32]).err().unwrap();
        assert!(matches!(foreign, RedisOpenError::Foreign(_)), "{foreign}");
    }
}
