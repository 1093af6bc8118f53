//! What the page asks about the nodes: how they are, to kill one, to start it again.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::time;

use super::nodes::{NodeState, Statuses};
use crate::demo::http_call::call;
use crate::demo::http_request::{header, next_request, write_answer};

/// How long a connection may bring nothing.
const IDLE_MAX: Duration = Duration::from_secs(10);
/// How many connections are served at once.
const CONNECTIONS_MAX: usize = 64;
/// How often nodes are asked how many clients they have.
const ASK_INTERVAL: Duration = Duration::from_millis(500);

/// What is to be done with a node.
pub(super) enum Act {
    Kill,
    Start,
}

/// An order of the page's, for the thread that has the nodes.
pub(super) struct Order {
    pub(super) node: String,
    pub(super) act: Act,
    /// Whether there is such a node.
    pub(super) done: oneshot::Sender<bool>,
}

/// Answers the page.
pub(super) struct Control {
    pub(super) statuses: Statuses,
    pub(super) orders: Sender<Order>,
    pub(super) redis: String,
}

impl Control {
    /// Answers, and asks the nodes, until it is dropped.
    pub(super) async fn run(self, listener: std::net::TcpListener) {
        let Ok(listener) = TcpListener::from_std(listener) else { return };
        tokio::join!(ask_nodes(self.statuses.clone()), Arc::new(self).answer_all(listener));
    }

    async fn answer_all(self: Arc<Self>, listener: TcpListener) {
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok(turn) = Arc::clone(&room).acquire_owned().await else { return };
            let Ok((stream, _)) = listener.accept().await else {
                time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let control = Arc::clone(&self);
            tokio::spawn(async move {
                // A connection that breaks is the page's to replace.
                let _ = control.serve(stream).await;
                drop(turn);
            });
        }
    }

    async fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut read = Vec::new();
        while let Some((head, _)) =
            time::timeout(IDLE_MAX, next_request(&mut stream, &mut read)).await??
        {
            let (status, answer) = self.answer(&head).await;
            write_answer(&mut stream, status, &answer).await?;
        }
        Ok(())
    }

    async fn answer(&self, head: &str) -> (u16, Value) {
        let mut line = head.lines().next().unwrap_or_default().split(' ');
        let (method, path) = (line.next().unwrap_or_default(), line.next().unwrap_or_default());
        if (method, path) == ("GET", "/demo/nodes") {
            return (200, json!({ "redis": self.redis, "nodes": &*self.statuses.get() }));
        }
        let asked = path.strip_prefix("/demo/nodes/").and_then(|rest| rest.split_once('/'));
        let order = match asked {
            Some((node, "kill")) if method == "POST" => (node, Act::Kill),
            Some((node, "start")) if method == "POST" => (node, Act::Start),
            _ => return (404, json!({ "error": "there is no such thing" })),
        };
        // A page of another origin cannot send this type without being asked first, and nobody answers that.
        if header(head, "content-type") != Some("application/json") {
            return (415, json!({ "error": "send it as application/json" }));
        }
        let (done, is_done) = oneshot::channel();
        let (node, act) = (order.0.to_owned(), order.1);
        if self.orders.send(Order { node, act, done }).is_err() {
            return (503, json!({ "error": "the demo ends" }));
        }
        match is_done.await {
            Ok(true) => (200, json!({ "nodes": &*self.statuses.get() })),
            Ok(false) => (404, json!({ "error": "there is no such node" })),
            Err(_) => (503, json!({ "error": "it could not be done; the demo's log says why" })),
        }
    }
}

/// Notes how many clients each node has.
async fn ask_nodes(statuses: Statuses) {
    let mut turn = time::interval(ASK_INTERVAL);
    turn.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    loop {
        turn.tick().await;
        let running: Vec<_> = (statuses.get().iter().enumerate())
            .filter(|(_, it)| it.state == NodeState::Running)
            .filter_map(|(place, it)| Some((place, it.pid, it.address?)))
            .collect();
        for (place, pid, address) in running {
            let health = call(address, "", "GET /health", &Value::Null).await;
            let connections = health.ok().and_then(|it| it["connections"].as_u64());
            if let Some(status) = statuses.get().get_mut(place)
                && (status.pid, status.state) == (pid, NodeState::Running)
            {
                status.connections = connections;
            }
        }
    }
}
