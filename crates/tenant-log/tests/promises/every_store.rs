//! The one suite, run against memory and SQLite.

use std::sync::atomic::{AtomicBool, Ordering};

use foodtrack_contract::{Cursor, Epoch, EventName};
use foodtrack_tenant_log::{
    Admission, DeadLetterReason, Durability, LogEntry, Outline, PageStart, ReadError,
    RefusedReason, Retention, SubscriberKey,
};

use crate::support::{
    KEEPS_ALL, Store, entry, id, letter, offset, request, saved, suite, tenant, wait_for,
};

suite! {
    what_was_appended_is_read_back_whole
    the_same_id_twice_is_appended_once
    offsets_follow_each_other_without_gaps_also_after_a_restart
    an_offset_is_never_used_twice_though_everything_was_trimmed
    an_epoch_outlives_a_restart
    two_tenants_with_equal_everything_stay_apart
    retention_by_count_keeps_the_newest
    retention_by_age_keeps_the_floor
    retention_by_bytes_keeps_what_fits
    a_reader_behind_the_retention_is_told_its_gap
    a_place_of_another_epoch_is_a_reset
    a_place_that_was_never_given_out_is_a_reset
    pages_keep_their_bounds
    readers_see_no_gap_and_no_repeat_while_others_append
    a_tenant_without_a_log_is_unknown
    an_outline_is_the_page_without_its_messages
    single_entries_are_read_in_order_and_once
    an_orders_history_is_its_own
    a_message_is_found_by_its_id
    tenants_are_listed_by_name
    ; counted here:
    the_same_id_is_known_after_a_restart
    an_entry_out_of_sequence_is_refused
    a_tenant_that_is_not_open_takes_nothing
}

fn what_was_appended_is_read_back_whole<S: Store>() {
    let store = S::new();
    let open = store.open(KEEPS_ALL);
    let mut writer = open.writer("t");
    writer.append_all(1..=40);
    let declared = LogEntry {
        event: EventName::Declared("table:opened".into()),
        durability: Durability::Recoverable,
        ..entry(offset(41), id(41))
    };
    writer.submit_entry(&declared);
    while writer.sequence.committed_through() < offset(41) {
        writer.hear();
    }
    let page = open.page(&writer.tenant, 0, 100);
    let expected: Vec<LogEntry> =
        (1..=40).map(|n| entry(offset(n), id(n))).chain([declared]).collect();
    assert_eq!(page.entries, expected);
    assert_eq!((page.start, page.next, page.is_last), (PageStart::Whole, offset(41), true));
    let stats = open.log.stats(&writer.tenant).unwrap();
    let bytes: u64 = expected.iter().map(LogEntry::bytes).sum();
    assert_eq!((stats.entries, stats.bytes, stats.last.through()), (41, bytes, offset(41)));
}

fn the_same_id_twice_is_appended_once<S: Store>() {
    let store = S::new();
    let open = store.open(KEEPS_ALL);
    let mut writer = open.writer("t");
    writer.append_all(1..=3);
    assert_eq!(writer.submit(id(2), Durability::Durable, 9), Admission::Repeat(offset(2)));
    writer.append(4);
    let ids: Vec<_> = (1..=4).map(|n| (n, id(n))).collect();
    assert_eq!(open.everything(&writer.tenant), ids);
}

fn the_same_id_is_known_after_a_restart<S: Store>() {
    let store = S::new();
    store.open(KEEPS_ALL).writer("t").append_all(1..=3);
    let open = store.open(KEEPS_ALL);
    let mut writer = open.writer("t");
    assert_eq!(writer.submit(id(2), Durability::Durable, 9), Admission::Repeat(offset(2)));
}

fn offsets_follow_each_other_without_gaps_also_after_a_restart<S: Store>() {
    let store = S::new();
    for run in 0..3_u64 {
        let open = store.open(KEEPS_ALL);
        let mut writer = open.writer("t");
        writer.append_all(run * 10 + 1..=run * 10 + 10);
        if run == 1 {
            open.log.close(&writer.tenant).unwrap();
        }
    }
    let open = store.open(KEEPS_ALL);
    let ids: Vec<_> = (1..=30).map(|n| (n, id(n))).collect();
    assert_eq!(open.everything(&tenant("t")), ids);
}

fn an_offset_is_never_used_twice_though_everything_was_trimmed<S: Store>() {
    let store = S::new();
    let nothing_stays = Retention { age_ms_max: 10, ..KEEPS_ALL };
    {
        let open = store.open(nothing_stays);
        open.writer("t").append_all(1..=5);
        open.log.trim(1_000).unwrap();
        wait_for(|| open.everything(&tenant("t")).is_empty());
    }
    let open = store.open(nothing_stays);
    assert_eq!(open.writer("t").append(6), offset(6));
}

fn an_entry_out_of_sequence_is_refused<S: Store>() {
    let store = S::new();
    let open = store.open(KEEPS_ALL);
    let mut writer = open.writer("t");
    writer.append(1);
    for wrong in [1, 3] {
        writer.try_submit(&entry(offset(wrong), id(7))).unwrap();
        writer.hear();
    }
    let refused = |n| (offset(n), offset(n), RefusedReason::OutOfSequence);
    assert_eq!(writer.refused, [refused(1), refused(3)]);
    assert_eq!(writer.append(2), offset(2));
    assert_eq!(open.everything(&writer.tenant), [(1, id(1)), (2, id(2))]);
}

fn a_tenant_that_is_not_open_takes_nothing<S: Store>() {
    let store = S::new();
    let open = store.open(KEEPS_ALL);
    let mut writer = open.writer("t");
    open.log.close(&writer.tenant).unwrap();
    writer.try_submit(&entry(offset(1), id(1))).unwrap();
    writer.hear();
    assert_eq!(writer.refused, [(offset(1), offset(1), RefusedReason::OutOfSequence)]);
    assert_eq!(open.everything(&writer.tenant), []);
}

fn an_epoch_outlives_a_restart<S: Store>() {
    let store = S::new();
    let first = store.open(KEEPS_ALL).head(&tenant("t")).epoch;
    let open = store.open(KEEPS_ALL);
    assert_eq!(open.head(&tenant("t")).epoch, first);
    assert_ne!(open.head(&tenant("u")).epoch, first);
}

fn two_tenants_with_equal_everything_stay_apart<S: Store>() {
    let store = S::new();
    let open = store.open(KEEPS_ALL);
    let mut ours = open.writer("Resto");
    ours.append_all(1..=3);
    let mut theirs = open.writer("resto");
    theirs.append(1);
    let key = SubscriberKey::new("u").unwrap();
    let cursor = Cursor::new(ours.sequence.epoch(), offset(2));
    open.log.save_cursor(&ours.tenant, &key, saved(&cursor, 1)).unwrap();
    open.log.put_dead_letter(&ours.tenant, letter(2, "u", DeadLetterReason::Failed)).unwrap();
    wait_for(|| open.log.cursor(&ours.tenant, &key).unwrap().is_some());
    assert_eq!(open.everything(&ours.tenant), [(1, id(1)), (2, id(2)), (3, id(3))]);
    assert_eq!(open.everything(&theirs.tenant), [(1, id(1))]);
    assert_eq!(open.log.cursor(&theirs.tenant, &key).unwrap(), None);
    assert_eq!(open.log.dead_letters(&theirs.tenant, offset(0), 10).unwrap(), []);
}

/// How many of `count` entries of 100 ms each stay.
#[track_caller]
fn check_stay<S: Store>(retention: Retention, count: u64, stay: std::ops::RangeInclusive<u64>) {
    let store = S::new();
    let open = store.open(retention);
    let mut writer = open.writer("t");
    for n in 1..=count {
        writer.submit(id(3 * n), Durability::Durable, 100 * n);
    }
    writer.settle();
    open.log.trim(100 * count).unwrap();
    let kept = || open.log.stats(&tenant("t")).unwrap().entries;
    wait_for(|| kept() <= *stay.end());
    // What goes goes in steps: give a step too many the time to happen.
    open.log.trim(100 * count).unwrap();
    writer.append(1);
    assert!(stay.contains(&(kept() - 1)), "{} stay, not {stay:?}", kept() - 1);
    let offsets: Vec<u64> =
        open.everything(&writer.tenant).into_iter().map(|(offset, _)| offset).collect();
    let newest: Vec<u64> = (count + 1 - (kept() - 1)..=count + 1).collect();
    assert_eq!(offsets, newest);
}

fn retention_by_count_keeps_the_newest<S: Store>() {
    // The last append may let one more go.
    check_stay::<S>(Retention { entries_max: 50, ..KEEPS_ALL }, 700, 49..=50);
}

fn retention_by_age_keeps_the_floor<S: Store>() {
    check_stay::<S>(Retention { age_ms_max: 50, entries_min: 20, ..KEEPS_ALL }, 300, 19..=20);
    check_stay::<S>(Retention { age_ms_max: 10_000, entries_min: 20, ..KEEPS_ALL }, 300, 100..=101);
}

fn retention_by_bytes_keeps_what_fits<S: Store>() {
    let each = entry(offset(1), id(300)).bytes();
    check_stay::<S>(Retention { bytes_max: 40 * each, ..KEEPS_ALL }, 300, 39..=41);
}

fn a_reader_behind_the_retention_is_told_its_gap<S: Store>() {
    let store = S::new();
    let open = store.open(Retention { age_ms_max: 1, entries_min: 10, ..KEEPS_ALL });
    let mut writer = open.writer("t");
    writer.append_all(1..=100);
    open.log.trim(1_000).unwrap();
    wait_for(|| open.log.stats(&writer.tenant).unwrap().entries == 10);
    let page = open.page(&writer.tenant, 3, 4);
    assert_eq!(page.start, PageStart::Gap { through: offset(90) });
    assert_eq!(page.entries[0].offset, offset(91));
    assert_eq!((page.next, page.is_last), (offset(94), false));
    let at_the_edge = open.page(&writer.tenant, 90, 100);
    assert_eq!((at_the_edge.start, at_the_edge.entries.len()), (PageStart::Whole, 10));
}

fn a_place_of_another_epoch_is_a_reset<S: Store>() {
    let store = S::new();
    let open = store.open(KEEPS_ALL);
    let mut writer = open.writer("t");
    writer.append_all(1..=3);
    let epoch = writer.sequence.epoch();
    let of = |epoch| {
        let page = open.log.read(&foodtrack_tenant_log::ReadRequest {
            epoch: Some(epoch),
            ..request(&writer.tenant, 1, 10)
        });
        page.unwrap()
    };
    let other = of(Epoch::new(epoch.get() ^ 1));
    assert_eq!((other.start, other.epoch, other.entries.len()), (PageStart::Reset, epoch, 0));
    let own = of(epoch);
    assert_eq!((own.start, own.entries.len()), (PageStart::Whole, 2));
}

fn a_place_that_was_never_given_out_is_a_reset<S: Store>() {
    let store = S::new();
    let open = store.open(KEEPS_ALL);
    let mut writer = open.writer("t");
    writer.append_all(1..=3);
    let page = open.page(&writer.tenant, 1 << 40, 10);
    assert_eq!((page.start, page.entries.len()), (PageStart::Reset, 0));
    let page = open.page(&writer.tenant, 3, 10);
    assert_eq!((page.start, page.next, page.is_last), (PageStart::Whole, offset(3), true));
}

fn pages_keep_their_bounds<S: Store>() {
    let store = S::new();
    let open = store.open(KEEPS_ALL);
    let mut writer = open.writer("t");
    writer.append_all(1..=10);
    let read = |through, entries_max, bytes_max| {
        let page = open.log.read(&foodtrack_tenant_log::ReadRequest {
            through: offset(through),
            bytes_max,
            ..request(&writer.tenant, 2, entries_max)
        });
        let page = page.unwrap();
        (page.entries.len(), page.next.get(), page.is_last)
    };
    assert_eq!(read(100, 100, u64::MAX), (8, 10, true));
    assert_eq!(read(100, 8, u64::MAX), (8, 10, true));
    assert_eq!(read(100, 3, u64::MAX), (3, 5, false));
    assert_eq!(read(6, 100, u64::MAX), (4, 6, true));
    assert_eq!(read(100, 100, 1), (1, 3, false));
    assert_eq!(read(100, 0, 1), (1, 3, false));
    let two = entry(offset(3), id(3)).bytes() + entry(offset(4), id(4)).bytes();
    assert_eq!(read(100, 100, two), (2, 4, false));
    assert_eq!(read(100, 100, two - 1), (1, 3, false));
}

fn readers_see_no_gap_and_no_repeat_while_others_append<S: Store>() {
    const COUNT: u64 = 2_000;
    let store = S::new();
    let open = store.open(KEEPS_ALL);
    let mut writer = open.writer("t");
    let (log, tenant, is_done) = (&*open.log, writer.tenant.clone(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let readers: Vec<_> = (1..=2)
            .map(|pace| {
                let (tenant, is_done) = (&tenant, &is_done);
                scope.spawn(move || {
                    let (mut seen, mut after) = (Vec::new(), 0);
                    loop {
                        // Asked first: what is read afterwards is then all there is.
                        let was_done = is_done.load(Ordering::SeqCst);
                        let page = log.read(&request(tenant, after, 5 * pace)).unwrap();
                        seen.extend(page.entries.iter().map(|it| it.offset.get()));
                        after = page.next.get();
                        if page.is_last && was_done {
                            return seen;
                        }
                    }
                })
            })
            .collect();
        for n in 1..=COUNT {
            writer.submit(id(n), Durability::Durable, n);
            if n % 20 == 0 {
                writer.settle();
            }
        }
        writer.settle();
        is_done.store(true, Ordering::SeqCst);
        for reader in readers {
            assert!(reader.join().unwrap().into_iter().eq(1..=COUNT));
        }
    });
}

fn a_tenant_without_a_log_is_unknown<S: Store>() {
    let store = S::new();
    let open = store.open(KEEPS_ALL);
    let answer = open.log.read(&request(&tenant("nobody"), 0, 1));
    assert!(matches!(answer, Err(ReadError::UnknownTenant(it)) if it == tenant("nobody")));
}

fn an_outline_is_the_page_without_its_messages<S: Store>() {
    let store = S::new();
    let open = store.open(KEEPS_ALL);
    let mut writer = open.writer("t");
    writer.append_all(1..=50);
    let epoch = writer.sequence.epoch();
    let outline = |after, through, max| {
        let (after, through) = (offset(after), offset(through));
        open.log.outline(&tenant("t"), Some(epoch), after, through, max)
    };
    let expected = |from: u64, to: u64| -> Vec<Outline> {
        (from..=to).map(|n| Outline::from(&entry(offset(n), id(n)))).collect()
    };
    let looked = |after, through, max| {
        let page = outline(after, through, max).unwrap();
        (page.entries, page.next.get())
    };
    assert_eq!(looked(0, 1 << 40, 1_000), (expected(1, 50), 1 << 40));
    assert_eq!(looked(10, 30, 1_000), (expected(11, 30), 30));
    assert_eq!(looked(10, 30, 5), (expected(11, 15), 15));
    assert_eq!(looked(50, 60, 5), (vec![], 60));
    let other = Epoch::new(epoch.get() ^ 1);
    let answer = open.log.outline(&tenant("t"), Some(other), offset(0), offset(9), 9);
    assert!(matches!(answer, Err(ReadError::OtherEpoch { epoch: it, .. }) if it == epoch));
}

fn single_entries_are_read_in_order_and_once<S: Store>() {
    let store = S::new();
    let open = store.open(KEEPS_ALL);
    open.writer("t").append_all(1..=20);
    let at = [19, 3, 77, 3, 20].map(offset);
    let entries = open.log.read_at(&tenant("t"), &at).unwrap();
    let expected: Vec<_> = [3, 19, 20].map(|n| entry(offset(n), id(n))).into();
    assert_eq!(entries, expected);
}

fn an_orders_history_is_its_own<S: Store>() {
    let store = S::new();
    let open = store.open(KEEPS_ALL);
    let mut writer = open.writer("t");
    for n in 1..=30 {
        let order = (n % 3).to_string();
        writer.submit_entry(&LogEntry { entity: Some(order.into()), ..entry(offset(n), id(n)) });
    }
    writer.settle();
    let history = |order, max| -> Vec<u64> {
        let history = open.log.entity_history(&tenant("t"), order, max).unwrap();
        history.iter().map(|it| it.offset.get()).collect()
    };
    assert!(history("1", 100).into_iter().eq((1..=28).step_by(3)));
    assert_eq!(history("1", 2), [25, 28]);
    assert!(history("none", 2).is_empty());
}

fn a_message_is_found_by_its_id<S: Store>() {
    let store = S::new();
    let open = store.open(KEEPS_ALL);
    open.writer("t").append_all(1..=20);
    open.writer("u").append_all(31..=35);
    assert_eq!(open.log.find(&tenant("t"), id(7)).unwrap(), Some(offset(7)));
    assert_eq!(open.log.find(&tenant("t"), id(33)).unwrap(), None);
}

fn tenants_are_listed_by_name<S: Store>() {
    let store = S::new();
    let open = store.open(KEEPS_ALL);
    assert_eq!(open.log.tenants().unwrap(), []);
    for name in ["u", "T", "t"] {
        open.head(&tenant(name));
    }
    assert_eq!(open.log.tenants().unwrap(), ["T", "t", "u"].map(tenant));
}
