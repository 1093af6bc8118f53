//! The Redis of a schedule's nodes, and each node's line to it.

mod servers;

use foodtrack_history_checker::What;
use test_support::Line;

use self::servers::Servers;
use super::plan::{Disturbance, RedisKind};
use crate::hub::{HubError, freeze, thaw};
use crate::recorder::Recorder;

/// How long a node waits for Redis before it calls it away.
const TIMEOUT_MS: u32 = 500;
/// Less than an empty server has.
const NO_MEMORY: &str = "CONFIG SET maxmemory 1";
const ALL_MEMORY: &str = "CONFIG SET maxmemory 0";

/// A Redis that can be disturbed: one server, or a master with a replica that takes its place.
pub(super) struct SharedRedis {
    servers: Servers,
    /// One for each node, where there is one server. Who is told by others where the master is finds it without a line.
    lines: Vec<Line>,
    recorder: Recorder,
    /// The server that does not run, and why: there is one such at most.
    down: Option<(usize, Down)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Down {
    Killed,
    Frozen,
}

impl SharedRedis {
    /// Starts one with a line for each node; `None` where none is installed.
    ///
    /// # Errors
    /// There is no free port.
    pub(super) fn start(
        kind: RedisKind,
        nodes: usize,
        recorder: &Recorder,
    ) -> Result<Option<Self>, HubError> {
        let Some(servers) = Servers::start(kind)? else { return Ok(None) };
        let lines = match &servers {
            Servers::One(server) => {
                let address = ([127, 0, 0, 1], server.port()).into();
                (0..nodes).map(|_| Line::to(address)).collect()
            }
            _ => Vec::new(),
        };
        Ok(Some(Self { servers, lines, recorder: recorder.clone(), down: None }))
    }

    /// How a node is configured to find it, as TOML.
    pub(super) fn config_for(&self, node: usize) -> String {
        let place = match self.lines.get(node) {
            Some(line) => format!("url = \"redis://{}\"", line.address()),
            None => self.servers.config(),
        };
        format!("[redis]\n{place}\ntimeoutMs = {TIMEOUT_MS}\n")
    }

    /// Whether it is as it was at the start: what is to be kept can be.
    pub(super) fn is_up(&self) -> bool {
        self.down.is_none() && self.servers.are_up()
    }

    /// Disturbs it, or lets it be; the nodes themselves are their supervisors'.
    pub(super) fn take(&mut self, disturbance: Disturbance) {
        let about = format!("{disturbance:?}");
        // It lasts until the one that ends it.
        self.recorder.note(What::LogDisturbed { about, for_ms: 0 });
        match disturbance {
            Disturbance::Freeze(_) | Disturbance::Thaw(_) => {}
            Disturbance::CutLine(node) => self.on_line(node, Line::cut),
            Disturbance::SlowLine(node, delay) => self.on_line(node, |line| line.slow_down(delay)),
            Disturbance::MendLine(node) => self.on_line(node, Line::mend),
            Disturbance::BreakLine(node) => self.on_line(node, Line::break_connections),
            Disturbance::FreezeRedis => self.freeze_master(),
            Disturbance::ThawRedis => self.thaw(),
            Disturbance::KillRedis => self.kill_master(),
            Disturbance::KillReplica => self.kill_replica(),
            Disturbance::StartRedis => self.start_again(),
            Disturbance::FailOver => {
                if self.down.is_none() {
                    self.may_be_replaced();
                    self.servers.fail_over();
                }
            }
            Disturbance::FillRedis => self.servers.tell(NO_MEMORY),
            Disturbance::FreeRedis => self.servers.tell(ALL_MEMORY),
        }
    }

    fn on_line(&self, node: usize, work: impl Fn(&Line)) {
        self.lines.get(node).into_iter().for_each(work);
    }

    /// Notes that what the replica does not have may be gone from now on, or at the end of that.
    pub(super) fn may_be_replaced(&self) {
        if self.servers.are_replicated() {
            self.recorder.note(What::LogReplaced);
        }
    }

    fn freeze_master(&mut self) {
        if self.down.is_none() {
            self.may_be_replaced();
            let at = self.servers.master();
            // It fails for a server that has ended by itself.
            let _ = freeze(self.servers.get(at).pid());
            self.down = Some((at, Down::Frozen));
        }
    }

    fn thaw(&mut self) {
        if let Some((at, Down::Frozen)) = self.down {
            let _ = thaw(self.servers.get(at).pid());
            self.down = None;
        }
    }

    fn kill_master(&mut self) {
        self.may_be_replaced();
        let at = self.down.map_or_else(|| self.servers.master(), |(at, _)| at);
        self.kill(at);
    }

    fn kill_replica(&mut self) {
        if self.down.is_none() && self.servers.are_replicated() {
            self.kill(1 - self.servers.master());
        }
    }

    fn kill(&mut self, at: usize) {
        self.servers.get_mut(at).kill();
        self.down = Some((at, Down::Killed));
    }

    fn start_again(&mut self) {
        if let Some((at, Down::Killed)) = self.down.take_if(|(_, how)| *how == Down::Killed) {
            self.servers.start_again(at);
        }
    }
}
