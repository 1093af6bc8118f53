//! The nodes: processes of this very binary, each of which can be killed and started again where it was.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ChildStdout;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::child::{Child, Output};
use crate::cli::demo_node::NodeOrder;
use crate::cli::outcome::Outcome;

/// How long a node may take to listen.
const START_TIMEOUT: Duration = Duration::from_secs(30);
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// How a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum NodeState {
    /// It is about to listen.
    Starting,
    /// It takes clients.
    Running,
    /// Somebody killed it.
    Killed,
    /// It has ended by itself.
    Ended,
}

/// What is told of a node.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NodeStatus {
    pub(super) name: String,
    pub(super) address: Option<SocketAddr>,
    pub(super) state: NodeState,
    pub(super) pid: u32,
    /// How many clients it has, where it has said so.
    pub(super) connections: Option<u64>,
}

/// How all nodes are, in their order.
#[derive(Clone, Default)]
pub(super) struct Statuses(Arc<Mutex<Vec<NodeStatus>>>);

impl Statuses {
    pub(super) fn get(&self) -> MutexGuard<'_, Vec<NodeStatus>> {
        // Nobody panics with it in hand.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The nodes of a cluster. They end with it.
pub(super) struct Nodes {
    program: PathBuf,
    order: NodeOrder,
    statuses: Statuses,
    children: Vec<Child>,
}

impl Nodes {
    /// Starts `count` of them, and waits until all listen.
    pub(super) fn start(
        program: &Path,
        order: NodeOrder,
        count: u16,
        statuses: Statuses,
    ) -> Result<Self, Outcome> {
        let mut nodes = Self { program: program.to_owned(), order, statuses, children: Vec::new() };
        for number in 1..=count {
            let child = nodes.spawn(None)?;
            nodes.statuses.get().push(NodeStatus {
                name: format!("node-{number}"),
                address: None,
                state: NodeState::Starting,
                pid: child.pid(),
                connections: None,
            });
            nodes.children.push(child);
            let place = nodes.children.len() - 1;
            nodes.listen_to(place);
        }
        let deadline = Instant::now() + START_TIMEOUT;
        while nodes.statuses.get().iter().any(|it| it.state != NodeState::Running) {
            nodes.look();
            let ended = nodes.statuses.get().iter().any(|it| it.state == NodeState::Ended);
            if ended || Instant::now() > deadline {
                return Err(Outcome::Failed("a node does not start; its log says why".into()));
            }
            sleep(LOOK_INTERVAL);
        }
        Ok(nodes)
    }

    /// Where each listens.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.statuses.get().iter().filter_map(|it| it.address).collect()
    }

    /// `kill -9`. Whether there is such a node.
    pub(super) fn kill(&mut self, name: &str) -> bool {
        let Some(place) = self.place_of(name) else { return false };
        self.children[place].kill();
        let mut statuses = self.statuses.get();
        let status = &mut statuses[place];
        (status.state, status.connections) = (NodeState::Killed, None);
        true
    }

    /// Starts a node again that is gone, where it was. Whether there is such a node.
    pub(super) fn start_again(&mut self, name: &str) -> Result<bool, Outcome> {
        let Some(place) = self.place_of(name) else { return Ok(false) };
        if self.children[place].ended().is_none() {
            return Ok(true);
        }
        let address = self.statuses.get()[place].address;
        self.children[place] = self.spawn(address)?;
        {
            let mut statuses = self.statuses.get();
            let status = &mut statuses[place];
            (status.state, status.pid) = (NodeState::Starting, self.children[place].pid());
        }
        self.listen_to(place);
        Ok(true)
    }

    /// Notices those that have ended by themselves.
    pub(super) fn look(&mut self) {
        for (child, status) in self.children.iter_mut().zip(self.statuses.get().iter_mut()) {
            if status.state != NodeState::Killed && child.ended().is_some() {
                (status.state, status.connections) = (NodeState::Ended, None);
            }
        }
    }

    fn place_of(&self, name: &str) -> Option<usize> {
        self.statuses.get().iter().position(|it| it.name == name)
    }

    fn spawn(&self, address: Option<SocketAddr>) -> Result<Child, Outcome> {
        let port = address.map_or(0, |it| it.port()).to_string();
        let order = serde_json::to_string(&self.order)
            .map_err(|error| Outcome::Failed(error.to_string()))?;
        let variable = Some((NodeOrder::VARIABLE, order.as_str()));
        let arguments = ["demo-node", "--port", &port];
        Child::start(&self.program, arguments, variable, &Output::Piped)
    }

    /// Reads what a node prints, on a thread of its own, until it ends.
    fn listen_to(&mut self, place: usize) {
        let Some(stdout) = self.children[place].take_stdout() else { return };
        let (statuses, pid) = (self.statuses.clone(), self.children[place].pid());
        let read = move || read_lines(stdout, &statuses, place, pid);
        // Without it the node stays `starting`, and who waits for it gives up.
        let _ = std::thread::Builder::new().name("node-output".into()).spawn(read);
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        // All at once, and then each is waited for.
        self.children.iter_mut().for_each(Child::ask_to_end);
    }
}

fn read_lines(stdout: ChildStdout, statuses: &Statuses, place: usize, pid: u32) {
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        let Some(address) = line.strip_prefix("listening on ") else { continue };
        if let Some(status) = statuses.get().get_mut(place)
            && status.pid == pid
            && status.state == NodeState::Starting
        {
            (status.state, status.address) = (NodeState::Running, address.parse().ok());
        }
    }
}
