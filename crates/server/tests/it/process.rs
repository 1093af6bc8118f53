//! The binary, run as a process.

use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use test_support::eventually;

use crate::support::SECRET;

pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_foodtrack-websocket"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

/// As [`command`], after the shell has set limits, such as `ulimit -n 40`; with the environment of the test.
pub(crate) fn limited(limits: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{limits} && exec \"$0\" \"$@\"")]);
    command.arg(env!("CARGO_BIN_EXE_foodtrack-websocket")).args(arguments).stdin(Stdio::null());
    command
}

pub(crate) fn run(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// A pipe that nobody reads and that takes nothing more: every write to it blocks. Both ends must be kept.
pub(crate) fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    // What Linux gives a pipe: exactly so much goes in without blocking.
    writer.write_all(&[b'\n'; 65_536]).unwrap();
    (reader, writer)
}

/// Serves with its log in a pipe, asks for something, and returns what was logged once it has ended.
pub(crate) fn logged(environment: &[(&str, &str)], ask: impl FnOnce(&Served)) -> String {
    let mut serve = command(&["serve", "--in-memory", "--port", "0", "--host", "127.0.0.1"]);
    serve.env("JWT_SECRET", SECRET).envs(environment.iter().copied());
    logged_by(serve, ask)
}

/// The same of a command that serves.
pub(crate) fn logged_by(mut serve: Command, ask: impl FnOnce(&Served)) -> String {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut served = Served::start_with_stderr(&mut serve, Stdio::from(writer));
    // It holds the writing end, too.
    drop(serve);
    ask(&served);
    served.signal("TERM");
    assert_eq!(served.wait(), 0);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    text
}

/// A server process, killed at the end where the test did not end it.
pub(crate) struct Served {
    process: Child,
    pub(crate) stdout: BufReader<ChildStdout>,
    pub(crate) address: SocketAddr,
}

impl Served {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::start_with_stderr(command, Stdio::null())
    }

    pub(crate) fn start_with_stderr(command: &mut Command, stderr: impl Into<Stdio>) -> Self {
        let mut process = command.stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").unwrap().parse().unwrap();
        Self { process, stdout, address }
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.process.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    pub(crate) fn wait(&mut self) -> i32 {
        let status = eventually("the process ends", || self.process.try_wait().unwrap());
        status.code().unwrap_or(-1)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
