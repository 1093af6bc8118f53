//! Long-polling on sockets: what a session's machine says of polls and upgrades, done to its connections.

use foodtrack_session::{Carrier, CloseReason, LastPacket, LinkId, PollAnswer, PollStep};

use super::Reactor;
use crate::deadlines::Timer;
use crate::deadlines::millis;
use crate::engine_request::{EngineError, EngineRequest};
use crate::http::Head;
use crate::http_response::TEXT;
use crate::link::{LinkKind, Waited};
use crate::links::Links;

impl Reactor {
    /// A poll: answered now, or when there is something to say.
    pub(super) fn poll_request(
        &mut self,
        link: LinkId,
        client: u32,
        request: &EngineRequest<'_>,
    ) -> Result<(), EngineError> {
        let now_ms = self.deadlines.now_ms();
        let state = &mut self.clients[client as usize];
        let step = state.engine.poll(request.id(), link, now_ms, |link| carrier(&self.links, link));
        match step.ok_or(EngineError::BadRequest)? {
            PollStep::Again(answer) => self.respond_with_packets(link, request.head, &answer),
            PollStep::Conflict => {
                self.close(self.key(client), CloseReason::ProtocolError);
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
        self.stats.note_sent(body.len());
        self.respond_poll(link, 200, TEXT, body, head.keep_alive);
    }

    /// Answers a waiting poll with what is queued, then `last`.
    pub(super) fn answer_poll(&mut self, client: u32, last: Option<LastPacket>) {
        let bytes_max = self.config.limits.payload_bytes_max;
        let answer = self.clients[client as usize].answer_poll(bytes_max, last);
        let Some(answer) = answer else { return };
        self.write_poll_answer(&answer);
        self.note_drained(client);
    }

    /// Writes the answer to a poll that waited.
    pub(super) fn write_poll_answer(&mut self, answer: &PollAnswer) {
        let (link, body) = (answer.link, &answer.body);
        let Some(state) = self.links.get_mut(link) else { return };
        let Some(Waited { keep_alive, .. }) = state.end_wait() else { return };
        self.stats.note_sent(body.len());
        self.respond_poll(link, 200, TEXT, body, keep_alive);
        self.next_request(link);
    }

    /// Ends a waiting poll so that the client can move to its WebSocket.
    pub(super) fn end_poll_for_upgrade(&mut self, client: u32) {
        let empty = self.clients[client as usize].queue().is_none();
        self.answer_poll(client, empty.then_some(LastPacket::Noop));
    }

    /// Ends a waiting poll because the client closes its session.
    pub(super) fn end_poll_for_close(&mut self, client: u32) {
        self.answer_poll(client, Some(LastPacket::Noop));
    }

    /// Gives an upgrade on a link its deadline.
    pub(super) fn watch_upgrade(&mut self, link: LinkId) {
        let deadline_ms = self.deadlines.now_ms() + millis(self.config.limits.upgrade_timeout);
        self.deadlines.schedule(deadline_ms, Timer::Upgrade(link));
    }

    /// A link is free for its next request, which may be here already.
    pub(super) fn next_request(&mut self, link: LinkId) {
        let Some(state) = self.links.get_mut(link) else { return };
        if state.input.has_more() {
            self.links.defer(link);
        }
        self.rest_link(link);
    }

    /// A request is answered: the next one may be a while.
    pub(super) fn rest_link(&mut self, link: LinkId) {
        let deadline_ms = self.deadlines.now_ms() + millis(self.config.limits.keep_alive_timeout);
        if let Some(state) = self.links.get_mut(link)
            && let LinkKind::Http = state.kind()
        {
            state.standing.rest();
            self.watch_link(link, deadline_ms);
        }
    }

    pub(super) fn respond_poll(
        &mut self,
        link: LinkId,
        status: u16,
        content_type: &[u8],
        body: &[u8],
        keep_alive: bool,
    ) {
        let headers = [("content-type", content_type), ("cache-control", b"no-store")];
        self.respond_link(link, status, &headers, body, keep_alive);
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
