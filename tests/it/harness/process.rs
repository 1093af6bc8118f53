//! A server in a process of its own, which can be killed: this test binary, run once more.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use foodtrack_server::{Secret, WebSocketConfig, WebSocketServer};

use super::Address;
use super::encryption;
use super::server::config;
use super::token::SECRET;

const CONFIG: &str = "ACCEPTANCE_SERVE";
/// An address may have a password in it, and is not written down with the rest.
const REDIS_URL: &str = "ACCEPTANCE_REDIS_URL";
const LISTENING: &str = "listening on ";

/// A server process, killed at the end where the test did not end it.
pub(crate) struct Process {
    process: Child,
    /// The server ends with whoever started it, or when this is closed.
    stdin: Option<ChildStdin>,
    /// Where it says after a minute that it still runs: it would end if nobody could hear that.
    _stdout: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Address for Process {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Process {
    /// Serves from a directory.
    pub(crate) fn serve(directory: &Path, config: &WebSocketConfig) -> Self {
        Self::serve_within("exec \"$0\" \"$@\"", directory, config)
    }

    /// As [`Process::serve`], in surroundings that a line of shell makes: it ends in `exec "$0" "$@"`.
    pub(crate) fn serve_within(line: &str, directory: &Path, config: &WebSocketConfig) -> Self {
        let config = config.clone().data_dir(directory.to_str().unwrap());
        let redis = config.redis.url.as_ref().map(|url| (REDIS_URL, url.reveal()));
        let mut process = Command::new("sh")
            .envs(redis)
            .args(["-c", line])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "harness::process::serve_for_another", "--nocapture"])
            .env(CONFIG, serde_json::to_string(&config).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdin = process.stdin.take();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut lines = stdout.by_ref().lines().map_while(Result::ok);
        let line = lines.find(|line| line.contains(LISTENING));
        let line = line.expect("the server process starts");
        let address = line.split_once(LISTENING).unwrap().1.trim().parse().unwrap();
        encryption::expect(address, &config);
        Self { process, stdin, _stdout: stdout, address }
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Has it stop in order.
    pub(crate) fn stop(mut self) {
        self.stdin = None;
        assert!(self.process.wait().unwrap().success());
    }

    /// Has it pause (`STOP`) or go on (`CONT`).
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.id().to_string();
        let status = Command::new("kill").args([&format!("-{name}"), &pid]).status();
        assert!(status.unwrap().success());
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn resident_bytes(&self) -> u64 {
        // `/metrics` may be a second old.
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1_024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a server process runs; without anybody who asks for one it is nothing.
#[test]
fn serve_for_another() {
    let Ok(said) = std::env::var(CONFIG) else { return };
    let mut said: WebSocketConfig = serde_json::from_str(&said).unwrap();
    said.redis.url = std::env::var(REDIS_URL).ok().map(Secret::new);
    let server = WebSocketServer::bind(said.jwt_secret(SECRET).check().unwrap()).unwrap();
    println!("{LISTENING}{}", server.local_addr());
    let mut rest = Vec::new();
    let _ = std::io::stdin().read_to_end(&mut rest);
    server.stop();
}

#[test]
fn a_configuration_reaches_a_server_process_whole() {
    let text = serde_json::to_string(&config()).unwrap();
    let read: WebSocketConfig = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), text);
}
