//! Another program that has locked the log's file.

use std::time::{Duration, Instant};

use foodtrack_tenant_log::{Durability, RefusedReason, SqliteOptions, StorageState};
use rusqlite::Connection;

use crate::erasing::check_is_well;
use crate::support::{Writer, id, offset, open_sqlite, wait_for};

/// Submits one, and says why it was refused, where it was.
fn refusal(writer: &mut Writer<'_>, n: u64) -> Option<RefusedReason> {
    writer.submit(id(n), Durability::Durable, n);
    writer.settle();
    writer.refused.pop().map(|(_, _, reason)| reason)
}

#[test]
fn a_log_that_another_program_has_locked_refuses_and_recovers_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let lock_wait = Duration::from_millis(200);
    let open =
        open_sqlite(directory.path(), SqliteOptions { lock_wait, ..SqliteOptions::default() });
    let mut writer = open.writer("t");
    for n in 1..=5 {
        assert_eq!(writer.append(n), offset(n));
    }
    let before = open.everything(&writer.tenant);
    let other = Connection::open(directory.path().join("log.db")).unwrap();
    for n in 6..=8 {
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let began = Instant::now();
        assert_eq!(refusal(&mut writer, n), Some(RefusedReason::Away));
        assert!(began.elapsed() >= lock_wait, "a short lock is waited for");
        assert_eq!(open.log.storage().state, StorageState::Away);
        // Maintenance is due, and a tenant is asked for that is not open: neither ends it, nor does it take part in what is refused.
        open.log.trim(1).unwrap();
        assert_eq!(refusal(&mut writer, n), Some(RefusedReason::Away));
        assert_eq!(open.everything(&writer.tenant).len() as u64, n - 1, "what is there is read");
        other.execute_batch("ROLLBACK").unwrap();
        // Also where nobody appends.
        wait_for(|| open.log.storage().state == StorageState::Well);
        assert_eq!(refusal(&mut writer, n), None);
    }
    // Who has it locked for a short time holds it up, and no more.
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let letting_go = std::thread::spawn(move || {
        std::thread::sleep(lock_wait / 4);
        other.execute_batch("ROLLBACK").unwrap();
    });
    assert_eq!(refusal(&mut writer, 9), None);
    letting_go.join().unwrap();
    let after = open.everything(&writer.tenant);
    assert_eq!(after[..5], before, "what was acknowledged is there");
    assert_eq!(after.len(), 9);
    assert_eq!(open.writer("u").append(1), offset(1));
    drop(writer);
    drop(open);
    check_is_well(directory.path(), None);
}
