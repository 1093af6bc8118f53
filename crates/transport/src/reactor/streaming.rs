//! Answers to HTTP requests whose bodies come in pieces: exports, and streams of events.

use foodtrack_session::LinkId;

use super::Reactor;
use super::application::{Application, HttpTicket};
use crate::deadlines::{Timer, millis};
use crate::http_response::ResponseHead;
use crate::limits::STREAM_BYTES_MAX;
use crate::streams::Idle;

/// What became of a piece of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// It was taken, and goes out at the end of the turn.
    Taken,
    /// It was not: too much waits for the peer. [`Application::stream_drained`] says when there is room.
    Full,
    /// It was not: the peer is gone, or the answer is no stream.
    Gone,
}

impl Reactor {
    /// Begins an answer to a request of the application's whose body comes in [pieces](Self::stream). The connection closes
    /// behind it. `heartbeat` is a piece that is sent whenever nothing else was for a while, such as the comment line of an
    /// event stream; a stream without one ends when its producer gives nothing for `limits.stream_idle_timeout`.
    ///
    /// Returns whether a body is wanted: not where the socket is gone, nor for HEAD.
    pub fn begin_stream(
        &mut self,
        ticket: HttpTicket,
        status: u16,
        headers: &[(&str, &[u8])],
        heartbeat: Option<&'static [u8]>,
    ) -> bool {
        let (link, now_ms) = (ticket.link, self.deadlines.now_ms());
        let Some(state) = self.links.get_mut(link) else { return false };
        let Some(waited) = state.begin_stream() else { return false };
        let head = ResponseHead { status, headers, page: state.page(), keep_alive: None };
        let mut response = Vec::with_capacity(256);
        head.write_for_stream(&mut response, waited.is_chunkable);
        state.queue(&response);
        self.streams.begin(link, waited.is_chunkable, heartbeat, now_ms);
        self.streams.give(link, now_ms);
        if waited.head_only {
            self.finish_stream(link);
            return false;
        }
        let limits = &self.config.limits;
        let look_ms = millis(match heartbeat {
            Some(_) => limits.stream_heartbeat_interval,
            None => limits.stream_idle_timeout,
        });
        self.deadlines.schedule(now_ms + look_ms, Timer::Stream(link));
        true
    }

    /// Gives a piece of a body, which is taken while no more than 256 KiB wait for the peer with it.
    pub fn stream(&mut self, ticket: HttpTicket, piece: &[u8]) -> Piece {
        let link = ticket.link;
        let Some(state) = self.links.get_mut(link).filter(|link| link.is_streaming()) else {
            return Piece::Gone;
        };
        if state.output.bytes() + piece.len() > STREAM_BYTES_MAX {
            self.streams.await_room(link);
            if state.output.is_empty() {
                // Nothing waits whose end could be heard of: the piece is too large by itself.
                debug_assert!(false, "a piece of {} bytes is never taken", piece.len());
            }
            return Piece::Full;
        }
        let Some(is_chunked) = self.streams.give(link, self.deadlines.now_ms()) else {
            return Piece::Gone;
        };
        match is_chunked {
            // A chunk of no bytes would be the last one.
            true if piece.is_empty() => {}
            true => {
                state.queue(format!("{:x}\r\n", piece.len()).as_bytes());
                state.queue(piece);
                state.queue(b"\r\n");
            }
            false => state.queue(piece),
        }
        Piece::Taken
    }

    /// Ends a body: what was given before still goes out, and then the connection closes. The application hears nothing more of
    /// it.
    pub fn end_stream(&mut self, ticket: HttpTicket) {
        let Some(state) = self.links.get_mut(ticket.link).filter(|link| link.is_streaming()) else {
            return;
        };
        if self.streams.give(ticket.link, self.deadlines.now_ms()) == Some(true) {
            state.queue(b"0\r\n\r\n");
        }
        self.finish_stream(ticket.link);
    }

    /// Cuts a body off: its peer sees that it is not whole.
    pub fn abort_stream(&mut self, ticket: HttpTicket) {
        if self.links.get(ticket.link).is_some_and(|link| link.is_streaming()) {
            self.streams.end(ticket.link);
            self.drop_link(ticket.link);
        }
    }

    fn finish_stream(&mut self, link: LinkId) {
        self.streams.end(link);
        if let Some(state) = self.links.get_mut(link) {
            state.end_stream();
        }
    }

    /// Writes what streams were given this turn: each socket once.
    pub(super) fn flush_streams(&mut self) {
        for link in self.streams.take_dirty() {
            let Some(state) = self.links.get_mut(link) else { continue };
            if state.output.is_blocked() {
                continue;
            }
            let before = state.output.bytes();
            let sent = state.send_rest();
            self.stats.note_sent(before - state.output.bytes());
            match sent {
                Ok(true) if state.output.closes_when_sent() => self.end_link(link),
                Ok(true) => self.streams.note_drained(link),
                Ok(false) => {
                    self.watch_output(link);
                    self.count_stranger(link);
                }
                Err(_) => self.drop_link(link),
            }
        }
    }

    /// Tells producers of room and of ends, and sends what they give.
    pub(super) fn tell_streams<A: Application>(&mut self, app: &mut A) {
        if !self.streams.has_news() {
            return;
        }
        self.flush_streams();
        let (drained, ended) = self.streams.take_news();
        ended.into_iter().for_each(|link| app.stream_ended(self, HttpTicket { link }));
        for link in drained {
            if self.links.get(link).is_some_and(|link| link.is_streaming()) {
                app.stream_drained(self, HttpTicket { link });
            }
        }
        self.flush_streams();
    }

    /// A stream may have been idle for too long.
    pub(super) fn look_at_stream(&mut self, link: LinkId) {
        let limits = &self.config.limits;
        let beat_ms = millis(limits.stream_heartbeat_interval);
        let idle_ms = millis(limits.stream_idle_timeout);
        let now_ms = self.deadlines.now_ms();
        let look_ms = match self.streams.look(link, beat_ms, idle_ms, now_ms) {
            Idle::Gone => return,
            Idle::GiveUp => return self.drop_link(link),
            Idle::Wait { look_ms } => look_ms,
            Idle::Beat(heartbeat) => {
                // Who does not take what waits needs no proof that the server is there.
                if self.links.get(link).is_some_and(|link| link.output.is_empty()) {
                    self.stream(HttpTicket { link }, heartbeat);
                }
                now_ms + beat_ms
            }
        };
        self.deadlines.schedule(look_ms, Timer::Stream(link));
    }
}
