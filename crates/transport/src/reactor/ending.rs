//! How clients and sockets end: closes from either side, and the politeness due.

use foodtrack_session::{CloseReason, Closing, End, Leave, LinkId};
use foodtrack_wire::rfc6455::{self, ProtocolError};

use super::Reactor;
use super::application::Application;
use crate::client::ClientKey;
use crate::deadlines::Timer;
use crate::link::Link;
use crate::outbox::FanoutState;

/// How long a closed socket may take to end its side.
const LINGER_MS: u64 = 1_000;

impl Reactor {
    /// Ends a client: its transport closes after this turn's frames, and the application is told then. Clients of the
    /// library connect again by themselves, unless they were [disconnected](Reactor::disconnect) before.
    pub fn close(&mut self, client: ClientKey, reason: CloseReason) {
        let Some(state) = self.clients.get_mut(client.index()) else { return };
        match state.engine.close(reason) {
            Closing::Begun => {
                self.fanout[client.index()].close();
                self.clients.let_go_later(client.0);
            }
            Closing::Already => {}
            Closing::GiveUpUpgrade => self.give_up_upgrade(client.0),
        }
    }

    /// Lets go of the clients that were closed in this turn.
    pub(super) fn finish_closing<A: Application>(&mut self, app: &mut A) {
        // The application may close others while it is told.
        while let Some(client) = self.clients.next_to_let_go() {
            let Some(state) = self.clients.get(client as usize) else { continue };
            let Some(Leave { reason, is_news }) = state.engine.leave() else { continue };
            if is_news {
                app.closed(self, ClientKey(client), reason);
                // What it sent to others meanwhile goes out before this place can be another's.
                self.flush();
            }
            if !self.clients[client as usize].engine.stay_for_upgrade() {
                self.let_go(client, reason);
            }
        }
    }

    /// The upgrade of a client is over, one way or the other: nothing keeps it any more.
    pub(super) fn release_from_upgrade(&mut self, client: u32) {
        if self.clients.get(client as usize).is_some_and(|state| state.engine.is_kept_by_upgrade())
        {
            self.clients.let_go_later(client);
        }
    }

    fn let_go(&mut self, client: u32, reason: CloseReason) {
        let Some((mut state, is_named)) = self.clients.remove(client) else { return };
        self.discount_client(&mut state);
        self.fanout[client as usize] = FanoutState::FREE;
        let sid = *state.sid();
        match state.engine.end(reason, state.queue, self.config.limits.payload_bytes_max) {
            End::WebSocket(link, code) => match (link, code) {
                (Some(link), Some(code)) => self.close_websocket(link, code),
                (Some(link), None) => self.drop_link(link),
                (None, _) => {}
            },
            End::Polling { answer, probing, last } => {
                if let Some(answer) = answer {
                    self.write_poll_answer(&answer);
                }
                if let Some(link) = probing {
                    self.drop_link(link);
                }
                if let Some(last) = last {
                    let timer_ms = self.closed_polling.insert(sid, last, self.deadlines.now_ms());
                    if let Some(deadline_ms) = timer_ms {
                        self.deadlines.schedule(deadline_ms, Timer::ClosedPolling);
                    }
                    // Its next polls still find their way here.
                    return;
                }
            }
        }
        if is_named {
            self.sids.remove(&sid);
        }
    }

    pub(super) fn forget_closed(&mut self) {
        while let Some(sid) = self.closed_polling.expire(self.deadlines.now_ms()) {
            self.sids.remove(&sid);
        }
        if let Some(deadline_ms) = self.closed_polling.deadline_ms() {
            self.deadlines.schedule(deadline_ms, Timer::ClosedPolling);
        }
    }

    /// The peer broke the WebSocket protocol, or what is spoken over it.
    pub(super) fn fail_websocket(&mut self, link: LinkId, client: u32, error: &ProtocolError) {
        let reason = match error {
            ProtocolError::MessageTooBig { message_bytes_max } => {
                self.too_big(client, *message_bytes_max)
            }
            error => error.to_string(),
        };
        self.fail_link(link, client, error.close_code(), &reason);
    }

    /// The peer broke what is spoken over its WebSocket.
    pub(super) fn fail_protocol(&mut self, link: LinkId, client: u32) {
        self.fail_link(link, client, 1_002, "a packet breaks the Engine.IO or Socket.IO protocol");
    }

    /// Why a message is not taken, in no more than the 123 bytes of a close frame.
    pub(super) fn too_big(&self, client: u32, bytes_max: usize) -> String {
        let is_stranger =
            self.clients.get(client as usize).is_some_and(|client| client.is_stranger());
        match is_stranger {
            true => format!("a message before joining a namespace may have {bytes_max} bytes"),
            false => format!("a message may have {bytes_max} bytes (limits.payloadBytesMax)"),
        }
    }

    fn fail_link(&mut self, link: LinkId, client: u32, code: u16, reason: &str) {
        let Some(state) = self.clients.get(client as usize) else {
            return self.drop_link(link);
        };
        if state.engine.websocket_link() == Some(link) {
            self.flush();
            self.close_websocket_saying(link, code, reason);
            self.link_lost(client, link, CloseReason::ProtocolError);
        } else {
            self.end_upgrade(client, link);
            self.close_websocket_saying(link, code, reason);
        }
    }

    /// Sends a close frame and waits a little for the peer to end its side.
    pub(super) fn close_websocket(&mut self, link: LinkId, code: u16) {
        self.close_websocket_saying(link, code, "");
    }

    /// As [`Self::close_websocket`], with a reason of at most 123 bytes.
    pub(super) fn close_websocket_saying(&mut self, link: LinkId, code: u16, reason: &str) {
        let Some(state) = self.links.get_mut(link) else { return };
        if state.is_draining() {
            return;
        }
        let mut frame = Vec::with_capacity(8);
        rfc6455::write_close(&mut frame, code, reason);
        // A socket that takes nothing gets no close frame: it has not read what came before.
        if !state.output.is_blocked() {
            let _ = state.send(&frame);
        }
        self.drain_link(link);
    }

    /// Ends our side once everything is sent, throws away what still comes, and closes at the deadline at the latest.
    /// Closing at once would reset the connection, and the peer might lose what it has not read yet.
    pub(super) fn drain_link(&mut self, link: LinkId) {
        let deadline_ms = self.deadlines.now_ms() + LINGER_MS;
        let Some(state) = self.links.get_mut(link) else { return };
        state.begin_draining();
        if state.input.has_ended() {
            return self.drop_link(link);
        }
        if state.input.is_readable() {
            self.links.defer(link);
        }
        self.watch_link(link, deadline_ms);
    }

    /// Everything was sent on a link that closes then.
    pub(super) fn end_link(&mut self, link: LinkId) {
        let Some(state) = self.links.get_mut(link) else { return };
        state.output.take_close();
        self.drain_link(link);
    }

    /// Takes a socket out of this shard, to be given to another.
    pub(super) fn take_link(&mut self, link: LinkId) -> Option<Link> {
        let mut state = self.links.remove(link)?;
        self.let_go_of(link, &mut state);
        if let Err(error) = state.deregister(self.poll.registry()) {
            tracing::warn!(%error, "cannot hand a connection over");
            return None;
        }
        Some(state)
    }
}
