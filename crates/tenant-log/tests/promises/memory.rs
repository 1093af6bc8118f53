//! What a log in memory costs its process, and what it can be told to do.

use std::sync::mpsc::{Receiver, channel};

use foodtrack_contract::Cursor;
use foodtrack_tenant_log::{
    Answer, Completion, LogEntry, LogReader, LogWriter, MemoryLog, MemoryStore, RefusedReason,
    Retention, SavedCursor, Submitted, SubscriberKey, SubscriberStore, TenantLog,
};

use crate::support::{InMemory, KEEPS_ALL, Store, entry, id, offset, tenant};

#[test]
fn memory_is_bounded_by_bytes_also_where_messages_are_large() {
    let store = InMemory::new();
    let open = store.open(Retention::in_memory());
    let mut writer = open.writer("t");
    for n in 1..=300 {
        let message = vec![b'x'; 500_000].into();
        writer.submit_entry(&LogEntry { message, ..entry(offset(n), id(n)) });
    }
    writer.settle();
    let stats = open.log.stats(&writer.tenant).unwrap();
    assert!(stats.bytes <= (64 << 20) + 500_000, "{} bytes", stats.bytes);
    assert!(stats.entries > 100, "{} entries", stats.entries);
}

#[test]
fn memory_of_cursors_is_bounded_and_loses_the_oldest() {
    let store = InMemory::new();
    let open = store.open(Retention::in_memory());
    let writer = open.writer("t");
    let cursor = Cursor::new(writer.sequence.epoch(), offset(0));
    let key = |n: u64| SubscriberKey::new(&format!("u{n}")).unwrap();
    for n in 1..=70_000 {
        let saved = SavedCursor { cursor: cursor.clone(), updated_at_ms: n };
        open.log.save_cursor(&writer.tenant, &key(n), saved).unwrap();
    }
    assert_eq!(open.log.cursor(&writer.tenant, &key(1)).unwrap(), None);
    assert!(open.log.cursor(&writer.tenant, &key(70_000)).unwrap().is_some());
}

/// A log of a store, and what it says.
fn log(store: &MemoryStore, is_shared: bool) -> (MemoryLog, Receiver<Completion>) {
    let (sender, completions) = channel();
    let on_completion = Box::new(move |completion| _ = sender.send(completion));
    let make = if is_shared { MemoryLog::shared } else { MemoryLog::new };
    (make(store.clone(), KEEPS_ALL, on_completion), completions)
}

/// The same, with the tenant `t` open.
fn open(store: &MemoryStore, is_shared: bool) -> (MemoryLog, Receiver<Completion>) {
    let (log, completions) = log(store, is_shared);
    log.open(&tenant("t"), 0).unwrap();
    assert!(matches!(completions.recv(), Ok(Completion::Opened { .. })));
    (log, completions)
}

/// Submits an entry at an offset, which a shared log does not look at.
fn submit(log: &mut MemoryLog, n: u64, at: u64) -> Submitted {
    log.submit(&tenant("t"), &entry(offset(at), id(n)).by_ref()).unwrap()
}

fn ids(log: &MemoryLog) -> Vec<uuid::Uuid> {
    let page = log.read(&crate::support::request(&tenant("t"), 0, 100)).unwrap();
    assert!(page.entries.windows(2).all(|it| it[0].offset.next() == it[1].offset));
    page.entries.iter().map(|it| it.id).collect()
}

/// The ticket and the answer that were told next.
fn answer(completions: &Receiver<Completion>) -> (u64, Answer) {
    match completions.try_recv().unwrap() {
        Completion::Answered { ticket, answer, .. } => (ticket, answer),
        other => panic!("{other:?}"),
    }
}

#[test]
fn two_writers_append_beside_each_other_and_the_store_counts_the_offsets() {
    let store = MemoryStore::default();
    let [(mut one, of_one), (mut other, of_other)] = [0; 2].map(|_| open(&store, true));
    assert!(one.is_shared() && !log(&store, false).0.is_shared());
    one.follow(&tenant("t")).unwrap();
    assert_eq!(submit(&mut one, 1, 7), Submitted::Later(1));
    assert_eq!(answer(&of_one), (1, Answer::Committed(offset(1))));
    assert_eq!(submit(&mut other, 2, 7), Submitted::Later(1));
    assert_eq!(answer(&of_other), (1, Answer::Committed(offset(2))));
    // Who follows is told of others' entries, and who does not is not.
    let Ok(Completion::Grown { through, .. }) = of_one.try_recv() else { panic!() };
    assert_eq!(through, offset(2));
    submit(&mut one, 3, 7);
    assert_eq!(answer(&of_one), (2, Answer::Committed(offset(3))));
    assert!(of_one.try_recv().is_err() && of_other.try_recv().is_err());
    assert_eq!((ids(&one), ids(&other)), (vec![id(1), id(2), id(3)], vec![id(1), id(2), id(3)]));
    // One that goes leaves the other.
    other.close(&tenant("t")).unwrap();
    submit(&mut one, 4, 7);
    assert_eq!(answer(&of_one), (3, Answer::Committed(offset(4))));
}

#[test]
fn a_repeat_is_known_whoever_wrote_the_first_and_is_not_kept_twice() {
    let store = MemoryStore::default();
    let [(mut one, _of_one), (mut other, of_other)] = [0; 2].map(|_| open(&store, true));
    submit(&mut one, 1, 1);
    submit(&mut one, 2, 2);
    submit(&mut other, 1, 3);
    assert_eq!(answer(&of_other), (1, Answer::Repeated(offset(1))));
    assert_eq!(ids(&other), [id(1), id(2)]);
}

#[test]
fn of_two_nodes_that_say_how_far_a_subscriber_is_the_further_one_wins() {
    for is_shared in [false, true] {
        let (log, completions) = log(&MemoryStore::default(), is_shared);
        log.open(&tenant("t"), 0).unwrap();
        let Ok(Completion::Opened { head, .. }) = completions.recv() else { panic!() };
        let key = SubscriberKey::new("ada").unwrap();
        let save = |epoch, n| {
            let saved = SavedCursor { cursor: Cursor::new(epoch, offset(n)), updated_at_ms: 0 };
            log.save_cursor(&tenant("t"), &key, saved).unwrap();
            log.cursor(&tenant("t"), &key).unwrap().unwrap().cursor.through()
        };
        assert_eq!(save(head.epoch, 3), offset(3));
        assert_eq!(save(head.epoch, 2), offset(if is_shared { 3 } else { 2 }));
        assert_eq!(save(head.epoch, 5), offset(5));
        assert_eq!(save(foodtrack_contract::Epoch::new(1 << 41), 1), offset(1));
    }
}

#[test]
fn answers_come_late_and_in_order_where_the_log_is_told_so() {
    for is_shared in [false, true] {
        let (mut log, completions) = open(&MemoryStore::default(), is_shared);
        log.hold_answers();
        (1..=3).for_each(|n| _ = submit(&mut log, n, n));
        assert!(completions.try_recv().is_err());
        log.release_answers();
        for n in 1..=3 {
            match completions.try_recv().unwrap() {
                Completion::Committed { through, .. } => assert_eq!(through, offset(n)),
                Completion::Answered { ticket, answer, .. } => {
                    assert_eq!((ticket, answer), (n, Answer::Committed(offset(n))));
                }
                other => panic!("{other:?}"),
            }
        }
        submit(&mut log, 4, 4);
        assert!(completions.try_recv().is_ok());
    }
}

#[test]
fn what_is_refused_is_not_there_and_the_next_is_taken() {
    let (mut log, completions) = open(&MemoryStore::default(), false);
    submit(&mut log, 1, 1);
    log.refuse_next(RefusedReason::DiskFull);
    submit(&mut log, 2, 2);
    submit(&mut log, 3, 3);
    let told: Vec<_> = completions.try_iter().collect();
    let [
        Completion::Committed { .. },
        Completion::Refused { from, through, reason, .. },
        Completion::Committed { .. },
    ] = &told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!((*from, *through, *reason), (offset(2), offset(2), RefusedReason::DiskFull));
    let page = log.read(&crate::support::request(&tenant("t"), 0, 100)).unwrap();
    assert!(page.entries.iter().map(|it| it.offset).eq([offset(1), offset(3)]));

    let (mut log, completions) = open(&MemoryStore::default(), true);
    log.refuse_next(RefusedReason::DiskFull);
    (1..=2).for_each(|n| _ = submit(&mut log, n, n));
    assert_eq!(answer(&completions), (1, Answer::Refused(RefusedReason::DiskFull)));
    assert_eq!(answer(&completions), (2, Answer::Committed(offset(1))));
}

#[test]
fn a_writer_whose_tenant_another_took_over_is_fenced_until_it_opens_it_again() {
    let store = MemoryStore::default();
    let (mut one, of_one) = open(&store, false);
    submit(&mut one, 1, 1);
    let (mut other, of_other) = open(&store, false);
    let told = |completions: &Receiver<Completion>| completions.try_iter().last().unwrap();
    submit(&mut one, 2, 2);
    let refused = told(&of_one);
    assert!(
        matches!(refused, Completion::Refused { reason: RefusedReason::Fenced, .. }),
        "{refused:?}"
    );
    // Nor does its going close what is not its own any more.
    one.close(&tenant("t")).unwrap();
    submit(&mut other, 3, 2);
    assert!(matches!(told(&of_other), Completion::Committed { .. }));
    one.open(&tenant("t"), 0).unwrap();
    let Completion::Opened { head, .. } = told(&of_one) else { panic!() };
    assert_eq!(head.next, offset(3));
    submit(&mut one, 4, 3);
    assert!(matches!(told(&of_one), Completion::Committed { .. }));
    assert_eq!(ids(&one), [id(1), id(3), id(4)]);
    // A log that is shared fences one that is not.
    let (mut shared, of_shared) = open(&store, true);
    submit(&mut one, 5, 4);
    assert!(matches!(told(&of_one), Completion::Refused { reason: RefusedReason::Fenced, .. }));
    submit(&mut shared, 6, 9);
    assert_eq!(answer(&of_shared), (1, Answer::Committed(offset(4))));
}
