//! Cursors of those who never come back.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use foodtrack_contract::{Cursor, Offset};
use foodtrack_tenant_log::{Retention, SqliteOptions, SubscriberKey};

use crate::support::{
    InSqlite, KEEPS_ALL, OpenLog, Store, offset, open_sqlite, saved, tenant, wait_for,
};

const DEVICES_MAX: u64 = 256;
const DAY_MS: u64 = 24 * 3_600_000;

fn key(text: &str) -> SubscriberKey {
    SubscriberKey::new(text).unwrap()
}

/// Waits until what was submitted before is on disk, cursors too.
fn settle(open: &OpenLog) {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let (name, marker) = (tenant("t"), key("marker"));
    let mark =
        saved(&Cursor::new(open.head(&name).epoch, Offset::ZERO), COUNT.fetch_add(1, Relaxed));
    open.log.save_cursor(&name, &marker, mark.clone()).unwrap();
    wait_for(|| open.log.cursor(&name, &marker).unwrap().as_ref() == Some(&mark));
}

#[test]
fn a_login_that_makes_up_devices_keeps_its_newest_and_takes_nobody_elses() {
    let store = InSqlite::new();
    let open = store.open(KEEPS_ALL);
    let name = tenant("t");
    let epoch = open.head(&name).epoch;
    let begin = |text: &str, at_ms| {
        let first = saved(&Cursor::new(epoch, Offset::ZERO), at_ms);
        open.log.begin_cursor(&name, &key(text), first).unwrap();
    };
    let others = ["eve:client_app:d1", "ev:kitchen_app:d1", "eve2:kitchen_app:d1"];
    others.into_iter().for_each(|other| begin(other, 0));
    for n in 0..DEVICES_MAX + 40 {
        begin(&format!("eve:kitchen_app:d{n}"), n);
        // Those that wait are written together; a commit each is what happens over days.
        if n % 64 == 0 {
            settle(&open);
        }
    }
    settle(&open);
    let is_kept = |text: &str| open.log.cursor(&name, &key(text)).unwrap().is_some();
    let kept: Vec<u64> =
        (0..DEVICES_MAX + 40).filter(|n| is_kept(&format!("eve:kitchen_app:d{n}"))).collect();
    assert_eq!(kept.len() as u64, DEVICES_MAX);
    assert!(!kept.contains(&0) && kept.contains(&(DEVICES_MAX + 39)), "{kept:?}");
    assert!(others.into_iter().all(is_kept), "another's cursor went");
}

#[test]
fn a_cursor_goes_that_nobody_moved_for_long_and_that_leads_to_what_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let retention = Retention { entries_max: 10, entries_min: 0, ..KEEPS_ALL };
    let options = SqliteOptions { retention, ..SqliteOptions::default() };
    let open = open_sqlite(directory.path(), options);
    let mut writer = open.writer("t");
    writer.append_all(1..=100);
    let epoch = writer.sequence.epoch();
    let save = |text: &str, through, at_ms| {
        let cursor = saved(&Cursor::new(epoch, offset(through)), at_ms);
        open.log.save_cursor(&tenant("t"), &key(text), cursor).unwrap();
    };
    let now_ms = 200 * DAY_MS;
    save("old", 5, 100 * DAY_MS);
    save("old, and all is there", 95, 100 * DAY_MS);
    save("behind, and not old", 5, 150 * DAY_MS);
    settle(&open);
    open.log.trim(now_ms).unwrap();
    let is_kept = |text: &str| open.log.cursor(&tenant("t"), &key(text)).unwrap().is_some();
    wait_for(|| open.log.stats(&tenant("t")).unwrap().entries == 10);
    // The pass after the one that trimmed sees it.
    open.log.trim(now_ms + 2 * DAY_MS).unwrap();
    wait_for(|| !is_kept("old"));
    assert!(is_kept("old, and all is there") && is_kept("behind, and not old"));
}

#[test]
fn many_cursors_are_gone_through_a_part_at_a_time() {
    let store = InSqlite::new();
    let retention = Retention { entries_max: 1, entries_min: 0, ..KEEPS_ALL };
    let open = store.open(retention);
    let mut writer = open.writer("t");
    writer.append_all(1..=3);
    let epoch = writer.sequence.epoch();
    const CURSORS: usize = 3_000;
    let name = |n: usize| key(&format!("u{n}:client_app:"));
    for n in 0..CURSORS {
        let cursor = saved(&Cursor::new(epoch, offset(1)), 0);
        open.log.save_cursor(&tenant("t"), &name(n), cursor).unwrap();
    }
    settle(&open);
    let left = || {
        (0..CURSORS).filter(|n| open.log.cursor(&tenant("t"), &name(*n)).unwrap().is_some()).count()
    };
    let mut now_ms = 100 * DAY_MS;
    open.log.trim(now_ms).unwrap();
    wait_for(|| open.log.stats(&tenant("t")).unwrap().entries == 1);
    let mut lefts = vec![left()];
    while *lefts.last().unwrap() > 0 {
        assert!(lefts.len() < 20, "{lefts:?}");
        now_ms += 2 * DAY_MS;
        open.log.trim(now_ms).unwrap();
        settle(&open);
        lefts.push(left());
    }
    assert!(lefts.iter().any(|left| (1..CURSORS).contains(left)), "{lefts:?}");
}
