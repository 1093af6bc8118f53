//! `backup`: one file, made beside a server, verified, and restored to where nothing is written over.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::encryption::{self, KEY, MARKER, entries, publish, sealed};
use crate::log::{InUse, on};
use crate::process::{Served, command, limited, run};
use crate::support::{SECRET, serve};

/// A directory, and the path of a backup in it.
fn place() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("monday.tar");
    (directory, file)
}

fn make(data_dir: &Path, to: &Path) -> (i32, String, String) {
    on(data_dir, &["backup", "make", "--to", to.to_str().unwrap()])
}

fn verify(file: &Path) -> (i32, String, String) {
    run(&mut command(&["backup", "verify", file.to_str().unwrap()]))
}

fn restore(file: &Path, data_dir: &Path) -> (i32, String, String) {
    on(data_dir, &["backup", "restore", file.to_str().unwrap()])
}

fn names(directory: &Path) -> Vec<String> {
    let name = |it: std::io::Result<std::fs::DirEntry>| it.unwrap().file_name();
    let mut names: Vec<String> =
        std::fs::read_dir(directory).unwrap().map(|it| name(it).into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

fn epoch(data_dir: &Path) -> Value {
    let (_, stats, _) = on(data_dir, &["log", "stats", "--json"]);
    serde_json::from_str::<Value>(stats.lines().next().unwrap()).unwrap()["epoch"].take()
}

#[test]
fn a_backup_is_one_private_file_made_beside_a_server_and_a_server_starts_with_what_it_restores() {
    let source = tempfile::tempdir().unwrap();
    let in_use = InUse::make(source.path());
    for (name, folder) in [("session.key", ""), ("pizza-roma.json", "revocations")] {
        let folder = source.path().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), "0123456789abcdef0123456789abcdef").unwrap();
    }
    let (place, file) = place();
    let (code, out, notes) = make(source.path(), &file);
    assert!(code == 0 && out.contains("1 tenants, 7 entries"), "{out}{notes}");
    assert_eq!(names(place.path()), ["monday.tar"], "nothing else is left there");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let (code, out, notes) = verify(&file);
    assert!(code == 0 && out.contains("whole; 1 tenants, 7 entries"), "{out}{notes}");

    let data_dir = place.path().join("data");
    let (code, out, notes) = restore(&file, &data_dir);
    assert!(code == 0 && out.contains("1 tenants have a new epoch"), "{out}{notes}");
    assert_ne!(epoch(&data_dir), epoch(source.path()));
    drop(in_use);
    let same = |name: &str| {
        let [one, other] =
            [source.path(), &data_dir].map(|it| std::fs::read(it.join(name)).unwrap());
        one == other
    };
    assert!(same("session.key") && same("revocations/pizza-roma.json"));
    std::fs::remove_file(data_dir.join("revocations/pizza-roma.json")).unwrap();
    std::fs::remove_file(data_dir.join("session.key")).unwrap();
    let arguments = ["serve", "--port", "0", "--host", "127.0.0.1", "--data-dir"];
    let mut serve = command(&arguments);
    let mut served = Served::start(serve.arg(&data_dir).env("JWT_SECRET", SECRET));
    served.signal("TERM");
    assert_eq!(served.wait(), 0);
    let (code, read, _) = on(&data_dir, &["log", "read", "--tenant", "t1"]);
    assert_eq!((code, read.lines().count()), (0, 7));
}

#[test]
fn a_backup_keeps_the_rate_it_is_given_and_is_the_same_at_any() {
    let source = tempfile::tempdir().unwrap();
    drop(InUse::make(source.path()));
    let database = rusqlite::Connection::open(source.path().join("log.db")).unwrap();
    database.execute("CREATE TABLE ballast (bytes BLOB)", ()).unwrap();
    for _ in 0..6 {
        database.execute("INSERT INTO ballast VALUES (randomblob(1048576))", ()).unwrap();
    }
    drop(database);
    let place = tempfile::tempdir().unwrap();
    let make = |rate: &str| {
        let file = place.path().join(rate.replace('/', "-"));
        let begun = Instant::now();
        let arguments = ["backup", "make", "--to", file.to_str().unwrap(), "--rate", rate];
        let (code, _, notes) = on(source.path(), &arguments);
        let took = begun.elapsed();
        assert_eq!((code, verify(&file).0), (0, 0), "{notes}");
        (log_sum(&file), took, notes)
    };
    let (paced, took, notes) = make("8MiB/s");
    // 6 MiB twice, but for what SQLite still had in its memory when the copy was whole.
    assert!(took >= Duration::from_secs(1), "{took:?}: {notes}");
    assert!(notes.contains("copying the log: 0 B of 6.") && notes.contains(" s left"), "{notes}");
    assert_eq!(make("unlimited").0, paced);
    let (code, _, notes) = on(source.path(), &["backup", "make", "--to", "/x", "--rate", "fast"]);
    assert!(code == 2 && notes.contains("such as 32MiB/s"), "{notes}");
}

/// The checksum of the log that a backup names.
fn log_sum(file: &Path) -> String {
    let bytes = std::fs::read(file).unwrap();
    let list = serde_json::Deserializer::from_slice(&bytes[512..]).into_iter::<Value>().next();
    let list = list.unwrap().unwrap();
    let files = list["files"].as_array().unwrap();
    let log = files.iter().find(|it| it["path"] == "log.db").unwrap();
    log["sha256"].as_str().unwrap().to_owned()
}

#[test]
fn nothing_is_written_over_by_a_backup_or_by_what_it_restores() {
    let source = tempfile::tempdir().unwrap();
    let _in_use = InUse::make(source.path());
    let (place, file) = place();
    assert_eq!(make(source.path(), &file).0, 0);
    let made = std::fs::read(&file).unwrap();
    let (code, _, notes) = make(source.path(), &file);
    assert!(code == 2 && notes.contains("is there already"), "{notes}");
    assert_eq!(std::fs::read(&file).unwrap(), made);
    let (code, _, notes) = restore(&file, source.path());
    assert!(code == 2 && notes.contains("has log.db already"), "{notes}");

    let data_dir = place.path().join("data");
    std::fs::create_dir_all(data_dir.join("api-keys")).unwrap();
    std::fs::set_permissions(&data_dir, PermissionsExt::from_mode(0o700)).unwrap();
    let (code, _, notes) = restore(&file, &data_dir);
    assert!(code == 2 && notes.contains("has api-keys already"), "{notes}");
    assert_eq!(names(&data_dir), ["api-keys", "lock"]);
}

#[test]
fn a_backup_that_was_damaged_cut_or_never_was_one_is_refused_and_restores_nothing() {
    let source = tempfile::tempdir().unwrap();
    let _in_use = InUse::make(source.path());
    let (place, file) = place();
    assert_eq!(make(source.path(), &file).0, 0);
    let made = std::fs::read(&file).unwrap();
    let mut flipped = made.clone();
    flipped[made.len() / 2] ^= 1;
    let half = made[..made.len() / 2].to_vec();
    let mut later = made.clone();
    let format = b"\"format\": 1";
    let at = made.windows(format.len()).position(|it| it == format).unwrap();
    later[at + format.len() - 1] = b'2';
    for (bytes, expected, sentence) in [
        (flipped, 1, "by its checksum"),
        (half, 1, "damaged"),
        (later, 2, "restore it with that version"),
        (b"not a backup".to_vec(), 2, "not a backup of this server"),
        (Vec::new(), 2, "not a backup of this server"),
    ] {
        std::fs::write(&file, bytes).unwrap();
        let (code, _, notes) = verify(&file);
        assert!(code == expected && notes.contains(sentence), "{sentence}: {notes}");
        let data_dir = place.path().join("data");
        let (code, _, notes) = restore(&file, &data_dir);
        assert!(code == expected && notes.contains(sentence), "{sentence}: {notes}");
        assert_eq!(names(&data_dir), ["lock"]);
    }
}

#[test]
fn a_damaged_log_and_a_full_disk_give_no_backup_and_keep_the_older_ones() {
    let source = tempfile::tempdir().unwrap();
    drop(InUse::make(source.path()));
    let place = tempfile::tempdir().unwrap();
    let older = place.path().join("foodtrack-20200101T000000Z.tar");
    std::fs::write(&older, "an older one").unwrap();
    let arguments = ["backup", "make", "--keep", "1", "--into", place.path().to_str().unwrap()];
    let left = [".foodtrack-backup.lock", "foodtrack-20200101T000000Z.tar"];

    // A file of the command's may have no more than 48 KiB: what a full disk says is as good.
    let mut make = limited("trap '' XFSZ; ulimit -f 96", &arguments);
    let (code, _, notes) = run(make.arg("--data-dir").arg(source.path()));
    assert!(code == 1 && notes.contains("error: "), "{notes}");
    assert_eq!(names(place.path()), left);

    let database = rusqlite::Connection::open(source.path().join("log.db")).unwrap();
    database.execute("UPDATE tenants SET reserved_through = 5", ()).unwrap();
    drop(database);
    let (code, _, notes) = on(source.path(), &arguments);
    assert!(code == 1 && notes.contains("never reserved"), "{notes}");
    assert_eq!(names(place.path()), left);
}

#[test]
fn dated_backups_go_when_newer_ones_are_there_and_nothing_else_does() {
    let source = tempfile::tempdir().unwrap();
    let _in_use = InUse::make(source.path());
    let place = tempfile::tempdir().unwrap();
    for name in
        ["foodtrack-20200101T000000Z.tar", "foodtrack-20210101T000000Z.tar", "foodtrack-notes.tar"]
    {
        std::fs::write(place.path().join(name), "").unwrap();
    }
    std::fs::create_dir(place.path().join(".foodtrack-backup-of-a-killed-one")).unwrap();
    let arguments = ["backup", "make", "--keep", "2", "--into", place.path().to_str().unwrap()];
    let (code, _, notes) = on(source.path(), &arguments);
    assert_eq!(code, 0, "{notes}");
    let left = names(place.path());
    assert_eq!(left.len(), 4, "{left:?}");
    assert!(left[1] == "foodtrack-20210101T000000Z.tar" && left[2].starts_with("foodtrack-20"));
    assert_eq!((&*left[0], &*left[3]), (".foodtrack-backup.lock", "foodtrack-notes.tar"));

    let lock = std::fs::File::open(place.path().join(".foodtrack-backup.lock")).unwrap();
    lock.lock().unwrap();
    let (code, _, notes) = on(source.path(), &arguments);
    assert!(code == 2 && notes.contains("another backup is being made"), "{notes}");
}

#[test]
fn a_sealed_log_comes_back_with_its_keys_where_they_were_asked_for_and_closed_where_not() {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("source");
    let server = serve(sealed(&source, Some(KEY)));
    publish(&server, "t1", "o1");
    for (name, with_keys) in [("with", true), ("without", false)] {
        let file = directory.path().join(format!("{name}.tar"));
        let mut arguments = vec!["backup", "make", "--to", file.to_str().unwrap()];
        arguments.extend(with_keys.then_some("--with-keys"));
        let (code, _, notes) = encryption::on(&source, KEY, &arguments);
        assert_eq!(code, 0, "{notes}");
        assert_eq!(notes.contains("keys are not in it"), !with_keys, "{notes}");
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(MARKER.len()).any(|it| it == MARKER.as_bytes()), "{name}");
    }
    server.stop();
    for (name, with_keys) in [("with", true), ("without", false)] {
        let file = directory.path().join(format!("{name}.tar"));
        let data_dir = directory.path().join(name);
        let arguments = ["backup", "restore", file.to_str().unwrap()];
        let (code, _, notes) = encryption::on(&data_dir, KEY, &arguments);
        assert_eq!(code, 0, "{notes}");
        assert_eq!(notes.contains("put the directory `keys` beside it"), !with_keys, "{notes}");
        if !with_keys {
            std::fs::rename(source.join("keys"), data_dir.join("keys")).unwrap();
        }
        let server = serve(sealed(&data_dir, Some(KEY)));
        assert_eq!(entries(&server, "t1"), 1, "{name}");
        server.stop();
    }
}
