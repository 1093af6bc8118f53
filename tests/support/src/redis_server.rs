//! A Redis of a test's own: Debian's `redis-server` on a free port, gone with the value.

use std::hash::{BuildHasher as _, RandomState};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::wait_until;

/// A port that nobody listens on now. It is none of those that the system gives to connections, of which a busy machine has so many that
/// one would take it before it is used.
pub fn free_port() -> u16 {
    const FIRST: u16 = 10_000;
    const COUNT: u64 = 22_000;
    let mut random = RandomState::new().hash_one(std::process::id());
    loop {
        let port = FIRST + u16::try_from(random % COUNT).unwrap_or_default();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
        random = RandomState::new().hash_one(random);
    }
}

/// What it is configured with beside its arguments.
const FILE: &str = "redis.conf";

/// A running server, with its files in a directory of its own.
#[derive(Debug)]
pub struct RedisServer {
    child: Child,
    port: u16,
    directory: PathBuf,
    arguments: Vec<String>,
}

impl RedisServer {
    /// Starts one, with further arguments. `None` where `redis-server` is not installed: say [`skipped`](crate::skipped) then.
    ///
    /// # Panics
    /// Where it does not come up.
    pub fn start(arguments: &[&str]) -> Option<Self> {
        Self::start_on(free_port(), arguments)
    }

    /// The same on a port that the caller keeps free.
    ///
    /// # Panics
    /// Where it does not come up.
    pub fn start_on(port: u16, arguments: &[&str]) -> Option<Self> {
        let is_there = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status();
        is_there.ok().filter(std::process::ExitStatus::success)?;
        let name = format!("foodtrack-redis-{}-{port}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory)
            .unwrap_or_else(|error| panic!("no directory for Redis: {error}"));
        // What others change of it (`CONFIG REWRITE`) is there again after it was killed.
        std::fs::write(directory.join(FILE), "")
            .unwrap_or_else(|error| panic!("no configuration for Redis: {error}"));
        let arguments: Vec<String> = arguments.iter().map(|&it| it.to_owned()).collect();
        let child = spawn(port, &directory, &arguments);
        let server = Self { child, port, directory, arguments };
        server.wait_until_it_answers();
        Some(server)
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The port that it listens on, of 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it, as a crash would.
    pub fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again on the same port, with what it kept in its files.
    ///
    /// # Panics
    /// Where it does not come up.
    pub fn start_again(&mut self) {
        self.spawn_again();
        self.wait_until_it_answers();
    }

    /// The same without waiting until it answers.
    pub fn spawn_again(&mut self) {
        self.child = spawn(self.port, &self.directory, &self.arguments);
    }

    /// Starts one that has what the server on a port has, and waits until it does. `None` where `redis-server` is not installed.
    ///
    /// # Panics
    /// Where it does not come up.
    pub fn start_replica_of(port: u16, arguments: &[&str]) -> Option<Self> {
        let replica = Self::start(&[arguments, &["--repl-diskless-sync-delay", "0"]].concat())?;
        // Not as an argument: those would hold again when it is another's master and comes back.
        replica.command(&format!("REPLICAOF 127.0.0.1 {port}"));
        replica.command("CONFIG REWRITE");
        wait_until("the replica has what its master has", || {
            replica.command("INFO replication").contains("master_link_status:up")
        });
        Some(replica)
    }

    /// Starts it again as a replica of the server on a port, as an operator would, without waiting until it answers.
    ///
    /// # Panics
    /// Where its file cannot be written.
    pub fn spawn_again_as_replica_of(&mut self, port: u16) {
        let file = std::fs::OpenOptions::new().append(true).open(self.directory.join(FILE));
        let written = file.and_then(|mut file| writeln!(file, "\nreplicaof 127.0.0.1 {port}"));
        written.unwrap_or_else(|error| panic!("no configuration for Redis: {error}"));
        self.spawn_again();
    }

    /// Whether it answers now.
    pub fn answers(&self) -> bool {
        self.try_command("PING").is_some_and(|answer| answer == "+PONG")
    }

    /// Its directory, where its files are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Sends a command, words with spaces between, and returns what came of it, as it stood on the wire.
    ///
    /// # Panics
    /// Where it does not answer.
    pub fn command(&self, words: &str) -> String {
        self.try_command(words).unwrap_or_else(|| panic!("Redis does not answer to {words}"))
    }

    /// Sends a command and waits for nothing: it is taken when the server takes something.
    pub fn tell(&self, words: &str) {
        // Whoever is not there is told nothing.
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            let _ = stream.write_all(format!("{words}\r\n").as_bytes());
        }
    }

    /// As [`Self::command`]; `None` where it does not answer.
    pub fn try_command(&self, words: &str) -> Option<String> {
        command(self.port, words)
    }

    /// Sends a command of arguments that may be any bytes, and returns what came of it, as it stood on the wire.
    ///
    /// # Panics
    /// Where it does not answer.
    pub fn call(&self, arguments: &[&[u8]]) -> String {
        let mut request = format!("*{}\r\n", arguments.len()).into_bytes();
        for argument in arguments {
            request.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
            request.extend_from_slice(argument);
            request.extend_from_slice(b"\r\n");
        }
        exchange(self.port, &request).unwrap_or_else(|| panic!("Redis does not answer"))
    }

    fn wait_until_it_answers(&self) {
        wait_until("redis-server answers", || self.answers());
    }
}

/// Sends a command to a port, and returns what came of it.
pub(crate) fn command(port: u16, words: &str) -> Option<String> {
    exchange(port, format!("{words}\r\n").as_bytes())
}

fn exchange(port: u16, request: &[u8]) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(request).ok()?;
    let mut answer = vec![0; 64 << 10];
    let read = stream.read(&mut answer).ok()?;
    Some(String::from_utf8_lossy(answer.get(..read)?).trim_end().to_owned())
}

fn spawn(port: u16, directory: &PathBuf, arguments: &[String]) -> Child {
    let mut command = Command::new("redis-server");
    command.arg(directory.join(FILE));
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""]);
    command.args(["--loglevel", "warning", "--dir"]).arg(directory).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap_or_else(|error| panic!("redis-server does not start: {error}"))
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
        // Nobody needs its files any more.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
