//! The end of a turn: every socket that got something is written once.

use super::Reactor;
use crate::deadlines::Timer;
use crate::limits::TURN_BYTES_MAX;
use crate::link::Link;
use crate::send_ring::{BATCH, LOST, RingFailed, Send, SendRing};
use foodtrack_session::{CloseReason, LinkId};
use smallvec::SmallVec;
use std::ops::Range;

/// How long after something of the log was sent its client is asked whether it arrived. Not all at once, where many were
/// sent the same: spread over as long again.
const CONFIRM_AFTER_MS: u64 = 1_000;
/// In how many parts.
const CONFIRM_PARTS: u64 = 16;

impl Reactor {
    /// Sends what is gathered, if it is so much that it should go out before there is more. Between two messages of the
    /// application's own: frames made before mean nothing afterwards.
    pub fn flush_when_large(&mut self) {
        self.flush_if_large();
    }

    /// Whether so much is gathered that it should go out before more is read.
    pub(super) fn flush_if_large(&mut self) {
        if self.outbox.bytes() > TURN_BYTES_MAX {
            self.flush();
        }
    }

    /// Writes every socket that got something this turn, once.
    pub(super) fn flush(&mut self) {
        let dirty = self.outbox.take_dirty();
        if self.outbox.has_entries() {
            self.confirm_soon(&dirty);
        }
        // No socket is dropped while the ring is away: a flush only notes which clients are to be closed.
        match self.ring.take() {
            Some(mut ring) if dirty.len() >= RING_SENDS_MIN => {
                let mut working = Ok(());
                for clients in dirty.chunks(BATCH) {
                    match working {
                        Ok(()) => working = self.flush_batch(&mut ring, clients),
                        Err(_) => clients.iter().for_each(|client| self.flush_client(*client)),
                    }
                }
                match working {
                    Ok(()) => self.ring = Some(ring),
                    Err(failed) => {
                        let (error, lost) = (failed.error, failed.lost);
                        tracing::error!(%error, lost, "io_uring failed: from now on every send is a call of its own");
                    }
                }
            }
            ring => {
                self.ring = ring;
                dirty.iter().for_each(|client| self.flush_client(*client));
            }
        }
        // Flushing may have marked more (a socket that failed closes its client): their turn is the next.
        self.outbox.give_dirty_back(dirty);
        self.outbox.reset();
    }

    /// Writes many sockets with one submission; those that need more than one plain send go their own way.
    ///
    /// # Errors
    /// Where the ring failed: it is not to be used any more. Its clients were served all the same, but for those of which
    /// nobody knows whether they were, which are closed: they come back and get what they miss.
    pub(super) fn flush_batch(
        &mut self,
        ring: &mut SendRing,
        clients: &[u32],
    ) -> Result<(), RingFailed> {
        let mut sealed = std::mem::take(&mut self.sealed);
        let mut sends = SmallVec::<[Send<'_>; BATCH]>::new();
        let mut senders = SmallVec::<[u32; BATCH]>::new();
        for client in clients {
            let state = &self.fanout[*client as usize];
            if let Some((_, link)) = self.links.at_mut(state.link())
                && !link.output.is_blocked()
                && state.has_pending()
            {
                let bytes = if link.is_sealed() {
                    let range = link.seal_into(self.outbox.each(state), &mut sealed.bytes);
                    let Some(range) = range else { continue };
                    sealed.ranges.push((sends.len(), range));
                    &[]
                } else {
                    let Some(bytes) = self.outbox.single(state) else { continue };
                    bytes
                };
                let is_kept = link.keep_in_ring(|descriptor| ring.keep(state.link(), descriptor));
                let place = is_kept.then_some(state.link());
                sends.push(Send { socket: link.descriptor(), place, bytes });
                senders.push(*client);
            }
        }
        // The buffer moves while it grows.
        for (send, range) in &sealed.ranges {
            sends[*send].bytes = &sealed.bytes[range.clone()];
        }
        let mut results = [0_i32; BATCH];
        let working = ring.send_all(&sends, &mut results);
        drop(sends);
        let mut ranges = sealed.ranges.iter().peekable();
        for (send, (client, result)) in senders.into_iter().zip(results).enumerate() {
            match ranges.next_if(|(of, _)| *of == send) {
                Some((_, range)) => {
                    self.sealed_sent_by_ring(client, result, &sealed.bytes[range.clone()]);
                }
                None => self.sent_by_ring(client, result),
            }
        }
        if working.as_ref().is_err_and(|failed| failed.lost > 0) {
            self.outbox.keep_for_good();
            std::mem::forget(sealed);
        } else {
            self.sealed = sealed.emptied();
        }
        // Those that the ring served are clean now.
        clients.iter().for_each(|client| self.flush_client(*client));
        working
    }

    /// Does what follows from a send of the ring: `result` is the number of bytes, or a negated error.
    pub(super) fn sent_by_ring(&mut self, client: u32, result: i32) {
        let state = &mut self.fanout[client as usize];
        let Some((id, link)) = self.links.at_mut(state.link()) else { return };
        let Some(bytes) = self.outbox.single(state) else { return };
        let sent = usize::try_from(result).unwrap_or(0);
        self.stats.note_sent(sent);
        // A plain write of the rest finds out whether it was the socket or the ring that failed, and whether the socket is
        // full; then it asks to be told when it is not. What may have been sent must not be sent again.
        let failed = result == LOST || (sent < bytes.len() && link.send(&bytes[sent..]).is_err());
        let unsent = unsent_bytes(link);
        self.sent(client, id, unsent, failed);
    }

    /// As [`Self::sent_by_ring`], of what was encrypted for it.
    fn sealed_sent_by_ring(&mut self, client: u32, result: i32, bytes: &[u8]) {
        let state = &self.fanout[client as usize];
        let Some((id, link)) = self.links.at_mut(state.link()) else { return };
        let sent = usize::try_from(result).unwrap_or(0);
        self.stats.note_sent(sent);
        let failed =
            result == LOST || (sent < bytes.len() && link.send_sealed(&bytes[sent..]).is_err());
        let unsent = unsent_bytes(link);
        self.sent(client, id, unsent, failed);
    }

    /// A client's part of the turn was written, but for what is `unsent`, where its socket takes no more.
    fn sent(&mut self, client: u32, id: LinkId, unsent: Option<usize>, failed: bool) {
        let state = &mut self.fanout[client as usize];
        state.clear();
        // What a turn's frames left behind is no queue's, but waits all the same.
        let is_slow = unsent.is_some_and(|bytes| bytes > self.config.limits.queue_bytes_max);
        if unsent.is_some() {
            state.note_blocked();
            self.watch_output(id);
        }
        if failed {
            self.close(self.key(client), CloseReason::TransportError);
        } else if is_slow {
            self.close(self.key(client), CloseReason::SlowReader);
        }
    }

    pub(super) fn flush_client(&mut self, client: u32) {
        let index = client as usize;
        let state = &mut self.fanout[index];
        state.begin_flush();
        if !state.has_pending() {
            return self.flush_queue(client);
        }
        let Some((id, link)) = self.links.at_mut(state.link()) else { return state.clear() };
        let sent = match self.outbox.single(state) {
            Some(bytes) => link.write_or_keep(bytes),
            None => link.write_gathered(self.outbox.each(state)),
        };
        if let Ok(sent) = sent {
            self.stats.note_sent(sent);
        }
        let unsent = unsent_bytes(link);
        self.sent(client, id, unsent, sent.is_err());
    }

    /// Sends what waits for an indirect client, if it can be sent now.
    pub(super) fn flush_queue(&mut self, client: u32) {
        let Some(state) = self.clients.get(client as usize) else { return };
        if let Some(polling) = state.engine.as_polling() {
            if polling.waiting().is_some() && state.queue().is_some() {
                self.answer_poll(client, None);
            }
        } else if let Some(link) = state.engine.websocket_link()
            && self.links.get(link).is_some_and(|link| !link.output.is_blocked())
        {
            self.drain_queue(client, link);
        }
    }

    /// Moves a backlog to the socket until it is empty or the socket takes no more.
    pub(super) fn drain_queue(&mut self, client: u32, link: LinkId) {
        let Some(state) = self.clients.get_mut(client as usize) else { return };
        let Some(socket) = self.links.get_mut(link) else { return };
        let mut failed = false;
        let mut batch = Vec::new();
        while state.take_batch(&mut batch) {
            self.stats.note_sent(batch.len());
            failed = socket.send(&batch).is_err();
            if failed || socket.output.is_blocked() {
                break;
            }
        }
        self.watch_output(link);
        if failed {
            self.close(self.key(client), CloseReason::TransportError);
        } else {
            self.settle_mode(client);
            self.note_drained(client);
        }
    }

    /// A socket takes more.
    pub(super) fn writable(&mut self, link: LinkId) {
        let now_ms = self.deadlines.now_ms();
        let Some(state) = self.links.get_mut(link) else { return };
        if !state.output.is_blocked() && state.output.is_empty() {
            return;
        }
        // It takes more because its peer has taken some.
        state.output.note_progress(now_ms);
        let sent = state.send_rest();
        let client = state.client();
        match sent {
            Ok(false) => {}
            Ok(true) if state.output.closes_when_sent() => self.end_link(link),
            Ok(true) => {
                if let Some(client) = client
                    && let Some(owner) = self.clients.get(client as usize)
                    && owner.engine.websocket_link() == Some(link)
                {
                    self.drain_queue(client, link);
                }
                self.streams.note_drained(link);
            }
            Err(_) => {
                self.drop_link(link);
                if let Some(client) = client {
                    self.link_lost(client, link, CloseReason::TransportError);
                }
            }
        }
        self.watch_output(link);
        self.end_stall(link);
    }

    /// Clients get something this turn, and some of it is of a log: they are asked soon whether it arrived. A client that
    /// gets nothing costs nothing, and one that gets much is asked every few seconds.
    pub(super) fn confirm_soon(&mut self, clients: &[u32]) {
        for client in clients {
            if self.fanout[*client as usize].confirm_soon()
                && let Some(state) = self.clients.get(*client as usize)
            {
                let id = state.key(*client);
                // A few places of the wheel: each is memory of its own.
                let part = u64::from(*client) % CONFIRM_PARTS;
                let after_ms = CONFIRM_AFTER_MS + part * (CONFIRM_AFTER_MS / CONFIRM_PARTS);
                let timer = Timer::Confirm(id);
                self.deadlines.schedule(self.deadlines.now_ms() + after_ms, timer);
            }
        }
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
}

/// Fewer sends than this are not worth a submission.
const RING_SENDS_MIN: usize = 4;

/// How much waits for a socket, where it takes no more at the moment.
fn unsent_bytes(link: &Link) -> Option<usize> {
    link.output.is_blocked().then(|| link.output.bytes())
}

/// What was encrypted for the ring: it lies here until the ring is done.
#[derive(Default)]
pub(super) struct Sealed {
    bytes: Vec<u8>,
    /// Which send is where.
    ranges: Vec<(usize, Range<usize>)>,
}

impl Sealed {
    /// For the next batch. One large message must not keep its memory for good.
    fn emptied(mut self) -> Self {
        self.bytes.clear();
        self.bytes.shrink_to(4 * TURN_BYTES_MAX);
        self.ranges.clear();
        self
    }
}

#[cfg(test)]
mod tests;
