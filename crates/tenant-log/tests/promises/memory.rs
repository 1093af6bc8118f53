//! What a log in memory costs its process.

use foodtrack_contract::Cursor;
use foodtrack_tenant_log::{LogEntry, Retention, SavedCursor, SubscriberKey};

use crate::support::{InMemory, Store, entry, id, offset};

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
