//! Unmodified `socket.io-client`s in a Node process, which prints its history.

use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

use super::fixture::{LoadError, TENANT, auth};
use foodtrack_history_checker::{Record, read_lines};
use foodtrack_simulation::Role;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/node/clients.mjs");
/// Their users are none of the sessions'.
const FIRST_USER: usize = 1_000_000;

/// A Node process with clients.
pub struct NodeClients {
    child: Child,
    history: JoinHandle<io::Result<Vec<Record>>>,
    answers: BufReader<ChildStderr>,
}

impl NodeClients {
    /// Starts so many clients and waits until all are connected; `None` for none. Their connections are torn every so
    /// often, and come back when the library thinks it right.
    ///
    /// # Errors
    /// Node does not run, or its packages are not installed.
    pub fn start(
        address: SocketAddr,
        clients: usize,
        torn_every: Option<Duration>,
    ) -> Result<Option<Self>, LoadError> {
        if clients == 0 {
            return Ok(None);
        }
        let mut list = Vec::new();
        for client in 0..clients {
            let role = Role::ALL[client % Role::ALL.len()];
            let user = FIRST_USER + client;
            list.push(json!({
                "recipient": format!("node-{client}"),
                "tenant": TENANT,
                "user": format!("user-{user}"),
                "application": role.application().as_str(),
                "auth": Value::Object(auth(user, role)?),
            }));
        }
        let plan = json!({
            "url": format!("http://{address}"),
            "clients": list,
            "tornEveryMs": torn_every.map(|every| every.as_millis() as f64),
        });
        let mut child = Command::new("node")
            .arg(Path::new(SCRIPT))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (Some(mut input), Some(output), Some(answers)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(io::Error::from(io::ErrorKind::BrokenPipe).into());
        };
        let history = std::thread::spawn(move || read_lines(BufReader::new(output)));
        writeln!(input, "{plan}")?;
        child.stdin = Some(input);
        let mut clients = Self { child, history, answers: BufReader::new(answers) };
        clients.await_answer("ready")?;
        Ok(Some(clients))
    }

    fn await_answer(&mut self, expected: &str) -> io::Result<()> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        if line.trim() == expected {
            return Ok(());
        }
        Err(io::Error::other(format!("{SCRIPT}: {line}")))
    }

    /// Waits until they are all connected and have what they missed, ends them and gives their history.
    ///
    /// # Errors
    /// They did not print one.
    pub fn finish(mut self) -> Result<Vec<Record>, LoadError> {
        if let Some(input) = &mut self.child.stdin {
            writeln!(input, "settle")?;
        }
        self.await_answer("settled")?;
        drop(self.child.stdin.take());
        let records =
            self.history.join().map_err(|_| io::Error::other("reading the history"))??;
        self.child.wait()?;
        Ok(records)
    }
}
