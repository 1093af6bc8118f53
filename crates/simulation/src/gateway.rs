//! Engine.IO at a node, over model links: what the transport does with sockets, done with values.
//!
//! The decisions are the product's ([`EngineSession`], [`Session`]); this carries packets to them and their answers back, and
//! says as [`Call`]s what the application above is to be told.

mod client;
mod deadlines;
mod ending;
mod faults;
mod output;
mod requests;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use foodtrack_session::{
    CloseReason, ClosedPolling, Closing, HeartbeatConfig, LinkId, NamespaceId, Namespaces, Sid,
};

use crate::{ClientIndex, Fault, LinkIndex, ModelTime, Packet, Ticket};
use client::{Client, Queue};
pub use output::{Call, Output};

/// Bytes of a poll's answer.
const BODY_BYTES_MAX: usize = 4_096;
/// How many frames wait for a client that does not read, before it is closed.
const QUEUE_MAX: usize = 48;
/// How long after something of the log was sent its client is asked whether it arrived.
const CONFIRM_AFTER_MS: u64 = 1_000;
/// How long a client that was asked is not asked again.
const CONFIRM_PAUSE_MS: u64 = 5_000;
/// How long the answer to a CONNECT is held back by who breaks rule 8.
const HELD_MS: u64 = 100;
/// How long a client may take to ask to join.
const CONNECT_MS_MAX: u64 = 45_000;

/// The clients of a node, as the application above reaches them.
pub struct Clients {
    clients: BTreeMap<ClientIndex, Client>,
    by_sid: HashMap<Sid, ClientIndex>,
    closed: ClosedPolling<Queue>,
    /// Whose each link is.
    links: HashMap<LinkIndex, ClientIndex>,
    /// Links that have ended.
    ended: HashSet<LinkIndex>,
    heartbeat: HeartbeatConfig,
    namespaces: Namespaces,
    now: ModelTime,
    next_client: u32,
    rng: fastrand::Rng,
    outputs: Vec<Output>,
    calls: VecDeque<Call>,
    requests: BTreeMap<Ticket, LinkIndex>,
    next_ticket: u32,
    /// Clients that were closed in this turn.
    closing: Vec<ClientIndex>,
    fault: Option<Fault>,
}

impl Clients {
    /// Of a node without clients. `first_client` is above every number that an earlier process gave.
    pub fn new(seed: u64, first_client: u32, heartbeat: HeartbeatConfig) -> Self {
        Self {
            clients: BTreeMap::new(),
            by_sid: HashMap::new(),
            closed: ClosedPolling::default(),
            links: HashMap::new(),
            ended: HashSet::new(),
            heartbeat,
            namespaces: Namespaces::new(&["/"]),
            now: ModelTime::default(),
            next_client: first_client,
            rng: fastrand::Rng::with_seed(seed),
            outputs: Vec::new(),
            calls: VecDeque::new(),
            requests: BTreeMap::new(),
            next_ticket: 0,
            closing: Vec::new(),
            fault: None,
        }
    }

    /// Breaks a rule.
    pub(crate) fn plant(&mut self, fault: Option<Fault>) {
        self.fault = fault;
    }

    /// Whether a session of this id is open, or waits for its last poll.
    pub(crate) fn knows(&self, sid: &str) -> bool {
        let sid = Sid::parse(sid);
        sid.is_some_and(|sid| self.by_sid.contains_key(&sid) || self.closed.contains(&sid))
    }

    /// The number of the next client.
    pub(crate) fn next_client(&self) -> u32 {
        self.next_client
    }

    /// A random id.
    pub fn new_id(&mut self) -> Sid {
        let mut bytes = [0; Sid::RANDOM_BYTES];
        self.rng.fill(&mut bytes);
        Sid::from_random(bytes)
    }

    /// Lets a client in: `answer` is the JSON of the answer to its CONNECT.
    pub fn accept(&mut self, client: ClientIndex, answer: &str) {
        let Some(state) = self.clients.get_mut(&client) else { return };
        state.io.accept(NamespaceId::ROOT);
        state.is_joined = true;
        if self.fault == Some(Fault::ReplaysBeforeConnect) {
            state.held_answer = Some((self.now.monotonic_ms + HELD_MS, format!("40{answer}")));
            return;
        }
        self.send(client, &format!("0{answer}"), false);
    }

    /// Turns a client away: `error` is the JSON of the CONNECT_ERROR.
    pub fn refuse(&mut self, client: ClientIndex, error: &str) {
        let Some(state) = self.clients.get_mut(&client) else { return };
        state.io.refuse(NamespaceId::ROOT);
        self.send(client, &format!("4{error}"), false);
    }

    /// Sends a Socket.IO packet. `is_of_the_log`: the client is asked soon whether it arrived. Returns whether it was taken.
    pub fn send(&mut self, client: ClientIndex, packet: &str, is_of_the_log: bool) -> bool {
        let now_ms = self.now.monotonic_ms;
        let Some(state) = self.clients.get_mut(&client) else { return false };
        if state.engine.is_closing() {
            return false;
        }
        if is_of_the_log {
            state.holds_entries = true;
            state.confirm_at_ms.get_or_insert(now_ms + CONFIRM_AFTER_MS);
            state.is_confirm_due = true;
        }
        let packet = format!("4{packet}");
        match self.fault {
            Some(Fault::RunsAheadWithCursors) if is_of_the_log => {
                self.put(client, faults::ahead(packet));
            }
            Some(Fault::ReleasesOutOfOrder) if is_of_the_log => {
                // One waits until another has gone out in front of it.
                let before = state.held_back.replace(packet);
                if let Some(before) = before {
                    let newer = state.held_back.take();
                    newer.into_iter().chain([before]).for_each(|it| self.put(client, it));
                }
            }
            _ => self.put(client, packet),
        }
        true
    }

    /// Asks a client whether what it was sent has arrived: [`Call::Ponged`] brings the mark back.
    pub fn ping(&mut self, client: ClientIndex, mark: u64) {
        let now_ms = self.now.monotonic_ms;
        let Some(state) = self.clients.get_mut(&client) else { return };
        if state.engine.is_closing() || state.queue.as_ref().is_some_and(|queue| queue.holds_ping())
        {
            return;
        }
        state.engine.ping(mark, now_ms);
        self.put(client, String::from("2"));
        if self.fault == Some(Fault::ConfirmsOnWrite) && mark > 0 {
            // The second answer confirms what the first was marked with.
            self.calls.extend([Call::Ponged(client, mark), Call::Ponged(client, mark)]);
        }
    }

    /// Closes a client's transport.
    pub fn close(&mut self, client: ClientIndex, reason: CloseReason) {
        let Some(state) = self.clients.get_mut(&client) else { return };
        match state.engine.close(reason) {
            Closing::Begun => self.closing.push(client),
            Closing::Already => {}
            Closing::GiveUpUpgrade => {
                if let Some(link) = state.engine.as_polling().and_then(|it| it.probing()) {
                    self.drop_link(of_link(link));
                }
            }
        }
    }

    /// Ends a client for good: it is told.
    pub fn disconnect(&mut self, client: ClientIndex) {
        if let Some(state) = self.clients.get_mut(&client)
            && state.io.leave(NamespaceId::ROOT)
        {
            self.send(client, "1", false);
        }
        self.close(client, CloseReason::Disconnected);
    }

    /// Whether a client has yet to take something.
    pub fn is_backlogged(&self, client: ClientIndex) -> bool {
        self.clients.get(&client).is_some_and(|state| state.queue.is_some())
    }

    /// Has the application told once the client has taken everything.
    pub fn tell_when_drained(&mut self, client: ClientIndex) {
        let Some(state) = self.clients.get_mut(&client) else { return };
        if state.queue.is_none() {
            self.calls.push_back(Call::Drained(client));
        } else {
            state.tells_drained = true;
        }
    }

    /// Whether a client polls.
    pub fn is_polling(&self, client: ClientIndex) -> bool {
        self.clients.get(&client).is_some_and(|state| state.engine.is_polling())
    }

    /// When a client was last heard.
    pub fn heard_ms(&self, client: ClientIndex) -> u64 {
        self.clients.get(&client).map_or(0, |state| state.engine.heard_ms())
    }

    /// Answers a back end's request with the JSON of an answer.
    pub fn publish_answered(&mut self, ticket: Ticket, answer: String) {
        if let Some(link) = self.requests.remove(&ticket) {
            self.outputs.push(Output::Send(link, Packet::Answer(Some(answer))));
        }
    }

    /// Sends every client away.
    pub(crate) fn close_all(&mut self, reason: CloseReason) {
        let all: Vec<_> = self.clients.keys().copied().collect();
        all.into_iter().for_each(|client| self.close(client, reason));
    }

    pub(crate) fn set_now(&mut self, now: ModelTime) {
        self.now = now;
    }

    pub(crate) fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    pub(crate) fn next_call(&mut self) -> Option<Call> {
        self.calls.pop_front()
    }

    /// Until when a client's socket takes nothing.
    pub(crate) fn stall(&mut self, link: LinkIndex, until_ms: u64) {
        if let Some(state) = self.links.get(&link).and_then(|client| self.clients.get_mut(client)) {
            state.stalled_until_ms = until_ms;
        }
    }

    /// Puts a packet behind what a client was sent before, and sends what its transport takes.
    fn put(&mut self, client: ClientIndex, packet: String) {
        let Some(state) = self.clients.get_mut(&client) else { return };
        let queue = state.queue.get_or_insert_default();
        queue.push(packet);
        let is_slow = queue.len() > QUEUE_MAX && !state.engine.is_polling();
        if is_slow {
            return self.close(client, CloseReason::SlowReader);
        }
        if !state.is_marked {
            state.is_marked = true;
            self.calls.push_back(Call::Flush(client));
        }
    }

    /// Sends what a client's transport takes: at the end of a turn.
    pub(crate) fn flush(&mut self, client: ClientIndex) {
        let now_ms = self.now.monotonic_ms;
        let Some(state) = self.clients.get_mut(&client) else { return };
        state.is_marked = false;
        if state.engine.is_polling() {
            if state.queue.is_some() {
                self.answer_poll(client, None);
            }
            return;
        }
        let Some(link) = state.engine.websocket_link() else { return };
        if state.stalled_until_ms > now_ms {
            return;
        }
        if let Some(queue) = state.queue.take() {
            let all =
                queue.into_packets().map(|text| Output::Send(of_link(link), Packet::Text(text)));
            self.outputs.extend(all);
        }
        if std::mem::take(&mut state.tells_drained) {
            self.calls.push_back(Call::Drained(client));
        }
    }

    /// Who has joined.
    pub fn joined(&self) -> impl Iterator<Item = ClientIndex> {
        self.clients.iter().filter(|(_, state)| state.is_joined).map(|(client, _)| *client)
    }
}

fn link_id(link: LinkIndex) -> LinkId {
    LinkId::new(u32::try_from(link.number()).unwrap_or(u32::MAX), 1)
}

fn of_link(link: LinkId) -> LinkIndex {
    LinkIndex::from_number(link.place() as usize)
}

fn text_of(body: Vec<u8>) -> String {
    String::from_utf8(body).unwrap_or_default()
}
