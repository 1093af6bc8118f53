//! The same while the log is open: others append meanwhile, and whoever opens the tenant waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use foodtrack_contract::{Offset, TenantId};
use foodtrack_tenant_log::{
    Commit, CommitError, CommitGate, CopyRate, EraseError, Erased, Erasure, KeySource, NoteKind,
    OnErased, Retention, SqliteOptions, SqliteReader, TenantLog, backup,
};
use test_support::files_with;

use crate::erasing::{MARKER, about, check_is_well, fill, messages, options};
use crate::key_box::KeyBox;
use crate::support::{
    InMemory, KEEPS_ALL, Store as _, offset, open_sqlite, request, tenant, wait_for,
};

type Told = Receiver<Result<Erased, EraseError>>;

fn begin(log: &dyn TenantLog, tenant: &TenantId, erasure: Erasure) -> Told {
    let (tell, told) = channel();
    log.close(tenant).unwrap();
    log.erase(tenant, erasure, OnErased::new(move |result| tell.send(result).unwrap()));
    told
}

fn done(told: &Told) -> Result<Erased, EraseError> {
    told.recv_timeout(Duration::from_secs(30)).unwrap()
}

fn ada() -> Erasure {
    Erasure::User("ada".into())
}

fn check_person(keys: Option<&Arc<KeyBox>>) {
    let directory = tempfile::tempdir().unwrap();
    let open = open_sqlite(directory.path(), options(keys));
    fill(&open, "t");
    fill(&open, "u");
    let before = messages(directory.path(), keys, &tenant("t"));
    let others = messages(directory.path(), keys, &tenant("u"));
    let told = begin(&*open.log, &tenant("t"), ada());
    // Somebody else goes on, and the tenant is opened again behind it.
    let mut writer = open.writer("v");
    writer.append_all(1..=20);
    let erased = done(&told).unwrap();
    assert_eq!((erased.entries, erased.damaged, erased.is_rewritten), (20, 0, true));
    let head = open.head(&tenant("t"));
    let text = format!("{head:?}");
    assert!(!text.contains("Some(\"ada\")"), "whoever opens it hears nothing of before: {text}");
    let after = messages(directory.path(), keys, &tenant("t"));
    assert_eq!(after.len(), before.len());
    for (before, after) in before.iter().zip(&after) {
        assert_eq!((before.offset, before.id), (after.offset, after.id));
        let is_tombstone = String::from_utf8_lossy(&after.message).contains("{\"erased\":true}");
        assert_eq!(is_tombstone, before.entity.as_deref() == Some("o-ada"));
        assert!(is_tombstone || before == after);
    }
    assert_eq!(messages(directory.path(), keys, &tenant("u")), others);
    let notes = open.log.notes(&tenant("t"), NoteKind::Session).unwrap();
    assert_eq!(notes.iter().map(|it| &*it.key).collect::<Vec<_>>(), ["session of bob"]);
    assert_eq!(open.log.cursors(&tenant("t"), None, 10).unwrap().len(), 1);
    assert_eq!(open.log.dead_letters(&tenant("t"), Offset::ZERO, 10).unwrap().len(), 1);
    // Once more finds nothing, and the tenant goes on where it was.
    let again = done(&begin(&*open.log, &tenant("t"), ada())).unwrap();
    assert_eq!((again.entries, again.others), (0, 0));
    assert!(open.writer("t").append(41) > offset(40));
    drop(open);
    check_is_well(directory.path(), keys);
}

#[test]
fn a_person_is_erased_while_others_append_and_nobody_elses_is_touched() {
    check_person(None);
    check_person(Some(&Arc::default()));
}

#[test]
fn nothing_of_an_erased_person_is_in_any_file_while_the_log_is_open() {
    let directory = tempfile::tempdir().unwrap();
    let open = open_sqlite(directory.path(), options(None));
    fill(&open, "t");
    assert!(!files_with(directory.path(), MARKER).is_empty(), "or else this test shows nothing");
    done(&begin(&*open.log, &tenant("t"), ada())).unwrap();
    assert_eq!(files_with(directory.path(), MARKER), Vec::<String>::new());
}

#[test]
fn an_erasure_that_finds_nothing_writes_nothing_anew() {
    let directory = tempfile::tempdir().unwrap();
    let open = open_sqlite(directory.path(), options(None));
    fill(&open, "t");
    assert!(done(&begin(&*open.log, &tenant("t"), ada())).unwrap().is_rewritten);
    let written_at = || directory.path().join("log.db").metadata().unwrap().modified().unwrap();
    let before = written_at();
    for name in ["t", "never-seen"] {
        for erasure in [ada(), Erasure::Order("o-ada".into())] {
            let erased = done(&begin(&*open.log, &tenant(name), erasure)).unwrap();
            assert_eq!((erased.entries, erased.others, erased.is_rewritten), (0, 0, false));
        }
    }
    let erased = done(&begin(&*open.log, &tenant("never-seen"), Erasure::Tenant)).unwrap();
    assert!(!erased.is_rewritten);
    assert_eq!(written_at(), before, "the file is as it was");
    // A process may have been killed between an erasure and the writing anew: the first one after a start makes up for it.
    drop(open);
    let open = open_sqlite(directory.path(), options(None));
    assert!(done(&begin(&*open.log, &tenant("t"), ada())).unwrap().is_rewritten);
    assert!(!done(&begin(&*open.log, &tenant("t"), ada())).unwrap().is_rewritten);
}

#[test]
fn what_retention_deleted_earlier_is_in_no_file_either_once_it_is_erased() {
    let directory = tempfile::tempdir().unwrap();
    let retention = Retention { entries_max: 10, ..KEEPS_ALL };
    let open =
        open_sqlite(directory.path(), SqliteOptions { retention, ..SqliteOptions::default() });
    let guest = || Erasure::Order("of-a-guest".into());
    done(&begin(&*open.log, &tenant("t"), guest())).unwrap();
    let mut writer = open.writer("t");
    for n in 1..=20 {
        writer.submit_entry(&about(n, "of-a-guest", MARKER));
    }
    for n in 21..=171 {
        writer.append(n);
    }
    open.log.trim(1).unwrap();
    let database = rusqlite::Connection::open(directory.path().join("log.db")).unwrap();
    let rows = || -> i64 {
        database.query_row("SELECT count(*) FROM runs", (), |row| row.get(0)).unwrap()
    };
    wait_for(|| rows() < 50);
    drop(database);
    drop(writer);
    assert!(!files_with(directory.path(), MARKER).is_empty(), "or else this test shows nothing");
    let erased = done(&begin(&*open.log, &tenant("t"), guest())).unwrap();
    assert_eq!((erased.entries, erased.others, erased.is_rewritten), (0, 0, true));
    assert_eq!(files_with(directory.path(), MARKER), Vec::<String>::new());
}

#[test]
fn a_tenant_is_erased_while_the_log_is_open_its_keys_too_and_begins_anew() {
    for keys in [None, Some(Arc::<KeyBox>::default())] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data");
        let open = open_sqlite(&path, options(keys.as_ref()));
        fill(&open, "gone");
        fill(&open, "stays");
        let copy = directory.path().join("copy");
        backup(&path, &copy, CopyRate::UNLIMITED, |_| {}).unwrap();
        let before = messages(&path, keys.as_ref(), &tenant("stays"));
        let epoch = open.head(&tenant("gone")).epoch;
        let told = begin(&*open.log, &tenant("gone"), Erasure::Tenant);
        // A second one, and one who comes: both behind it.
        let twice = begin(&*open.log, &tenant("gone"), Erasure::Tenant);
        open.log.open(&tenant("gone"), 0).unwrap();
        let erased = done(&told).unwrap();
        assert_eq!((erased.entries, erased.is_rewritten), (40, true));
        assert!(erased.others >= 6, "{erased:?}");
        assert_eq!(done(&twice).unwrap().entries, 0);
        let head = open.head(&tenant("gone"));
        assert_eq!((head.next, head.notes.len(), head.orders.len()), (offset(1), 0, 0));
        assert_ne!(head.epoch, epoch);
        assert_eq!(messages(&path, keys.as_ref(), &tenant("stays")), before);
        // What comes now is kept, and opens with the new key alone.
        let mut writer = open.writer("gone");
        assert_eq!(writer.append(1), offset(1));
        writer.settle();
        assert_eq!(messages(&path, keys.as_ref(), &tenant("gone")).len(), 1);
        if let Some(keys) = &keys {
            let keys = Some(Arc::clone(keys) as Arc<dyn KeySource>);
            let reader = SqliteReader::open(&copy, keys).unwrap();
            let read = reader.read(&request(&tenant("gone"), 0, 100));
            assert!(read.is_err(), "the backup is closed: {read:?}");
        }
        drop(writer);
        drop(open);
        check_is_well(&path, keys.as_ref());
    }
}

#[test]
fn nothing_of_an_erased_tenant_is_in_any_file_and_what_it_had_trimmed_before_neither() {
    let directory = tempfile::tempdir().unwrap();
    let retention = Retention { entries_max: 10, ..KEEPS_ALL };
    let open =
        open_sqlite(directory.path(), SqliteOptions { retention, ..SqliteOptions::default() });
    fill(&open, "gone");
    fill(&open, "stays");
    open.log.trim(1).unwrap();
    wait_for(|| open.log.stats(&tenant("gone")).unwrap().entries == 10);
    done(&begin(&*open.log, &tenant("gone"), Erasure::Tenant)).unwrap();
    assert_eq!(files_with(directory.path(), "gone"), Vec::<String>::new());
    drop(open);
    check_is_well(directory.path(), None);
}

#[test]
fn who_asks_to_erase_is_told_when_the_disk_fails_or_the_log_ends_and_once_more_does_the_rest() {
    let directory = tempfile::tempdir().unwrap();
    let open = open_sqlite(directory.path(), options(None));
    fill(&open, "t");
    drop(open);
    let fails = Arc::new(AtomicBool::new(false));
    let gate = Failing(Arc::clone(&fails));
    let options = SqliteOptions { commit_gate: Box::new(gate), ..SqliteOptions::default() };
    let open = open_sqlite(directory.path(), options);
    fails.store(true, Ordering::Relaxed);
    let told = begin(&*open.log, &tenant("t"), ada());
    assert_eq!(done(&told), Err(EraseError::Interrupted));
    // A log that takes nothing more says so, too.
    let (tell, told) = channel();
    open.log.erase(&tenant("t"), ada(), OnErased::new(move |it| tell.send(it).unwrap()));
    assert_eq!(done(&told), Err(EraseError::Interrupted));
    drop(open);
    let open = open_sqlite(directory.path(), crate::erasing::options(None));
    assert_eq!(done(&begin(&*open.log, &tenant("t"), ada())).unwrap().entries, 20);
}

/// A disk that fails once it is told to.
struct Failing(Arc<AtomicBool>);

impl CommitGate for Failing {
    fn pass(&mut self, commit: &mut Commit<'_>) -> Result<(), CommitError> {
        if self.0.load(Ordering::Relaxed) {
            return Err(CommitError::Disk("it fails".into()));
        }
        commit()
    }
}

#[test]
fn a_log_in_memory_erases_a_person_and_a_tenant_too() {
    let open = InMemory::new().open(KEEPS_ALL);
    fill(&open, "t");
    fill(&open, "u");
    let erased = done(&begin(&*open.log, &tenant("t"), ada())).unwrap();
    assert_eq!((erased.entries, erased.damaged), (20, 0));
    let entries = open.page(&tenant("t"), 0, 100).entries;
    assert_eq!(entries.len(), 40);
    for entry in entries {
        let is_tombstone = String::from_utf8_lossy(&entry.message).contains("{\"erased\":true}");
        assert_eq!(is_tombstone, entry.entity.as_deref() == Some("o-ada"));
    }
    assert_eq!(open.log.order_owner(&tenant("t"), "o-ada").unwrap().unwrap().customer, None);
    assert_eq!(open.log.notes(&tenant("t"), NoteKind::Session).unwrap().len(), 1);
    let erased = done(&begin(&*open.log, &tenant("t"), Erasure::Tenant)).unwrap();
    assert_eq!(erased.entries, 40);
    assert_eq!(open.log.tenants().unwrap(), [tenant("u")]);
}
