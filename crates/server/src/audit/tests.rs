//! The audit log's files, as they are written, torn, cut, and looked through.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use foodtrack_contract::TenantId;

use super::audit_writer::{AuditWriter, Retention};
use super::{AuditEntry, AuditReader, Head, verify};

const SMALL: Retention = Retention { bytes_max: 8_192, age_max: Duration::MAX };
const LARGE: Retention = Retention { bytes_max: 1 << 30, age_max: Duration::MAX };

/// Writes so many records, one batch each, and ends as a server does.
fn write(data_dir: &Path, retention: Retention, count: u64) {
    let (mut writer, findings) = AuditWriter::open(data_dir, retention).unwrap();
    if !findings.is_empty() {
        writer.append(&findings).unwrap();
    }
    for n in 0..count {
        let tenant = TenantId::parse(if n % 2 == 0 { "t1" } else { "t2" }).unwrap();
        writer.append(&[AuditEntry::new("rule.added").of(&tenant).counting(n)]).unwrap();
        writer.tidy(SystemTime::now()).unwrap();
    }
    writer.append(&[AuditEntry::new("server.stopped")]).unwrap();
}

fn files(data_dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(data_dir.join("audit")).unwrap();
    let mut paths: Vec<_> = entries.map(|it| it.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|it| it == "jsonl"));
    paths.sort_unstable();
    paths
}

/// What is wrong with it, in words; nothing where it is whole.
fn findings(data_dir: &Path, expected: Option<Head>) -> Vec<String> {
    let verified = verify(data_dir, expected).unwrap().unwrap();
    verified.findings.iter().map(ToString::to_string).collect()
}

#[test]
fn a_log_goes_on_over_files_and_restarts_and_what_is_taken_away_for_its_size_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path();
    for _ in 0..3 {
        write(data_dir, SMALL, 30);
    }
    assert_eq!(findings(data_dir, None), [""; 0]);
    let files = files(data_dir);
    let bytes: u64 = files.iter().map(|path| path.metadata().unwrap().len()).sum();
    assert!(files.len() > 2 && bytes < 2 * SMALL.bytes_max, "{bytes} bytes, {files:?}");
    assert!(!files[0].ends_with("00000000000000000001.jsonl"), "the oldest has gone");
    // By hand it is something else.
    std::fs::remove_file(&files[0]).unwrap();
    assert!(findings(data_dir, None)[0].contains("are missing"));
}

#[test]
fn records_that_are_too_old_go_file_by_file() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), SMALL, 20);
    let retention = Retention { age_max: Duration::from_secs(60), ..SMALL };
    let (mut writer, _) = AuditWriter::open(directory.path(), retention).unwrap();
    writer.tidy(SystemTime::now() + Duration::from_secs(61)).unwrap();
    assert_eq!(files(directory.path()).len(), 1);
    assert_eq!(findings(directory.path(), None), [""; 0]);
}

#[test]
fn whatever_is_changed_cut_off_or_taken_out_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path();
    write(data_dir, LARGE, 10);
    let kept = verify(data_dir, None).unwrap().unwrap().head;
    let file = files(data_dir).remove(0);
    let whole = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let check = |text: String, said: &str| {
        std::fs::write(&file, text).unwrap();
        let found = findings(data_dir, None);
        assert!(found.first().is_some_and(|first| first.contains(said)), "{said}: {found:?}");
    };
    let without = |place: usize| {
        let mut lines = lines.clone();
        lines.remove(place);
        lines.join("\n") + "\n"
    };
    check(whole.replacen("\"count\":4", "\"count\":5", 1), "record 6 was not written behind");
    check(without(3), "records 4 to 4 are missing");
    check(without(0), "records 1 to 1 are missing");
    check(without(lines.len() - 1), "records from 11 on were cut off");
    check(String::new(), "records from 1 on were cut off");
    check(whole.replacen(lines[2], "{\"n\":", 1), "line 3: no record");
    let last = lines[lines.len() - 1];
    check(whole.replace(last, &last.replace("stopped", "stoqped")), "record 11 is not the one");
    // Whoever makes a whole new log, head and all, does not have the record that was kept elsewhere.
    std::fs::remove_dir_all(data_dir.join("audit")).unwrap();
    write(data_dir, LARGE, 10);
    assert_eq!(findings(data_dir, None), [""; 0]);
    assert!(findings(data_dir, kept)[0].contains("record 11 is not the one"));
    std::fs::write(&file, &whole).unwrap();
    std::fs::write(data_dir.join("audit/head.json"), "{").unwrap();
    assert!(findings(data_dir, None)[0].contains("head.json"));
}

#[test]
fn the_chain_goes_on_behind_a_torn_line_and_behind_an_end_that_was_cut_off() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path();
    write(data_dir, LARGE, 3);
    let file = files(data_dir).remove(0);
    let whole = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{whole}{{\"n\":5,\"at\":\"20")).unwrap();
    assert_eq!(findings(data_dir, None), [""; 0], "it may be written at this moment");
    write(data_dir, LARGE, 1);
    assert_eq!(findings(data_dir, None), [""; 0]);
    let told = std::fs::read_to_string(&file).unwrap();
    assert!(told.contains("\"audit.torn\"") && told.contains("\"count\":15"), "{told}");
    // An end that is gone stays gone, and is a record, too.
    let cut: String = told.lines().take(3).map(|line| format!("{line}\n")).collect();
    std::fs::write(&file, cut).unwrap();
    write(data_dir, LARGE, 1);
    let told = std::fs::read_to_string(&file).unwrap();
    assert!(told.contains("\"audit.lost\"") && told.contains("\"server.killed\""), "{told}");
    let verified = verify(data_dir, None).unwrap().unwrap();
    assert!(verified.findings[0].to_string().contains("are missing"));
    assert!(verified.lost > 0);
}

#[test]
fn the_log_is_read_part_by_part_from_its_end_and_of_one_tenant_alone() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), Retention { bytes_max: 1 << 20, ..SMALL }, 50);
    let reader = AuditReader::open(directory.path()).unwrap().unwrap();
    let tenant = TenantId::parse("t1").unwrap();
    let (mut counts, mut before) = (Vec::new(), u64::MAX);
    loop {
        let page = reader.before(before, Some(&tenant), 7).unwrap();
        assert!(page.records.len() <= 7);
        assert!(page.records.iter().all(|it| it.entry.tenant.as_deref() == Some("t1")));
        counts.extend(page.records.iter().map(|it| it.entry.count.unwrap()));
        let Some(next) = page.next else { break };
        before = next;
    }
    assert_eq!(counts, (0..25).rev().map(|n| 2 * n).collect::<Vec<_>>());
    let all = reader.after(45, None).unwrap();
    assert_eq!(all.iter().map(|it| it.n).collect::<Vec<_>>(), [46, 47, 48, 49, 50, 51]);
}
