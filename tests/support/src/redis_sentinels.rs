//! Three sentinels of a test's own, which watch over a master and promote its replica when it is gone.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::redis_server::{RedisServer, command, free_port};
use crate::wait_until;

/// What they call the master.
const MASTER: &str = "hub";

/// The sentinels, which are `redis-server` as well.
#[derive(Debug)]
pub struct RedisSentinels {
    sentinels: Vec<(Child, u16)>,
    directory: PathBuf,
}

impl RedisSentinels {
    /// Starts them, and waits until they know each other and the master's replica.
    ///
    /// # Panics
    /// Where they do not come up.
    pub fn watch(master: &RedisServer) -> Self {
        let directory = master.directory().join("sentinels");
        std::fs::create_dir_all(&directory)
            .unwrap_or_else(|error| panic!("no directory for sentinels: {error}"));
        let sentinels = (0..3).map(|_| {
            let port = free_port();
            let file = directory.join(format!("{port}.conf"));
            let text = format!(
                "port {port}\nbind 127.0.0.1\ndir {}\n\
                 sentinel monitor {MASTER} 127.0.0.1 {} 2\n\
                 sentinel down-after-milliseconds {MASTER} 500\n\
                 sentinel failover-timeout {MASTER} 3000\n",
                directory.display(),
                master.port()
            );
            std::fs::write(&file, text)
                .unwrap_or_else(|error| panic!("no file for a sentinel: {error}"));
            let mut program = Command::new("redis-server");
            program.arg(&file).arg("--sentinel");
            program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let child = program.spawn();
            (child.unwrap_or_else(|error| panic!("no sentinel starts: {error}")), port)
        });
        let sentinels: Vec<_> = sentinels.collect();
        for (_, port) in &sentinels {
            wait_until("sentinels know each other and the replica", || {
                let master = command(*port, &format!("SENTINEL MASTER {MASTER}"));
                master.is_some_and(|said| {
                    field(&said, "num-other-sentinels") == Some("2")
                        && field(&said, "num-slaves") == Some("1")
                })
            });
        }
        Self { sentinels, directory }
    }

    /// Their ports, of 127.0.0.1.
    pub fn ports(&self) -> Vec<u16> {
        self.sentinels.iter().map(|(_, port)| *port).collect()
    }

    /// Has them put the replica in the master's place, although that is well.
    ///
    /// # Panics
    /// Where they do not.
    pub fn fail_over(&self) {
        assert!(self.try_fail_over(), "sentinels put no replica in the master's place");
    }

    /// The same; returns whether they begin to. They do not where there is no replica, or where they are at it.
    pub fn try_fail_over(&self) -> bool {
        let (_, port) = self.sentinels[0];
        let answer = command(port, &format!("SENTINEL FAILOVER {MASTER}"));
        answer.as_deref() == Some("+OK")
    }

    /// The port of whom they take for the master.
    pub fn master_port(&self) -> Option<u16> {
        let (_, port) = self.sentinels[0];
        let said = command(port, &format!("SENTINEL GET-MASTER-ADDR-BY-NAME {MASTER}"))?;
        said.lines().last()?.trim().parse().ok()
    }

    /// What they call the master.
    pub fn master(&self) -> &'static str {
        MASTER
    }
}

/// The value behind a name, in an answer as it stands on the wire.
fn field<'a>(said: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = said.lines().map(str::trim);
    lines.find(|line| *line == name)?;
    lines.nth(1)
}

impl Drop for RedisSentinels {
    fn drop(&mut self) {
        for (child, _) in &mut self.sentinels {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
        // Nobody needs their files any more.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
