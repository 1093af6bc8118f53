//! A log as layout 6 kept it, without checksums, is read as it is, and what is new in it has them.

use std::path::Path;

use foodtrack_tenant_log::{LogEntry, ReadError, SqliteOptions, check};

use crate::support::{KEEPS_ALL, OpenLog, entry, id, noise, offset, open_sqlite, tenant};

fn open(directory: &Path) -> OpenLog {
    open_sqlite(directory, SqliteOptions { retention: KEEPS_ALL, ..SqliteOptions::default() })
}

/// The entry of each tenant at an offset.
fn expected(n: u64) -> LogEntry {
    let attachments = |it: LogEntry| if n == 70 { vec![noise(n, 20_000)] } else { it.attachments };
    let plain = entry(offset(n), id(n));
    LogEntry { attachments: attachments(plain.clone()), ..plain }
}

#[test]
fn a_log_of_layout_6_is_read_as_it_is_and_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    crate::old_layouts::unpack(include_bytes!("../fixtures/layout_6.lz4"), directory.path());
    let rows = |directory: &Path| -> Vec<Vec<u8>> {
        let connection = rusqlite::Connection::open(directory.join("log.db")).unwrap();
        let mut rows = connection
            .prepare("SELECT CAST(heads || bodies AS BLOB) FROM runs ORDER BY seq")
            .unwrap();
        let rows = rows.query_map((), |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let before = rows(directory.path());
    {
        let open = open(directory.path());
        for name in ["one", "two"] {
            let kept: Vec<_> = (1..=80).map(expected).collect();
            assert!(open.page(&tenant(name), 0, 1_000).entries == kept, "{name} has others");
            let mut writer = open.writer(name);
            writer.append_all(1_001..=1_005);
            let all = open.page(&writer.tenant, 0, 1_000).entries;
            assert_eq!((all.len(), &all[..80]), (85, &kept[..]));
        }
    }
    assert_eq!(check(directory.path()).unwrap().findings, Vec::<String>::new());
    assert!(rows(directory.path()).starts_with(&before), "old rows were written anew");
}

/// Changes one bit in the middle of a column of a row.
fn damage(directory: &Path, first: u64, column: &str, at: f64, bit: u8) {
    let connection = rusqlite::Connection::open(directory.join("log.db")).unwrap();
    let sql = format!("SELECT {column} FROM runs WHERE first = {first}");
    let mut bytes: Vec<u8> = connection.query_row(&sql, (), |row| row.get(0)).unwrap();
    #[expect(clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a share of a size")]
    let place = ((bytes.len() - 1) as f64 * at) as usize;
    bytes[place] ^= 1 << bit;
    let sql = format!("UPDATE runs SET {column} = ? WHERE first = {first}");
    assert_eq!(connection.execute(&sql, [bytes]).unwrap(), 1);
}

#[test]
fn a_changed_bit_of_a_row_is_damage_and_never_another_message() {
    let whole = tempfile::tempdir().unwrap();
    {
        let open = open(whole.path());
        let mut writer = open.writer("t");
        // A row of one entry, a row of many, and another of one.
        writer.append(1);
        writer.append_all(2..=40);
        writer.append(41);
    }
    let rows: Vec<(u64, u64)> = {
        let connection = rusqlite::Connection::open(whole.path().join("log.db")).unwrap();
        let mut rows = connection.prepare("SELECT first, entries FROM runs ORDER BY seq").unwrap();
        let rows = rows
            .query_map((), |row| Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64)));
        rows.unwrap().map(Result::unwrap).collect()
    };
    let (first, count) = *rows.iter().max_by_key(|(_, entries)| *entries).unwrap();
    let damaged = first..first + count;
    assert!(count > 1, "{rows:?}");
    for column in ["ids", "heads", "bodies"] {
        for (at, bit) in [(0.0, 0), (0.1, 3), (0.37, 5), (0.5, 0), (0.73, 6), (0.98, 1), (1.0, 7)] {
            let directory = tempfile::tempdir().unwrap();
            std::fs::copy(whole.path().join("log.db"), directory.path().join("log.db")).unwrap();
            damage(directory.path(), first, column, at, bit);
            let findings = check(directory.path()).unwrap().findings;
            let named = format!("tenant t: the entry at {first} cannot be understood");
            assert!(findings.iter().any(|it| it.contains(&named)), "{column} {at}: {findings:?}");
            let open = open(directory.path());
            for n in 1..=41 {
                match open.log.read_at(&tenant("t"), &[offset(n)]) {
                    Ok(entries) if !damaged.contains(&n) => assert_eq!(entries, [expected(n)]),
                    Err(ReadError::Damaged { offset, .. }) if damaged.contains(&n) => {
                        assert_eq!(offset.get(), n);
                    }
                    other => panic!("{column} {at}, entry {n}: {other:?}"),
                }
            }
        }
    }
}
