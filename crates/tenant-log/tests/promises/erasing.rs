//! What is erased is in no file any more, and everything else is as it was.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use foodtrack_contract::{Offset, RoomName, TenantId};
use foodtrack_tenant_log::{
    CopyRate, KeySource, LogEntry, Note, NoteKind, OrderOwner, Person, Retention, SqliteLog,
    SqliteOptions, SqliteReader, backup, check_with_progress, erase_person, erase_tenant,
};
use test_support::files_with;

use crate::key_box::KeyBox;
use crate::support::{
    KEEPS_ALL, OpenLog, entry, id, letter, offset, open_sqlite, request, saved, tenant, wait_for,
};

/// Stands in all that is Ada's.
pub(crate) const MARKER: &str = "ring-twice-at-the-green-door";
/// Stands in all that is somebody else's.
pub(crate) const OTHER: &str = "leave-it-at-the-blue-gate";

pub(crate) fn options(keys: Option<&Arc<KeyBox>>) -> SqliteOptions {
    let keys = keys.map(|it| Arc::clone(it) as Arc<dyn KeySource>);
    SqliteOptions { keys, ..SqliteOptions::default() }
}

/// An entry about a user's order.
fn of(n: u64, user: &str, order: &str, marker: &str) -> LogEntry {
    let message = format!(
        "{{\"id\":\"{}\",\"type\":\"order:created\",\"tenantId\":\"t\",\"timestamp\":\"2026-01-01T00:00:00.000Z\",\"source\":\"client_app\",\"payload\":{{\"orderId\":\"{order}\",\"customerId\":\"{user}\",\"note\":\"{marker}\"}},\"priority\":\"high\",\"retryCount\":0,\"encrypted\":false}}",
        id(n)
    );
    let mut entry = entry(offset(n), id(n));
    entry.audience.rooms.push(RoomName::User(user).into());
    LogEntry {
        event: foodtrack_contract::EventType::OrderCreated.into(),
        entity: Some(order.into()),
        creates_order: Some(OrderOwner { customer: Some(user.into()) }),
        message: Bytes::from(message),
        attachments: vec![marker.as_bytes().to_vec()],
        ..entry
    }
}

/// What is said of a user's order without naming them.
pub(crate) fn about(n: u64, order: &str, marker: &str) -> LogEntry {
    let message = format!("{{\"id\":\"{}\",\"payload\":{{\"note\":\"{marker}\"}}}}", id(n));
    LogEntry {
        entity: Some(order.into()),
        creates_order: None,
        message: Bytes::from(message),
        ..entry(offset(n), id(n))
    }
}

/// Fills a tenant: entries 1 to 40, a quarter of them about Ada's order, and notes, places and letters of hers and of Bob's.
pub(crate) fn fill(open: &OpenLog, name: &str) {
    let mut writer = open.writer(name);
    for n in 1..=40 {
        let entry = match n % 4 {
            0 => of(n, "bob", "o-bob", OTHER),
            1 => of(n, "ada", "o-ada", MARKER),
            2 => about(n, "o-bob", OTHER),
            _ => about(n, "o-ada", MARKER),
        };
        writer.submit_entry(&entry);
        if n % 7 == 0 {
            writer.settle();
        }
    }
    writer.settle();
    let tenant = tenant(name);
    let epoch = open.head(&tenant).epoch;
    for (ticket, (user, marker)) in [("ada", MARKER), ("bob", OTHER)].into_iter().enumerate() {
        let value = format!("{{\"user\":\"{user}\",\"m\":\"{marker}\"}}");
        let note = Note {
            kind: NoteKind::Session,
            key: format!("session of {user}").into(),
            value: Some(value.into()),
            expires_at_ms: None,
        };
        open.log.save_note(&tenant, note, Some(ticket as u64)).unwrap();
        let subscriber = format!("{user}:client_app:{marker}");
        let cursor = foodtrack_contract::Cursor::new(epoch, offset(3));
        let key = foodtrack_tenant_log::SubscriberKey::new(&subscriber).unwrap();
        open.log.save_cursor(&tenant, &key, saved(&cursor, 7)).unwrap();
        let reason = foodtrack_tenant_log::DeadLetterReason::Failed;
        open.log.put_dead_letter(&tenant, letter(3, &subscriber, reason)).unwrap();
    }
    wait_for(|| open.log.dead_letters(&tenant, Offset::ZERO, 10).unwrap().len() == 2);
}

pub(crate) fn messages(
    directory: &Path,
    keys: Option<&Arc<KeyBox>>,
    tenant: &TenantId,
) -> Vec<LogEntry> {
    let keys = keys.map(|it| Arc::clone(it) as Arc<dyn KeySource>);
    let reader = SqliteReader::open(directory, keys).unwrap();
    reader.read(&request(tenant, 0, 100)).unwrap().entries
}

#[track_caller]
pub(crate) fn check_is_well(directory: &Path, keys: Option<&Arc<KeyBox>>) {
    let keys = keys.map(|it| Arc::clone(it) as Arc<dyn KeySource>);
    let report = check_with_progress(directory, keys, &mut |_| {}).unwrap();
    assert_eq!(report.findings, Vec::<String>::new());
}

#[test]
fn an_erased_tenant_is_in_no_file_and_its_neighbour_is_whole() {
    let directory = tempfile::tempdir().unwrap();
    let open = open_sqlite(directory.path(), options(None));
    fill(&open, "gone");
    fill(&open, "stays");
    drop(open);
    let before = messages(directory.path(), None, &tenant("stays"));
    assert!(!files_with(directory.path(), "gone").is_empty(), "or else this test shows nothing");
    let erased = erase_tenant(directory.path(), &tenant("gone"), &mut |_| {}).unwrap();
    assert_eq!(erased.entries, 40);
    assert!(erased.others >= 6, "{erased:?}");
    assert_eq!(files_with(directory.path(), "gone"), Vec::<String>::new());
    assert_eq!(messages(directory.path(), None, &tenant("stays")), before);
    check_is_well(directory.path(), None);
    // Once more does nothing, and a tenant of its name begins anew.
    let again = erase_tenant(directory.path(), &tenant("gone"), &mut |_| {}).unwrap();
    assert_eq!(again.entries, 0);
    let open = open_sqlite(directory.path(), options(None));
    assert_eq!(open.writer("gone").append(1), offset(1));
}

#[test]
fn the_backup_of_a_sealed_log_is_closed_once_the_keys_are_destroyed() {
    let (directory, keys) = (tempfile::tempdir().unwrap(), Arc::<KeyBox>::default());
    let open = open_sqlite(directory.path(), options(Some(&keys)));
    fill(&open, "gone");
    fill(&open, "stays");
    let copy = directory.path().join("copy");
    backup(directory.path(), &copy, CopyRate::UNLIMITED, |_| {}).unwrap();
    drop(open);
    assert_eq!(
        messages(&copy, Some(&keys), &tenant("gone")).len(),
        40,
        "as long as there are keys"
    );
    keys.forget(&tenant("gone"));
    erase_tenant(directory.path(), &tenant("gone"), &mut |_| {}).unwrap();
    let note = format!("\"note\":\"{MARKER}\"");
    assert_eq!(files_with(directory.path(), &note), Vec::<String>::new(), "in the copy neither");
    let reader = SqliteReader::open(&copy, Some(Arc::clone(&keys) as Arc<dyn KeySource>)).unwrap();
    assert!(reader.read(&request(&tenant("gone"), 0, 100)).is_err());
    assert_eq!(reader.read(&request(&tenant("stays"), 0, 100)).unwrap().entries.len(), 40);
    check_is_well(directory.path(), Some(&keys));
}

fn check_person(keys: Option<&Arc<KeyBox>>) {
    let directory = tempfile::tempdir().unwrap();
    let open = open_sqlite(directory.path(), options(keys));
    fill(&open, "t");
    fill(&open, "u");
    drop(open);
    let before = messages(directory.path(), keys, &tenant("t"));
    let others = messages(directory.path(), keys, &tenant("u"));
    let source = || keys.map(|it| Arc::clone(it) as Arc<dyn KeySource>);
    let erase =
        || erase_person(directory.path(), source(), &tenant("t"), Person::User("ada"), &mut |_| {});
    let erased = erase().unwrap();
    assert_eq!((erased.entries, erased.damaged), (20, 0));
    let after = messages(directory.path(), keys, &tenant("t"));
    assert_eq!(after.len(), before.len());
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(
            (before.offset, before.id, before.bytes()),
            (after.offset, after.id, after.bytes())
        );
        if before.entity.as_deref() == Some("o-ada") {
            let message: serde_json::Value = serde_json::from_slice(&after.message).unwrap();
            assert_eq!(message["payload"], serde_json::json!({ "erased": true }));
            assert!(after.audience.applications.is_empty() && after.audience.rooms.is_empty());
        } else {
            assert_eq!(before, after);
        }
    }
    // The same names in another tenant are another person.
    assert_eq!(messages(directory.path(), keys, &tenant("u")), others);
    check_is_well(directory.path(), keys);
    let log = SqliteLog::open(directory.path(), options(keys), Box::new(|_| {})).unwrap();
    use foodtrack_tenant_log::{LogReader as _, SubscriberStore as _};
    let notes = log.notes(&tenant("t"), NoteKind::Session).unwrap();
    assert_eq!(notes.iter().map(|it| &*it.key).collect::<Vec<_>>(), ["session of bob"]);
    assert_eq!(log.cursors(&tenant("t"), None, 10).unwrap().len(), 1);
    assert_eq!(log.dead_letters(&tenant("t"), Offset::ZERO, 10).unwrap().len(), 1);
    let owner = |order| log.order_owner(&tenant("t"), order).unwrap().unwrap().customer;
    assert_eq!((owner("o-ada"), owner("o-bob").as_deref()), (None, Some("bob")));
    drop(log);
    assert_eq!(erase().unwrap().entries, 0, "once more");
}

#[test]
fn an_erased_persons_entries_are_tombstones_and_nobody_elses_are() {
    check_person(None);
    check_person(Some(&Arc::default()));
}

#[test]
fn what_was_said_of_an_order_is_erased_without_a_name_and_the_order_is_nobodys_to_claim() {
    let directory = tempfile::tempdir().unwrap();
    let open = open_sqlite(directory.path(), options(None));
    fill(&open, "t");
    let tenant = tenant("t");
    for order in ["o-ada", "o-bob"] {
        let note = Note {
            kind: NoteKind::Room,
            key: foodtrack_tenant_log::LoggedRoom::from(RoomName::Order(order)).to_text().into(),
            value: Some("{}".into()),
            expires_at_ms: None,
        };
        open.log.save_note(&tenant, note, None).unwrap();
    }
    drop(open);
    let erase =
        || erase_person(directory.path(), None, &tenant, Person::OfOrder("o-ada"), &mut |_| {});
    let erased = erase().unwrap();
    assert_eq!((erased.entries, erased.others), (20, 2));
    for entry in messages(directory.path(), None, &tenant) {
        let is_erased = String::from_utf8_lossy(&entry.message).contains("{\"erased\":true}");
        assert_eq!(is_erased, entry.entity.as_deref() == Some("o-ada"));
    }
    check_is_well(directory.path(), None);
    let log = SqliteLog::open(directory.path(), options(None), Box::new(|_| {})).unwrap();
    use foodtrack_tenant_log::{LogReader as _, SubscriberStore as _};
    let owner = |order| log.order_owner(&tenant, order).unwrap().unwrap().customer;
    assert_eq!((owner("o-ada"), owner("o-bob").as_deref()), (None, Some("bob")));
    assert_eq!(log.notes(&tenant, NoteKind::Room).unwrap().len(), 1);
    drop(log);
    assert_eq!((erase().unwrap().entries, erase().unwrap().others), (0, 0), "once more");
}

#[test]
fn nothing_of_an_erased_person_is_in_any_file() {
    let directory = tempfile::tempdir().unwrap();
    let open = open_sqlite(directory.path(), options(None));
    fill(&open, "t");
    drop(open);
    assert!(!files_with(directory.path(), MARKER).is_empty());
    erase_person(directory.path(), None, &tenant("t"), Person::User("ada"), &mut |_| {}).unwrap();
    assert_eq!(files_with(directory.path(), MARKER), Vec::<String>::new());
    assert!(!files_with(directory.path(), OTHER).is_empty());
}

#[test]
fn what_retention_takes_is_in_no_file_where_it_is_to_be_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let retention = Retention { age_ms_max: 1_000, ..KEEPS_ALL };
    let options = SqliteOptions { retention, overwrites: true, ..SqliteOptions::default() };
    let open = open_sqlite(directory.path(), options);
    let mut writer = open.writer("t");
    for n in 1..=30 {
        let marker = if n <= 25 { MARKER } else { OTHER };
        let at_ms = if n <= 25 { 0 } else { 5_000 };
        writer.submit_entry(&LogEntry { at_ms, ..of(n, "ada", "o1", marker) });
        writer.settle();
    }
    assert!(!files_with(directory.path(), MARKER).is_empty(), "or else this test shows nothing");
    open.log.trim(5_500).unwrap();
    // Not only a few of many, and not some time: all that went, while it is open.
    wait_for(|| files_with(directory.path(), MARKER).is_empty());
    assert_eq!(open.page(&tenant("t"), 0, 100).entries.len(), 5);
    assert!(!files_with(directory.path(), OTHER).is_empty());
    drop(open);
    check_is_well(directory.path(), None);
}
