//! A log of before it was noted who an order is assigned to: its entries say it.

use std::path::Path;

use foodtrack_contract::{EventName, EventType};
use foodtrack_tenant_log::{Assignment, LogEntry, SqliteOptions, check};

use crate::support::{KEEPS_ALL, OpenLog, entry, id, offset, open_sqlite, tenant};

fn open(directory: &Path) -> OpenLog {
    open_sqlite(directory, SqliteOptions { retention: KEEPS_ALL, ..SqliteOptions::default() })
}

fn about_courier(event: EventType, n: u64, order: &str, user: &str) -> LogEntry {
    let message = format!(r#"{{"id":"{}","payload":{{"assigneeId":"{user}"}}}}"#, id(n));
    LogEntry {
        event: EventName::Builtin(event),
        entity: Some(order.into()),
        message: message.into(),
        ..entry(offset(n), id(n))
    }
}

/// Makes a log of layout 7 of one of layout 9, which has two tables more.
fn to_layout_7(directory: &Path) {
    let connection = rusqlite::Connection::open(directory.join("log.db")).unwrap();
    connection
        .execute_batch("DROP TABLE assignments; DROP TABLE sealing; PRAGMA user_version = 7")
        .unwrap();
}

#[test]
fn an_order_that_was_assigned_before_the_upgrade_stays_its_couriers() {
    use EventType::{DeliveryAssigned, DeliveryPickedUp, OrderAssigned};
    let directory = tempfile::tempdir().unwrap();
    {
        let open = open(directory.path());
        for (name, first, last) in [("one", "dora", "dino"), ("two", "dino", "dora")] {
            let mut writer = open.writer(name);
            for it in [
                about_courier(OrderAssigned, 1, "1", first),
                about_courier(DeliveryAssigned, 2, "2", first),
                entry(offset(3), id(3)),
                about_courier(DeliveryAssigned, 4, "1", last),
                about_courier(DeliveryPickedUp, 5, "2", last),
            ] {
                writer.submit_entry(&it);
            }
            writer.settle();
        }
        open.writer("three").append_all(1..=3);
    }
    to_layout_7(directory.path());
    {
        let open = open(directory.path());
        let assignment =
            |name: &str, order: &str| open.log.assignment(&tenant(name), order).unwrap();
        let said =
            |user: &str, n| Some(Assignment { user: user.into(), id: id(n), offset: offset(n) });
        for (name, first, last) in [("one", "dora", "dino"), ("two", "dino", "dora")] {
            assert!(open.head(&tenant(name)).has_assignments);
            assert_eq!(assignment(name, "1"), said(last, 4));
            assert_eq!(assignment(name, "2"), said(first, 2));
            assert_eq!(assignment(name, "3"), None);
        }
        assert!(!open.head(&tenant("three")).has_assignments);
        assert_eq!(open.page(&tenant("three"), 0, 100).entries.len(), 3);
    }
    assert_eq!(check(directory.path()).unwrap().findings, Vec::<String>::new());
}

#[test]
fn a_damaged_entry_keeps_no_log_of_layout_7_from_being_brought_over() {
    let directory = tempfile::tempdir().unwrap();
    {
        let open = open(directory.path());
        let mut writer = open.writer("t");
        for (n, order) in [(1, "1"), (2, "2")] {
            writer.submit_entry(&about_courier(EventType::DeliveryAssigned, n, order, "dora"));
            writer.settle();
        }
    }
    to_layout_7(directory.path());
    {
        let connection = rusqlite::Connection::open(directory.path().join("log.db")).unwrap();
        let cut = "UPDATE runs SET bodies = x'00000000' WHERE first = 1";
        assert_eq!(connection.execute(cut, ()).unwrap(), 1);
    }
    let open = open(directory.path());
    assert_eq!(open.log.assignment(&tenant("t"), "1").unwrap(), None);
    assert!(open.log.assignment(&tenant("t"), "2").unwrap().is_some());
}
