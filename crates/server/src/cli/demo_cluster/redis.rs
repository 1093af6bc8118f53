//! The cluster's Redis: `redis-server` on a free port, with its files in the demo's directory.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::child::{Child, Output, free_port, what_it_said};
use crate::cli::outcome::Outcome;

/// How long it may take to answer.
const START_TIMEOUT: Duration = Duration::from_secs(10);
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

pub(super) struct Redis {
    pub(super) child: Child,
    pub(super) port: u16,
}

impl Redis {
    /// Starts it, and waits until it answers.
    pub(super) fn start(program: &Path, directory: &Path) -> Result<Self, Outcome> {
        let port = free_port()?;
        let log = directory.join("redis.log");
        let (at, place) = (port.to_string(), directory.to_string_lossy().into_owned());
        let arguments = [
            ["--bind", "127.0.0.1"],
            ["--port", at.as_str()],
            ["--dir", place.as_str()],
            ["--save", ""],
            // An order that was acknowledged is on the disk.
            ["--appendonly", "yes"],
            ["--appendfsync", "always"],
            ["--maxmemory-policy", "noeviction"],
        ];
        let child = Child::start(program, arguments.concat(), None, &Output::File(&log))?;
        let mut redis = Self { child, port };
        let deadline = Instant::now() + START_TIMEOUT;
        while !redis.answers() {
            if redis.child.ended().is_some() || Instant::now() > deadline {
                return Err(Outcome::Failed(format!(
                    "redis-server does not answer: {}",
                    what_it_said(&log)
                )));
            }
            sleep(LOOK_INTERVAL);
        }
        Ok(redis)
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn answers(&self) -> bool {
        let ask = || -> std::io::Result<bool> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(1)))?;
            stream.write_all(b"PING\r\n")?;
            let mut answer = [0; 7];
            stream.read_exact(&mut answer)?;
            Ok(answer == *b"+PONG\r\n")
        };
        ask().unwrap_or(false)
    }
}
