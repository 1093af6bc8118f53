//! A usual limit of descriptors is not what strangers have to reach.

use std::io::Read;
use std::process::{Command, Stdio};

use crate::process::Served;
use crate::support::SECRET;

#[test]
fn a_low_soft_limit_of_descriptors_is_raised_to_the_hard_one_and_that_is_logged() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -S -n 1024 && ulimit -H -n 3000 && exec \"$0\" \"$@\""])
        .arg(env!("CARGO_BIN_EXE_foodtrack-websocket"))
        .args(["serve", "--in-memory", "--port", "0", "--host", "127.0.0.1"])
        .env("JWT_SECRET", SECRET)
        .stdin(Stdio::null());
    let mut served = Served::start_with_stderr(&mut command, Stdio::from(writer));
    drop(command);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", served.id())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let numbers: Vec<&str> = files.split_whitespace().skip(3).take(2).collect();
    assert_eq!(numbers, ["3000", "3000"], "{files}");
    served.signal("TERM");
    assert_eq!(served.wait(), 0);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    let line = text.lines().find(|line| line.contains("descriptors")).unwrap();
    assert!(line.contains("INFO"), "{line}");
    assert!(
        line.contains("\"before\":1024") && line.contains("\"descriptors_max\":3000"),
        "{line}"
    );
}
