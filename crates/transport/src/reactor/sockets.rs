//! Sockets as such, whoever has them: kept, written, waited for, ended.

use foodtrack_session::LinkId;
use foodtrack_wire::rfc6455;

use super::Reactor;
use super::application::Flow;
use crate::deadlines::{Timer, millis};
use crate::door::DoorRefusal;
use crate::http_response::ResponseHead;
use crate::link::{Link, LinkKind};
use crate::turned_away::TurnedAway;

/// How long a closed socket may take to end its side.
const LINGER_MS: u64 = 1_000;
/// What a stranger's socket counts for beside what is buffered for it: its place here, and some of what the kernel keeps.
const SOCKET_BYTES: usize = 512;

impl Reactor {
    /// Takes a socket in and starts its patience.
    pub(super) fn add_link(&mut self, link: Link) -> Option<LinkId> {
        let link = match self.links.insert(self.poll.registry(), link) {
            Ok(link) => link,
            Err(error) => {
                tracing::warn!(%error, "cannot watch a connection");
                return None;
            }
        };
        self.count_socket(link);
        self.watch_link(link, self.handshake_deadline_ms());
        self.watch_output(link);
        Some(link)
    }

    /// Closes a socket without a word. Closing the descriptor takes it out of the poll.
    pub(super) fn drop_link(&mut self, link: LinkId) {
        if let Some(mut state) = self.links.remove(link) {
            self.let_go_of(link, &mut state);
        }
    }

    /// Makes the kernel forget a socket that it keeps for batched sends: it would keep the connection open, too.
    pub(super) fn let_go_of(&mut self, link: LinkId, state: &mut Link) {
        self.discount_socket(link, state);
        if state.is_streaming() {
            self.streams.lose(link);
        }
        if state.leave_ring()
            && let Some(ring) = &mut self.ring
        {
            ring.let_go(link.place());
        }
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

    /// A socket is counted in all, and for what it holds.
    pub(super) fn count_socket(&mut self, link: LinkId) {
        self.strangers.budget().add_socket();
        self.recount_link(link);
    }

    /// A socket goes: what it was counted for is free.
    pub(super) fn discount_socket(&mut self, link: LinkId, state: &mut Link) {
        self.strangers.budget().remove_socket();
        if state.standing.take_listed() {
            self.strangers.leave(state.peer().ip(), link);
        }
        self.strangers.replace_bytes(state.standing.count(0), 0);
    }

    pub(super) fn recount_link(&mut self, link: LinkId) {
        let Some(link) = self.links.get_mut(link) else { return };
        let is_known = link.standing.is_known();
        let now = match link.kind() {
            // What somebody known sends and is sent there has limits of its own.
            LinkKind::WebSocket { .. } | LinkKind::EventStream { .. } if is_known => 0,
            LinkKind::WebSocket { decoder, .. } => {
                SOCKET_BYTES + link.buffered_bytes() + decoder.held_bytes()
            }
            _ if is_known => link.buffered_bytes(),
            _ => SOCKET_BYTES + link.buffered_bytes(),
        };
        self.strangers.replace_bytes(link.standing.count(now), now);
    }

    /// Gives a link until `deadline_ms` to become something, to say what it wants, or to end.
    pub(super) fn watch_link(&mut self, link: LinkId, deadline_ms: u64) {
        let Some(state) = self.links.get_mut(link) else { return };
        if state.patience.set(deadline_ms) {
            self.deadlines.schedule(deadline_ms, Timer::Link(link));
        }
    }

    pub(super) fn handshake_deadline_ms(&self) -> u64 {
        self.deadlines.now_ms() + millis(self.config.limits.handshake_timeout)
    }

    /// Gives what waits for a link, if something does, its deadline.
    #[inline]
    pub(super) fn watch_output(&mut self, link: LinkId) {
        let now_ms = self.deadlines.now_ms();
        let Some(state) = self.links.get_mut(link) else { return };
        if state.output.time(now_ms) {
            let timeout_ms = millis(self.config.limits.write_timeout);
            self.deadlines.schedule(now_ms + timeout_ms, Timer::Output(link));
        }
    }

    /// Notes that a link is not read until its output is taken.
    pub(super) fn stall(&mut self, link: LinkId) {
        if let Some(link) = self.links.get_mut(link) {
            link.input.stall();
        }
    }

    pub(super) fn defer(&mut self, link: LinkId) {
        if let Some(state) = self.links.get_mut(link) {
            state.input.note_readable();
        }
        self.links.defer(link);
    }

    pub(super) fn pause(&mut self, link: LinkId, flow: Flow) {
        let pause_ms = if let Flow::PauseMs(pause_ms) = flow { pause_ms } else { 0 };
        let resume_ms = self.deadlines.now_ms() + u64::from(pause_ms);
        let Some(state) = self.links.get_mut(link) else { return };
        state.input.pause(resume_ms);
        if pause_ms > 0 {
            if state.input.time_resume() {
                self.deadlines.schedule(resume_ms, Timer::Resume(link));
            }
        } else {
            self.links.defer(link);
        }
    }

    /// Writes bytes on a link that is no client's transport (yet).
    pub(super) fn send_on_link(&mut self, link: LinkId, bytes: &[u8]) {
        let Some(state) = self.links.get_mut(link) else { return };
        match state.send(bytes) {
            Ok(()) if state.output.is_empty() && state.output.closes_when_sent() => {
                self.end_link(link);
            }
            Ok(()) => {}
            // Its end will be read, too.
            Err(_) => state.output.discard(),
        }
        self.watch_output(link);
        if self.links.get(link).is_some_and(|link| link.output.is_blocked()) {
            self.recount_link(link);
        }
    }

    /// Writes a whole response on a link.
    pub(super) fn respond_link(
        &mut self,
        link: LinkId,
        status: u16,
        headers: &[(&str, &[u8])],
        body: &[u8],
        keep_alive: bool,
    ) {
        self.respond_saying(link, status, headers, body.len(), body, keep_alive);
    }

    /// Writes a response that says the length of a body, and sends as much of it as there is: none, for HEAD.
    pub(super) fn respond_saying(
        &mut self,
        link: LinkId,
        status: u16,
        headers: &[(&str, &[u8])],
        body_bytes: usize,
        body: &[u8],
        keep_alive: bool,
    ) {
        let timeout = keep_alive.then_some(self.config.limits.keep_alive_timeout);
        let mut response = Vec::with_capacity(256 + body.len());
        let Some(state) = self.links.get_mut(link) else { return };
        let page = state.page();
        let head = ResponseHead { status, headers, page, keep_alive: timeout };
        head.write(&mut response, body_bytes);
        response.extend_from_slice(body);
        if !keep_alive {
            state.output.close_when_sent();
        }
        self.send_on_link(link, &response);
    }

    /// Tells a link that there is no room, and closes it.
    pub(super) fn turn_away(&mut self, link: LinkId, why: TurnedAway) {
        let (status, body) = why.answer();
        self.respond_link(link, status, &TurnedAway::HEADERS, body.as_bytes(), false);
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

    /// Counts and logs that whoever is on a link is refused.
    pub(super) fn note_refused(&self, link: LinkId, code: DoorRefusal) {
        if let Some(link) = self.links.get(link) {
            self.door.note(link.peer().ip(), code);
        }
    }
}
