//! From frames to clients: how a frame is encoded for a client, and where it waits.

use std::sync::Arc;

use foodtrack_session::{CloseReason, LinkId, NamespaceId};
use foodtrack_wire::rfc6455::{self, Opcode};
use foodtrack_wire::socket_io::{Packet, PacketType};
use foodtrack_wire::{FrameMeta, Urgency};

use super::Reactor;
use crate::client::{ClientKey, Protocol};
use crate::delivery_queue::Pushed;
use crate::form::Form;
use crate::frame::Frame;
use crate::frame_layout::{Data, Layout, write_packet};
use crate::limits::ECHOED_NAMESPACE_BYTES_MAX;
use crate::outbox::{FrameId, Mode, Range};
use crate::packet_parts::PacketParts;

impl Reactor {
    /// Encodes a packet once for all who get it: `arguments` appends them as JSON, with commas between them, and with
    /// placeholders for the attachments. To be sent within the same call of the application.
    pub fn frame(
        &mut self,
        parts: &PacketParts<'_>,
        arguments: impl FnOnce(&mut Vec<u8>),
    ) -> FrameId {
        debug_assert!(parts.is_consistent(), "{parts:?}");
        let head = parts.head(self.config.namespaces.name(parts.namespace));
        let data = Data::Arguments(arguments);
        let write =
            |out: &mut Vec<u8>| write_packet(out, &head, data, parts.suffix, parts.attachments);
        self.outbox.frame(parts.meta, write)
    }

    /// Sends a frame to a client. Returns whether the client is there to get it.
    #[inline]
    pub fn send(&mut self, client: ClientKey, frame: FrameId) -> bool {
        let Some(state) = self.fanout.get_mut(client.index()) else { return false };
        if !state.is_of(client) {
            return false;
        }
        match state.mode() {
            Mode::Direct => {
                let range = self.outbox.range(frame);
                self.outbox.push(client.place(), state, range);
                true
            }
            Mode::Indirect => {
                self.send_indirect(client.place(), frame);
                true
            }
            Mode::Gone => false,
        }
    }

    #[cold]
    fn send_indirect(&mut self, client: u32, frame: FrameId) {
        let form = self.socket_form(client);
        if form != Form::WebSocketText {
            // Also where it will wait: then nobody could say of whom it never left.
            let Some(range) = self.outbox.in_form(frame, form) else {
                return self.unsayable.push(self.key(client));
            };
            if self.takes_ranges(client) {
                return self.outbox.push(client, &mut self.fanout[client as usize], range);
            }
        }
        let shared = self.outbox.shared(frame);
        self.enqueue(client, shared);
    }

    /// What a socket of the client's is written in.
    pub(super) fn socket_form(&self, client: u32) -> Form {
        Form::of(self.clients[client as usize].session.parser(), false)
    }

    /// Clients that were not sent what was for them since this was asked last: it cannot be said in their parser, msgpack.
    pub fn take_unsayable(&mut self) -> Vec<ClientKey> {
        std::mem::take(&mut self.unsayable)
    }

    /// Sends a packet of its own to one client: `arguments` as for [`Self::frame`].
    pub fn send_packet(
        &mut self,
        client: ClientKey,
        parts: &PacketParts<'_>,
        arguments: impl FnOnce(&mut Vec<u8>),
    ) {
        debug_assert!(parts.is_consistent(), "{parts:?}");
        if self.is_gone(client) {
            return;
        }
        let head = parts.head(self.config.namespaces.name(parts.namespace));
        let data = Data::Arguments(arguments);
        let (range, layout) = self
            .outbox
            .direct(|out| write_packet(out, &head, data, parts.suffix, parts.attachments));
        self.send_direct(client, parts.meta, range, layout);
    }

    /// Sends an Engine.IO or WebSocket message as it is, at an endpoint without Socket.IO.
    pub fn send_message(&mut self, client: ClientKey, data: crate::Data<'_>) {
        if self.is_gone(client) {
            return;
        }
        let engine = self.clients[client.index()].protocol() == crate::Protocol::EngineIo;
        let (range, layout) = self.outbox.direct(|out| match data {
            crate::Data::Text(text) => Layout::text(out, |out| {
                if engine {
                    out.push(b'4');
                }
                out.extend_from_slice(text.as_bytes());
            }),
            crate::Data::Binary(bytes) => Layout::binary(out, bytes),
        });
        self.send_range(client.place(), FrameMeta::default(), range, layout);
    }

    /// Whether nothing can be sent to the client any more.
    pub(super) fn is_gone(&self, client: ClientKey) -> bool {
        let state = self.fanout.get(client.index());
        state.is_none_or(|state| state.is_gone() || !state.is_of(client))
    }

    /// Sends a packet to the one client that it was encoded for, in the client's own form.
    fn send_direct(&mut self, client: ClientKey, meta: FrameMeta, range: Range, layout: Layout) {
        self.outbox.note_entry(&meta);
        let mut range = range;
        let form = self.socket_form(client.place());
        if form != Form::WebSocketText {
            let Some(encoded) = self.outbox.direct_in(range, &layout, form) else {
                return self.unsayable.push(client);
            };
            if self.takes_ranges(client.place()) {
                range = encoded;
            }
        }
        self.send_range(client.place(), meta, range, layout);
    }

    fn send_range(&mut self, client: u32, meta: FrameMeta, range: Range, layout: Layout) {
        if self.takes_ranges(client) {
            self.outbox.push(client, &mut self.fanout[client as usize], range);
        } else {
            let text_form = self.outbox.slice(range).into();
            self.enqueue(client, Arc::new(Frame::new(meta, layout, text_form)));
        }
    }

    fn enqueue(&mut self, client: u32, frame: Arc<Frame>) {
        match self.clients[client as usize].enqueue(frame, &self.config.limits) {
            Pushed::Queued { dropped } | Pushed::Dropped { dropped } => {
                self.stats.note_dropped(dropped);
            }
            Pushed::Overflow => self.close(self.key(client), CloseReason::SlowReader),
        }
        self.outbox.mark(client, &mut self.fanout[client as usize]);
    }

    /// A WebSocket control frame to a client or to a socket that probes.
    pub(super) fn control_frame(
        &mut self,
        link: LinkId,
        client: u32,
        opcode: Opcode,
        payload: &[u8],
    ) {
        let mut frame = Vec::with_capacity(payload.len() + 4);
        rfc6455::write_frame(&mut frame, opcode, payload);
        if self.clients[client as usize].engine.websocket_link() == Some(link) {
            let (range, ()) = self.outbox.direct(|out| out.extend_from_slice(&frame));
            self.send_range(client, FrameMeta::CONTROL, range, Layout::Control);
        } else {
            self.send_on_link(link, &frame);
        }
    }

    pub(super) fn send_connect(&mut self, client: u32, namespace: NamespaceId, answer: &str) {
        self.control_packet(client, PacketType::Connect, namespace, Some(answer));
    }

    pub(super) fn send_connect_error(&mut self, client: u32, namespace: NamespaceId, error: &str) {
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
        let client = self.key(client);
        if self.is_gone(client) {
            return;
        }
        let head = Packet { kind, attachments: 0, namespace, id: None, data: None };
        let data = match data {
            Some(data) => Data::Value(|out: &mut Vec<u8>| out.extend_from_slice(data.as_bytes())),
            None => Data::None,
        };
        let (range, layout) = self.outbox.direct(|out| write_packet(out, &head, data, None, &[]));
        self.send_direct(client, meta, range, layout);
    }

    pub(super) fn refuse_unknown(&mut self, client: u32, namespace: &str) {
        let error = "{\"message\":\"Invalid namespace\"}";
        let kind = PacketType::ConnectError;
        // No refusal of this renews the time for joining, and none says much more than it was told.
        if namespace.len() <= ECHOED_NAMESPACE_BYTES_MAX {
            self.named_packet(client, FrameMeta::CONTROL, kind, namespace, Some(error));
        }
    }

    /// Takes a client out of a namespace for good: it is told, and does not come back by itself.
    pub fn disconnect(&mut self, client: ClientKey, namespace: NamespaceId) {
        let Some(state) = self.clients.find_mut(client) else { return };
        if state.session.leave(namespace) {
            state.engine.forget_mark();
            let config = Arc::clone(&self.config);
            let namespace = config.namespaces.name(namespace);
            // Nothing is heard in a namespace after its end: it comes behind all that was sent before.
            let meta = FrameMeta { urgency: Urgency::Low, ..FrameMeta::CONTROL };
            self.named_packet(client.place(), meta, PacketType::Disconnect, namespace, None);
            self.close_who_cannot_return(client);
        }
    }

    /// A Socket.IO client that was told that it is out may join again by the same connection. Others cannot.
    fn close_who_cannot_return(&mut self, client: ClientKey) {
        let Some(state) = self.clients.find(client) else { return };
        if matches!(state.protocol(), Protocol::PlainJson | Protocol::EventStream) {
            self.close(client, CloseReason::Disconnected);
        }
    }

    /// Sends a message of the protocol's own to a client that speaks plain JSON.
    pub(super) fn send_plain_json(&mut self, client: u32, message: &str) {
        if self.is_gone(self.key(client)) {
            return;
        }
        let write = |out: &mut Vec<u8>| out.extend_from_slice(message.as_bytes());
        let (range, layout) = self.outbox.direct(|out| Layout::text(out, write));
        self.send_range(client, FrameMeta::CONTROL, range, layout);
    }
}
