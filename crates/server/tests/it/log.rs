//! `log` and `dead-letters`: beside a log that is in use, and on one that nobody has open.

use std::io::{BufRead as _, BufReader};
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};

use foodtrack_contract::{
    ApplicationSet, ApplicationType, EventType, Offset, Priority, ReadPermission, RoomName,
    TenantId,
};
use foodtrack_tenant_log::{
    Completion, DeadLetter, DeadLetterReason, Durability, LogEntry, LoggedAudience, Note, NoteKind,
    SqliteLog, SqliteOptions, SubscriberKey, SubscriberStore as _, TenantLog, delivery_key,
};
use serde_json::Value;
use uuid::Uuid;

use crate::process::{command, run};

/// A log as a server has it: with seven entries of tenant `t1`, of orders 1 and 2, and two dead letters.
pub(crate) struct InUse {
    log: SqliteLog,
    completions: Receiver<Completion>,
    tenant: TenantId,
}

fn offset(n: u64) -> Offset {
    Offset::new(n).unwrap()
}

fn entry(n: u64) -> LogEntry {
    let order = (1 + n % 2).to_string();
    let message = format!(r#"{{"id":"{n}","payload":{{"orderId":"{order}"}}}}"#);
    LogEntry {
        offset: offset(n),
        id: Uuid::from_u128(u128::from(n)),
        event: EventType::OrderCreated.into(),
        durability: Durability::Durable,
        priority: Priority::High,
        at_ms: 1_800_000_000_000 + n,
        expires_at_ms: None,
        audience: LoggedAudience {
            applications: ApplicationSet::of(&[ApplicationType::KitchenApp]),
            rooms: vec![RoomName::Order(&order).into()],
            only: ApplicationSet::ALL,
            read: Some(ReadPermission::Orders),
        },
        entity: Some(order.into()),
        compacts: false,
        creates_order: None,
        fingerprint: None,
        message: message.into(),
        attachments: Vec::new(),
    }
}

fn key(text: &str) -> SubscriberKey {
    SubscriberKey::new(text).unwrap()
}

fn letter(n: u64, subscriber: &str) -> DeadLetter {
    DeadLetter {
        offset: offset(n),
        subscriber: key(subscriber),
        id: Uuid::from_u128(u128::from(n)),
        reason: DeadLetterReason::Failed,
        attempts: 5,
        at_ms: 1_800_000_001_000,
    }
}

impl InUse {
    pub(crate) fn make(directory: &Path) -> Self {
        let (sender, completions) = channel();
        let on_completion = Box::new(move |completion| {
            let _ = sender.send(completion);
        });
        let log = SqliteLog::open(directory, SqliteOptions::default(), on_completion).unwrap();
        let tenant = TenantId::parse("t1").unwrap();
        log.open(&tenant, 0).unwrap();
        let in_use = Self { log, completions, tenant };
        in_use.append(1..=7);
        for it in [letter(3, "ada"), letter(3, "bob")] {
            in_use.log.put_dead_letter(&in_use.tenant, it).unwrap();
        }
        let watch = Note {
            kind: NoteKind::Watch,
            key: delivery_key(offset(5), &key("eve")),
            value: Some(
                r#"{"by":"kitchen_app","steps":[{"at":"12:00","what":"sent again"}]}"#.into(),
            ),
            expires_at_ms: None,
        };
        in_use.log.save_note(&in_use.tenant, watch, Some(1)).unwrap();
        in_use.wait(|it| matches!(it, Completion::Noted { .. }));
        in_use
    }

    fn append(&self, offsets: RangeInclusive<u64>) {
        let mut submitter = self.log.writer();
        for n in offsets {
            submitter.submit(&self.tenant, &entry(n).by_ref()).unwrap();
        }
        submitter.flush();
    }

    fn wait(&self, is_it: impl Fn(&Completion) -> bool) {
        while !is_it(&self.completions.recv().unwrap()) {}
    }
}

/// Runs it with `--data-dir`; returns the exit code, and both outputs.
pub(crate) fn on(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    let directory = ["--data-dir", directory.to_str().unwrap()];
    run(command(arguments).args(directory))
}

fn lines_of_json(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_backup_is_made_beside_a_server_and_is_a_data_directory() {
    let (directory, target) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let _in_use = InUse::make(directory.path());
    let to = target.path().join("monday");
    let arguments = ["log", "backup", "--to", to.to_str().unwrap()];
    let (code, out, notes) = on(directory.path(), &arguments);
    assert_eq!(code, 0, "{notes}");
    assert!(out.contains("copied to") && notes.contains("copying"), "{out}{notes}");
    let (code, findings, notes) = on(&to, &["log", "check"]);
    assert_eq!((code, &*findings), (0, ""), "{notes}");
    let (code, entries, _) = on(&to, &["log", "read", "--tenant", "t1"]);
    assert_eq!((code, entries.lines().count()), (0, 7));
    let (code, _, notes) = on(directory.path(), &arguments);
    assert_eq!(code, 2, "{notes}");
    assert!(notes.contains("not empty"), "{notes}");
}

#[test]
fn stats_read_and_export_work_beside_a_server() {
    let directory = tempfile::tempdir().unwrap();
    let _in_use = InUse::make(directory.path());
    let (code, stdout, _) = on(directory.path(), &["log", "stats", "--json"]);
    let stats = &lines_of_json(&stdout)[0];
    assert_eq!((code, &stats["tenant"], &stats["entries"]), (0, &"t1".into(), &7.into()));
    assert_eq!(stats["deadLetters"], 2);
    let (code, table, _) = on(directory.path(), &["log", "stats"]);
    assert!(code == 0 && table.lines().count() == 2 && table.contains("t1"), "{table}");

    let read = ["log", "read", "--tenant", "t1", "--limit", "3"];
    let (code, stdout, _) = on(directory.path(), &read);
    assert_eq!((code, stdout.lines().count()), (0, 3), "{stdout}");
    assert!(stdout.contains("order:created") && stdout.contains("order 2"), "{stdout}");
    assert!(!stdout.contains("payload"), "people are not shown messages: {stdout}");
    let cursor = format!("{}-5", stats["epoch"].as_str().unwrap());
    for place in ["5", &cursor] {
        let (code, stdout, _) =
            on(directory.path(), &["log", "read", "--tenant", "t1", "--after", place, "--json"]);
        let offsets: Vec<_> =
            lines_of_json(&stdout).iter().map(|it| it["offset"].clone()).collect();
        assert_eq!((code, offsets), (0, vec![Value::from(6), 7.into()]));
    }

    let (code, stdout, _) = on(directory.path(), &["log", "export", "--tenant", "t1"]);
    let exported = lines_of_json(&stdout);
    assert_eq!((code, exported.len()), (0, 7));
    assert_eq!(exported[6]["message"]["payload"]["orderId"], "2");
    let file = directory.path().join("out.jsonl");
    let arguments = ["log", "export", "--tenant", "t1", "--output", file.to_str().unwrap()];
    let (code, nothing, stderr) = on(directory.path(), &arguments);
    assert_eq!((code, nothing.as_str()), (0, ""));
    assert!(stderr.contains("7 entries"), "{stderr}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), stdout);
    assert_eq!(on(directory.path(), &arguments).0, 2, "a file that is there is not written over");
}

#[test]
fn an_orders_timeline_tells_of_its_deliveries() {
    let directory = tempfile::tempdir().unwrap();
    let _in_use = InUse::make(directory.path());
    let arguments = ["log", "read", "--tenant", "t1", "--order", "2"];
    let (code, stdout, _) = on(directory.path(), &arguments);
    assert_eq!(code, 0);
    assert_eq!(stdout.lines().count(), 4 + 3, "{stdout}");
    assert!(stdout.contains("dead letter: 3") && stdout.contains("to bob"), "{stdout}");
    assert!(stdout.contains("12:00 kitchen_app: sent again"), "{stdout}");
    let (_, stdout, _) = on(directory.path(), &[&arguments[..], &["--json"]].concat());
    let timeline = lines_of_json(&stdout);
    assert_eq!(timeline.len(), 4);
    assert_eq!(timeline[1]["deadLetters"][0]["subscriber"], "ada");
    assert_eq!(timeline[2]["watched"][0]["by"], "kitchen_app");
}

#[test]
fn what_cannot_be_read_ends_with_2_and_says_why() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in [
        &["log", "stats"][..],
        &["log", "check"],
        &["log", "compact"],
        &["log", "renew-epochs"],
        &["log", "read", "--tenant", "t1"],
        &["dead-letters", "drop", "--tenant", "t1", "--offset", "1"],
    ] {
        let (code, stdout, stderr) = on(directory.path(), arguments);
        assert_eq!((code, stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(stderr.contains("there is no log here"), "{stderr}");
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "something was made");
    let _in_use = InUse::make(directory.path());
    let (code, _, stderr) = on(directory.path(), &["log", "read", "--tenant", "nobody"]);
    assert!(code == 2 && stderr.contains("tenant nobody has no log"), "{stderr}");
    let foreign = ["log", "read", "--tenant", "t1", "--after", "zzz-1"];
    let (code, _, stderr) = on(directory.path(), &foreign);
    assert!(code == 2 && stderr.contains("has no such place"), "{stderr}");
    let (code, _, stderr) =
        on(directory.path(), &["log", "read", "--tenant", "t1", "--after", "x"]);
    assert!(code == 2 && stderr.contains("a cursor such as"), "{stderr}");
}

#[test]
fn what_changes_the_log_keeps_off_one_that_is_in_use() {
    let directory = tempfile::tempdir().unwrap();
    let _in_use = InUse::make(directory.path());
    for name in ["check", "compact", "renew-epochs"] {
        let (code, _, stderr) = on(directory.path(), &["log", name]);
        assert!(code == 2 && stderr.contains("another server uses this"), "{name}: {stderr}");
    }
    for name in ["replay", "drop"] {
        let arguments = ["dead-letters", name, "--tenant", "t1", "--offset", "3"];
        let (code, _, stderr) = on(directory.path(), &arguments);
        assert!(code == 2 && stderr.contains("a server is running"), "{name}: {stderr}");
    }
}

#[test]
fn a_check_tells_findings_line_by_line() {
    let directory = tempfile::tempdir().unwrap();
    drop(InUse::make(directory.path()));
    let (code, stdout, stderr) = on(directory.path(), &["log", "check"]);
    assert_eq!((code, stdout.as_str()), (0, ""), "{stderr}");
    assert!(stderr.contains("step 1 of") && stderr.contains("nothing found"), "{stderr}");
    let database = rusqlite::Connection::open(directory.path().join("log.db")).unwrap();
    database.execute("UPDATE tenants SET reserved_through = 5", ()).unwrap();
    drop(database);
    let (code, stdout, stderr) = on(directory.path(), &["log", "check"]);
    // As many as there are rows with entries behind it: what came together is one.
    let findings = stdout.lines().count();
    assert!(code == 1 && findings > 0, "{stdout}");
    assert!(stdout.contains("at 7, which was never reserved"), "{stdout}");
    assert!(stderr.contains(&format!("{findings} finding")), "{stderr}");
    std::fs::write(directory.path().join("log.db"), "rubbish").unwrap();
    let (code, _, stderr) = on(directory.path(), &["log", "check"]);
    assert!(code == 2 && stderr.contains("damaged"), "{stderr}");
}

#[test]
fn compaction_and_new_epochs_leave_the_entries() {
    let directory = tempfile::tempdir().unwrap();
    drop(InUse::make(directory.path()));
    let epoch = || {
        let (_, stdout, _) = on(directory.path(), &["log", "stats", "--json"]);
        let stats = &lines_of_json(&stdout)[0];
        assert_eq!(stats["entries"], 7);
        stats["epoch"].as_str().unwrap().to_owned()
    };
    let before = epoch();
    let (code, stdout, _) = on(directory.path(), &["log", "compact"]);
    assert!(code == 0 && stdout.contains("before"), "{stdout}");
    assert_eq!(epoch(), before);
    let (code, stdout, _) = on(directory.path(), &["log", "renew-epochs"]);
    assert_eq!((code, stdout.trim()), (0, "1 tenants have a new epoch"));
    assert_ne!(epoch(), before);
}

#[test]
fn dead_letters_are_listed_inspected_replayed_and_dropped() {
    let directory = tempfile::tempdir().unwrap();
    drop(InUse::make(directory.path()));
    let of = |name: &str, more: &[&str]| {
        on(directory.path(), &[&["dead-letters", name, "--tenant", "t1"], more].concat())
    };
    let subscribers = || -> Vec<String> {
        let (code, stdout, _) = of("list", &["--json"]);
        assert_eq!(code, 0);
        let letters = lines_of_json(&stdout);
        letters.iter().map(|it| it["subscriber"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(subscribers(), ["ada", "bob"]);
    let (code, stdout, _) = of("inspect", &["--offset", "3"]);
    let inspected: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, &inspected["entry"]["message"]["id"]), (0, &"3".into()));
    assert_eq!(inspected["deadLetters"][1]["reason"], "failed");
    assert_eq!(of("inspect", &["--offset", "4"]).0, 2);

    let (code, stdout, stderr) = of("replay", &["--offset", "3", "--subscriber", "ada"]);
    assert_eq!((code, stdout.trim()), (0, "3 will be delivered again to ada"), "{stderr}");
    assert_eq!(subscribers(), ["ada", "bob"], "until it is acknowledged");
    let order = || on(directory.path(), &["log", "read", "--tenant", "t1", "--order", "2"]).1;
    assert!(order().contains("to be delivered again to ada"), "{}", order());
    let (code, stdout, _) = of("drop", &["--offset", "3"]);
    assert_eq!((code, stdout.trim()), (0, "3 dropped for ada\n3 dropped for bob"));
    assert!(subscribers().is_empty());
    assert!(!order().contains("to be delivered again"), "{}", order());
    let (code, _, stderr) = of("drop", &["--offset", "3"]);
    assert!(code == 2 && stderr.contains("has no such dead letter at 3"), "{stderr}");
}

#[test]
fn every_log_command_explains_itself_with_examples_and_exit_codes() {
    let log = ["check", "stats", "read", "export", "compact", "renew-epochs"];
    let letters = ["list", "inspect", "replay", "drop"];
    let commands = log.map(|name| ["log", name]).into_iter();
    for arguments in commands.chain(letters.map(|name| ["dead-letters", name])) {
        let (code, stdout, _) = run(command(&arguments).arg("--help"));
        assert_eq!(code, 0);
        assert!(stdout.contains("Examples:") && stdout.contains("Exit codes:"), "{stdout}");
    }
}

#[test]
fn the_last_entries_are_read_by_event_and_followed_while_a_server_writes() {
    let directory = tempfile::tempdir().unwrap();
    let in_use = InUse::make(directory.path());
    let read = ["log", "read", "--tenant", "t1", "--last", "2"];
    let (code, stdout, _) = on(directory.path(), &read);
    assert_eq!((code, stdout.lines().count()), (0, 2), "{stdout}");
    let (code, stdout, _) =
        on(directory.path(), &[&read[..], &["--event", "table:called"]].concat());
    assert_eq!((code, &*stdout), (0, ""));
    let more_than_there_are = ["log", "read", "--tenant", "t1", "--last", "99", "--limit", "50"];
    assert_eq!(on(directory.path(), &more_than_there_are).1.lines().count(), 7);

    let mut follow = command(&[&read[..], &["--follow", "--event", "order:created"]].concat());
    follow.arg("--data-dir").arg(directory.path()).stdout(Stdio::piped());
    let mut follow = follow.spawn().unwrap();
    let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    let mut offset =
        || lines.next().unwrap().unwrap().split_whitespace().next().unwrap().to_owned();
    assert_eq!([offset(), offset()], ["6", "7"]);
    in_use.append(8..=9);
    assert_eq!([offset(), offset()], ["8", "9"]);
    follow.kill().unwrap();
    follow.wait().unwrap();
}
