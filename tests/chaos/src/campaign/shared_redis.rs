//! The Redis of a schedule's nodes, and each node's line to it.

use std::net::SocketAddr;

use foodtrack_history_checker::What;
use test_support::{Line, RedisServer};

use super::plan::Disturbance;
use crate::hub::{HubError, free_address, freeze, thaw};
use crate::recorder::Recorder;

/// What is acknowledged is on disk: then a crash costs nothing.
const KEEPS: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];
/// Less than an empty server has.
const NO_MEMORY: &str = "CONFIG SET maxmemory 1";
const ALL_MEMORY: &str = "CONFIG SET maxmemory 0";

/// A Redis that can be disturbed.
pub(super) struct SharedRedis {
    server: RedisServer,
    lines: Vec<Line>,
    recorder: Recorder,
    is_to_run: bool,
}

impl SharedRedis {
    /// Starts one with a line for each node; `None` where none is installed.
    ///
    /// # Errors
    /// There is no free port.
    pub(super) fn start(nodes: usize, recorder: &Recorder) -> Result<Option<Self>, HubError> {
        let what = || String::from("finding a port for Redis");
        let address = free_address().map_err(|source| HubError::Io { what: what(), source })?;
        let server = RedisServer::start_on(address.port(), &KEEPS);
        Ok(server.map(|server| Self {
            server,
            lines: (0..nodes).map(|_| Line::to(address)).collect(),
            recorder: recorder.clone(),
            is_to_run: true,
        }))
    }

    /// Where a node finds it.
    pub(super) fn address_for(&self, node: usize) -> SocketAddr {
        self.lines[node].address()
    }

    pub(super) fn is_up(&self) -> bool {
        self.server.answers()
    }

    /// Disturbs it, or lets it be; the nodes themselves are their supervisors'.
    pub(super) fn take(&mut self, disturbance: Disturbance) {
        self.recorder.note(What::LogDisturbed { about: format!("{disturbance:?}") });
        match disturbance {
            Disturbance::Freeze(_) | Disturbance::Thaw(_) => {}
            Disturbance::CutLine(node) => self.lines[node].cut(),
            Disturbance::SlowLine(node, delay) => self.lines[node].slow_down(delay),
            Disturbance::MendLine(node) => self.lines[node].mend(),
            Disturbance::BreakLine(node) => self.lines[node].break_connections(),
            // Both fail for a server that has ended by itself. One that was killed has no number any more.
            Disturbance::FreezeRedis if self.is_to_run => _ = freeze(self.server.pid()),
            Disturbance::ThawRedis if self.is_to_run => _ = thaw(self.server.pid()),
            Disturbance::FreezeRedis | Disturbance::ThawRedis => {}
            Disturbance::KillRedis => {
                self.server.kill();
                self.is_to_run = false;
            }
            Disturbance::StartRedis => {
                if !std::mem::replace(&mut self.is_to_run, true) {
                    self.server.spawn_again();
                }
            }
            Disturbance::FillRedis => self.server.tell(NO_MEMORY),
            Disturbance::FreeRedis => self.server.tell(ALL_MEMORY),
        }
    }
}
