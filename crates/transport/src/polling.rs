//! Long-polling: answering the poll that waits, and leaving it for a WebSocket.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use foodtrack_session::Probe;
use foodtrack_wire::engine_io::SEPARATOR;

use crate::client::Transport;
use crate::delivery_queue::DeliveryQueue;
use crate::frame::each_server_frame;
use crate::limits::POLL_PACKETS_MAX;
use crate::link::LinkKind;
use crate::reactor::Reactor;
use crate::requests::TEXT;

impl Reactor {
    /// Answers a waiting poll with what is queued, then `last`. Returns whether a poll was waiting.
    pub(crate) fn answer_poll(&mut self, client: u32, last: Option<&[u8]>) -> bool {
        let state = &mut self.clients[client as usize];
        if !matches!(&state.transport, Transport::Polling(polling) if polling.waiting.is_some()) {
            return false;
        }
        let body = poll_body(&mut state.queue, self.config.limits.payload_bytes_max, last);
        self.end_poll(client, &body);
        self.note_drained(client);
        true
    }

    /// Answers a waiting poll with a body.
    pub(crate) fn end_poll(&mut self, client: u32, body: &[u8]) {
        let Transport::Polling(polling) = &mut self.clients[client as usize].transport else {
            return;
        };
        let Some(link) = polling.waiting.take() else { return };
        self.stats.sent_bytes += body.len() as u64;
        let Some(state) = self.links.get_mut(link as usize) else { return };
        let LinkKind::HttpBusy { keep_alive, origin, .. } = &mut state.kind else { return };
        let (keep_alive, origin) = (*keep_alive, origin.take().unwrap_or_default());
        let serial = state.serial;
        state.kind = LinkKind::Http { continued: false };
        self.respond_poll(link, &origin, 200, TEXT, body, keep_alive);
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
        debug_assert!(polling.upgrade.as_ref().is_some_and(|up| up.probe == Probe::Answered));
        // Who has said goodbye to polling may not read what a last poll brings.
        self.end_poll(client, b"6");
        self.clients[client as usize].transport = Transport::WebSocket { link };
        self.hot[client as usize].link = link;
        self.drain_queue(client, link);
    }

    /// An upgrade took too long: its socket closes, the client goes on polling.
    pub(crate) fn abandon_upgrade(&mut self, link: u32, serial: u32) {
        let Some(client) = self.link_of(link, serial).and_then(|link| link.client()) else {
            return;
        };
        let Some(state) = self.clients.get_mut(client as usize) else { return };
        if let Transport::Polling(polling) = &mut state.transport
            && polling.upgrade.take_if(|upgrade| upgrade.link == link).is_some()
        {
            self.drop_link(link);
        }
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
        // Behind the word that this is the last poll nothing can follow.
        let packets_max = if last == Some(b"1") {
            usize::MAX
        } else {
            POLL_PACKETS_MAX - usize::from(last.is_some())
        };
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
