//! Answers that are a client's events, one after another: how they begin, show that the server is there, and are refused.

use std::time::Duration;

use foodtrack_session::CloseReason;
use foodtrack_wire::event_stream;

use super::Reactor;
use super::application::HttpTicket;
use crate::client::{ClientKey, Protocol};
use crate::commons::ReactorConfig;
use crate::http_response::ResponseHead;
use crate::link::Waited;

/// No cache, no compression and no buffer of a proxy may keep an event.
const HEADERS: [(&str, &[u8]); 3] = [
    ("content-type", b"text/event-stream"),
    ("cache-control", b"no-cache, no-transform"),
    ("x-accel-buffering", b"no"),
];

/// When a reader that lost its connection is to come again, at the earliest; and over how much time those are spread that lost
/// theirs together. In milliseconds.
const RETRY_AFTER_MS: u32 = 1_000;
const RETRY_SPREAD_MS: u32 = 2_000;
/// Has no divisor in common with the spread: all of it is used.
const RETRY_STEP_MS: u32 = 1_237;

/// How long a reader may acknowledge nothing of what it was sent: as long as other clients may answer no pings, and no shorter
/// than it may take nothing.
fn patience(config: &ReactorConfig) -> Duration {
    let heartbeat = config.heartbeat;
    let pings_ms = heartbeat.interval_ms.saturating_mul(heartbeat.missed_max.into());
    let unanswered = Duration::from_millis(pings_ms.saturating_add(heartbeat.timeout_ms));
    unanswered.max(config.limits.write_timeout)
}

impl Reactor {
    /// The client is in: its answer begins, and its events follow. The answer ends with its connection.
    pub(super) fn begin_event_stream(&mut self, client: u32) {
        let link = self.clients[client as usize].engine.websocket_link();
        let Some(link) = link.and_then(|link| self.links.get(link)) else { return };
        link.give_up_after(patience(&self.config));
        let head =
            ResponseHead { status: 200, headers: &HEADERS, page: link.page(), keep_alive: None };
        let (range, ()) = self.outbox.direct(|out| {
            head.write_for_stream(out, false);
            // Neighbours in the table are far from each other in time.
            let retry_ms = RETRY_AFTER_MS + client.wrapping_mul(RETRY_STEP_MS) % RETRY_SPREAD_MS;
            out.extend_from_slice(b"retry: ");
            out.extend_from_slice(itoa::Buffer::new().format(retry_ms).as_bytes());
            out.extend_from_slice(b"\n\n");
        });
        self.outbox.push(client, &mut self.fanout[client as usize], range);
    }

    /// Shows a client that the server is there. Who does not take what waits needs no proof of it.
    pub(super) fn beat_event_stream(&mut self, client: u32) {
        let state = &self.clients[client as usize];
        if state.joining.has_joined() && self.takes_ranges(client) {
            let write = |out: &mut Vec<u8>| out.extend_from_slice(event_stream::HEARTBEAT);
            let (range, ()) = self.outbox.direct(write);
            self.outbox.push(client, &mut self.fanout[client as usize], range);
        }
    }

    /// A client that asked for a stream of events, which has not begun, gets another answer: its request is the application's to
    /// answer now. `None` where the client is no such one.
    pub fn refuse_stream(&mut self, client: ClientKey) -> Option<HttpTicket> {
        let state = self.clients.find(client)?;
        if state.protocol() != Protocol::EventStream || state.joining.has_joined() {
            return None;
        }
        let link = state.engine.websocket_link()?;
        let waited = Waited { keep_alive: false, head_only: false, is_chunkable: false };
        self.links.get_mut(link)?.wait_for_answer(None, waited);
        self.link_lost(client.place(), link, CloseReason::Disconnected);
        Some(HttpTicket { link })
    }
}
