//! HTTP requests on the one port: Engine.IO handshakes and polls here, everything else for the application.

use std::borrow::Cow;

use foodtrack_session::{Heartbeat, Pings, Session};
use foodtrack_wire::rfc6455::{self, MessageDecoder, Opcode};

use crate::allowance::Allowance;
use crate::application::{Application, HttpRequest, HttpTicket};
use crate::client::{Client, DrainedWatch, Protocol, Transport};
use crate::deadlines::Timer;
use crate::engine_requests::EngineRequest;
use crate::http::{self, BodyLength, Head, HttpError};
use crate::limits::CONNECT_TRIES;
use crate::link::LinkKind;
use crate::outbox::{Hot, Mode};
use crate::reactor::{Reactor, key, millis};
use crate::reading::Progress;
use crate::sid::Sid;

/// A body, and how many bytes it took.
type WholeBody<'a> = (Cow<'a, [u8]>, usize);

impl Reactor {
    /// Uses the front of a link's bytes as an HTTP request.
    pub(crate) fn use_http<A: Application>(
        &mut self,
        app: &mut A,
        index: usize,
        bytes: &[u8],
    ) -> Progress {
        let link = key(index);
        let parsed = http::parse_head(bytes, |head, head_bytes, length| {
            if !self.note_forwarded(link, head) {
                return Ok(Progress::Gone);
            }
            let bytes_max = self.config.limits.payload_bytes_max;
            let rest = &bytes[head_bytes..];
            let Some((body, body_bytes)) = self.read_body(link, rest, length, bytes_max)? else {
                self.expect_body(head, length, rest.len())?;
                self.invite_body(link, head);
                return Ok(Progress::NeedMore);
            };
            let used = head_bytes + body_bytes;
            let endpoint = self.config.endpoints.iter().find(|end| end.path == head.path());
            match endpoint.map(|endpoint| endpoint.protocol) {
                Some(Protocol::WebSocket) => self.open_raw(link, head),
                Some(protocol) => {
                    let request = EngineRequest { head, body: &body, whole: bytes, used };
                    return Ok(self.engine_request(app, link, protocol, &request));
                }
                None => self.forward(app, link, head, body.into_owned()),
            }
            Ok(Progress::Used(used))
        });
        match parsed {
            Ok(Some(Ok(Progress::Used(used)))) => {
                self.rest_link(link);
                Progress::Used(used)
            }
            Ok(Some(Ok(progress))) => progress,
            Ok(None) => Progress::NeedMore,
            Ok(Some(Err(error))) | Err(error) => {
                self.note_refused(link, error.into());
                self.respond_link(link, error.status, &[], error.message.as_bytes(), false);
                self.drain_link(link);
                Progress::Gone
            }
        }
    }

    /// The body at the front of `rest` and how many bytes it took, once it is all here.
    fn read_body<'a>(
        &mut self,
        link: u32,
        rest: &'a [u8],
        length: BodyLength,
        bytes_max: usize,
    ) -> Result<Option<WholeBody<'a>>, HttpError> {
        match length {
            BodyLength::Known(length) if length > bytes_max => {
                Err(http::error(413, "body too large"))
            }
            BodyLength::Known(length) => Ok(rest.get(..length).map(|body| (body.into(), length))),
            BodyLength::Chunked => {
                let Some(state) = self.links.get_mut(link as usize) else { return Ok(None) };
                let mut decoder = state.chunked.take().unwrap_or_default();
                if let Some(taken) = decoder.decode(rest, bytes_max)? {
                    return Ok(Some((decoder.into_body().into(), taken)));
                }
                state.chunked = Some(decoder);
                Ok(None)
            }
        }
    }

    /// Whether the rest of a request's body may come, of which `here` bytes did. A small one may. Otherwise
    /// the session id says so for Engine.IO, and for the application it takes an `Authorization`.
    fn expect_body(
        &self,
        head: &Head<'_>,
        length: BodyLength,
        here: usize,
    ) -> Result<(), HttpError> {
        let announced = match length {
            BodyLength::Known(length) => length,
            BodyLength::Chunked => here,
        };
        if announced <= self.config.limits.stranger_bytes_max {
            return Ok(());
        }
        let is_engine = self.config.endpoints.iter().any(|end| end.path == head.path());
        if is_engine {
            let sid = http::query_value(head.query(), "sid").and_then(Sid::parse);
            return match sid.and_then(|sid| self.sids.shard(&sid)) {
                Some(_) => Ok(()),
                None => Err(http::error(400, "{\"code\":1,\"message\":\"Session ID unknown\"}")),
            };
        }
        let is_authorized = head
            .header("authorization")
            .and_then(|value| value.split_once(' '))
            .is_some_and(|(_, credentials)| !credentials.trim().is_empty());
        match is_authorized {
            true => Ok(()),
            false => Err(http::error(401, "a body this large takes `Authorization: Bearer TOKEN`")),
        }
    }

    /// Answers `Expect: 100-continue`, once.
    fn invite_body(&mut self, link: u32, head: &Head<'_>) {
        let Some(state) = self.links.get_mut(link as usize) else { return };
        if let LinkKind::Http { continued } = &mut state.kind
            && !*continued
            && head.header_has("expect", "100-continue")
        {
            *continued = true;
            self.send_on_link(link, b"HTTP/1.1 100 Continue\r\n\r\n");
        }
    }

    /// Gives a request that is not Engine.IO's to the application.
    fn forward<A: Application>(&mut self, app: &mut A, link: u32, head: &Head<'_>, body: Vec<u8>) {
        let Some(state) = self.links.get_mut(link as usize) else { return };
        state.kind = LinkKind::HttpBusy {
            client: None,
            keep_alive: head.keep_alive,
            head_only: head.method == "HEAD",
            origin: None,
        };
        let ticket = HttpTicket { link, serial: state.serial };
        let headers = head
            .headers
            .iter()
            .map(|header| (header.name.to_owned(), header.value.to_vec()))
            .collect();
        let request = HttpRequest {
            method: head.method.to_owned(),
            target: head.target.to_owned(),
            headers,
            body,
            peer: state.peer,
        };
        app.http(self, request, ticket);
    }

    /// Answers an HTTP request of the application's. Nothing happens if its socket is gone.
    pub fn respond(
        &mut self,
        ticket: HttpTicket,
        status: u16,
        headers: &[(&str, &[u8])],
        body: &[u8],
    ) {
        let Some(link) = self.link_of(ticket.link, ticket.serial) else { return };
        let LinkKind::HttpBusy { client: None, keep_alive, head_only, .. } = link.kind else {
            return;
        };
        let keep_alive = keep_alive && !link.seen_end;
        let body = if head_only { &[] } else { body };
        link.kind = LinkKind::Http { continued: false };
        let serial = link.serial;
        self.respond_link(ticket.link, status, headers, body, keep_alive);
        self.next_request(ticket.link, serial);
    }

    /// Writes a whole response on a link.
    pub(crate) fn respond_link(
        &mut self,
        link: u32,
        status: u16,
        headers: &[(&str, &[u8])],
        body: &[u8],
        keep_alive: bool,
    ) {
        let mut response = Vec::with_capacity(256 + body.len());
        http::write_response(&mut response, status, headers.iter().copied(), body, keep_alive);
        if !keep_alive && let Some(link) = self.links.get_mut(link as usize) {
            link.close_when_sent = true;
        }
        self.send_on_link(link, &response);
    }

    /// A link is free for its next request, which may be here already.
    pub(crate) fn next_request(&mut self, link: u32, serial: u32) {
        let Some(state) = self.link_of(link, serial) else { return };
        if !state.unread.is_empty() || state.readable {
            self.deferred.push((link, serial));
        }
        self.rest_link(link);
    }

    /// A request is answered: the next one has as long as the first.
    fn rest_link(&mut self, link: u32) {
        let deadline_ms = self.handshake_deadline_ms();
        if let Some(state) = self.links.get_mut(link as usize)
            && let LinkKind::Http { continued } = &mut state.kind
        {
            *continued = false;
            self.watch_link(link, deadline_ms);
        }
    }

    /// Makes a client, with its heartbeat; it is reached by nothing yet.
    pub(crate) fn add_client(&mut self, protocol: Protocol, transport: Transport) -> u32 {
        let serial = self.next_serial();
        let client = Client {
            serial,
            protocol,
            sid: self.sid_source.next(),
            transport,
            heartbeat: Heartbeat::start(self.now_ms),
            pings: Pings::default(),
            is_unproven: false,
            session: Session::default(),
            queue: None,
            drained_watch: DrainedWatch::Off,
            handshake: None,
            tag: 0,
            closing: None,
            is_parting: false,
            has_joined: false,
            counted_bytes: 0,
            allowance: Allowance::default(),
            posted: None,
            connects: 0,
            join_deadline_ms: 0,
            connect_deadline_ms: 0,
            alarm_ms: u64::MAX,
            alarm_timer_ms: u64::MAX,
            is_connect_timed: false,
        };
        self.insert_client(client, self.now_ms + self.config.heartbeat.interval_ms)
    }

    pub(crate) fn insert_client(&mut self, client: Client, beat_ms: u64) -> u32 {
        let (serial, protocol) = (client.serial, client.protocol);
        let index = self.clients.insert(client);
        if self.hot.len() <= index {
            self.hot.resize(index + 1, Hot::FREE);
        }
        self.hot[index] = Hot::FREE;
        self.hot[index].mode = Mode::Indirect;
        let client = key(index);
        if protocol != Protocol::WebSocket {
            self.wheel.schedule(beat_ms, Timer::Heartbeat { client, serial });
        }
        client
    }

    pub(crate) fn schedule_connect(&mut self, client: u32) {
        let timeout_ms = millis(self.config.limits.connect_timeout);
        let mut deadline_ms = self.now_ms + timeout_ms;
        let state = &mut self.clients[client as usize];
        if state.join_deadline_ms == 0 {
            state.join_deadline_ms = self.now_ms + CONNECT_TRIES * timeout_ms;
        }
        // Refusals do not keep a stranger here for ever.
        if state.is_stranger() {
            deadline_ms = deadline_ms.min(state.join_deadline_ms);
        }
        state.connect_deadline_ms = deadline_ms;
        // One entry in the wheel a client, however often it is refused.
        if state.protocol == Protocol::SocketIo && !state.is_connect_timed {
            state.is_connect_timed = true;
            self.wheel.schedule(deadline_ms, Timer::Connect { client, serial: state.serial });
        }
    }

    /// Makes a link the client's WebSocket, frames straight from the turn's buffer.
    pub(crate) fn become_websocket(&mut self, link: u32, client: u32) {
        if let Some(state) = self.links.get_mut(link as usize) {
            state.kind = LinkKind::WebSocket { client, decoder: MessageDecoder::default() };
        }
        self.clients[client as usize].transport = Transport::WebSocket { link };
        self.hot[client as usize].link = link;
        self.settle_mode(client);
        if !self.clients[client as usize].is_stranger() {
            self.make_known(link);
        }
    }

    fn open_raw(&mut self, link: u32, head: &Head<'_>) {
        let request = EngineRequest { head, body: &[], whole: &[], used: 0 };
        match request.is_upgrade().then(|| request.accept_key()) {
            Some(Ok(accept)) => {
                let client = self.add_client(Protocol::WebSocket, Transport::WebSocket { link });
                self.become_websocket(link, client);
                let range = self.outbox.direct_raw(|out| write_switch(out, &accept));
                self.outbox.push(client, &mut self.hot[client as usize], range);
            }
            _ => self.respond_link(link, 426, &[("upgrade", b"websocket")], b"", head.keep_alive),
        }
    }

    pub(crate) fn respond_poll(
        &mut self,
        link: u32,
        origin: &str,
        status: u16,
        content_type: &[u8],
        body: &[u8],
        keep_alive: bool,
    ) {
        let mut headers = vec![("content-type", content_type), ("cache-control", b"no-store")];
        headers.extend(cors(origin));
        self.respond_link(link, status, &headers, body, keep_alive);
    }
}

pub(crate) const JSON: &[u8] = b"application/json";
pub(crate) const TEXT: &[u8] = b"text/plain; charset=UTF-8";

/// What lets a page of `origin` read the answer; the origin was found to be allowed before.
pub(crate) fn cors(origin: &str) -> impl Iterator<Item = (&'static str, &[u8])> {
    let headers: [(&str, &[u8]); 3] = [
        ("access-control-allow-origin", origin.as_bytes()),
        ("access-control-allow-credentials", b"true"),
        ("vary", b"origin"),
    ];
    headers.into_iter().filter(move |_| !origin.is_empty())
}

pub(crate) fn write_switch(out: &mut Vec<u8>, accept: &str) {
    http::write_status(out, 101);
    http::write_header(out, "upgrade", b"websocket");
    http::write_header(out, "connection", b"Upgrade");
    http::write_header(out, "sec-websocket-accept", accept.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// A control frame of the WebSocket protocol itself, for one link.
pub(crate) fn control(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + 4);
    rfc6455::write_frame(&mut frame, opcode, payload);
    frame
}
