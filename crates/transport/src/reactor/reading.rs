//! From readiness to packets: what comes in on a socket, and whose it is.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;

use foodtrack_session::{CloseReason, LinkId};
use foodtrack_wire::rfc6455::{self, Message, MessageDecoder, ProtocolError};

use super::Reactor;
use super::application::{Application, Flow};
use super::next::{Next, Progress};
use crate::deadlines::Timer;
use crate::door::DoorRefusal;
use crate::http_response::TEXT;
use crate::limits::{
    CONTROL_FRAME_PACKETS, PACKETS_PER_TURN, READ_BYTES_PER_TURN, STRANGER_BYTES_PER_TURN,
};
use crate::link::{LinkKind, TlsFault};

/// What a peer is told that speaks plain HTTP where TLS is spoken.
const HTTPS_EXPECTED: &[u8] = b"this port speaks TLS: ask it with https:// or wss://\n";

/// What came of a read.
struct Came {
    read: io::Result<Option<usize>>,
    /// How many bytes could have been read.
    room: usize,
}

/// What was used of a WebSocket's bytes, and what follows.
struct Decoded<T> {
    used: usize,
    packets: u32,
    next: Next<T>,
}

impl Reactor {
    /// A socket may have something to read. `hung_up`: and then its end.
    pub(super) fn readable<A: Application>(&mut self, app: &mut A, link: LinkId, hung_up: bool) {
        let is_known = self.links.get(link).is_some_and(|link| link.standing.is_known());
        let mut left = if is_known { READ_BYTES_PER_TURN } else { STRANGER_BYTES_PER_TURN };
        loop {
            if self.is_clogged(link) {
                return self.stall(link);
            }
            let Some(state) = self.links.get_mut(link) else { return };
            if state.input.is_paused() || state.is_ahead() {
                return state.input.note_readable();
            }
            if state.input.has_ended() {
                return;
            }
            if state.awaits_proxy_header() && !self.note_proxied(link, hung_up) {
                return;
            }
            let Some(Came { read, room }) = self.read_once(app, link) else { return };
            self.count_stranger(link);
            match read {
                Ok(None) if !self.leaves_more(link, 0, room) => return,
                // All of it was used by the encryption.
                Ok(None) => return self.defer(link),
                Ok(Some(0)) => return self.link_ended(link, CloseReason::TransportClosed),
                Err(error) => return self.link_failed(link, &error),
                Ok(Some(read)) => {
                    left = left.saturating_sub(read);
                    let Some(state) = self.links.get_mut(link) else { return };
                    // A short read has emptied the socket, but for the end that was announced.
                    if !state.leaves_more(read, room) && !hung_up {
                        return;
                    }
                    // There may be more, but others have their turn first.
                    if !state.input.is_paused() && (left == 0 || !hung_up) {
                        return self.defer(link);
                    }
                }
            }
        }
    }

    /// Reads once, behind what was kept, and uses what it can.
    fn read_once<A: Application>(&mut self, app: &mut A, link: LinkId) -> Option<Came> {
        let state = self.links.get_mut(link)?;
        let is_behind = state.input.unread_bytes() > 0;
        let mut buffer = match is_behind {
            true => state.input.take_unread(),
            false => std::mem::take(&mut self.scratch),
        };
        let start = if is_behind { buffer.len() } else { 0 };
        // A stranger has a smaller part of its turn.
        let room_max = if state.standing.is_known() { usize::MAX } else { STRANGER_BYTES_PER_TURN };
        if is_behind {
            let missing = match state.kind() {
                LinkKind::WebSocket { .. } => MessageDecoder::frame_len(&buffer)
                    .map_or(0, |frame_bytes| frame_bytes.saturating_sub(start)),
                // A request tells its length too late to know it here: twice as much each time.
                _ => start,
            };
            buffer.resize(start + missing.clamp(4 * 1024, 256 * 1024).min(room_max), 0);
        }
        let room = (buffer.len() - start).min(room_max);
        let read = state.read(&mut buffer[start..start + room]);
        if state.is_sealed() && state.output.is_blocked() {
            // The encryption answers by itself.
            self.watch_output(link);
        }
        let end = start + read.as_ref().map_or(0, |read| read.unwrap_or(0));
        let used = if end > start { self.use_bytes(app, link, &mut buffer[..end]) } else { 0 };
        self.keep_unused(link, buffer, used..end, is_behind);
        Some(Came { read, room })
    }

    /// Keeps the part of a buffer that was not used: in the buffer itself where it is the link's own.
    fn keep_unused(
        &mut self,
        link: LinkId,
        mut buffer: Vec<u8>,
        unused: Range<usize>,
        is_own: bool,
    ) {
        let state = self.links.get_mut(link);
        if is_own {
            buffer.truncate(unused.end);
            buffer.drain(..unused.start);
            if unused.start > 0 && buffer.len() < buffer.capacity() / 4 {
                buffer.shrink_to_fit();
            }
            if let Some(state) = state {
                state.input.keep_unread(buffer);
            }
        } else {
            if !unused.is_empty()
                && let Some(state) = state
            {
                state.input.keep_unread(buffer[unused].to_vec());
            }
            self.scratch = buffer;
        }
    }

    /// Goes on with a link whose reading waited.
    pub(super) fn resume<A: Application>(&mut self, app: &mut A, link: LinkId) {
        let now_ms = self.deadlines.now_ms();
        let Some(state) = self.links.get_mut(link) else { return };
        if let Some(resume_ms) = state.input.paused_until_ms(now_ms) {
            if state.input.time_resume() {
                self.deadlines.schedule(resume_ms, Timer::Resume(link));
            }
            return;
        }
        let was_readable = state.input.resume();
        if state.input.unread_bytes() > 0 {
            let mut unread = state.input.take_unread();
            let used = self.use_bytes(app, link, &mut unread);
            let Some(state) = self.links.get_mut(link) else { return };
            unread.drain(..used);
            // What a next request left meanwhile comes behind.
            state.input.keep_unread_first(unread);
            if state.input.is_paused() {
                if was_readable {
                    state.input.note_readable();
                }
                return;
            }
        }
        if was_readable {
            self.readable(app, link, true);
        }
    }

    fn leaves_more(&self, link: LinkId, read: usize, room: usize) -> bool {
        self.links.get(link).is_some_and(|link| link.leaves_more(read, room))
    }

    /// A socket cannot be read any more.
    fn link_failed(&mut self, link: LinkId, error: &io::Error) {
        let fault = error.get_ref().and_then(|error| error.downcast_ref::<TlsFault>());
        let Some(state) = self.links.get_mut(link) else { return };
        match fault {
            Some(fault) if state.client().is_none() && !state.is_the_applications() => {
                tracing::debug!(%fault, address = %state.peer().ip(), "no TLS connection");
                match fault {
                    TlsFault::PlainHttp => {
                        state.speak_plainly();
                        self.note_refused(link, DoorRefusal::TlsExpected);
                        let headers = [("content-type", TEXT)];
                        self.respond_link(link, 400, &headers, HTTPS_EXPECTED, false);
                    }
                    TlsFault::NotTls => self.note_refused(link, DoorRefusal::TlsExpected),
                    TlsFault::TooLong | TlsFault::Failed(_) => {
                        self.note_refused(link, DoorRefusal::TlsFailed);
                    }
                }
                // What it was told would be lost with a connection that is cut.
                self.drain_link(link);
            }
            Some(_) | None => self.link_ended(link, CloseReason::TransportError),
        }
    }

    fn link_ended(&mut self, link: LinkId, reason: CloseReason) {
        let Some(state) = self.links.get_mut(link) else { return };
        state.input.end();
        let client = state.client();
        let is_half_closed = client.is_none() && reason == CloseReason::TransportClosed;
        // Who asked the application may have closed only its own side: it gets its answer.
        if is_half_closed && matches!(state.kind(), LinkKind::HttpBusy { .. }) {
            return;
        }
        // A response that is still being written may go on: the peer may have closed only its side.
        if is_half_closed && !state.output.is_empty() && !state.is_streaming() {
            return state.output.close_when_sent();
        }
        self.drop_link(link);
        if let Some(client) = client {
            self.link_lost(client, link, reason);
        }
    }

    /// Uses what it can of a link's bytes; returns how many.
    pub(super) fn use_bytes<A: Application>(
        &mut self,
        app: &mut A,
        link: LinkId,
        bytes: &mut [u8],
    ) -> usize {
        let mut used = 0;
        while used < bytes.len() {
            let Some(state) = self.links.get(link) else { return bytes.len() };
            if state.input.is_paused() {
                break;
            }
            if self.is_clogged(link) {
                self.stall(link);
                break;
            }
            let Some(state) = self.links.get_mut(link) else { return bytes.len() };
            let progress = match state.kind() {
                LinkKind::Draining => return bytes.len(),
                LinkKind::HttpBusy { .. } | LinkKind::HttpStream => break,
                LinkKind::EventStream { client } => {
                    let client = *client;
                    self.fail_event_stream(link, client);
                    Progress::Gone
                }
                LinkKind::Http => self.use_http(app, link, &bytes[used..]),
                LinkKind::WebSocket { .. } => {
                    let Some((client, decoder)) = state.take_decoder() else { break };
                    self.use_websocket(app, link, client, decoder, &mut bytes[used..])
                }
            };
            match progress {
                Progress::Used(more) => used += more,
                Progress::NeedMore => break,
                Progress::Gone => return bytes.len(),
            }
        }
        used
    }

    fn use_websocket<A: Application>(
        &mut self,
        app: &mut A,
        link: LinkId,
        client: u32,
        mut decoder: MessageDecoder,
        bytes: &mut [u8],
    ) -> Progress {
        let decoded = match self.decode_messages(app, link, client, &mut decoder, bytes) {
            Ok(decoded) => decoded,
            Err(error) => {
                self.fail_websocket(link, client, &error);
                return Progress::Gone;
            }
        };
        let Decoded { used, packets, mut next } = decoded;
        let own = self.links.get_mut(link).and_then(|link| link.client());
        if own == Some(client) {
            let over_ms = self.spend(client, packets, used);
            next = match next {
                Next::Continue if over_ms > 0 => Next::Pause(Flow::PauseMs(over_ms)),
                Next::Pause(flow) if over_ms > 0 => Next::Pause(flow.max(Flow::PauseMs(over_ms))),
                next => next,
            };
        }
        if let Some(link) = self.links.get_mut(link) {
            link.give_decoder_back(decoder);
        }
        match next {
            Next::Continue if used == 0 => Progress::NeedMore,
            Next::Continue => Progress::Used(used),
            Next::Stop => Progress::Gone,
            Next::TooLarge(bytes_max) => {
                let error = ProtocolError::MessageTooBig { message_bytes_max: bytes_max };
                self.fail_websocket(link, client, &error);
                Progress::Gone
            }
            Next::Violation => {
                self.fail_protocol(link, client);
                Progress::Gone
            }
            Next::Pause(flow) => {
                self.pause(link, flow);
                Progress::Used(used)
            }
            Next::HandOver { shard, namespace, transfer } => {
                if let Some(link) = self.links.get_mut(link) {
                    link.input.keep_unread(bytes[used..].to_vec());
                }
                self.move_client(app, client, shard, namespace, transfer, VecDeque::new());
                Progress::Gone
            }
        }
    }

    /// Takes messages off the front of a WebSocket's bytes until something else is to be done first.
    fn decode_messages<A: Application>(
        &mut self,
        app: &mut A,
        link: LinkId,
        client: u32,
        decoder: &mut MessageDecoder,
        bytes: &mut [u8],
    ) -> Result<Decoded<A::Transfer>, ProtocolError> {
        let mut limits = rfc6455::Limits {
            message_bytes_max: self.message_bytes_max(client),
            fragments_max: self.config.limits.fragments_max,
        };
        let (mut used, mut packets) = (0, 0);
        let next = loop {
            // Asked once more at the end of the bytes: that frees a fragmented message that was delivered.
            let decoded = decoder.decode(&mut bytes[used..], &limits)?;
            if decoded.consumed == 0 {
                break Next::Continue;
            }
            used += decoded.consumed;
            let next = match decoded.message {
                None => {
                    packets += 1;
                    Next::Continue
                }
                Some(message) => {
                    let is_control = matches!(message, Message::Ping(_) | Message::Pong(_));
                    packets += if is_control { CONTROL_FRAME_PACKETS } else { 1 };
                    self.websocket_message(app, link, client, message)
                }
            };
            match next {
                Next::Continue if packets >= PACKETS_PER_TURN => break Next::Pause(Flow::Yield),
                // What one read brings may ask for many times its size.
                Next::Continue => self.flush_if_large(),
                next => break next,
            }
            if self.is_clogged(link) {
                break Next::Continue;
            }
            // Whoever has joined meanwhile may send more.
            limits.message_bytes_max = self.message_bytes_max(client);
        };
        Ok(Decoded { used, packets, next })
    }
}
