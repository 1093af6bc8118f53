//! A log as layout 5 kept it, with segments and front-coded rows, is brought over whole.

use std::path::Path;

use foodtrack_contract::{ApplicationSet, Cursor, EventType, Priority, ReadPermission, RoomName};
use foodtrack_tenant_log::{
    DeadLetterReason, Durability, LogEntry, LoggedAudience, Note, NoteKind, OrderOwner,
    SqliteOptions, SubscriberKey, check,
};

use crate::support::{
    KEEPS_ALL, OpenLog, id, letter, noise, offset, open_sqlite, request, saved, tenant,
};

/// The tenants of the log. Each has orders of the same names.
const TENANTS: [&str; 4] = ["one", "two", "three", "four"];
/// Retention kept so many of the first 35.
const KEPT_MAX: u64 = 30;
/// In one commit that is in a segment.
const IN_SEGMENT: std::ops::RangeInclusive<u64> = 13..=29;
/// The same, which did not wait for the disk: the last tenant's bytes never got there.
const UNSYNCED: std::ops::RangeInclusive<u64> = 37..=53;

/// The entry of a tenant at an offset. What is large of it is the same for each tenant.
fn expected(tenant: &str, n: u64) -> LogEntry {
    let is_large = IN_SEGMENT.contains(&n) || UNSYNCED.contains(&n);
    let order = (n % 4).to_string();
    let id = id(n);
    let at = |one: u64| usize::try_from(n / one).unwrap();
    LogEntry {
        offset: offset(n),
        id,
        event: EventType::ALL[at(1) % EventType::ALL.len()].into(),
        durability: if is_large { Durability::Recoverable } else { Durability::Durable },
        priority: Priority::ALL[at(1) % 4],
        at_ms: n,
        expires_at_ms: n.is_multiple_of(7).then_some(n + 60_000),
        audience: LoggedAudience {
            applications: ApplicationSet::default(),
            rooms: vec![RoomName::Tenant.into(), RoomName::Order(&order).into()],
            only: ApplicationSet::ALL,
            read: ReadPermission::ALL.get(at(1) % 6).copied(),
        },
        entity: Some(order.as_str().into()),
        compacts: n.is_multiple_of(3),
        creates_order: n
            .is_multiple_of(9)
            .then(|| OrderOwner { customer: Some(format!("{tenant}{n}").into()) }),
        fingerprint: n.is_multiple_of(2).then_some(u64::MAX - n),
        message: format!(
            "{{\"id\":\"{id}\",\"payload\":{{\"orderId\":\"{order}\",\"of\":\"{tenant}\"}}}}"
        )
        .into(),
        attachments: if is_large { vec![noise(n % 17, 1_000)] } else { Vec::new() },
    }
}

fn notes(tenant: &str) -> Vec<Note> {
    let note = |(n, kind): (u64, NoteKind)| Note {
        kind,
        key: format!("k{n}").into(),
        value: Some(format!("of {tenant}").into()),
        expires_at_ms: (n == 0).then_some(1_000_000),
    };
    (0..).zip(NoteKind::ALL).map(note).collect()
}

/// Puts the files of the log into a directory.
///
/// The fixture was made by the last code that wrote layout 5 (`generator::make` of the commit that added it): each file's
/// name behind its length, and its own length; a zero; then all of them, packed together.
fn unpack(directory: &Path) {
    let mut head = include_bytes!("../fixtures/layout_5.lz4").as_slice();
    let mut files = Vec::new();
    loop {
        let (length, rest) = head.split_first().unwrap();
        let (name, rest) = rest.split_at(usize::from(*length));
        if name.is_empty() {
            head = rest;
            break;
        }
        let (bytes, rest) = rest.split_first_chunk().unwrap();
        files.push((std::str::from_utf8(name).unwrap(), u32::from_le_bytes(*bytes) as usize));
        head = rest;
    }
    let all = lz4_flex::block::decompress_size_prepended(head).unwrap();
    let mut all = all.as_slice();
    for (name, bytes) in files {
        let (file, rest) = all.split_at(bytes);
        std::fs::write(directory.join(name), file).unwrap();
        all = rest;
    }
}

/// Each tenant's epoch, and up to where its offsets were reserved.
fn marks(directory: &Path) -> Vec<(u64, u64)> {
    let connection = rusqlite::Connection::open(directory.join("log.db")).unwrap();
    let mut tenants =
        connection.prepare("SELECT epoch, reserved_through FROM tenants ORDER BY no").unwrap();
    let marks = tenants.query_map((), |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    marks.map(Result::unwrap).map(|it: (i64, i64)| (it.0 as u64, it.1 as u64)).collect()
}

fn open(directory: &Path) -> OpenLog {
    open_sqlite(directory, SqliteOptions { retention: KEEPS_ALL, ..SqliteOptions::default() })
}

/// The offsets of what is there of a tenant.
fn kept(name: &str) -> std::ops::RangeInclusive<u64> {
    36 - KEPT_MAX..=if name == "four" { 36 } else { 53 }
}

/// Everything that the fixture has is there.
fn check_contents(open: &OpenLog, marks: &[(u64, u64)]) {
    for (name, (epoch, reserved_through)) in TENANTS.into_iter().zip(marks) {
        let (tenant, kept) = (tenant(name), kept(name));
        let page = open.log.read(&request(&tenant, 0, 1_000)).unwrap();
        let entries: Vec<_> = kept.clone().map(|n| expected(name, n)).collect();
        assert!(page.entries == entries, "{name} has others");
        let stats = open.log.stats(&tenant).unwrap();
        assert_eq!((stats.entries, stats.trimmed_through), (entries.len() as u64, offset(5)));
        assert_eq!(stats.bytes, entries.iter().map(LogEntry::bytes).sum::<u64>());
        assert_eq!(stats.last.epoch().get(), *epoch);
        for n in [1, 15, 36, 45, 60] {
            let found = kept.contains(&n).then(|| offset(n));
            assert_eq!(open.log.find(&tenant, id(n)).unwrap(), found);
        }
        let about = entries.iter().filter(|it| it.entity.as_deref() == Some("2"));
        assert!(open.log.entity_history(&tenant, "2", 100).unwrap().iter().eq(about));
        let key = SubscriberKey::new(name).unwrap();
        let cursor = saved(&Cursor::new(stats.last.epoch(), offset(20)), 7);
        assert_eq!(open.log.cursor(&tenant, &key).unwrap(), Some(cursor));
        let letters = [(21, DeadLetterReason::Failed), (33, DeadLetterReason::Expired)]
            .map(|(n, reason)| letter(n, name, reason));
        assert_eq!(open.log.dead_letters(&tenant, offset(0), 10).unwrap(), letters);
        // The first that named an order says whose it is: retention takes the entry, and the order stays.
        for (order, first) in [("1", 9), ("2", 18), ("3", 27), ("0", 36)] {
            let customer = Some(format!("{name}{first}").into());
            let owner = open.log.order_owner(&tenant, order).unwrap();
            assert_eq!(owner, Some(OrderOwner { customer }));
        }
        let head = open.head(&tenant);
        assert!(head.next.get() > *reserved_through, "an offset that was shown comes again");
        let recent: Vec<_> = kept.map(|n| (id(n), offset(n))).collect();
        assert_eq!(head.recent, recent);
        let mut found = head.notes;
        found.sort_by_key(|note| note.key.clone());
        assert_eq!(found, notes(name));
    }
}

#[test]
fn a_log_of_layout_5_is_brought_over_whole() {
    let directory = tempfile::tempdir().unwrap();
    unpack(directory.path());
    let marks = marks(directory.path());
    {
        let open = open(directory.path());
        check_contents(&open, &marks);
        // And it goes on.
        for name in TENANTS {
            let mut writer = open.writer(name);
            writer.append_all(1_001..=1_005);
            let entries = open.page(&writer.tenant, 0, 1_000).entries;
            assert_eq!(entries.len(), kept(name).count() + 5);
        }
    }
    assert_eq!(check(directory.path()).unwrap().findings, Vec::<String>::new());
}

mod generator {
    use super::*;
    use crate::support::{Writer, wait_for};
    use foodtrack_tenant_log::{Retention, Submitter};

    fn submit(submitter: &mut dyn Submitter, writer: &mut Writer<'_>, name: &str, n: u64) {
        let entry = expected(name, n);
        let _ = writer.sequence.admit(entry.id, entry.durability);
        submitter.submit(&writer.tenant, &entry.by_ref()).unwrap();
    }

    fn large(open: &OpenLog, writers: &mut [Writer<'_>], numbers: std::ops::RangeInclusive<u64>) {
        let mut submitter = open.log.submitter();
        for (writer, name) in writers.iter_mut().zip(TENANTS) {
            numbers.clone().for_each(|n| submit(&mut *submitter, writer, name, n));
        }
        submitter.hand_over();
        writers.iter_mut().for_each(Writer::settle_by_reading);
    }

    fn one_by_one(
        writers: &mut [Writer<'_>],
        open: &OpenLog,
        numbers: std::ops::RangeInclusive<u64>,
    ) {
        for n in numbers {
            for (writer, name) in writers.iter_mut().zip(TENANTS) {
                let mut submitter = open.log.submitter();
                submit(&mut *submitter, writer, name, n);
            }
            writers.iter_mut().for_each(Writer::settle_by_reading);
        }
    }

    fn at_once(writers: &mut [Writer<'_>], open: &OpenLog, numbers: std::ops::RangeInclusive<u64>) {
        let mut submitter = open.log.submitter();
        for (writer, name) in writers.iter_mut().zip(TENANTS) {
            // A run of a few: the last one takes those before it along.
            numbers.clone().for_each(|n| submit(&mut *submitter, writer, name, n));
        }
        drop(submitter);
        writers.iter_mut().for_each(Writer::settle_by_reading);
    }

    #[test]
    #[ignore = "makes the fixture"]
    fn make() {
        let directory = tempfile::tempdir().unwrap();
        {
            let retention = Retention { entries_max: KEPT_MAX, ..KEEPS_ALL };
            let open = open_sqlite(
                directory.path(),
                SqliteOptions { retention, ..SqliteOptions::default() },
            );
            let mut writers = TENANTS.map(|name| open.writer(name));
            one_by_one(&mut writers, &open, 1..=3);
            at_once(&mut writers, &open, 4..=12);
            large(&open, &mut writers, IN_SEGMENT);
            at_once(&mut writers, &open, 30..=35);
            for (name, writer) in TENANTS.into_iter().zip(&writers) {
                let cursor = Cursor::new(writer.sequence.epoch(), offset(20));
                open.log
                    .save_cursor(
                        &writer.tenant,
                        &SubscriberKey::new(name).unwrap(),
                        saved(&cursor, 7),
                    )
                    .unwrap();
                notes(name)
                    .into_iter()
                    .for_each(|it| open.log.save_note(&writer.tenant, it, None).unwrap());
                for (n, reason) in [(21, DeadLetterReason::Failed), (33, DeadLetterReason::Expired)]
                {
                    open.log.bury(&writer.tenant, letter(n, name, reason)).unwrap();
                }
            }
            open.log.trim(0).unwrap();
            wait_for(|| {
                writers
                    .iter()
                    .all(|it| open.log.stats(&it.tenant).unwrap().trimmed_through == offset(5))
            });
        }
        let open = open_sqlite(
            directory.path(),
            SqliteOptions { retention: KEEPS_ALL, ..SqliteOptions::default() },
        );
        let mut writers = TENANTS.map(|name| open.writer(name));
        one_by_one(&mut writers, &open, 36..=36);
        // So that what follows is in a commit of its own that does not wait.
        std::thread::sleep(std::time::Duration::from_millis(300));
        large(&open, &mut writers, UNSYNCED);
        let files = ["segment-000001", "log.db", "log.db-wal"].map(|name| {
            let mut bytes = std::fs::read(directory.path().join(name)).unwrap();
            if name.starts_with("segment") {
                bytes.truncate(bytes.len() - 5_000);
            }
            (name, bytes)
        });
        let connection = rusqlite::Connection::open(directory.path().join("log.db")).unwrap();
        let print = |sql: &str| {
            let mut statement = connection.prepare(sql).unwrap();
            let columns = statement.column_count();
            let mut rows = statement.query(()).unwrap();
            while let Some(row) = rows.next().unwrap() {
                let row: Vec<rusqlite::types::Value> =
                    (0..columns).map(|it| row.get(it).unwrap()).collect();
                println!("{row:?}");
            }
        };
        print("SELECT * FROM progress");
        print("SELECT * FROM segments");
        print("SELECT * FROM tenants");
        print("SELECT * FROM leftovers");
        print(
            "SELECT seq, tenant, first, entries, segment, position, hex(substr(heads,1,4)) FROM runs",
        );
        let unsynced: i64 = connection
            .query_row("SELECT unsynced_from FROM progress", (), |row| row.get(0))
            .unwrap();
        println!("{unsynced}");
        // A name's length and a name, a file's length, and then all files packed together.
        let (mut head, mut all) = (Vec::new(), Vec::new());
        for (name, bytes) in files {
            head.push(u8::try_from(name.len()).unwrap());
            head.extend(name.as_bytes());
            head.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
            all.extend(bytes);
        }
        let packed = lz4_flex::block::compress_prepend_size(&all);
        println!("{} of {}", packed.len(), all.len());
        head.push(0);
        head.extend(packed);
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/layout_5.lz4"), head)
            .unwrap();
    }
}
