//! From frames to sockets: who gets a frame, by which way, and the flush at the end of a turn.

use std::sync::Arc;

use foodtrack_session::{CloseReason, LinkId, NamespaceId, Parser};
use foodtrack_wire::rfc6455::Opcode;
use foodtrack_wire::socket_io::{self, Packet, PacketType};

use crate::client::ClientKey;
use crate::delivery_queue::Pushed;
use crate::frame::{Frame, FrameMeta, Urgency};
use crate::limits::ECHOED_NAMESPACE_BYTES_MAX;
use crate::outbox::{FrameId, Mode, Range};
use crate::reactor::Reactor;
use crate::requests::control;

impl Reactor {
    /// Encodes an event once for all who get it: `write` appends the Socket.IO packet as text, header and all, whose
    /// placeholders stand for `attachments`. To be sent within the same call of the application.
    pub fn frame(
        &mut self,
        meta: FrameMeta,
        write: impl FnOnce(&mut Vec<u8>),
        attachments: &[Vec<u8>],
    ) -> FrameId {
        let frame = self.outbox.frame(
            meta,
            |out| {
                out.push(b'4');
                write(out);
            },
            attachments,
        );
        debug_assert!(
            self.outbox.is_stamped_as(self.outbox.range(frame), &meta),
            "the text lacks the stamp of {meta:?}"
        );
        frame
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
        // A queue keeps the text, whose stamp may have to change, and translates what leaves it.
        let is_msgpack = self.clients[client as usize].session.parser() == Parser::Msgpack;
        if is_msgpack {
            // Also where it will wait: then nobody could say of whom it never left.
            let Some(range) = self.outbox.msgpack(frame) else {
                return self.unsayable.push(ClientKey(client));
            };
            if self.takes_ranges(client) {
                return self.outbox.push(client, &mut self.hot[client as usize], range);
            }
        }
        let shared = self.outbox.shared(frame);
        self.enqueue(client, shared);
    }

    /// Clients that were not sent what was for them since this was asked last: it cannot be said in their parser, msgpack.
    pub fn take_unsayable(&mut self) -> Vec<ClientKey> {
        std::mem::take(&mut self.unsayable)
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
        self.outbox.note_entry(&meta);
        let mut range = self.outbox.direct(packet, attachments);
        debug_assert!(
            self.outbox.is_stamped_as(range, &meta),
            "the text lacks the stamp of {meta:?}"
        );
        if self.clients[index].session.parser() == Parser::Msgpack {
            let Some(encoded) = self.outbox.encode_msgpack(range, true) else {
                return self.unsayable.push(client);
            };
            if self.takes_ranges(client.0) {
                range = encoded;
            }
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
    pub(crate) fn takes_ranges(&self, client: u32) -> bool {
        let state = &self.clients[client as usize];
        let takes_more = |link| self.links.get(link).is_some_and(|link| !link.blocked);
        state.queue.is_none() && state.engine.websocket_link().is_some_and(takes_more)
    }

    fn enqueue(&mut self, client: u32, frame: Arc<Frame>) {
        let limits = &self.config.limits;
        let state = &mut self.clients[client as usize];
        let queue = state.queue.get_or_insert_default();
        queue.speak(state.session.parser());
        match queue.push(frame, limits.queue_messages_max, limits.queue_bytes_max) {
            Pushed::Queued { dropped } | Pushed::Dropped { dropped } => {
                self.stats.dropped += u64::from(dropped);
            }
            Pushed::Overflow => self.close(ClientKey(client), CloseReason::SlowReader),
        }
        self.outbox.mark(client, &mut self.hot[client as usize]);
    }

    /// Writes bytes on a link that is no client's transport (yet).
    pub(crate) fn send_on_link(&mut self, link: LinkId, bytes: &[u8]) {
        let Some(state) = self.links.get_mut(link) else { return };
        match state.send(bytes) {
            Ok(()) if state.unsent.is_empty() && state.close_when_sent => self.end_link(link),
            Ok(()) => {}
            // Its end will be read, too.
            Err(_) => state.unsent.clear(),
        }
        self.watch_output(link);
        if self.links.get(link).is_some_and(|link| link.blocked) {
            self.count_stranger(link);
        }
    }

    /// A WebSocket control frame to a client or to a socket that probes.
    pub(crate) fn control_frame(
        &mut self,
        link: LinkId,
        client: u32,
        opcode: Opcode,
        payload: &[u8],
    ) {
        let frame = control(opcode, payload);
        if self.clients[client as usize].engine.websocket_link() == Some(link) {
            let range = self.outbox.direct_raw(|out| out.extend_from_slice(&frame));
            self.send_range(client, FrameMeta::CONTROL, range);
        } else {
            self.send_on_link(link, &frame);
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
        // No refusal of this renews the time for joining, and none says much more than it was told.
        if namespace.len() <= ECHOED_NAMESPACE_BYTES_MAX {
            self.named_packet(client, FrameMeta::CONTROL, kind, namespace, Some(error));
        }
    }

    /// Takes a client out of a namespace for good: it is told, and does not come back by itself.
    pub fn disconnect(&mut self, client: ClientKey, namespace: NamespaceId) {
        let Some(state) = self.clients.get_mut(client.index()) else { return };
        if state.session.leave(namespace) {
            state.engine.forget_mark();
            let config = Arc::clone(&self.config);
            let namespace = config.namespaces.name(namespace);
            // Nothing is heard in a namespace after its end: it comes behind all that was sent before.
            let meta = FrameMeta { urgency: Urgency::Low, ..FrameMeta::CONTROL };
            self.named_packet(client.0, meta, PacketType::Disconnect, namespace, None);
        }
    }
}
