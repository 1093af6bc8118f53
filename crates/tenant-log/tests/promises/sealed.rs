//! What keys seal is not to be read on the disk, and is opened in its place alone.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use foodtrack_contract::TenantId;
use foodtrack_tenant_log::{
    CopyRate, KeySource, LogEntry, Note, NoteKind, OpenError, ReadError, SqliteLog, SqliteOptions,
    SqliteReader, backup, check_with_progress,
};
use rusqlite::{Connection, params};
use test_support::files_with;

use crate::key_box::KeyBox;
use crate::support::{OpenLog, entry, id, offset, open_sqlite, request, tenant, wait_for};

/// Stands in every payload and note, and must be found in no file.
const MARKER: &str = "ring-twice-at-the-green-door";

const NOWHERE: Vec<String> = Vec::new();

fn options(keys: &Arc<KeyBox>) -> SqliteOptions {
    let keys: Arc<dyn KeySource> = keys.clone();
    SqliteOptions { keys: Some(keys), ..SqliteOptions::default() }
}

fn marked(n: u64) -> LogEntry {
    let message = format!("{{\"id\":\"{}\",\"payload\":{{\"note\":\"{MARKER}\"}}}}", id(n));
    LogEntry { message: Bytes::from(message), ..entry(offset(n), id(n)) }
}

fn append_marked(open: &OpenLog, name: &str, numbers: std::ops::RangeInclusive<u64>) {
    let mut writer = open.writer(name);
    for n in numbers {
        writer.submit_entry(&marked(n));
        writer.settle();
    }
    let note = Note {
        kind: NoteKind::Room,
        key: "a room".into(),
        value: Some(MARKER.into()),
        expires_at_ms: None,
    };
    open.log.save_note(&tenant(name), note, Some(1)).unwrap();
    wait_for(|| open.log.notes(&tenant(name), NoteKind::Room).unwrap().len() == 1);
}

fn messages(open: &OpenLog, tenant: &TenantId) -> Vec<Bytes> {
    open.page(tenant, 0, 1_000).entries.into_iter().map(|it| it.message).collect()
}

fn database(directory: &Path) -> Connection {
    Connection::open(directory.join("log.db")).unwrap()
}

#[test]
fn nothing_of_a_payload_or_a_note_is_in_any_file_or_backup_and_all_is_read_back() {
    let (directory, keys) = (tempfile::tempdir().unwrap(), Arc::default());
    let open = open_sqlite(directory.path(), options(&keys));
    append_marked(&open, "t", 1..=30);
    assert_eq!(
        files_with(directory.path(), MARKER),
        NOWHERE,
        "while it is open, with what is beside it"
    );
    let copy = directory.path().join("copy");
    backup(directory.path(), &copy, CopyRate::UNLIMITED, |_| {}).unwrap();
    assert_eq!(files_with(&copy, MARKER), NOWHERE);
    std::fs::remove_dir_all(copy).unwrap();
    drop(open);
    assert_eq!(files_with(directory.path(), MARKER), NOWHERE, "closed");
    let open = open_sqlite(directory.path(), options(&keys));
    let head = open.head(&tenant("t"));
    assert_eq!(head.tail, (1..=30).map(marked).collect::<Vec<_>>());
    assert_eq!(head.notes[0].value.as_deref(), Some(MARKER));
    let expected: Vec<_> = (1..=30).map(|n| marked(n).message).collect();
    assert_eq!(messages(&open, &tenant("t")), expected);
    drop(open);
    let report = check_with_progress(directory.path(), Some(keys), &mut |_| {}).unwrap();
    assert_eq!((report.findings, report.entries, report.sealed), (Vec::new(), 30, 0));
}

#[test]
fn a_sealed_log_without_its_keys_or_with_others_is_refused_and_left_as_it_is() {
    struct Others(KeyBox);
    impl KeySource for Others {
        fn id(&self) -> &str {
            "another box"
        }
        fn to_seal(
            &self,
            tenant: &TenantId,
        ) -> Result<Arc<foodtrack_keyring::TenantKeys>, foodtrack_tenant_log::KeySourceError>
        {
            self.0.to_seal(tenant)
        }
        fn to_open(
            &self,
            tenant: &TenantId,
            id: foodtrack_keyring::KeyId,
        ) -> Result<Option<Arc<foodtrack_keyring::TenantKeys>>, foodtrack_tenant_log::KeySourceError>
        {
            self.0.to_open(tenant, id)
        }
    }
    let (directory, keys) = (tempfile::tempdir().unwrap(), Arc::default());
    append_marked(&open_sqlite(directory.path(), options(&keys)), "t", 1..=3);
    let before = std::fs::read(directory.path().join("log.db")).unwrap();
    let refused = |keys: Option<Arc<dyn KeySource>>| {
        let options = SqliteOptions { keys, ..SqliteOptions::default() };
        SqliteLog::open(directory.path(), options, Box::new(|_| {})).err().unwrap()
    };
    assert!(matches!(refused(None), OpenError::NoKey { .. }));
    let others: Arc<dyn KeySource> = Arc::new(Others(KeyBox::default()));
    assert!(matches!(refused(Some(others)), OpenError::OtherKeys { .. }));
    assert!(std::fs::read(directory.path().join("log.db")).unwrap() == before);
    // Who looks at it without keys is told what cannot be read, and reads the rest.
    let reader = SqliteReader::open(directory.path(), None).unwrap();
    assert_eq!(reader.stats(&tenant("t")).unwrap().entries, 3);
    let error = reader.read(&request(&tenant("t"), 0, 10)).unwrap_err();
    assert!(error.to_string().contains("no key is given"), "{error}");
    drop(reader);
    let report = check_with_progress(directory.path(), None, &mut |_| {}).unwrap();
    assert_eq!((report.findings, report.sealed), (Vec::new(), 3));
}

#[test]
fn a_body_that_was_changed_moved_or_is_another_tenants_is_damaged_and_told() {
    let (directory, keys) = (tempfile::tempdir().unwrap(), Arc::default());
    let open = open_sqlite(directory.path(), options(&keys));
    append_marked(&open, "t", 1..=3);
    append_marked(&open, "u", 1..=3);
    drop(open);
    let body = |name: &str, n: i64| -> Vec<u8> {
        let sql =
            "SELECT bodies FROM runs JOIN tenants ON no = tenant WHERE name = ? AND first = ?";
        database(directory.path()).query_row(sql, params![name, n], |row| row.get(0)).unwrap()
    };
    let put = |bytes: &[u8]| {
        let sql = "UPDATE runs SET bodies = ? WHERE first = 2 AND tenant = (SELECT no FROM tenants WHERE name = 't')";
        assert_eq!(database(directory.path()).execute(sql, [bytes]).unwrap(), 1);
    };
    let good = body("t", 2);
    let check = |bytes: &[u8], is_right: fn(&str) -> bool| {
        put(bytes);
        let open = open_sqlite(directory.path(), options(&keys));
        // The tenant opens, its other entries are read, and neighbours notice nothing.
        open.head(&tenant("t"));
        assert_eq!(messages(&open, &tenant("u")).len(), 3);
        let error = open.log.read(&request(&tenant("t"), 0, 10)).unwrap_err();
        assert!(matches!(error, ReadError::Damaged { offset: at, .. } if at == offset(2)));
        assert!(is_right(&error.to_string()), "{error}");
        assert_eq!(open.page(&tenant("t"), 2, 10).entries.len(), 1);
    };
    let is_changed = |text: &str| text.contains("changed since it was sealed");
    check(&body("t", 1), is_changed);
    check(&body("t", 3), is_changed);
    check(&body("u", 2), is_changed);
    for place in [20, 24, good.len() - 1] {
        let mut changed = good.clone();
        changed[place] ^= 1;
        check(&changed, is_changed);
    }
    let mut of_no_key = good.clone();
    of_no_key[4] = 9;
    check(&of_no_key, |text| text.contains("a key that is not there"));
    check(&good[..12], |text| text.contains("damaged"));
    put(&good);
    let open = open_sqlite(directory.path(), options(&keys));
    assert_eq!(messages(&open, &tenant("t")).len(), 3);
}

#[test]
fn a_newer_key_seals_what_comes_and_older_ones_are_read() {
    let (directory, keys) = (tempfile::tempdir().unwrap(), Arc::<KeyBox>::default());
    let open = open_sqlite(directory.path(), options(&keys));
    append_marked(&open, "t", 1..=2);
    keys.rotate(&tenant("t"));
    append_marked(&open, "t", 3..=4);
    drop(open);
    let ids: Vec<i64> = {
        let database = database(directory.path());
        let mut statement = database
            .prepare("SELECT unhex(hex(substr(bodies, 5, 4))) FROM runs ORDER BY seq")
            .unwrap();
        let id = |row: &rusqlite::Row<'_>| row.get::<_, Vec<u8>>(0).map(|it| i64::from(it[3]));
        statement.query_map((), id).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(ids, [1, 1, 2, 2]);
    let open = open_sqlite(directory.path(), options(&keys));
    assert_eq!(messages(&open, &tenant("t")).len(), 4);
}

#[test]
fn a_tenant_whose_keys_are_lost_is_not_opened_and_gets_no_new_ones() {
    let (directory, keys) = (tempfile::tempdir().unwrap(), Arc::<KeyBox>::default());
    append_marked(&open_sqlite(directory.path(), options(&keys)), "t", 1..=3);
    keys.forget(&tenant("t"));
    let open = open_sqlite(directory.path(), options(&keys));
    open.log.open(&tenant("t"), 0).unwrap();
    let refused = open.next_completion();
    assert!(matches!(refused, foodtrack_tenant_log::Completion::OpenFailed { .. }), "{refused:?}");
    open.head(&tenant("another"));
    let error = open.log.read(&request(&tenant("t"), 0, 10)).unwrap_err();
    assert!(error.to_string().contains("a key that is not there"), "{error}");
}

#[test]
fn a_log_from_before_is_read_at_once_and_sealed_meanwhile() {
    let (directory, keys) = (tempfile::tempdir().unwrap(), Arc::default());
    append_marked(&open_sqlite(directory.path(), SqliteOptions::default()), "t", 1..=700);
    assert_eq!(files_with(directory.path(), MARKER).len(), 1, "or else this test shows nothing");
    {
        let open = open_sqlite(directory.path(), options(&keys));
        assert_eq!(open.log.read(&request(&tenant("t"), 0, 1_000)).unwrap().entries.len(), 700);
        // Torn: it goes on with the next start.
    }
    let open = open_sqlite(directory.path(), options(&keys));
    let is_done = || {
        let sql = "SELECT reseal_until IS NULL FROM sealing";
        database(directory.path()).query_row(sql, (), |row| row.get(0)).unwrap()
    };
    wait_for(is_done);
    wait_for(|| files_with(directory.path(), MARKER).is_empty());
    assert_eq!(messages(&open, &tenant("t")).len(), 700);
    assert_eq!(open.head(&tenant("t")).notes[0].value.as_deref(), Some(MARKER));
    drop(open);
    let report = check_with_progress(directory.path(), Some(keys), &mut |_| {}).unwrap();
    assert_eq!((report.findings, report.entries), (Vec::new(), 700));
}
