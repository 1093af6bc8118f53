//! Long-polling: polls, their answers, and leaving them for a WebSocket.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use foodtrack_wire::engine_io::SEPARATOR;

use crate::client::{ClientKey, CloseReason, Transport};
use crate::deadlines::Timer;
use crate::delivery_queue::DeliveryQueue;
use crate::engine_request::{EngineError, EngineRequest};
use crate::frame::each_server_frame;
use crate::http::Head;
use crate::limits::POLL_PACKETS_MAX;
use crate::link::LinkKind;
use crate::reactor::{Reactor, millis};
use crate::repeats::Carrier;
use crate::requests::TEXT;

impl Reactor {
    /// A poll: answered now, or when there is something to say.
    pub(crate) fn poll_request(
        &mut self,
        link: u32,
        client: u32,
        request: &EngineRequest<'_>,
    ) -> Result<(), EngineError> {
        let Transport::Polling(polling) = &self.clients[client as usize].transport else {
            return Err(EngineError::BadRequest);
        };
        let id = request.id();
        let before = polling.repeats.answered_on();
        if let Some(answer) = polling.repeats.answer_to(id).map(<[u8]>::to_vec) {
            if self.was_lost(before, link) {
                self.respond_with_packets(link, request.head, &answer);
                let carrier = self.carrier(link);
                if let Transport::Polling(polling) = &mut self.clients[client as usize].transport {
                    polling.repeats.keep_answer(answer, carrier);
                }
                return Ok(());
            }
            if before.is_some_and(|before| before.link != link) {
                // By a proxy's other connection it may be the same request all the same: a pong must not claim the answer.
                let state = &mut self.clients[client as usize];
                state.pings.forget_mark();
                state.is_unproven = true;
            }
        }
        // Who asks on has read the answer before, or wants it no more: no session has more than one that is not taken.
        if let Some(before) = before.filter(|before| before.link != link)
            && self.link_of(before.link, before.serial).is_some_and(|link| !link.unsent.is_empty())
        {
            self.drop_link(before.link);
        }
        let Transport::Polling(polling) = &mut self.clients[client as usize].transport else {
            return Err(EngineError::BadRequest);
        };
        // Where the one that waits is repeated, the client has lost its socket.
        let abandoned = polling.waiting.filter(|_| polling.repeats.is_last_poll(id));
        if polling.waiting != abandoned {
            // Two polls at once: somebody else may hold the id. The session ends.
            self.close(ClientKey(client), CloseReason::ProtocolError);
            return Err(EngineError::BadRequest);
        }
        polling.repeats.begin_poll(id);
        polling.waiting = Some(link);
        let answered = polling.is_changing();
        if let Some(abandoned) = abandoned {
            self.drop_link(abandoned);
        }
        if let Some(state) = self.links.get_mut(link as usize) {
            state.kind = LinkKind::HttpBusy {
                client: Some(client),
                keep_alive: request.head.keep_alive,
                head_only: false,
            };
        }
        if answered {
            self.end_poll_for_upgrade(client);
        } else {
            self.outbox.mark(client, &mut self.hot[client as usize]);
        }
        Ok(())
    }

    /// Answers a poll that did not wait.
    pub(crate) fn respond_with_packets(&mut self, link: u32, head: &Head<'_>, body: &[u8]) {
        self.stats.sent_bytes += body.len() as u64;
        self.respond_engine(link, head, 200, TEXT, body);
    }

    /// Answers a waiting poll with what is queued, then `last`. Returns whether a poll was waiting.
    pub(crate) fn answer_poll(&mut self, client: u32, last: Option<&[u8]>) -> bool {
        let state = &mut self.clients[client as usize];
        let Transport::Polling(polling) = &state.transport else { return false };
        if polling.waiting.is_none() {
            return false;
        }
        if !polling.repeats.is_repeatable() {
            // Whether this arrives will never be known, so a pong must not claim it.
            state.pings.forget_mark();
            state.is_unproven |= state.queue.as_ref().is_some_and(|queue| queue.held_entries());
        }
        let body = poll_body(&mut state.queue, self.config.limits.payload_bytes_max, last);
        self.end_poll(client, body);
        self.note_drained(client);
        true
    }

    /// Answers a waiting poll with a body, and keeps it for the case that the poll is repeated.
    pub(crate) fn end_poll(&mut self, client: u32, body: Vec<u8>) {
        let Transport::Polling(polling) = &mut self.clients[client as usize].transport else {
            return;
        };
        let Some(link) = polling.waiting.take() else { return };
        self.write_poll_answer(link, &body);
        let carrier = self.carrier(link);
        if let Transport::Polling(polling) = &mut self.clients[client as usize].transport {
            polling.repeats.keep_answer(body, carrier);
        }
    }

    /// A link as the carrier of an answer.
    pub(crate) fn carrier(&self, link: u32) -> Option<Carrier> {
        self.links.get(link as usize).map(|state| Carrier { link, serial: state.serial })
    }

    /// Whether the answer on a carrier may not have arrived, now that a request with the same `t` comes on `link`: the
    /// carrier is gone, or has not taken all of it.
    pub(crate) fn was_lost(&mut self, carrier: Option<Carrier>, link: u32) -> bool {
        let Some(carrier) = carrier else { return true };
        let Some(state) = self.link_of(carrier.link, carrier.serial) else { return true };
        if carrier.link == link {
            return false;
        }
        // Its end may not have been read yet.
        state.has_ended() || !state.unsent.is_empty()
    }

    fn write_poll_answer(&mut self, link: u32, body: &[u8]) {
        self.stats.sent_bytes += body.len() as u64;
        let Some(state) = self.links.get_mut(link as usize) else { return };
        let LinkKind::HttpBusy { keep_alive, .. } = state.kind else { return };
        let serial = state.serial;
        state.kind = LinkKind::Http;
        self.respond_poll(link, 200, TEXT, body, keep_alive);
        self.next_request(link, serial);
    }

    /// Ends a waiting poll so that the client can move to its WebSocket.
    pub(crate) fn end_poll_for_upgrade(&mut self, client: u32) {
        let empty = self.clients[client as usize].queue.is_none();
        self.answer_poll(client, empty.then_some(b"6"));
    }

    /// Ends a waiting poll because the client closes its session.
    pub(crate) fn end_poll_for_close(&mut self, client: u32) {
        self.answer_poll(client, Some(b"6"));
    }

    /// The probed socket becomes the client's transport; what is queued goes out on it.
    pub(crate) fn finish_upgrade(&mut self, client: u32, link: u32) {
        let state = &mut self.clients[client as usize];
        let Transport::Polling(polling) = &mut state.transport else { return };
        debug_assert!(polling.is_changing());
        // Who has said goodbye to polling may not read what a last poll brings.
        self.end_poll(client, b"6".to_vec());
        self.clients[client as usize].transport = Transport::WebSocket { link };
        self.hot[client as usize].link = link;
        self.drain_queue(client, link);
        self.end_parting(client);
    }

    /// Gives an upgrade on a link its deadline.
    pub(crate) fn watch_upgrade(&mut self, link: u32, serial: u32) {
        let deadline_ms = self.now_ms + millis(self.config.limits.upgrade_timeout);
        self.wheel.schedule(deadline_ms, Timer::Upgrade { link, serial });
    }

    /// An upgrade took too long: its socket closes, the client goes on polling.
    pub(crate) fn abandon_upgrade(&mut self, link: u32, serial: u32) {
        let Some(client) = self.link_of(link, serial).and_then(|link| link.client()) else {
            return;
        };
        if self.end_upgrade(client, link) {
            self.drop_link(link);
        }
    }

    /// Lets go of a client's upgrade, if one is under way.
    pub(crate) fn give_up_upgrade(&mut self, client: u32) {
        let Some(state) = self.clients.get(client as usize) else { return };
        let Transport::Polling(polling) = &state.transport else { return };
        if let Some(link) = polling.upgrade.as_ref().map(|upgrade| upgrade.link) {
            self.end_upgrade(client, link);
            self.drop_link(link);
        }
    }

    /// A client's upgrade comes to nothing, where it is on this link, which is the caller's to close. Returns whether it was.
    pub(crate) fn end_upgrade(&mut self, client: u32, link: u32) -> bool {
        let Some(state) = self.clients.get_mut(client as usize) else { return false };
        let Transport::Polling(polling) = &mut state.transport else { return false };
        let was_there = polling.upgrade.take_if(|upgrade| upgrade.link == link).is_some();
        if was_there {
            self.end_parting(client);
        }
        was_there
    }
}

/// Takes off a backlog what one answer may hold (the payload limit, but at least one packet), and puts `last` behind it.
pub(crate) fn poll_body(
    backlog: &mut Option<Box<DeliveryQueue>>,
    bytes_max: usize,
    last: Option<&[u8]>,
) -> Vec<u8> {
    let mut body = Vec::new();
    if let Some(queue) = backlog {
        let packets_max = POLL_PACKETS_MAX - usize::from(last.is_some());
        let mut packets = 0;
        // Base64 makes binary a third longer.
        while let Some((next_bytes, next_packets)) = queue.peek()
            && (body.is_empty()
                || body.len() + next_bytes * 4 / 3 <= bytes_max
                    && packets + next_packets <= packets_max)
            && let Some(outgoing) = queue.pop()
        {
            packets += next_packets;
            each_server_frame(outgoing.bytes(), |is_text, payload| {
                append_polled(&mut body, is_text, payload);
            });
        }
        if queue.is_empty() {
            *backlog = None;
        }
    }
    if let Some(last) = last {
        append_polled(&mut body, true, last);
    }
    body
}

fn append_polled(body: &mut Vec<u8>, is_text: bool, payload: &[u8]) {
    if !body.is_empty() {
        body.push(SEPARATOR);
    }
    if is_text {
        body.extend_from_slice(payload);
    } else {
        body.push(b'b');
        body.extend_from_slice(STANDARD.encode(payload).as_bytes());
    }
}
