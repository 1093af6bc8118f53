//! A listener that the parent holds and gives: whoever connects while no server runs waits for the next one.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use crate::process::{Served, command, run};
use crate::support::{SECRET, request};

/// `serve`, with what `given` is at the place of the first descriptor that is given, and `count` said to be there.
fn serve(given: OwnedFd, count: u8) -> Command {
    let hub = command(&["serve", "--in-memory", "--port", "1", "--host", "127.0.0.1"]);
    let line = format!(
        "exec 3<&0 </dev/null; export LISTEN_FDS={count} LISTEN_PID=$$; exec \"$0\" \"$@\""
    );
    let mut command = Command::new("sh");
    command.args(["-c", &line]).arg(hub.get_program()).args(hub.get_args());
    command.env_clear().env("JWT_SECRET", SECRET).stdin(Stdio::from(given));
    command
}

#[test]
fn who_connects_while_the_server_is_started_anew_waits_and_is_answered() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let start = || Served::start(&mut serve(listener.try_clone().unwrap().into(), 1));
    let first = start();
    assert_eq!(first.address, address, "the configuration's port counts for nothing");
    assert_eq!(request(address, "GET /ready", &[], "").status, 200);
    // Killed: dropping it does that.
    drop(first);
    let waiting = std::thread::spawn(move || request(address, "GET /ready", &[], "").status);
    let mut second = start();
    assert_eq!(waiting.join().unwrap(), 200);
    second.signal("TERM");
    assert_eq!(second.wait(), 0);
    let waiting = std::thread::spawn(move || request(address, "GET /ready", &[], "").status);
    let _third = start();
    assert_eq!(waiting.join().unwrap(), 200);
}

#[test]
fn what_is_no_listener_is_refused_in_words() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (code, _, said) = run(&mut serve(listener.into(), 2));
    assert_eq!(code, 3);
    assert!(said.contains("LISTEN_FDS gives 2 sockets, and the server listens on one"), "{said}");
    let file = std::fs::File::open("/dev/null").unwrap();
    let (code, _, said) = run(&mut serve(file.into(), 1));
    assert_eq!(code, 3);
    assert!(said.contains("what LISTEN_FDS gives is no TCP listener"), "{said}");
}
