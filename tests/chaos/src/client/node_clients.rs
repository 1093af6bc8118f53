//! Unmodified `socket.io-client`s in a Node process, which prints its history.

use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use foodtrack_history_checker::{Record, read_lines};
use serde_json::{Map, Value, json};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/node/clients.mjs");

/// Who connects.
pub struct NodeClient {
    /// Its name in the history.
    pub recipient: String,
    /// The token's tenant.
    pub tenant: String,
    /// The token's user.
    pub user: String,
    /// The application it connects as.
    pub application: &'static str,
    /// What its handshake says.
    pub auth: Map<String, Value>,
}

/// A Node process with clients.
pub struct NodeClients {
    child: Child,
    history: Option<JoinHandle<io::Result<Vec<Record>>>>,
    answers: BufReader<ChildStderr>,
}

impl NodeClients {
    /// Starts clients and waits until all are connected; `None` for none. Of several addresses each connection goes to the next
    /// that takes it. Their connections are torn every so often, and come back when the library thinks it right.
    ///
    /// # Errors
    /// Node does not run, or its packages are not installed.
    pub fn start(
        addresses: &[SocketAddr],
        clients: &[NodeClient],
        torn_every: Option<Duration>,
    ) -> io::Result<Option<Self>> {
        if clients.is_empty() {
            return Ok(None);
        }
        let list: Vec<Value> = clients
            .iter()
            .map(|NodeClient { recipient, tenant, user, application, auth }| {
                json!({
                    "recipient": recipient,
                    "tenant": tenant,
                    "user": user,
                    "application": application,
                    "auth": auth,
                })
            })
            .collect();
        let plan = json!({
            "ports": addresses.iter().map(SocketAddr::port).collect::<Vec<_>>(),
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
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let history = Some(std::thread::spawn(move || read_lines(BufReader::new(output))));
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
    pub fn finish(mut self) -> io::Result<Vec<Record>> {
        if let Some(input) = &mut self.child.stdin {
            writeln!(input, "settle")?;
        }
        self.await_answer("settled")?;
        drop(self.child.stdin.take());
        let history = self.history.take().map(JoinHandle::join);
        let records = history.transpose().map_err(|_| io::Error::other("reading the history"))?;
        self.child.wait()?;
        records.unwrap_or_else(|| Ok(Vec::new()))
    }
}

impl Drop for NodeClients {
    fn drop(&mut self) {
        // It has ended where all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
