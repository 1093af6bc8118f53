//! Clients that come, and by what they are reached.

use foodtrack_session::{EngineSession, LinkId};

use super::Reactor;
use crate::client::{Client, HandshakeInfo, Protocol};
use crate::deadlines::{Timer, millis};
use crate::form::Form;
use crate::outbox::FanoutState;

impl Reactor {
    /// Makes a client, with its heartbeat; it is reached by nothing yet.
    pub(super) fn add_client(
        &mut self,
        protocol: Protocol,
        engine: EngineSession,
        handshake: Option<Box<HandshakeInfo>>,
    ) -> u32 {
        let sid = self.sid_source.next();
        let sid = self.config.node.as_ref().map_or(sid, |node| node.mark(&sid));
        let client = Client::new(protocol, sid, engine, handshake);
        self.insert_client(client)
    }

    /// Takes a client in; its heartbeat begins.
    pub(super) fn insert_client(&mut self, client: Client) -> u32 {
        let beat_ms = self.deadlines.now_ms() + self.config.heartbeat.interval_ms;
        let protocol = client.protocol();
        let client = self.clients.insert(client);
        let index = client as usize;
        if self.fanout.len() <= index {
            self.fanout.resize(index + 1, FanoutState::FREE);
        }
        let key = self.clients.key(client);
        self.fanout[index] = FanoutState::of(key);
        if protocol != Protocol::WebSocket {
            self.deadlines.schedule(beat_ms, Timer::Heartbeat(key));
        }
        client
    }

    pub(super) fn schedule_connect(&mut self, client: u32) {
        let timeout_ms = millis(self.config.limits.connect_timeout);
        let state = &mut self.clients[client as usize];
        let is_stranger = state.is_stranger();
        let now_ms = self.deadlines.now_ms();
        let deadline_ms = state.joining.begin_try(is_stranger, timeout_ms, now_ms);
        if state.protocol().has_namespaces() && state.joining.time() {
            self.deadlines.schedule(deadline_ms, Timer::Connect(state.key(client)));
        }
    }

    /// Makes a link the client's WebSocket, frames straight from the turn's buffer.
    pub(super) fn become_websocket(&mut self, link: LinkId, client: u32) {
        if let Some(state) = self.links.get_mut(link) {
            state.become_websocket(client);
        }
        self.fanout[client as usize].attach(link);
        self.settle_mode(client);
        if !self.clients[client as usize].is_stranger() {
            self.make_known(link);
        }
    }

    /// Finds the way by which the client's frames go from now on.
    pub(super) fn settle_mode(&mut self, client: u32) {
        let state = &self.clients[client as usize];
        let is_text = Form::of(state.session.parser(), false) == Form::WebSocketText;
        let direct = is_text && self.takes_ranges(client);
        self.fanout[client as usize].settle(direct);
    }

    /// Whether the client's socket is written from the turn's buffer: a WebSocket without a backlog.
    pub(super) fn takes_ranges(&self, client: u32) -> bool {
        let state = &self.clients[client as usize];
        let takes_more = |link| self.links.get(link).is_some_and(|link| !link.output.is_blocked());
        state.queue().is_none() && state.engine.websocket_link().is_some_and(takes_more)
    }
}
