//! How clients end: what they and the application are told, and what is left of a session that polled.

use std::time::{Duration, Instant};

use foodtrack_session::{CloseReason, End, Leave, LinkId};
use foodtrack_wire::rfc6455::ProtocolError;

use super::Reactor;
use super::application::Application;
use crate::client::Protocol;
use crate::deadlines::Timer;
use crate::outbox::FanoutState;

/// How long those who take what they missed are served in a turn; who is left has the next one. Everybody else waits no longer than that,
/// however many come back at once.
const DRAINED_TIME: Duration = Duration::from_millis(2);

impl Reactor {
    /// Lets go of the clients that were closed in this turn.
    pub(super) fn finish_closing<A: Application>(&mut self, app: &mut A) {
        // The application may close others while it is told.
        while let Some(client) = self.clients.next_to_let_go() {
            let Some(state) = self.clients.get(client as usize) else { continue };
            let Some(Leave { reason, is_news }) = state.engine.leave() else { continue };
            if is_news {
                app.closed(self, self.key(client), reason);
                // What it sent to others meanwhile goes out before this place can be another's.
                self.flush();
            }
            if !self.clients[client as usize].engine.stay_for_upgrade() {
                self.let_go(client, reason);
            }
        }
    }

    fn let_go(&mut self, client: u32, reason: CloseReason) {
        let Some((mut state, is_named)) = self.clients.remove(client) else { return };
        self.discount_client(&mut state);
        self.fanout[client as usize] = FanoutState::FREE;
        let (sid, is_stream) = (*state.sid(), state.protocol() == Protocol::EventStream);
        match state.end(reason, self.config.limits.payload_bytes_max) {
            End::WebSocket(link, code) => match (link, code) {
                (Some(link), Some(_)) if is_stream => self.drain_link(link),
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

    /// The peer says something on its stream of events.
    pub(super) fn fail_event_stream(&mut self, link: LinkId, client: u32) {
        self.flush();
        self.drain_link(link);
        self.link_lost(client, link, CloseReason::ProtocolError);
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

    /// Tells the application of clients without a backlog, and sends what it says to them, for their part of the turn. Who asks again
    /// meanwhile is told in the next turn, behind those who are left.
    pub(super) fn tell_drained<A: Application>(&mut self, app: &mut A) {
        let mut drained = self.clients.take_drained();
        if drained.is_empty() {
            return;
        }
        let began = Instant::now();
        let mut served = 0;
        for &client in &drained {
            served += 1;
            let is_backlogged = self.is_backlogged(client);
            let Some(state) = self.clients.open(client) else { continue };
            if state.look_at_backlog(is_backlogged) {
                app.drained(self, client);
                self.flush_if_large();
                if began.elapsed() >= DRAINED_TIME {
                    break;
                }
            }
        }
        drained.drain(..served);
        self.clients.give_drained_back(drained);
        self.flush();
    }
}
