//! The processes of a run: when they start, hang and end, which of them hears what comes, and what they send.

use std::collections::{BTreeSet, VecDeque};

use foodtrack_history_checker::What;
use foodtrack_session::HeartbeatConfig;

use super::{HubSettings, Run};
use crate::{Arrival, Counted, End, LinkIndex, LogModel, ModelTime, Node, Output, Packet, Tear};

/// The wall clock at the beginning of a run.
const WALL_MS: u64 = 1_764_000_000_000;
/// How long a process of several stays that was asked to stop: until it owes nobody an answer.
const STOPS_WITHIN_MS: u64 = 1_500;

/// One of a run's nodes, whatever becomes of its process.
pub(super) struct Process {
    pub(super) node: Option<Node>,
    /// When the process is started again.
    pub(super) starts_at_ms: Option<u64>,
    /// When a process ends that was asked to stop, and for how long it is away then.
    stops_at_ms: Option<(u64, u64)>,
    /// Until then it is suspended.
    hangs_until_ms: u64,
    /// What came meanwhile.
    inbox: VecDeque<(LinkIndex, Arrival<Packet>)>,
    next_client: u32,
    /// Links that the process knows.
    pub(super) open_links: BTreeSet<LinkIndex>,
    pub(super) clock_offset_ms: i64,
}

impl Process {
    /// One that starts at once.
    pub(super) fn new() -> Self {
        Self {
            node: None,
            starts_at_ms: Some(0),
            stops_at_ms: None,
            hangs_until_ms: 0,
            inbox: VecDeque::new(),
            next_client: 0,
            open_links: BTreeSet::new(),
            clock_offset_ms: 0,
        }
    }

    fn hangs(&self, now_ms: u64) -> bool {
        now_ms < self.hangs_until_ms
    }

    /// Whether new connections are given to it.
    fn is_listening(&self) -> bool {
        self.node.is_some() && self.stops_at_ms.is_none()
    }

    /// Whether it is there, and neither hangs nor stops.
    fn is_well(&self, now_ms: u64) -> bool {
        self.is_listening() && !self.hangs(now_ms)
    }

    /// When something happens to it next.
    fn next_ms(&self, now_ms: u64) -> Option<u64> {
        if self.node.is_some() && self.hangs(now_ms) {
            return Some(self.hangs_until_ms);
        }
        let node = self.node.as_ref().and_then(Node::next_ms);
        let stops_at_ms = self.stops_at_ms.map(|(at_ms, _)| at_ms);
        [node, stops_at_ms, self.starts_at_ms].into_iter().flatten().min()
    }
}

impl Run<'_> {
    pub(super) fn time_of(&self, process: usize) -> ModelTime {
        let offset_ms = self.processes.get(process).map_or(0, |it| it.clock_offset_ms);
        let believed_ms = WALL_MS + self.now_ms;
        let wall_ms = believed_ms.saturating_add_signed(offset_ms);
        ModelTime { monotonic_ms: self.now_ms, wall_ms, believed_ms }
    }

    /// Whether every node is there, and neither hangs nor stops.
    pub(super) fn are_well(&self) -> bool {
        self.processes.iter().all(|it| it.is_well(self.now_ms))
    }

    /// When something happens to a process next.
    pub(super) fn next_of_processes_ms(&self) -> Option<u64> {
        self.processes.iter().filter_map(|it| it.next_ms(self.now_ms)).min()
    }

    /// Starts those, ends those and lets those go on whose time has come.
    pub(super) fn tend_processes(&mut self) {
        for process in 0..self.processes.len() {
            let state = &mut self.processes[process];
            if state.starts_at_ms.is_some_and(|at_ms| at_ms <= self.now_ms) {
                self.start_process(process);
            }
            let state = &mut self.processes[process];
            if let Some((at_ms, down_ms)) = state.stops_at_ms
                && at_ms <= self.now_ms
            {
                self.end_process(process, down_ms);
            }
            self.catch_up_on_inbox(process);
        }
    }

    fn catch_up_on_inbox(&mut self, process: usize) {
        if self.processes[process].hangs(self.now_ms) {
            return;
        }
        while let Some((link, arrival)) = self.processes[process].inbox.pop_front() {
            self.process_hears(process, link, arrival);
        }
    }

    /// Gives every process that is not suspended a turn.
    pub(super) fn wake_processes(&mut self) {
        for process in 0..self.processes.len() {
            let time = self.time_of(process);
            let state = &mut self.processes[process];
            if !state.hangs(self.now_ms)
                && let Some(node) = &mut state.node
            {
                node.wake(time);
            }
        }
        self.carry_out();
    }

    fn start_process(&mut self, process: usize) {
        self.starts += 1;
        let state = &mut self.processes[process];
        state.starts_at_ms = None;
        let settings = HubSettings {
            seed: self.plan.seed ^ (self.starts << 8),
            asks: self.plan.asks,
            forgets: self.plan.forgets,
            fault: self.fault,
        };
        let Some(hub) = (self.make_hub)(&self.log, process, settings) else { return };
        let heartbeat = HeartbeatConfig {
            interval_ms: self.plan.heartbeat_ms,
            timeout_ms: self.plan.heartbeat_ms / 2 + 2 * self.plan.latency_ms_max,
            missed_max: 2,
        };
        let mut node = Node::new(self.plan.seed ^ self.starts, state.next_client, heartbeat, hub);
        node.clients_mut().plant(self.fault);
        state.node = Some(node);
        self.note(match self.log {
            LogModel::Disk(_) => What::HubUp,
            LogModel::Stream(_) => What::NodeUp { node: process },
        });
    }

    /// Ends a process: what it had on links goes the way of all that a dead process leaves.
    pub(super) fn end_process(&mut self, process: usize, down_ms: u64) {
        let state = &mut self.processes[process];
        let Some(node) = state.node.take() else { return };
        self.coverage.add(Counted::Upgraded, node.upgrades());
        state.next_client = node.next_client();
        (state.stops_at_ms, state.hangs_until_ms) = (None, 0);
        state.starts_at_ms = Some(self.now_ms + down_ms);
        let unheard = std::mem::take(&mut state.inbox).into_iter().map(|(link, _)| link);
        let links: BTreeSet<_> =
            std::mem::take(&mut state.open_links).into_iter().chain(unheard).collect();
        for link in links {
            self.network.tear(self.now_ms, link, Tear::Reset);
        }
        self.replaces_disk_at_ms = None;
    }

    /// Kills a process of several.
    pub(super) fn kill_node(&mut self, process: usize, down_ms: u64) {
        if self.processes.get(process).is_some_and(|it| it.node.is_some()) {
            self.coverage.add(Counted::Killed, 1);
            self.end_process(process, down_ms);
            self.note(What::NodeKilled { node: process });
        }
    }

    /// Asks a process of several to stop.
    pub(super) fn stop_node(&mut self, process: usize, down_ms: u64) {
        let (time, now_ms) = (self.time_of(process), self.now_ms);
        let Some(state) = self.processes.get_mut(process) else { return };
        if !state.is_well(now_ms) {
            return;
        }
        let Some(node) = &mut state.node else { return };
        self.coverage.add(Counted::Stopped, 1);
        state.stops_at_ms = Some((now_ms + STOPS_WITHIN_MS, down_ms));
        node.drain(time);
        self.note(What::NodeStopping { node: process });
        self.carry_out();
    }

    /// Suspends a process.
    pub(super) fn hang_node(&mut self, process: usize, ms: u64) {
        let now_ms = self.now_ms;
        if let Some(state) = self.processes.get_mut(process).filter(|it| it.node.is_some()) {
            state.hangs_until_ms = state.hangs_until_ms.max(now_ms + ms);
            self.coverage.add(Counted::Hung, 1);
            self.note(What::LogDisturbed { about: format!("node {process} hangs"), for_ms: 0 });
        }
    }

    /// Something has come to the hub: of several nodes, to the one whose session it is about, or to any.
    pub(super) fn node_hears(&mut self, link: LinkIndex, arrival: Arrival<Packet>) {
        match &arrival {
            Arrival::Packet(packet) => {
                let Some(process) = self.node_for(link, packet) else {
                    // Nobody listens: the kernel says so.
                    return self.network.tear(self.now_ms, link, Tear::Reset);
                };
                self.node_of.entry(link).or_default().insert(process);
                self.give(process, link, arrival);
            }
            Arrival::Closed => {
                for process in self.node_of.remove(&link).unwrap_or_default() {
                    self.give(process, link, Arrival::Closed);
                }
            }
        }
    }

    fn give(&mut self, process: usize, link: LinkIndex, arrival: Arrival<Packet>) {
        match self.processes[process].hangs(self.now_ms) {
            true => self.processes[process].inbox.push_back((link, arrival)),
            false => self.process_hears(process, link, arrival),
        }
    }

    /// Whose it is. A balancer gives what begins to one node after the other; a session's id says where it is.
    fn node_for(&mut self, link: LinkIndex, packet: &Packet) -> Option<usize> {
        let sid = match packet {
            Packet::Poll { sid, .. } | Packet::Post { sid, .. } => Some(sid),
            Packet::OpenWebSocket(sid) => sid.as_ref(),
            _ => None,
        };
        let knows = |sid: &String| {
            let knows = |node: &Node| node.knows(sid);
            self.processes.iter().position(|it| it.node.as_ref().is_some_and(knows))
        };
        if let Packet::Text(_) = packet {
            let nodes = self.node_of.get(&link)?;
            return nodes.iter().copied().find(|node| self.processes[*node].node.is_some());
        }
        sid.and_then(knows).or_else(|| {
            let count = self.processes.len();
            let from = self.next_node;
            let next = (from..from + count).map(|it| it % count);
            let next = next.into_iter().find(|it| self.processes[*it].is_listening())?;
            self.next_node = next + 1;
            Some(next)
        })
    }

    fn process_hears(&mut self, process: usize, link: LinkIndex, arrival: Arrival<Packet>) {
        let time = self.time_of(process);
        let state = &mut self.processes[process];
        let Some(node) = &mut state.node else { return };
        match arrival {
            Arrival::Packet(packet) => {
                state.open_links.insert(link);
                node.arrived(time, link, packet);
                let acknowledged = node.take_acknowledged();
                self.note_acknowledged(link, &acknowledged);
            }
            Arrival::Closed => {
                state.open_links.remove(&link);
                node.link_closed(time, link);
            }
        }
        self.carry_out();
    }

    /// Puts what processes send on their links.
    pub(super) fn carry_out(&mut self) {
        for process in 0..self.processes.len() {
            let state = &mut self.processes[process];
            let Some(node) = &mut state.node else { continue };
            for output in node.take_outputs() {
                match output {
                    Output::Send(link, packet) => {
                        let is_answer = matches!(packet, Packet::Answer(_));
                        self.coverage.add(Counted::Polled, u64::from(is_answer));
                        self.network.send(self.now_ms, link, End::Client, packet);
                    }
                    Output::Close(link) => {
                        self.processes[process].open_links.remove(&link);
                        self.network.tear(self.now_ms, link, Tear::Close(End::Server));
                    }
                }
            }
        }
    }

    /// A proxy closed a link: whoever knows it hears of that.
    pub(super) fn close_link(&mut self, link: LinkIndex) {
        for process in self.node_of.remove(&link).unwrap_or_default() {
            self.give(process, link, Arrival::Closed);
        }
    }

    /// Nodes go on, and reach what they share, from now on.
    pub(super) fn heal_nodes(&mut self) {
        let now_ms = self.now_ms;
        for state in &mut self.processes {
            state.hangs_until_ms = state.hangs_until_ms.min(now_ms);
        }
        let lines = self.log.stream().map(|it| it.lines().to_vec());
        lines.into_iter().flatten().for_each(|line| line.mend());
    }
}
