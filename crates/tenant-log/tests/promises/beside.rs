//! What stands beside the entries, in memory and SQLite: cursors, dead letters, notes.

use foodtrack_contract::Cursor;
use foodtrack_tenant_log::{
    Completion, DeadLetterReason, Note, NoteKind, RefusedReason, SubscriberKey,
};

use crate::support::{KEEPS_ALL, Store, letter, offset, saved, suite, tenant, wait_for};

suite! {
    a_subscribers_latest_cursor_is_kept
    a_subscribers_first_cursor_gives_way_to_any_other
    dead_letters_are_listed_replaced_and_taken_away
    a_note_is_kept_until_it_is_taken_away_or_expires
    a_note_with_a_ticket_is_answered
}

fn a_subscribers_latest_cursor_is_kept<S: Store>() {
    let store = S::new();
    let (tenant, key) = (tenant("t"), SubscriberKey::new("u:kitchen_app:tablet").unwrap());
    let cursor = {
        let open = store.open(KEEPS_ALL);
        let mut writer = open.writer("t");
        writer.append_all(1..=9);
        let mut cursor = Cursor::new(writer.sequence.epoch(), offset(3));
        open.log.save_cursor(&tenant, &key, saved(&cursor, 1)).unwrap();
        wait_for(|| open.log.cursor(&tenant, &key).unwrap() == Some(saved(&cursor, 1)));
        cursor.advance(offset(4));
        assert!(cursor.add(offset(9)));
        open.log.save_cursor(&tenant, &key, saved(&cursor, 2)).unwrap();
        cursor
    };
    let open = store.open(KEEPS_ALL);
    assert_eq!(open.log.cursor(&tenant, &key).unwrap(), Some(saved(&cursor, 2)));
    assert_eq!(open.log.cursor(&tenant, &SubscriberKey::new("v").unwrap()).unwrap(), None);
}

fn a_subscribers_first_cursor_gives_way_to_any_other<S: Store>() {
    let store = S::new();
    let tenant = tenant("t");
    let key = |name| SubscriberKey::new(name).unwrap();
    let names = ["before", "after", "alone", "twice"];
    let (first, other) = {
        let open = store.open(KEEPS_ALL);
        let mut writer = open.writer("t");
        writer.append_all(1..=9);
        let epoch = writer.sequence.epoch();
        let at = |n| saved(&Cursor::new(epoch, offset(n)), n);
        let begin = |name, n| open.log.begin_cursor(&tenant, &key(name), at(n)).unwrap();
        open.log.save_cursor(&tenant, &key("before"), at(5)).unwrap();
        names.iter().for_each(|name| begin(name, 2));
        open.log.save_cursor(&tenant, &key("after"), at(5)).unwrap();
        begin("twice", 3);
        // Behind a later entry it is known.
        let (first, other) = (at(2), at(5));
        writer.append(10);
        let known = names.map(|name| open.log.cursor(&tenant, &key(name)).unwrap().unwrap());
        assert_eq!(known, [&other, &other, &first, &first].map(Clone::clone));
        // What is on disk stays as well.
        names.iter().for_each(|name| begin(name, 7));
        (first, other)
    };
    let open = store.open(KEEPS_ALL);
    let known = names.map(|name| open.log.cursor(&tenant, &key(name)).unwrap().unwrap());
    assert_eq!(known, [&other, &other, &first, &first].map(Clone::clone));
}

fn dead_letters_are_listed_replaced_and_taken_away<S: Store>() {
    use DeadLetterReason::{Expired, Failed};
    let store = S::new();
    let open = store.open(KEEPS_ALL);
    let mut writer = open.writer("t");
    writer.append_all(1..=9);
    let tenant = &writer.tenant;
    let list = |after, max| open.log.dead_letters(tenant, offset(after), max).unwrap();
    let all = [
        letter(2, "a", Failed),
        letter(2, "b", Expired),
        letter(5, "a", Failed),
        letter(7, "a", Failed),
    ];
    for it in [letter(2, "b", Failed)].into_iter().chain(all.iter().cloned()) {
        open.log.put_dead_letter(tenant, it).unwrap();
    }
    wait_for(|| list(0, 10).len() == 4);
    assert_eq!(list(0, 10), all);
    assert_eq!(list(0, 1), all[..2]);
    assert_eq!(list(2, 1), all[2..3]);
    assert_eq!(open.log.stats(tenant).unwrap().dead_letters, 4);
    open.log.remove_dead_letter(tenant, offset(2), &all[0].subscriber).unwrap();
    wait_for(|| list(0, 10).len() == 3);
    assert_eq!(list(0, 10), all[1..]);
}

fn note(kind: NoteKind, key: &str, value: Option<&str>, expires_at_ms: Option<u64>) -> Note {
    Note { kind, key: key.into(), value: value.map(Into::into), expires_at_ms }
}

fn a_note_is_kept_until_it_is_taken_away_or_expires<S: Store>() {
    let store = S::new();
    let (ours, theirs) = (tenant("t"), tenant("u"));
    let kept = [
        note(NoteKind::Session, "a", Some("newest"), Some(100)),
        note(NoteKind::Session, "b", Some("s"), None),
        note(NoteKind::Room, "a", Some("r"), None),
        note(NoteKind::Watch, "7 u", Some("w"), Some(50)),
    ];
    {
        let open = store.open(KEEPS_ALL);
        open.head(&ours);
        open.head(&theirs);
        let first = [
            note(NoteKind::Session, "a", Some("older"), None),
            note(NoteKind::Redelivery, "9 u", Some("gone"), None),
        ];
        let last = [note(NoteKind::Redelivery, "9 u", None, None)];
        for it in first.iter().chain(&kept).chain(&last) {
            open.log.save_note(&ours, it.clone(), None).unwrap();
        }
        // Nobody opened it: the note is left out.
        open.log.save_note(&tenant("nobody"), kept[0].clone(), None).unwrap();
    }
    let open = store.open(KEEPS_ALL);
    let notes = |tenant, now_ms| {
        let mut notes = open.head_at(tenant, now_ms).notes;
        notes.sort_by_key(|note| (note.kind, note.key.clone()));
        notes
    };
    assert_eq!(notes(&ours, 49), kept);
    assert_eq!(notes(&ours, 50), kept[..3]);
    assert_eq!(notes(&theirs, 0), []);
    open.log.trim(50).unwrap();
    wait_for(|| notes(&ours, 0).len() == 3);
    open.log.trim(100).unwrap();
    wait_for(|| notes(&ours, 0).len() == 2);
    assert_eq!(notes(&ours, u64::MAX), kept[1..3]);
}

fn a_note_with_a_ticket_is_answered<S: Store>() {
    let store = S::new();
    let answer = |open: &crate::support::OpenLog| loop {
        match open.next_completion() {
            Completion::Noted { tenant, ticket } => break (tenant, ticket, None),
            Completion::NoteRefused { tenant, ticket, reason } => {
                break (tenant, ticket, Some(reason));
            }
            _ => {}
        }
    };
    let ours = tenant("t");
    {
        let open = store.open(KEEPS_ALL);
        open.head(&ours);
        let first = note(NoteKind::Room, "a", Some("1"), None);
        open.log.save_note(&ours, first.clone(), Some(7)).unwrap();
        assert_eq!(answer(&open), (ours.clone(), 7, None));
        assert_eq!(open.head(&ours).notes, [first]);
        // The latest counts, with a ticket or without.
        for (value, ticket) in [("2", None), ("3", Some(8)), ("4", None), ("5", Some(9))] {
            let later = note(NoteKind::Room, "a", Some(value), None);
            open.log.save_note(&ours, later, ticket).unwrap();
        }
        assert_eq!(answer(&open), (ours.clone(), 8, None));
        assert_eq!(answer(&open), (ours.clone(), 9, None));
        open.log.save_note(&tenant("u"), note(NoteKind::Room, "a", None, None), Some(1)).unwrap();
        assert_eq!(answer(&open), (tenant("u"), 1, Some(RefusedReason::OutOfSequence)));
    }
    let open = store.open(KEEPS_ALL);
    assert_eq!(open.head(&ours).notes, [note(NoteKind::Room, "a", Some("5"), None)]);
}
