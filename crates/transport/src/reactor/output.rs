//! Output that a peer does not take: nothing more is read from its socket while it waits, and it waits for a limited time.

use foodtrack_session::{CloseReason, LinkId};

use super::Reactor;
use super::next::Next;
use crate::allowance::{SENSELESS_BURST, STRANGER_SENSELESS_BURST};
use crate::deadlines::Timer;
use crate::deadlines::millis;
use crate::link::LinkKind;

impl Reactor {
    /// Whether a link is not to be read because its peer does not take what it was sent. A client that has joined may go
    /// on until half of what may wait for it does: what it is sent is mostly not its own doing.
    #[inline]
    pub(super) fn is_clogged(&self, link: LinkId) -> bool {
        self.links.get(link).is_some_and(|link| link.output.is_blocked())
            && self.is_blocked_link_clogged(link)
    }

    #[cold]
    fn is_blocked_link_clogged(&self, link: LinkId) -> bool {
        let Some(state) = self.links.get(link) else { return false };
        let unsent_bytes = state.output.bytes();
        let client = match state.kind() {
            // What comes is thrown away.
            LinkKind::Draining => return false,
            LinkKind::WebSocket { client, .. } => *client as usize,
            _ => return true,
        };
        let Some(state) = self.clients.get(client) else { return true };
        if state.engine.websocket_link() != Some(link) || state.is_stranger() {
            return true;
        }
        let (messages, bytes) = state.queue().map_or((0, 0), |queue| queue.size());
        let limits = &self.config.limits;
        messages > limits.queue_messages_max / 2
            || bytes + unsent_bytes > limits.queue_bytes_max / 2
    }

    /// Goes on reading a link whose output was taken.
    pub(super) fn end_stall(&mut self, link: LinkId) {
        if self.is_clogged(link) {
            return;
        }
        let Some(state) = self.links.get_mut(link) else { return };
        if state.input.end_stall() {
            self.defer(link);
        }
    }

    /// Ends a link whose peer has taken nothing for too long.
    pub(super) fn output_deadline(&mut self, link: LinkId) {
        let (now_ms, timeout_ms) =
            (self.deadlines.now_ms(), millis(self.config.limits.write_timeout));
        let Some(state) = self.links.get_mut(link) else { return };
        let Some(deadline_ms) = state.output.deadline_ms(timeout_ms, now_ms) else { return };
        if deadline_ms > now_ms {
            return self.deadlines.schedule(deadline_ms, Timer::Output(link));
        }
        let client = state.client();
        self.drop_link(link);
        if let Some(client) = client {
            self.link_lost(client, link, CloseReason::SlowReader);
        }
    }

    /// Spends a client's allowance. Returns for how many milliseconds its reading should wait; 0 for not at all.
    pub(super) fn spend(&mut self, client: u32, packets: u32, bytes: usize) -> u32 {
        let (now_ms, rate) = (self.deadlines.now_ms(), self.packet_rate(client));
        let Some(state) = self.clients.get_mut(client as usize) else { return 0 };
        state.allowance.spend(now_ms, packets, bytes, rate)
    }

    fn packet_rate(&self, client: u32) -> crate::allowance::PacketRate {
        let limits = &self.config.limits;
        let is_stranger =
            self.clients.get(client as usize).is_some_and(|client| client.is_stranger());
        let packets = match is_stranger {
            true => crate::limits::STRANGER_PACKETS_PER_SECOND,
            false => limits.packets_per_second,
        };
        crate::allowance::PacketRate { packets, bytes: limits.bytes_per_second }
    }

    /// The largest message of a client.
    pub(super) fn message_bytes_max(&self, client: u32) -> usize {
        let limits = &self.config.limits;
        match self.clients.get(client as usize) {
            Some(state) if state.protocol() == crate::Protocol::WebSocket => {
                limits.websocket_message_bytes_max
            }
            Some(state) if !state.is_stranger() => limits.payload_bytes_max,
            _ => limits.payload_bytes_max.min(limits.stranger_bytes_max),
        }
    }

    /// A client sent what can mean nothing. Returns whether that was once too often.
    pub(super) fn note_senseless(&mut self, client: u32) -> bool {
        let now_ms = self.deadlines.now_ms();
        let Some(state) = self.clients.get_mut(client as usize) else { return false };
        let burst = if state.is_stranger() { STRANGER_SENSELESS_BURST } else { SENSELESS_BURST };
        let is_too_often = state.allowance.note_senseless(now_ms, burst);
        if is_too_often && !state.engine.is_closing() {
            tracing::debug!(sid = ?state.sid(), "closing a client that sends senseless packets");
            self.close(self.key(client), CloseReason::ProtocolError);
        }
        is_too_often
    }

    /// Passes over a packet that can mean nothing, unless it is one of too many.
    pub(super) fn senseless<T>(&mut self, client: u32) -> Next<T> {
        if self.note_senseless(client) { Next::Stop } else { Next::Continue }
    }
}
