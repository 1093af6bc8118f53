//! Long-polling on sockets: what a session's machine says of polls and upgrades, done to its connections.

use foodtrack_session::{Carrier, CloseReason, LastPacket, LinkId, PollAnswer, PollStep, Polling};

use super::Reactor;
use super::requests::TEXT;
use crate::client::ClientKey;
use crate::deadlines::Timer;
use crate::deadlines::millis;
use crate::engine_request::{EngineError, EngineRequest};
use crate::http::Head;
use crate::link::Waited;
use crate::links::Links;

impl Reactor {
    /// A poll: answered now, or when there is something to say.
    pub(super) fn poll_request(
        &mut self,
        link: LinkId,
        client: u32,
        request: &EngineRequest<'_>,
    ) -> Result<(), EngineError> {
        let state = &mut self.clients[client as usize];
        let step = state.engine.poll(request.id(), link, |link| carrier(&self.links, link));
        match step.ok_or(EngineError::BadRequest)? {
            PollStep::Again(answer) => self.respond_with_packets(link, request.head, &answer),
            PollStep::Conflict => {
                self.close(ClientKey(client), CloseReason::ProtocolError);
                return Err(EngineError::BadRequest);
            }
            PollStep::Waits { given_up, is_changing, .. } => {
                given_up.into_iter().flatten().for_each(|link| self.drop_link(link));
                self.let_poll_wait(link, client, request, is_changing);
            }
        }
        Ok(())
    }

    fn let_poll_wait(
        &mut self,
        link: LinkId,
        client: u32,
        request: &EngineRequest<'_>,
        is_changing: bool,
    ) {
        if let Some(state) = self.links.get_mut(link) {
            state.wait_for_answer(Some(client), Waited::new(request.head));
        }
        if is_changing {
            self.end_poll_for_upgrade(client);
        } else {
            self.outbox.mark(client, &mut self.fanout[client as usize]);
        }
    }

    /// Answers a poll that did not wait.
    pub(super) fn respond_with_packets(&mut self, link: LinkId, head: &Head<'_>, body: &[u8]) {
        self.stats.sent_bytes += body.len() as u64;
        self.respond_engine(link, head, 200, TEXT, body);
    }

    /// Answers a waiting poll with what is queued, then `last`.
    pub(super) fn answer_poll(&mut self, client: u32, last: Option<LastPacket>) {
        let state = &mut self.clients[client as usize];
        let held_entries = state.queue.as_ref().is_some_and(|queue| queue.held_entries());
        let bytes_max = self.config.limits.payload_bytes_max;
        let answer = state.engine.answer_poll(&mut state.queue, held_entries, bytes_max, last);
        let Some(answer) = answer else { return };
        self.write_poll_answer(&answer);
        self.note_drained(client);
    }

    /// Writes the answer to a poll that waited.
    pub(super) fn write_poll_answer(&mut self, answer: &PollAnswer) {
        let (link, body) = (answer.link, &answer.body);
        let Some(state) = self.links.get_mut(link) else { return };
        let Some(Waited { keep_alive, .. }) = state.end_wait() else { return };
        self.stats.sent_bytes += body.len() as u64;
        self.respond_poll(link, 200, TEXT, body, keep_alive);
        self.next_request(link);
    }

    /// Ends a waiting poll so that the client can move to its WebSocket.
    pub(super) fn end_poll_for_upgrade(&mut self, client: u32) {
        let empty = self.clients[client as usize].queue.is_none();
        self.answer_poll(client, empty.then_some(LastPacket::Noop));
    }

    /// Ends a waiting poll because the client closes its session.
    pub(super) fn end_poll_for_close(&mut self, client: u32) {
        self.answer_poll(client, Some(LastPacket::Noop));
    }

    /// The probed socket becomes the client's transport; what is queued goes out on it.
    pub(super) fn finish_upgrade(&mut self, client: u32, link: LinkId) {
        if let Some(answer) = self.clients[client as usize].engine.finish_upgrade(link) {
            self.write_poll_answer(&answer);
        }
        self.fanout[client as usize].attach(link);
        self.drain_queue(client, link);
        self.release_from_upgrade(client);
    }

    /// Gives an upgrade on a link its deadline.
    pub(super) fn watch_upgrade(&mut self, link: LinkId) {
        let deadline_ms = self.deadlines.now_ms() + millis(self.config.limits.upgrade_timeout);
        self.deadlines.schedule(deadline_ms, Timer::Upgrade(link));
    }

    /// An upgrade took too long: its socket closes, the client goes on polling.
    pub(super) fn abandon_upgrade(&mut self, link: LinkId) {
        let Some(client) = self.links.get_mut(link).and_then(|link| link.client()) else {
            return;
        };
        if self.end_upgrade(client, link) {
            self.drop_link(link);
        }
    }

    /// Lets go of a client's upgrade, if one is under way.
    pub(super) fn give_up_upgrade(&mut self, client: u32) {
        let Some(state) = self.clients.get(client as usize) else { return };
        if let Some(link) = state.engine.as_polling().and_then(Polling::probing) {
            self.end_upgrade(client, link);
            self.drop_link(link);
        }
    }

    /// A client's upgrade comes to nothing, where it is on this link, which is the caller's to close. Returns whether it was.
    pub(super) fn end_upgrade(&mut self, client: u32, link: LinkId) -> bool {
        let Some(state) = self.clients.get_mut(client as usize) else { return false };
        let was_there = state.engine.end_upgrade(link);
        if was_there {
            self.release_from_upgrade(client);
        }
        was_there
    }
}

/// What is known of a connection that carried an answer.
pub(super) fn carrier(links: &Links, link: LinkId) -> Carrier {
    match links.get(link) {
        None => Carrier::Ended,
        Some(link) if !link.output.is_empty() => Carrier::Untaken,
        Some(link) if link.has_ended() => Carrier::Ended,
        Some(_) => Carrier::Open,
    }
}
