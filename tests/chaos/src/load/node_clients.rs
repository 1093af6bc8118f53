//! Unmodified `socket.io-client`s in a Node process, which prints its history.

use std::io::{self, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

use super::stand::{LoadError, TENANT, auth};
use crate::campaign::Trade;
use crate::history::{Record, read_lines};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/node/clients.mjs");
/// Their users are none of the sessions'.
const FIRST_USER: usize = 1_000_000;

/// A Node process with clients.
pub struct NodeClients {
    child: Child,
    reader: JoinHandle<io::Result<Vec<Record>>>,
}

impl NodeClients {
    /// Starts so many clients and waits until all are connected; `None` for none. `torn`: how often their connections are
    /// torn, and for how long they stay away.
    ///
    /// # Errors
    /// Node does not run, or its packages are not installed.
    pub fn start(
        address: SocketAddr,
        clients: usize,
        torn: Option<(Duration, Duration)>,
    ) -> Result<Option<Self>, LoadError> {
        if clients == 0 {
            return Ok(None);
        }
        let mut list = Vec::new();
        for client in 0..clients {
            let trade = Trade::ALL[client % Trade::ALL.len()];
            let user = FIRST_USER + client;
            list.push(json!({
                "recipient": format!("node-{client}"),
                "tenant": TENANT,
                "user": format!("user-{user}"),
                "application": trade.application().as_str(),
                "auth": Value::Object(auth(user, trade)?),
            }));
        }
        let ms = |duration: Duration| json!(duration.as_millis() as f64);
        let plan = json!({
            "url": format!("http://{address}"),
            "clients": list,
            "tornEveryMs": torn.map(|(every, _)| ms(every)),
            "awayMs": torn.map(|(_, away)| ms(away)),
        });
        let mut child = Command::new("node")
            .arg(Path::new(SCRIPT))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (Some(mut input), Some(output), Some(ready)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(io::Error::from(io::ErrorKind::BrokenPipe).into());
        };
        let reader = std::thread::spawn(move || read_lines(BufReader::new(output)));
        writeln!(input, "{plan}")?;
        child.stdin = Some(input);
        let mut line = String::new();
        io::BufRead::read_line(&mut BufReader::new(ready), &mut line)?;
        if line.trim() != "ready" {
            return Err(io::Error::other(format!("{SCRIPT}: {line}")).into());
        }
        Ok(Some(Self { child, reader }))
    }

    /// Ends them and gives their history.
    ///
    /// # Errors
    /// They did not print one.
    pub fn finish(mut self) -> Result<Vec<Record>, LoadError> {
        drop(self.child.stdin.take());
        let records = self.reader.join().map_err(|_| io::Error::other("reading the history"))??;
        self.child.wait()?;
        Ok(records)
    }
}
