//! A log as layout 5 kept it, with segments and front-coded rows, is brought over whole.

use std::path::Path;

use foodtrack_contract::{ApplicationSet, Cursor, Priority, ReadPermission, RoomName};
use foodtrack_tenant_log::{
    DeadLetterReason, Durability, LogEntry, LoggedAudience, Note, NoteKind, OrderOwner, Progress,
    SqliteOptions, SubscriberKey, check, check_with_progress, compact,
};

use crate::support::{
    KEEPS_ALL, OpenLog, event_type, id, letter, noise, offset, open_sqlite, request, saved, tenant,
};

/// The kinds of notes that there were.
const KINDS: [NoteKind; 4] =
    [NoteKind::Session, NoteKind::Room, NoteKind::Watch, NoteKind::Redelivery];

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
        event: event_type(n).into(),
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
    (0..).zip(KINDS).map(note).collect()
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
    crate::old_layouts::unpack_layout_5(directory.path());
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

#[test]
fn commands_that_bring_a_log_over_tell_how_far_they_are() {
    type Command = fn(&Path, &mut dyn FnMut(Progress));
    let commands: [Command; 2] = [
        |directory, on_step| {
            compact(directory, false, on_step).unwrap();
        },
        |directory, on_step| {
            check_with_progress(directory, None, on_step).unwrap();
        },
    ];
    for command in commands {
        let directory = tempfile::tempdir().unwrap();
        crate::old_layouts::unpack_layout_5(directory.path());
        let mut told = Vec::new();
        command(directory.path(), &mut |progress| told.push(progress));
        assert_eq!(told[0], Progress::BringingOver { left: 32, of: 32 });
        assert!(told.len() > 1, "and of what it was called for: {told:?}");
        let mut again = Vec::new();
        command(directory.path(), &mut |progress| again.push(progress));
        assert!(!again.iter().any(|it| matches!(it, Progress::BringingOver { .. })), "{again:?}");
    }
}
