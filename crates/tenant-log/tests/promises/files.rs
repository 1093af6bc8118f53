//! Files that are not what they should be.

use std::path::{Path, PathBuf};

use foodtrack_tenant_log::{
    CopyRate, Durability, LogEntry, OpenError, ReadError, Retention, SqliteLog, SqliteOptions,
    backup, check, renew_epochs,
};

use crate::support::{KEEPS_ALL, id, noise, open_sqlite, tenant, wait_for};

fn open(directory: &Path) -> Result<SqliteLog, OpenError> {
    SqliteLog::open(directory, SqliteOptions::default(), Box::new(|_| {}))
}

/// A directory with a log of `count` entries, closed, and its file.
fn with_log(count: u64) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    open_sqlite(directory.path(), SqliteOptions::default()).writer("t").append_all(1..=count);
    let file = directory.path().join("log.db");
    (directory, file)
}

/// Refused, and left as it is.
#[track_caller]
fn check_refused(directory: &Path, is_right: impl Fn(&OpenError) -> bool) {
    let file = directory.join("log.db");
    let before = std::fs::read(&file).ok();
    let Err(error) = open(directory) else { panic!("it was opened") };
    assert!(is_right(&error), "{error:?}");
    // Every refusal says what to do.
    let sentence = error.to_string();
    assert!(sentence.contains(';') && sentence.contains(&*file.to_string_lossy()), "{sentence}");
    assert!(std::fs::read(&file).ok() == before, "the file was changed");
}

#[test]
fn a_closed_log_is_one_file_and_passes_its_check() {
    let (directory, file) = with_log(200);
    open_sqlite(directory.path(), SqliteOptions::default()).everything(&tenant("t"));
    let mut names: Vec<_> =
        std::fs::read_dir(directory.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["log.db", "log.lock"]);
    let report = check(directory.path()).unwrap();
    assert_eq!((report.findings, report.tenants, report.entries), (Vec::new(), 1, 200));
    assert_eq!(report.file_bytes, file.metadata().unwrap().len());
}

#[test]
fn a_second_server_is_kept_out() {
    let (directory, _) = with_log(1);
    let _first = open(directory.path()).unwrap();
    let second = open(directory.path());
    assert!(matches!(second.err(), Some(OpenError::InUse { .. })));
}

#[test]
fn a_foreign_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("log.db");
    std::fs::write(&file, "a diary, and a long one at that; ".repeat(100)).unwrap();
    check_refused(directory.path(), |error| matches!(error, OpenError::Foreign { .. }));
    std::fs::remove_file(&file).unwrap();
    let other = rusqlite::Connection::open(&file).unwrap();
    other.execute_batch("CREATE TABLE entries (diary TEXT)").unwrap();
    drop(other);
    check_refused(directory.path(), |error| matches!(error, OpenError::Foreign { .. }));
}

#[test]
fn a_later_versions_file_is_refused() {
    let (directory, file) = with_log(1);
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.pragma_update(None, "user_version", 10).unwrap();
    drop(connection);
    check_refused(directory.path(), |error| {
        matches!(error, OpenError::FutureVersion { found: 10, known: 9, .. })
    });
}

#[test]
fn a_full_runs_place_in_the_index_takes_no_page_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let open = open_sqlite(directory.path(), SqliteOptions::default());
    let mut writer = open.writer("t");
    // What need not be on disk at once is handed over in large pieces, however fast the machine is.
    for n in 1..6_000 {
        let entry = crate::support::entry(crate::support::offset(n), id(n));
        writer.gather_entry(&LogEntry { durability: Durability::Recoverable, ..entry });
    }
    writer.append(6_000);
    let connection = rusqlite::Connection::open(directory.path().join("log.db")).unwrap();
    let count = |sql| connection.query_row(sql, (), |row| row.get::<_, i64>(0)).unwrap();
    wait_for(|| count("SELECT sum(entries) FROM places") == 6_000);
    assert!(count("SELECT count(*) FROM places") < 200, "the runs are full");
    let overflow = "SELECT count(*) FROM dbstat WHERE name = 'places' AND pagetype = 'overflow'";
    assert_eq!(count(overflow), 0);
}

/// What leads from the first layout to each later one, as long as the start follows it step by step.
const LAYOUTS: [&str; 5] = [
    include_str!("files/layout_1.sql"),
    include_str!("../../src/sqlite/schema/2.sql"),
    include_str!("../../src/sqlite/schema/3.sql"),
    include_str!("../../src/sqlite/schema/4.sql"),
    include_str!("../../src/sqlite/schema/5.sql"),
];
/// Three entries of [`crate::support::entry`] as layouts up to 3 kept them.
const ENTRIES: &str = include_str!("files/entries.sql");

#[test]
fn an_earlier_layout_is_brought_up_and_keeps_its_entries() {
    for layout in 1..=LAYOUTS.len() {
        let directory = tempfile::tempdir().unwrap();
        let connection = rusqlite::Connection::open(directory.path().join("log.db")).unwrap();
        LAYOUTS[..layout].iter().for_each(|sql| connection.execute_batch(sql).unwrap());
        connection.execute_batch(ENTRIES).unwrap();
        if layout == 1 {
            // The first layout had no four bytes in front that say how the rest is packed.
            let cut = "UPDATE runs SET heads = substr(heads, 5), bodies = substr(bodies, 5)";
            connection.execute_batch(cut).unwrap();
        }
        connection.pragma_update(None, "application_id", 1_179_937_906).unwrap();
        connection.pragma_update(None, "user_version", layout as i64).unwrap();
        drop(connection);
        let expected = [1, 2, 3].map(|n| crate::support::entry(crate::support::offset(n), id(n)));
        {
            let open = open_sqlite(directory.path(), SqliteOptions::default());
            assert_eq!(open.page(&tenant("t"), 0, 100).entries, expected, "of layout {layout}");
            // What is written from now on stands beside what was there.
            open.writer("t").append_all(4..=6);
            let all = open.page(&tenant("t"), 0, 100).entries;
            assert_eq!((all.len(), &all[..3]), (6, &expected[..]));
        }
        assert_eq!(check(directory.path()).unwrap().findings, Vec::<String>::new());
    }
}

#[test]
fn a_saved_database_with_the_marks_that_the_documentation_names_is_a_log() {
    let (directory, file) = with_log(3);
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.execute_batch("PRAGMA application_id = 0; PRAGMA user_version = 0").unwrap();
    drop(connection);
    check_refused(directory.path(), |error| matches!(error, OpenError::Foreign { .. }));
    let documentation = include_str!("../../../../docs/operating/log.md");
    let marks =
        documentation.split('`').find(|it| it.starts_with("PRAGMA application_id")).unwrap();
    rusqlite::Connection::open(&file).unwrap().execute_batch(marks).unwrap();
    assert_eq!(check(directory.path()).unwrap().findings, Vec::<String>::new());
    let open = open_sqlite(directory.path(), SqliteOptions::default());
    assert_eq!(open.everything(&tenant("t")).len(), 3);
}

#[test]
fn a_file_that_was_cut_off_is_refused() {
    let (directory, file) = with_log(500);
    let whole = std::fs::read(&file).unwrap();
    for length in [0, 1, 99, 100, 4_096, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&file, &whole[..length]).unwrap();
        check_refused(directory.path(), |error| matches!(error, OpenError::Damaged { .. }));
    }
    std::fs::write(&file, &whole).unwrap();
    assert!(open(directory.path()).is_ok());
}

#[test]
fn a_file_with_a_page_of_rubbish_is_refused() {
    let (directory, file) = with_log(500);
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2 / 4_096 * 4_096;
    bytes[middle..middle + 4_096].fill(0xaa);
    std::fs::write(&file, &bytes).unwrap();
    check_refused(directory.path(), |error| matches!(error, OpenError::Damaged { .. }));
}

#[test]
fn a_missing_file_whose_companion_is_there_is_not_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("log.db-wal"), [1; 64]).unwrap();
    check_refused(directory.path(), |error| matches!(error, OpenError::Damaged { .. }));
    assert!(!directory.path().join("log.db").exists());
}

#[test]
fn a_check_names_what_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let open = open_sqlite(directory.path(), SqliteOptions::default());
    let mut writer = open.writer("t");
    for n in 1..=7 {
        writer.append(n);
    }
    drop(writer);
    drop(open);
    let connection = rusqlite::Connection::open(directory.path().join("log.db")).unwrap();
    for change in [
        "DELETE FROM runs WHERE first = 3",
        "UPDATE tenants SET reserved_through = 6",
        "UPDATE runs SET bodies = substr(bodies, 2) WHERE first = 5",
        "UPDATE runs SET heads = substr(heads, 2) WHERE first = 6",
    ] {
        assert_eq!(connection.execute(change, ()).unwrap(), 1);
    }
    drop(connection);
    let findings = check(directory.path()).unwrap().findings;
    let expected = [
        "at 7, which was never reserved",
        "the sums at 4 do not follow on those before",
        "the index entry of 3 leads to no row",
        "the entry at 5 cannot be understood: its body is damaged",
        "the entry at 6 cannot be understood: its head is damaged",
    ];
    assert_eq!(findings.len(), expected.len(), "{findings:?}");
    assert!(findings.iter().zip(expected).all(|(it, end)| it.ends_with(end)), "{findings:?}");
    // Who reads is told where.
    let open = open_sqlite(directory.path(), SqliteOptions::default());
    let read = |n| open.log.read_at(&tenant("t"), &[crate::support::offset(n)]);
    assert!(matches!(read(5), Err(ReadError::Damaged { offset, .. }) if offset.get() == 5));
    assert_eq!(read(4).unwrap().len(), 1);
}

#[test]
fn a_restored_backup_gets_a_new_epoch_and_keeps_its_entries() {
    let (directory, _) = with_log(5);
    let look = || {
        let open = open_sqlite(directory.path(), SqliteOptions::default());
        (open.head(&tenant("t")).epoch, open.everything(&tenant("t")))
    };
    let before = look();
    assert_eq!(renew_epochs(directory.path()).unwrap(), 1);
    let after = look();
    assert_ne!(after.0, before.0);
    assert_eq!(after.1, before.1);
}

#[test]
fn compaction_gives_space_back() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path()).unwrap();
    let entry = |n: u64| foodtrack_tenant_log::LogEntry {
        message: noise(n, 10_000).into(),
        ..crate::support::entry(crate::support::offset(n), id(n))
    };
    let tenant = crate::support::tenant("t");
    foodtrack_tenant_log::TenantLog::open(&log, &tenant, 0).unwrap();
    let mut submitter = foodtrack_tenant_log::TenantLog::writer(&log);
    for n in 1..=500 {
        submitter.submit(&tenant, &entry(n).by_ref()).unwrap();
    }
    drop(submitter);
    drop(log);
    let file = directory.path().join("log.db");
    let full = file.metadata().unwrap().len();
    assert!(full > 5_000_000);
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.execute("DELETE FROM runs WHERE first <= 450", ()).unwrap();
    drop(connection);
    let log = open(directory.path()).unwrap();
    log.compact().unwrap();
    wait_for(|| log.file_bytes() < full / 2);
}

#[test]
fn a_log_that_let_much_go_passes_its_check_and_has_the_rest() {
    const TENANTS: u64 = 20;
    let directory = tempfile::tempdir().unwrap();
    let retention = Retention { entries_max: 100, ..KEEPS_ALL };
    let mut counts = [0_u64; TENANTS as usize];
    let mut state = 7_u64;
    // Some entries are not indexed when a run ends, and some stretches half collected.
    for run in 1..=3_u64 {
        let options = SqliteOptions { retention, ..SqliteOptions::default() };
        let open = open_sqlite(directory.path(), options);
        let mut writers: Vec<_> = (0..TENANTS).map(|n| open.writer(&format!("t{n}"))).collect();
        for step in 0..run * 2_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // A few tenants have most of it.
            let place = usize::try_from((state >> 33) % TENANTS * ((state >> 53) % 4) / 3).unwrap();
            counts[place] += 1;
            let n = counts[place];
            writers[place].submit(id(n), Durability::Durable, n);
            if step % 500 == 0 {
                open.log.trim(step).unwrap();
                writers.iter_mut().for_each(crate::support::Writer::settle_by_reading);
            }
        }
        writers.iter_mut().for_each(crate::support::Writer::settle_by_reading);
        for (writer, count) in writers.iter().zip(counts) {
            // One page, which is one moment: retention may go on between two.
            let page = open.page(&writer.tenant, 0, 1_000_000);
            let kept: Vec<u64> = page.entries.iter().map(|it| it.offset.get()).collect();
            let first = kept.first().copied().unwrap_or(count + 1);
            assert!(kept.iter().copied().eq(first..=count), "{} has holes", writer.tenant);
            assert!(kept.len() as u64 >= count.min(99), "{} let too much go", writer.tenant);
        }
        drop(writers);
        drop(open);
        assert_eq!(check(directory.path()).unwrap().findings, Vec::<String>::new());
    }
    let options = SqliteOptions { retention, ..SqliteOptions::default() };
    let open = open_sqlite(directory.path(), options);
    open.log.trim(0).unwrap();
    wait_for(|| {
        (0..TENANTS).all(|n| open.log.stats(&tenant(&format!("t{n}"))).unwrap().entries <= 100)
    });
}

#[test]
fn whatever_is_in_the_directory_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let (directory, copy) = (parent.path().join("log"), parent.path().join("copy"));
    let open = open_sqlite(&directory, SqliteOptions::default());
    open.writer("t").append_all(1..=300);
    backup(&directory, &copy, CopyRate::UNLIMITED, |_| {}).unwrap();
    for directory in [&directory, &copy] {
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(directory), 0o700);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            assert_eq!(mode(&path), 0o600, "{}", path.display());
            names.push(path.file_name().unwrap().to_str().unwrap().to_owned());
        }
        assert!(names.iter().any(|it| it == "log.db"), "{names:?}");
    }
}

#[test]
fn nothing_is_written_where_a_link_leads() {
    use std::os::unix::fs::symlink;
    let parent = tempfile::tempdir().unwrap();
    for name in ["log.lock", "log.reserve", "log.db.new"] {
        let directory = parent.path().join(format!("of-{name}"));
        let target = parent.path().join("target");
        std::fs::create_dir(&directory).unwrap();
        symlink(&target, directory.join(name)).unwrap();
        // Whether it opens or not.
        drop(SqliteLog::open(&directory, SqliteOptions::default(), Box::new(|_| {})));
        assert!(!target.exists(), "{name}");
    }
    let link = parent.path().join("link");
    let elsewhere = parent.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, &link).unwrap();
    let directory = parent.path().join("log");
    drop(open_sqlite(&directory, SqliteOptions::default()));
    backup(&directory, &link, CopyRate::UNLIMITED, |_| {}).unwrap_err();
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0);
}

#[test]
fn a_backup_is_no_log_to_append_to_before_its_epochs_were_renewed() {
    let parent = tempfile::tempdir().unwrap();
    let (directory, copy) = (parent.path().join("log"), parent.path().join("copy"));
    let open = open_sqlite(&directory, SqliteOptions::default());
    let mut writer = open.writer("t");
    writer.append(1);
    let epoch = open.page(&writer.tenant, 0, 1).epoch;
    backup(&directory, &copy, CopyRate::UNLIMITED, |_| {}).unwrap();
    let refused = SqliteLog::open(&copy, SqliteOptions::default(), Box::new(|_| {})).err();
    let sentence = refused.unwrap().to_string();
    assert!(sentence.contains("log renew-epochs --data-dir"), "{sentence}");
    assert_eq!(renew_epochs(&copy).unwrap(), 1);
    let open = open_sqlite(&copy, SqliteOptions::default());
    let page = open.page(&writer.tenant, 0, 1);
    assert_ne!(page.epoch, epoch);
    assert_eq!(page.entries.len(), 1);
}
