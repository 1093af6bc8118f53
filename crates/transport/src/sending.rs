//! From frames to sockets: who gets a frame, by which way, and the flush at the end of a turn.

use std::io::{IoSlice, Write as _};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use foodtrack_session::{NamespaceId, Parser, Probe};
use foodtrack_wire::engine_io::SEPARATOR;
use foodtrack_wire::rfc6455::Opcode;
use foodtrack_wire::socket_io::{self, Packet, PacketType};
use smallvec::SmallVec;

use crate::client::{ClientKey, CloseReason, Transport};
use crate::delivery_queue::{DeliveryQueue, Pushed};
use crate::frame::{Frame, FrameMeta, Urgency, each_server_frame};
use crate::limits::{DRAIN_BYTES_MAX, TURN_BYTES_MAX};
use crate::link::LinkKind;
use crate::outbox::{FrameId, Mode, Range, gather};
use crate::reactor::{Reactor, key};
use crate::requests::{TEXT, control};
use crate::send_ring::{BATCH, Send, SendRing};

/// Stretches written with one system call.
const SLICES_MAX: usize = 64;
/// Fewer sends than this are not worth a submission.
const RING_SENDS_MIN: usize = 4;

impl Reactor {
    /// Encodes an event once for all who get it: `write` appends the Socket.IO packet as text, header and all, whose
    /// placeholders stand for `attachments`. To be sent within the same call of the application.
    pub fn frame(
        &mut self,
        meta: FrameMeta,
        write: impl FnOnce(&mut Vec<u8>),
        attachments: &[Vec<u8>],
    ) -> FrameId {
        self.outbox.frame(
            meta,
            |out| {
                out.push(b'4');
                write(out);
            },
            attachments,
        )
    }

    /// Sends a frame to a client. Returns whether the client is there to get it.
    #[inline]
    pub fn send(&mut self, client: ClientKey, frame: FrameId) -> bool {
        let Some(hot) = self.hot.get_mut(client.index()) else { return false };
        match hot.mode {
            Mode::Direct => {
                let range = self.outbox.range(frame);
                self.outbox.push(client.0, hot, range);
                true
            }
            Mode::Indirect => {
                self.send_indirect(client.0, frame);
                true
            }
            Mode::Gone => false,
        }
    }

    #[cold]
    fn send_indirect(&mut self, client: u32, frame: FrameId) {
        let parser = self.clients[client as usize].session.parser();
        let meta = self.outbox.meta(frame);
        if parser == Parser::Msgpack {
            let Some(range) = self.outbox.msgpack(frame) else { return };
            if self.takes_ranges(client) {
                return self.outbox.push(client, &mut self.hot[client as usize], range);
            }
            let bytes = self.outbox.slice(range).into();
            return self.enqueue(client, Arc::new(Frame { bytes, meta }));
        }
        let shared = self.outbox.shared(frame);
        self.enqueue(client, shared);
    }

    /// Sends a packet of its own to one client: `write` appends it as text, header and all.
    pub fn send_packet(
        &mut self,
        client: ClientKey,
        meta: FrameMeta,
        write: impl FnOnce(&mut Vec<u8>),
        attachments: &[Vec<u8>],
    ) {
        let index = client.index();
        if self.hot.get(index).is_none_or(|hot| hot.mode == Mode::Gone) {
            return;
        }
        let packet = |out: &mut Vec<u8>| {
            out.push(b'4');
            write(out);
        };
        let mut range = self.outbox.direct(packet, attachments);
        if self.clients[index].session.parser() == Parser::Msgpack {
            let Some(encoded) = self.outbox.encode_msgpack(range, true) else { return };
            range = encoded;
        }
        self.send_range(client.0, meta, range);
    }

    /// Sends an Engine.IO or WebSocket message as it is, at an endpoint without Socket.IO.
    pub fn send_message(&mut self, client: ClientKey, data: crate::Data<'_>) {
        let index = client.index();
        if self.hot.get(index).is_none_or(|hot| hot.mode == Mode::Gone) {
            return;
        }
        let engine = self.clients[index].protocol == crate::Protocol::EngineIo;
        let range = match data {
            crate::Data::Text(text) => self.outbox.direct(
                |out| {
                    if engine {
                        out.push(b'4');
                    }
                    out.extend_from_slice(text.as_bytes());
                },
                &[],
            ),
            crate::Data::Binary(bytes) => self.outbox.direct_raw(|out| {
                foodtrack_wire::rfc6455::write_frame(out, Opcode::Binary, bytes);
            }),
        };
        self.send_range(client.0, FrameMeta::default(), range);
    }

    pub(crate) fn send_range(&mut self, client: u32, meta: FrameMeta, range: Range) {
        if self.takes_ranges(client) {
            self.outbox.push(client, &mut self.hot[client as usize], range);
        } else {
            let bytes = self.outbox.slice(range).into();
            self.enqueue(client, Arc::new(Frame { bytes, meta }));
        }
    }

    /// Whether the client's socket is written from the turn's buffer: a WebSocket without a backlog.
    fn takes_ranges(&self, client: u32) -> bool {
        let state = &self.clients[client as usize];
        matches!(state.transport, Transport::WebSocket { link }
            if state.queue.is_none() && self.links.get(link as usize).is_some_and(|link| !link.blocked))
    }

    fn enqueue(&mut self, client: u32, frame: Arc<Frame>) {
        let limits = &self.config.limits;
        let queue = self.clients[client as usize].queue.get_or_insert_default();
        match queue.push(frame, limits.queue_messages_max, limits.queue_bytes_max) {
            Pushed::Queued { dropped } => self.stats.dropped += u64::from(dropped),
            Pushed::Dropped => self.stats.dropped += 1,
            Pushed::Overflow => self.close(ClientKey(client), CloseReason::SlowReader),
        }
        self.outbox.mark(client, &mut self.hot[client as usize]);
    }

    /// Whether so much is gathered that it should go out before more is read.
    pub(crate) fn flush_if_large(&mut self) {
        if self.outbox.bytes() > TURN_BYTES_MAX {
            self.flush();
        }
    }

    /// Writes every socket that got something this turn, once.
    pub(crate) fn flush(&mut self) {
        let mut dirty = std::mem::take(&mut self.outbox.dirty);
        match self.ring.take() {
            Some(mut ring) if dirty.len() >= RING_SENDS_MIN => {
                for clients in dirty.chunks(BATCH) {
                    self.flush_batch(&mut ring, clients);
                }
                self.ring = Some(ring);
            }
            ring => {
                self.ring = ring;
                dirty.iter().for_each(|client| self.flush_client(*client));
            }
        }
        dirty.clear();
        // Flushing may have marked more (a socket that failed closes its client): their turn is the next.
        dirty.append(&mut self.outbox.dirty);
        self.outbox.dirty = dirty;
        self.outbox.reset();
    }

    /// Writes many sockets with one submission; those that need more than one plain send go their own way.
    fn flush_batch(&mut self, ring: &mut SendRing, clients: &[u32]) {
        let mut sends = SmallVec::<[Send<'_>; BATCH]>::new();
        let mut senders = SmallVec::<[u32; BATCH]>::new();
        for client in clients {
            let hot = &self.hot[*client as usize];
            if let Some(link) = self.links.get(hot.link as usize)
                && !link.blocked
                && hot.has_pending()
                && let Some(bytes) = self.outbox.single(hot)
            {
                sends.push(Send { socket: link.stream.as_raw_fd(), bytes });
                senders.push(*client);
            }
        }
        let mut results = [0_i32; BATCH];
        ring.send_all(&sends, &mut results);
        drop(sends);
        for (client, result) in senders.into_iter().zip(results) {
            self.sent_by_ring(client, result);
        }
        // Those that the ring served are clean now.
        clients.iter().for_each(|client| self.flush_client(*client));
    }

    /// Does what follows from a send of the ring: `result` is the number of bytes, or a negated error.
    fn sent_by_ring(&mut self, client: u32, result: i32) {
        let hot = &mut self.hot[client as usize];
        let Some(link) = self.links.get_mut(hot.link as usize) else { return };
        let Some(bytes) = self.outbox.single(hot) else { return };
        let sent = usize::try_from(result).unwrap_or(0);
        self.stats.sent_bytes += sent as u64;
        let failed = result < 0 && -result != libc::EAGAIN && -result != libc::EINTR;
        // A plain write of the rest finds out whether the socket is full, and asks to be told when it is not.
        let failed = failed || (sent < bytes.len() && link.send(&bytes[sent..]).is_err());
        hot.clear();
        if link.blocked && hot.mode == Mode::Direct {
            hot.mode = Mode::Indirect;
        }
        if failed {
            self.close(ClientKey(client), CloseReason::TransportError);
        }
    }

    fn flush_client(&mut self, client: u32) {
        let index = client as usize;
        let hot = &mut self.hot[index];
        hot.dirty = false;
        if !hot.has_pending() {
            return self.flush_queue(client);
        }
        let Some(link) = self.links.get_mut(hot.link as usize) else { return hot.clear() };
        let sent = match self.outbox.single(hot) {
            Some(bytes) => link.write(bytes).map(|sent| {
                self.stats.sent_bytes += sent as u64;
                if sent < bytes.len() {
                    link.unsent.extend_from_slice(&bytes[sent..]);
                }
            }),
            None => {
                let mut slices = [IoSlice::new(&[]); SLICES_MAX];
                let mut parts = self.outbox.each(hot);
                let mut result = Ok(());
                loop {
                    let count = gather(parts.by_ref(), &mut slices);
                    if count == 0 {
                        break;
                    }
                    let total: usize = slices[..count].iter().map(|slice| slice.len()).sum();
                    let first = match link.blocked {
                        true => 0,
                        false => link.stream.write_vectored(&slices[..count]).unwrap_or(0),
                    };
                    self.stats.sent_bytes += first as u64;
                    // The rest, if any, by the plain way: it finds out why and keeps what is left.
                    if first < total
                        && let Err(error) = send_behind(link, &slices[..count], first)
                    {
                        result = Err(error);
                        break;
                    }
                }
                result
            }
        };
        hot.clear();
        if link.blocked && hot.mode == Mode::Direct {
            hot.mode = Mode::Indirect;
        }
        if sent.is_err() {
            self.close(ClientKey(client), CloseReason::TransportError);
        }
    }

    /// Sends what waits for an indirect client, if it can be sent now.
    fn flush_queue(&mut self, client: u32) {
        let Some(state) = self.clients.get(client as usize) else { return };
        match &state.transport {
            Transport::Polling(polling) => {
                if polling.waiting.is_some() && state.queue.is_some() {
                    self.answer_poll(client, None);
                }
            }
            Transport::WebSocket { link } => {
                let link = *link;
                if self.links.get(link as usize).is_some_and(|link| !link.blocked) {
                    self.drain_queue(client, link);
                }
            }
        }
    }

    /// Moves a backlog to the socket until it is empty or the socket takes no more.
    fn drain_queue(&mut self, client: u32, link: u32) {
        let Some(state) = self.clients.get_mut(client as usize) else { return };
        let Some(link) = self.links.get_mut(link as usize) else { return };
        let mut failed = false;
        let mut batch = Vec::new();
        while let Some(queue) = &mut state.queue {
            batch.clear();
            while batch.len() < DRAIN_BYTES_MAX
                && let Some(frame) = queue.pop()
            {
                batch.extend_from_slice(&frame.bytes);
            }
            if queue.is_empty() {
                state.queue = None;
            }
            self.stats.sent_bytes += batch.len() as u64;
            failed = link.send(&batch).is_err();
            if failed || link.blocked {
                break;
            }
        }
        if failed {
            self.close(ClientKey(client), CloseReason::TransportError);
        } else {
            self.settle_mode(client);
        }
    }

    /// Finds the way by which the client's frames go from now on.
    pub(crate) fn settle_mode(&mut self, client: u32) {
        let state = &self.clients[client as usize];
        let direct = state.session.parser() != Parser::Msgpack && self.takes_ranges(client);
        let hot = &mut self.hot[client as usize];
        if hot.mode != Mode::Gone {
            hot.mode = if direct { Mode::Direct } else { Mode::Indirect };
        }
    }

    /// A socket takes more.
    pub(crate) fn writable(&mut self, index: usize) {
        let Some(link) = self.links.get_mut(index) else { return };
        if !link.blocked && link.unsent.is_empty() {
            return;
        }
        let sent = link.send_rest();
        let client = link.client();
        match sent {
            Ok(false) => {}
            Ok(true) if link.close_when_sent => self.end_link(key(index)),
            Ok(true) => {
                if let Some(client) = client
                    && self.clients.get(client as usize).is_some_and(|state| {
                        matches!(state.transport, Transport::WebSocket { link } if link as usize == index)
                    })
                {
                    self.drain_queue(client, key(index));
                }
            }
            Err(_) => {
                self.drop_link(key(index));
                if let Some(client) = client {
                    self.link_lost(client, key(index), CloseReason::TransportError);
                }
            }
        }
    }

    /// Writes bytes on a link that is no client's transport (yet).
    pub(crate) fn send_on_link(&mut self, link: u32, bytes: &[u8]) {
        let Some(state) = self.links.get_mut(link as usize) else { return };
        match state.send(bytes) {
            Ok(()) if state.unsent.is_empty() && state.close_when_sent => self.end_link(link),
            Ok(()) => {}
            // Its end will be read, too.
            Err(_) => state.unsent.clear(),
        }
    }

    /// A WebSocket control frame to a client or to a socket that probes.
    pub(crate) fn control_frame(&mut self, link: u32, client: u32, opcode: Opcode, payload: &[u8]) {
        let frame = control(opcode, payload);
        let own = matches!(self.clients[client as usize].transport,
            Transport::WebSocket { link: own } if own == link);
        if own {
            let range = self.outbox.direct_raw(|out| out.extend_from_slice(&frame));
            self.send_range(client, FrameMeta::CONTROL, range);
        } else {
            self.send_on_link(link, &frame);
        }
    }

    /// Answers a waiting poll with what is queued, then `last`; up to the payload limit, but at least one packet.
    ///
    /// Returns whether a poll was waiting.
    pub(crate) fn answer_poll(&mut self, client: u32, last: Option<&[u8]>) -> bool {
        let state = &mut self.clients[client as usize];
        if !matches!(&state.transport, Transport::Polling(polling) if polling.waiting.is_some()) {
            return false;
        }
        let body = poll_body(&mut state.queue, self.config.limits.payload_bytes_max, last);
        self.end_poll(client, &body);
        true
    }

    /// Answers a waiting poll with a body.
    fn end_poll(&mut self, client: u32, body: &[u8]) {
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

    pub(crate) fn send_connect(&mut self, client: u32, namespace: NamespaceId, answer: &str) {
        self.control_packet(client, PacketType::Connect, namespace, Some(answer));
    }

    pub(crate) fn send_connect_error(&mut self, client: u32, namespace: NamespaceId, error: &str) {
        self.control_packet(client, PacketType::ConnectError, namespace, Some(error));
    }

    fn control_packet(
        &mut self,
        client: u32,
        kind: PacketType,
        namespace: NamespaceId,
        data: Option<&str>,
    ) {
        let config = Arc::clone(&self.config);
        let namespace = config.namespaces.name(namespace);
        self.named_packet(client, FrameMeta::CONTROL, kind, namespace, data);
    }

    fn named_packet(
        &mut self,
        client: u32,
        meta: FrameMeta,
        kind: PacketType,
        namespace: &str,
        data: Option<&str>,
    ) {
        let packet = Packet { kind, attachments: 0, namespace, id: None, data };
        let write = |out: &mut Vec<u8>| socket_io::write_packet(out, &packet);
        self.send_packet(ClientKey(client), meta, write, &[]);
    }

    pub(crate) fn refuse_unknown(&mut self, client: u32, namespace: &str) {
        let error = "{\"message\":\"Invalid namespace\"}";
        let kind = PacketType::ConnectError;
        self.named_packet(client, FrameMeta::CONTROL, kind, namespace, Some(error));
        self.schedule_connect(client);
    }

    /// Takes a client out of a namespace for good: it is told, and does not come back by itself.
    pub fn disconnect(&mut self, client: ClientKey, namespace: NamespaceId) {
        let Some(state) = self.clients.get_mut(client.index()) else { return };
        if state.session.leave(namespace) {
            let config = Arc::clone(&self.config);
            let namespace = config.namespaces.name(namespace);
            // Nothing is heard in a namespace after its end: it comes behind all that was sent before.
            let meta = FrameMeta { urgency: Urgency::Low, ..FrameMeta::CONTROL };
            self.named_packet(client.0, meta, PacketType::Disconnect, namespace, None);
        }
    }
}

/// Writes what a vectored write left, slice by slice.
fn send_behind(
    link: &mut crate::link::Link,
    slices: &[IoSlice<'_>],
    mut skip: usize,
) -> std::io::Result<()> {
    for slice in slices {
        let here = skip.min(slice.len());
        skip -= here;
        if here < slice.len() {
            link.send(&slice[here..])?;
        }
    }
    Ok(())
}

/// Takes off a backlog what fits into one answer, and `last` behind it.
pub(crate) fn poll_body(
    backlog: &mut Option<Box<DeliveryQueue>>,
    bytes_max: usize,
    last: Option<&[u8]>,
) -> Vec<u8> {
    let mut body = Vec::new();
    if let Some(queue) = backlog {
        // Base64 makes binary a third longer.
        while let Some(next) = queue.next_bytes()
            && (body.is_empty() || body.len() + next * 4 / 3 <= bytes_max)
            && let Some(frame) = queue.pop()
        {
            each_server_frame(&frame.bytes, |is_text, payload| {
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
