//! HTTP requests on the one port: Engine.IO handshakes and polls here, everything else for the application.

use std::collections::VecDeque;

use foodtrack_session::{Heartbeat, Probe, Session};
use foodtrack_wire::engine_io::{self, Handshake, Packet};
use foodtrack_wire::rfc6455::{self, MessageDecoder, Opcode};

use crate::application::{Application, Flow, HttpRequest, HttpTicket};
use crate::client::{
    Client, HandshakeInfo, OwnedPacket, Packets, Polling, Protocol, Transport, Upgrade,
};
use crate::handover::{Handover, Moved};
use crate::http::{self, BodyLength, Head, HttpError};
use crate::link::LinkKind;
use crate::outbox::{Hot, Mode};
use crate::reactor::{Reactor, Timer, key, millis};
use crate::reading::Progress;
use crate::sending::poll_body;
use crate::sid::Sid;

/// The refusals of Engine.IO: code, status, message.
#[derive(Clone, Copy)]
enum EngineError {
    UnknownTransport,
    UnknownSid,
    BadHandshakeMethod,
    BadRequest,
    Forbidden,
    UnsupportedVersion,
}

impl EngineError {
    fn parts(self) -> (u8, u16, &'static str) {
        match self {
            Self::UnknownTransport => (0, 400, "Transport unknown"),
            Self::UnknownSid => (1, 400, "Session ID unknown"),
            Self::BadHandshakeMethod => (2, 400, "Bad handshake method"),
            Self::BadRequest => (3, 400, "Bad request"),
            Self::Forbidden => (4, 403, "Forbidden"),
            Self::UnsupportedVersion => (5, 400, "Unsupported protocol version"),
        }
    }
}

/// How long a request waits between two looks for a client that is on its way from another shard.
const IN_TRANSIT_MS: u32 = 10;

/// A body, once it is all here, and how many bytes it took.
enum Body<'a> {
    Whole(std::borrow::Cow<'a, [u8]>, usize),
    Missing,
}

fn read_body(bytes: &[u8], length: BodyLength, bytes_max: usize) -> Result<Body<'_>, HttpError> {
    match length {
        BodyLength::Known(length) if length > bytes_max => {
            Err(HttpError { status: 413, message: "body too large" })
        }
        BodyLength::Known(length) => Ok(match bytes.get(..length) {
            Some(body) => Body::Whole(body.into(), length),
            None => Body::Missing,
        }),
        BodyLength::Chunked => Ok(match http::read_chunked(bytes, bytes_max)? {
            Some((body, taken)) => Body::Whole(body.into(), taken),
            None => Body::Missing,
        }),
    }
}

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
            let bytes_max = self.config.limits.payload_bytes_max;
            let (body, body_bytes) = match read_body(&bytes[head_bytes..], length, bytes_max) {
                Ok(Body::Whole(body, body_bytes)) => (body, body_bytes),
                Ok(Body::Missing) => {
                    self.invite_body(link, head);
                    return Ok(Progress::NeedMore);
                }
                Err(error) => return Err(error),
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
                self.respond_link(link, error.status, &[], error.message.as_bytes(), false);
                self.drain_link(link);
                Progress::Gone
            }
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

    fn engine_request<A: Application>(
        &mut self,
        app: &mut A,
        link: u32,
        protocol: Protocol,
        request: &EngineRequest<'_>,
    ) -> Progress {
        match self.try_engine_request(app, link, protocol, request) {
            Ok(progress) => progress,
            Err(error) => {
                let (code, status, message) = error.parts();
                if request.is_upgrade() {
                    let headers = [("content-type", &b"text/html"[..])];
                    self.respond_link(link, 400, &headers, message.as_bytes(), false);
                    self.drain_link(link);
                    return Progress::Gone;
                }
                let body = format!("{{\"code\":{code},\"message\":\"{message}\"}}");
                self.respond_engine(link, request.head, status, JSON, body.as_bytes());
                Progress::Used(request.used)
            }
        }
    }

    fn try_engine_request<A: Application>(
        &mut self,
        app: &mut A,
        link: u32,
        protocol: Protocol,
        request: &EngineRequest<'_>,
    ) -> Result<Progress, EngineError> {
        let head = request.head;
        let query = head.query();
        let is_upgrade = request.is_upgrade();
        let transport = http::query_value(query, "transport").unwrap_or("");
        if !matches!(transport, "polling" | "websocket") {
            return Err(EngineError::UnknownTransport);
        }
        if let Some(origin) = head.header("origin")
            && !self.config.origins.allows(origin, head.header("host"))
        {
            return Err(EngineError::Forbidden);
        }
        if head.method == "OPTIONS" {
            self.respond_preflight(link, head);
            return Ok(Progress::Used(request.used));
        }
        if is_upgrade != (transport == "websocket") {
            return Err(EngineError::BadRequest);
        }
        let Some(sid) = http::query_value(query, "sid") else {
            if head.method != "GET" {
                return Err(EngineError::BadHandshakeMethod);
            }
            if http::query_value(query, "EIO") != Some("4") {
                return Err(EngineError::UnsupportedVersion);
            }
            return self.handshake(link, protocol, request);
        };
        let sid = Sid::parse(sid).ok_or(EngineError::UnknownSid)?;
        let shard = self.sids.shard(&sid).ok_or(EngineError::UnknownSid)?;
        if shard != self.shard {
            self.move_request(app, link, shard, request.whole);
            return Ok(Progress::Gone);
        }
        if self.parted.contains(&sid) {
            return self.parting_request(link, &sid, request);
        }
        let Some(&client) = self.polling.get(&sid) else {
            // The client is on its way here, and this request was faster.
            self.wait_for_client(link);
            return Ok(Progress::NeedMore);
        };
        let state = self.clients.get(client as usize).ok_or(EngineError::UnknownSid)?;
        // The id stays the session's after the upgrade, but polling with it is over.
        if !matches!(state.transport, Transport::Polling(_)) || state.protocol != protocol {
            return Err(EngineError::BadRequest);
        }
        if state.closing.is_some() {
            return Err(EngineError::UnknownSid);
        }
        match head.method {
            "GET" if is_upgrade => self.open_upgrade(link, client, request),
            "GET" => self.poll_request(link, client, request),
            "POST" => return Ok(self.post_request(app, link, client, request)),
            _ => Err(EngineError::BadRequest),
        }?;
        Ok(Progress::Used(request.used))
    }

    /// A request of a client that was closed and does not know it yet.
    fn parting_request(
        &mut self,
        link: u32,
        sid: &Sid,
        request: &EngineRequest<'_>,
    ) -> Result<Progress, EngineError> {
        match request.head.method {
            // What it still says is too late, but no error: its next poll tells.
            "POST" => self.respond_engine(link, request.head, 200, b"text/html", b"ok"),
            "GET" if !request.is_upgrade() => {
                let mut backlog = self.parted.take(sid).flatten();
                self.sids.remove(sid);
                let bytes_max = self.config.limits.payload_bytes_max;
                let body = poll_body(&mut backlog, bytes_max, Some(b"1"));
                self.stats.sent_bytes += body.len() as u64;
                self.respond_engine(link, request.head, 200, TEXT, &body);
            }
            _ => return Err(EngineError::BadRequest),
        }
        Ok(Progress::Used(request.used))
    }

    fn wait_for_client(&mut self, link: u32) {
        if let Some(serial) = self.links.get(link as usize).map(|link| link.serial) {
            self.pause(link, serial, Flow::PauseMs(IN_TRANSIT_MS));
        }
    }

    fn handshake(
        &mut self,
        link: u32,
        protocol: Protocol,
        request: &EngineRequest<'_>,
    ) -> Result<Progress, EngineError> {
        let head = request.head;
        let Some(state) = self.links.get(link as usize) else { return Ok(Progress::Gone) };
        let peer = state.peer;
        if let Err(retry_after_ms) = self.admission.admit(peer.ip(), self.now_ms) {
            self.refuse_handshake(link, head, retry_after_ms);
            return Ok(Progress::Gone);
        }
        let accept = request.is_upgrade().then(|| request.accept_key()).transpose()?;
        let own = |name| head.header(name).map(Box::from);
        let info = HandshakeInfo {
            address: peer,
            user_agent: own("user-agent"),
            authorization: own("authorization"),
            cookie: own("cookie"),
        };
        let client = self.add_client(protocol, Transport::Polling(Polling::default()));
        self.clients[client as usize].handshake = Some(Box::new(info));
        let sid = self.clients[client as usize].sid;
        let (interval_ms, timeout_ms) =
            (self.config.heartbeat.interval_ms, self.config.heartbeat.timeout_ms);
        let max_payload = self.config.limits.payload_bytes_max as u64;
        let upgrades: &[&str] = if accept.is_some() { &[] } else { &["websocket"] };
        let write_open = |out: &mut Vec<u8>| {
            engine_io::write_open(
                out,
                &Handshake {
                    sid: sid.as_str(),
                    upgrades,
                    ping_interval_ms: interval_ms,
                    ping_timeout_ms: timeout_ms,
                    max_payload,
                },
            );
        };
        match accept {
            Some(accept) => {
                self.become_websocket(link, client);
                let range = self.outbox.direct_raw(|out| write_switch(out, &accept));
                self.outbox.push(client, &mut self.hot[client as usize], range);
                let range = self.outbox.direct(write_open, &[]);
                self.outbox.push(client, &mut self.hot[client as usize], range);
            }
            None => {
                self.sids.insert(sid, self.shard);
                self.polling.insert(sid, client);
                let mut body = Vec::with_capacity(128);
                write_open(&mut body);
                self.respond_engine(link, head, 200, TEXT, &body);
            }
        }
        self.schedule_connect(client);
        Ok(Progress::Used(request.used))
    }

    fn refuse_handshake(&mut self, link: u32, head: &Head<'_>, retry_after_ms: u64) {
        let body = format!(
            "{{\"code\":\"handshake_rate_limited\",\"message\":\"this address opens connections too fast\",\"retryAfterMs\":{retry_after_ms}}}"
        );
        let seconds = retry_after_ms.div_ceil(1_000).to_string();
        let origin = head.header("origin").unwrap_or("");
        let mut headers = vec![("content-type", JSON), ("retry-after", seconds.as_bytes())];
        headers.extend(cors(origin));
        self.respond_link(link, 429, &headers, body.as_bytes(), false);
        self.drain_link(link);
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
            session: Session::default(),
            queue: None,
            handshake: None,
            tag: 0,
            closing: None,
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
        let deadline_ms = self.now_ms + millis(self.config.limits.connect_timeout);
        let state = &mut self.clients[client as usize];
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
    }

    fn open_raw(&mut self, link: u32, head: &Head<'_>) {
        let request = EngineRequest { head, body: &[], whole: &[], used: 0 };
        match request.is_upgrade().then(|| request.accept_key()) {
            Some(Ok(accept)) => {
                let transport = Transport::Polling(Polling::default());
                let client = self.add_client(Protocol::WebSocket, transport);
                self.become_websocket(link, client);
                let range = self.outbox.direct_raw(|out| write_switch(out, &accept));
                self.outbox.push(client, &mut self.hot[client as usize], range);
            }
            _ => self.respond_link(link, 426, &[("upgrade", b"websocket")], b"", head.keep_alive),
        }
    }

    fn open_upgrade(
        &mut self,
        link: u32,
        client: u32,
        request: &EngineRequest<'_>,
    ) -> Result<(), EngineError> {
        let accept = request.accept_key()?;
        let deadline_ms = self.now_ms + millis(self.config.limits.upgrade_timeout);
        let Transport::Polling(polling) = &mut self.clients[client as usize].transport else {
            return Err(EngineError::BadRequest);
        };
        if polling.upgrade.is_some() {
            return Err(EngineError::BadRequest);
        }
        polling.upgrade = Some(Upgrade { link, probe: Probe::Awaited });
        if let Some(state) = self.links.get_mut(link as usize) {
            state.kind = LinkKind::WebSocket { client, decoder: MessageDecoder::default() };
            self.wheel.schedule(deadline_ms, Timer::Upgrade { link, serial: state.serial });
        }
        let mut answer = Vec::with_capacity(192);
        write_switch(&mut answer, &accept);
        self.send_on_link(link, &answer);
        Ok(())
    }

    fn poll_request(
        &mut self,
        link: u32,
        client: u32,
        request: &EngineRequest<'_>,
    ) -> Result<(), EngineError> {
        let Transport::Polling(polling) = &mut self.clients[client as usize].transport else {
            return Err(EngineError::BadRequest);
        };
        if polling.waiting.is_some() {
            // Two polls at once: somebody else may hold the id. The session ends.
            self.close(crate::ClientKey(client), crate::CloseReason::ProtocolError);
            return Err(EngineError::BadRequest);
        }
        polling.waiting = Some(link);
        let answered = polling.upgrade.as_ref().is_some_and(|up| up.probe == Probe::Answered);
        if let Some(state) = self.links.get_mut(link as usize) {
            state.kind = LinkKind::HttpBusy {
                client: Some(client),
                keep_alive: request.head.keep_alive,
                head_only: false,
                origin: request.head.header("origin").map(Box::from),
            };
        }
        if answered {
            self.end_poll_for_upgrade(client);
        } else {
            self.outbox.mark(client, &mut self.hot[client as usize]);
        }
        Ok(())
    }

    fn post_request<A: Application>(
        &mut self,
        app: &mut A,
        link: u32,
        client: u32,
        request: &EngineRequest<'_>,
    ) -> Progress {
        let head = request.head;
        let binary = head.header("content-type") == Some("application/octet-stream");
        let text = std::str::from_utf8(request.body).ok().filter(|_| !binary);
        let packets = text.and_then(read_packets);
        let Some(packets) = packets else {
            self.close(crate::ClientKey(client), crate::CloseReason::ProtocolError);
            let (code, status, message) = EngineError::BadRequest.parts();
            let body = format!("{{\"code\":{code},\"message\":\"{message}\"}}");
            self.respond_engine(link, head, status, JSON, body.as_bytes());
            return Progress::Used(request.used);
        };
        // Answered first: a packet may take the client to another shard, and the poster need not wait for that.
        let serial = self.links.get(link as usize).map(|link| link.serial);
        if packets.iter().any(|packet| matches!(packet, OwnedPacket::Other)) {
            let (code, status, message) = EngineError::BadRequest.parts();
            let body = format!("{{\"code\":{code},\"message\":\"{message}\"}}");
            self.respond_engine(link, head, status, JSON, body.as_bytes());
        } else {
            self.respond_engine(link, head, 200, b"text/html", b"ok");
        }
        let flow = self.polled_packets(app, client, packets);
        let Some(serial) = serial.filter(|serial| self.link_of(link, *serial).is_some()) else {
            return Progress::Gone;
        };
        if flow != Flow::Continue {
            self.pause(link, serial, flow);
        }
        Progress::Used(request.used)
    }

    fn respond_preflight(&mut self, link: u32, head: &Head<'_>) {
        let origin = head.header("origin").unwrap_or("");
        let requested = head.header("access-control-request-headers").unwrap_or("");
        let mut headers: Vec<(&str, &[u8])> = vec![
            ("access-control-allow-methods", b"GET,POST"),
            ("access-control-allow-headers", requested.as_bytes()),
            ("access-control-max-age", b"600"),
        ];
        headers.extend(cors(origin));
        self.respond_link(link, 204, &headers, b"", head.keep_alive);
    }

    fn respond_engine(
        &mut self,
        link: u32,
        head: &Head<'_>,
        status: u16,
        content_type: &[u8],
        body: &[u8],
    ) {
        let origin = head.header("origin").unwrap_or("");
        self.respond_poll(link, origin, status, content_type, body, head.keep_alive);
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

    /// Takes a request to the shard where its session lives.
    fn move_request<A: Application>(&mut self, app: &mut A, link: u32, shard: usize, whole: &[u8]) {
        if let Some(mut state) = self.take_link(link) {
            state.unread = whole.to_vec();
            app.hand_over(shard, Handover(Moved::Request(Box::new(state))));
        }
    }
}

/// An Engine.IO request with its body; `whole` is everything from its first byte on, `used` its own length.
struct EngineRequest<'a> {
    head: &'a Head<'a>,
    body: &'a [u8],
    whole: &'a [u8],
    used: usize,
}

impl EngineRequest<'_> {
    fn is_upgrade(&self) -> bool {
        self.head.header_has("upgrade", "websocket")
    }

    fn accept_key(&self) -> Result<String, EngineError> {
        let head = self.head;
        let key = head.header("sec-websocket-key").filter(|key| rfc6455::is_valid_key(key));
        let fits = head.method == "GET"
            && head.header("sec-websocket-version") == Some("13")
            && head.header_has("connection", "upgrade");
        key.filter(|_| fits).map(rfc6455::accept_key).ok_or(EngineError::BadRequest)
    }
}

pub(crate) const JSON: &[u8] = b"application/json";
pub(crate) const TEXT: &[u8] = b"text/plain; charset=UTF-8";

/// What lets a page of `origin` read the answer; the origin was found to be allowed before.
fn cors(origin: &str) -> impl Iterator<Item = (&'static str, &[u8])> {
    let headers: [(&str, &[u8]); 3] = [
        ("access-control-allow-origin", origin.as_bytes()),
        ("access-control-allow-credentials", b"true"),
        ("vary", b"origin"),
    ];
    headers.into_iter().filter(move |_| !origin.is_empty())
}

fn write_switch(out: &mut Vec<u8>, accept: &str) {
    http::write_status(out, 101);
    http::write_header(out, "upgrade", b"websocket");
    http::write_header(out, "connection", b"Upgrade");
    http::write_header(out, "sec-websocket-accept", accept.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn read_packets(body: &str) -> Option<Packets> {
    let mut packets = VecDeque::new();
    let read = engine_io::decode_payload(body, |packet| {
        packets.push_back(match packet {
            Packet::Text(text) => OwnedPacket::Text(text.to_owned()),
            Packet::Binary(bytes) => OwnedPacket::Binary(bytes.to_vec()),
            Packet::Pong(_) => OwnedPacket::Pong,
            Packet::Close => OwnedPacket::Close,
            _ => OwnedPacket::Other,
        });
    });
    read.ok().map(|()| packets)
}

/// A control frame of the WebSocket protocol itself, for one link.
pub(crate) fn control(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + 4);
    rfc6455::write_frame(&mut frame, opcode, payload);
    frame
}
