//! What the command line finds out by itself: `doctor` of a machine, `check` of a hub that runs.

use std::process::Output;

use foodtrack_contract::UserRole;
use serde_json::Value;

use crate::process::{Served, command};
use crate::support::{SECRET, token};

fn doctor(arguments: &[&str]) -> (Option<i32>, Vec<(String, String, String)>) {
    let arguments = [&["doctor", "--json"], arguments].concat();
    let output = command(&arguments).env("JWT_SECRET", SECRET).output().unwrap();
    let found: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let text = |it: &Value, field: &str| it[field].as_str().unwrap().to_owned();
    let told = found.iter().map(|it| (text(it, "about"), text(it, "weight"), text(it, "sentence")));
    (output.status.code(), told.collect())
}

#[test]
fn the_doctor_looks_at_everything_and_says_what_to_do_about_what_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let (code, found) = doctor(&["--data-dir", path]);
    assert_eq!(code, Some(0), "{found:?}");
    let about: Vec<&str> = found.iter().map(|(about, ..)| about.as_str()).collect();
    let expected = [
        "configuration",
        "clock",
        "descriptors",
        "memory",
        "disk",
        "disk",
        "redis",
        "certificate",
        "proxies",
    ];
    assert_eq!(about, expected);
    // A hub ran there in the year 2100.
    std::fs::write(directory.path().join("clock"), "4102444800000").unwrap();
    let (code, found) = doctor(&["--data-dir", path]);
    assert_eq!((code, found[1].1.as_str()), (Some(1), "bad"), "{found:?}");
    assert!(found[1].2.contains("time service"), "{found:?}");
    let (code, found) = doctor(&["--data-dir", "/proc/nothing/here"]);
    assert_eq!((code, found[4].1.as_str()), (Some(1), "bad"), "{found:?}");
    let refused =
        command(&["doctor", "--data-dir", path]).env_remove("JWT_SECRET").output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "the configuration lacks a secret: {refused:?}");
}

fn check(served: &Served, role: UserRole, more: &[&str]) -> Output {
    let (hub, token) = (format!("http://{}", served.address), token("t1", role));
    let arguments = ["check", "--url", &hub, "--token", &token, "--events", "5"];
    command(&[&arguments[..], more].concat()).output().unwrap()
}

#[test]
fn a_check_comes_in_as_a_client_sends_itself_events_and_says_how_long_that_took() {
    let serve = ["serve", "--in-memory", "--port", "0", "--host", "127.0.0.1"];
    let served = Served::start(command(&serve).env("JWT_SECRET", SECRET));
    let output = check(&served, UserRole::System, &["--json"]);
    assert!(output.status.success(), "{output:?}");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&told["ready"], &told["status"]), (&true.into(), &"healthy".into()), "{told}");
    for (indicator, count) in [("handshake", 1), ("join", 1), ("publish", 5), ("delivery", 5)] {
        assert_eq!(told[indicator]["count"], count, "{told}");
        assert!(told[indicator]["p99Ms"].as_f64().unwrap() > 0.0, "{told}");
    }
    let people = check(&served, UserRole::System, &[]);
    assert!(String::from_utf8_lossy(&people.stdout).contains("until it is there"), "{people:?}");
    let slow = check(&served, UserRole::System, &["--p99-max-ms", "0"]);
    assert_eq!(slow.status.code(), Some(1), "{slow:?}");
    let refused = check(&served, UserRole::RestaurantOwner, &[]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("role system"), "{refused:?}");
    let nobody =
        command(&["check", "--url", "http://127.0.0.1:1", "--token", "t"]).output().unwrap();
    assert_eq!(nobody.status.code(), Some(1), "{nobody:?}");
}
