//! Engine.IO over HTTP: handshakes, polls, posts and the start of an upgrade.

use std::net::SocketAddr;
use std::sync::Arc;

use super::Reactor;
use super::application::{Application, Flow};
use super::next::Progress;
use super::polling::carrier;
use crate::client::{HandshakeInfo, OwnedPacket, Protocol};
use crate::door::DoorRefusal;
use crate::engine_request::{EngineError, EngineRequest, read_packets};
use crate::frame_layout::Layout;
use crate::handover::{Handover, Moved};
use crate::http::{self, Head};
use crate::http_response::{JSON, TEXT};
use crate::limits::{POSTED_PACKETS_MAX, STRANGER_POSTED_PACKETS_MAX};
use crate::origin_policy::{PageAccess, refused_origin};
use foodtrack_session::{EngineSession, LinkId, Sid};
use foodtrack_wire::engine_io::{self, Handshake};

impl Reactor {
    pub(super) fn engine_request<A: Application>(
        &mut self,
        app: &mut A,
        link: LinkId,
        protocol: Protocol,
        request: &EngineRequest<'_>,
    ) -> Progress {
        if request.head.method == "HEAD" {
            // A handshake without its answer would be a session that nobody knows.
            let allow = [("allow", &b"GET, POST, OPTIONS"[..])];
            self.respond_link(link, 405, &allow, b"", request.head.keep_alive);
            return Progress::Used(request.used);
        }
        let tried = match protocol {
            Protocol::PlainJson => self.open_plain_json(link, request),
            _ => self.try_engine_request(app, link, protocol, request),
        };
        match tried {
            Ok(progress) => progress,
            Err(error) => {
                self.note_refused(link, error.into());
                let (code, status, message) = error.parts();
                let message = match (error, request.head.origin()) {
                    (EngineError::Forbidden, Some(origin)) => refused_origin(origin),
                    _ => message.to_owned(),
                };
                if request.is_upgrade() {
                    let mut headers = vec![("content-type", &b"text/html"[..])];
                    headers.extend(spoken_version(error));
                    self.respond_link(link, status, &headers, message.as_bytes(), false);
                    self.drain_link(link);
                    return Progress::Gone;
                }
                let body = format!("{{\"code\":{code},\"message\":\"{message}\"}}");
                self.respond_engine(link, request.head, status, JSON, body.as_bytes());
                Progress::Used(request.used)
            }
        }
    }

    /// The only request at an endpoint of plain JSON: one for a WebSocket.
    fn open_plain_json(
        &mut self,
        link: LinkId,
        request: &EngineRequest<'_>,
    ) -> Result<Progress, EngineError> {
        if self.page_access(request.head) == PageAccess::Refused {
            return Err(EngineError::Forbidden);
        }
        if !request.is_upgrade() {
            self.ask_for_upgrade(link, request.head);
            return Ok(Progress::Used(request.used));
        }
        self.handshake(link, Protocol::PlainJson, request)
    }

    /// Says that a path is one for WebSockets alone.
    pub(super) fn ask_for_upgrade(&mut self, link: LinkId, head: &Head<'_>) {
        let headers = [("upgrade", &b"websocket"[..]), ("sec-websocket-version", b"13")];
        self.respond_link(link, 426, &headers, b"", head.keep_alive);
    }

    pub(super) fn try_engine_request<A: Application>(
        &mut self,
        app: &mut A,
        link: LinkId,
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
        if self.page_access(head) == PageAccess::Refused {
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
        self.session_request(app, link, protocol, &sid, request)
    }

    /// A request of a session that has begun.
    fn session_request<A: Application>(
        &mut self,
        app: &mut A,
        link: LinkId,
        protocol: Protocol,
        sid: &Sid,
        request: &EngineRequest<'_>,
    ) -> Result<Progress, EngineError> {
        let Some(shard) = self.sids.shard(sid) else {
            return self.pass_on(app, link, sid, request);
        };
        if shard != self.shard {
            self.move_request(app, link, shard, request.whole);
            return Ok(Progress::Gone);
        }
        if self.closed_polling.contains(sid) {
            return self.closed_request(link, sid, request);
        }
        let Some(client) = self.clients.named(sid) else {
            // The client is on its way here, and this request was faster.
            return Ok(self.look_again(link, Flow::PauseMs(IN_TRANSIT_MS)));
        };
        let (method, is_upgrade) = (request.head.method, request.is_upgrade());
        let state = self.clients.get(client as usize).ok_or(EngineError::UnknownSid)?;
        if is_upgrade && state.protocol() == protocol && state.engine.has_websocket() {
            self.refuse_websocket(link, request)?;
            return Ok(Progress::Gone);
        }
        // The id stays the session's after the upgrade, but polling with it is over.
        if !state.engine.is_polling() || state.protocol() != protocol {
            return Err(EngineError::BadRequest);
        }
        if !state.is_stranger() {
            self.make_known(link);
        }
        let state = &self.clients[client as usize];
        if state.engine.is_closing() {
            return Ok(self.closing_request(link, client, request));
        }
        let over_ms = state.allowance.over_ms(self.deadlines.now_ms());
        if over_ms > 0 {
            return Ok(self.look_again(link, Flow::PauseMs(over_ms)));
        }
        if method == "POST" && state.has_posted() {
            return Ok(self.look_again(link, Flow::Yield));
        }
        self.spend(client, 1, request.body.len());
        match method {
            "GET" if is_upgrade => self.open_upgrade(link, client, request),
            "GET" => self.poll_request(link, client, request),
            "POST" => return Ok(self.post_request(app, link, client, request)),
            _ => Err(EngineError::BadRequest),
        }?;
        Ok(Progress::Used(request.used))
    }

    /// A request of a client that is about to go: whatever it is, it is no error.
    fn closing_request(
        &mut self,
        link: LinkId,
        client: u32,
        request: &EngineRequest<'_>,
    ) -> Progress {
        if self.clients[client as usize].engine.is_kept_by_upgrade() {
            if request.head.method == "POST" {
                // It changes its transport once this is answered.
                self.respond_taken(link, request.head);
                return Progress::Used(request.used);
            }
            // Who polls hears there.
            self.give_up_upgrade(client);
        }
        // When it is gone it is known what to answer.
        self.look_again(link, Flow::Yield)
    }

    /// A request of a client that was closed and does not know it yet.
    fn closed_request(
        &mut self,
        link: LinkId,
        sid: &Sid,
        request: &EngineRequest<'_>,
    ) -> Result<Progress, EngineError> {
        match request.head.method {
            // What it still says is too late, but no error: its next poll tells.
            "POST" => self.respond_taken(link, request.head),
            "GET" if !request.is_upgrade() => {
                let bytes_max = self.config.limits.payload_bytes_max;
                let (closed, links) = (&mut self.closed_polling, &self.links);
                let (body, is_over) = closed
                    .answer(sid, request.id(), link, bytes_max, |link| carrier(links, link))
                    .ok_or(EngineError::UnknownSid)?;
                if is_over {
                    self.sids.remove(sid);
                }
                self.respond_with_packets(link, request.head, &body);
            }
            _ => return Err(EngineError::BadRequest),
        }
        Ok(Progress::Used(request.used))
    }

    /// Leaves a request where it is, to be looked at again later.
    fn look_again(&mut self, link: LinkId, later: Flow) -> Progress {
        self.pause(link, later);
        Progress::NeedMore
    }

    pub(super) fn handshake(
        &mut self,
        link: LinkId,
        protocol: Protocol,
        request: &EngineRequest<'_>,
    ) -> Result<Progress, EngineError> {
        let head = request.head;
        let Some(state) = self.links.get(link) else { return Ok(Progress::Gone) };
        let peer = state.peer();
        if let Err(retry_after_ms) = self.admission.admit(peer.ip(), self.deadlines.now_ms()) {
            self.note_refused(link, DoorRefusal::HandshakeRateLimited);
            self.warn_of_proxy(link, head);
            self.refuse_handshake(link, retry_after_ms);
            return Ok(Progress::Gone);
        }
        let accept = request.is_upgrade().then(|| request.accept()).transpose()?;
        let engine = match accept {
            Some(_) => EngineSession::websocket(link, self.deadlines.now_ms()),
            None => EngineSession::polling(self.deadlines.now_ms()),
        };
        let info = Box::new(self.handshake_info(protocol, peer, head));
        let client = self.add_client(protocol, engine, Some(info));
        self.recount_client(client);
        let sid = *self.clients[client as usize].sid();
        let config = Arc::clone(&self.config);
        let upgrades: &[&str] = if accept.is_some() { &[] } else { &["websocket"] };
        let write_open = |out: &mut Vec<u8>| {
            engine_io::write_open(
                out,
                &Handshake {
                    sid: sid.as_str(),
                    upgrades,
                    ping_interval_ms: config.heartbeat.interval_ms,
                    ping_timeout_ms: config.heartbeat.timeout_ms,
                    max_payload: config.limits.payload_bytes_max as u64,
                },
            );
        };
        match accept {
            Some(accept) => {
                self.become_websocket(link, client);
                let (range, ()) = self.outbox.direct(|out| accept.write(out));
                self.outbox.push(client, &mut self.fanout[client as usize], range);
                if protocol == Protocol::PlainJson {
                    self.send_plain_json_open(client);
                } else {
                    let (range, _) = self.outbox.direct(|out| Layout::text(out, write_open));
                    self.outbox.push(client, &mut self.fanout[client as usize], range);
                }
            }
            None => {
                self.sids.insert(sid, self.shard);
                if !self.clients[client as usize].is_stranger() {
                    self.sids.make_known(&sid);
                }
                self.clients.name(client);
                let mut body = Vec::with_capacity(128);
                write_open(&mut body);
                self.respond_engine(link, head, 200, TEXT, &body);
            }
        }
        self.schedule_connect(client);
        Ok(Progress::Used(request.used))
    }

    /// Tells a client that speaks plain JSON what it may do.
    fn send_plain_json_open(&mut self, client: u32) {
        let (heartbeat, limits) = (&self.config.heartbeat, &self.config.limits);
        let open = format!(
            "{{\"type\":\"open\",\"pingIntervalMs\":{},\"pingTimeoutMs\":{},\"payloadBytesMax\":{}}}",
            heartbeat.interval_ms, heartbeat.timeout_ms, limits.payload_bytes_max
        );
        self.send_plain_json(client, &open);
    }

    /// What a client tells of itself as it opens its session.
    pub(super) fn handshake_info(
        &self,
        protocol: Protocol,
        address: SocketAddr,
        head: &Head<'_>,
    ) -> HandshakeInfo {
        let own = |name| head.header(name).map(Box::from);
        let may_use_cookies = self.page_access(head).has_credentials();
        HandshakeInfo {
            protocol,
            address,
            user_agent: own("user-agent"),
            authorization: own("authorization"),
            cookie: may_use_cookies.then(|| head.cookies()).flatten(),
            origin: own("origin"),
        }
    }

    pub(super) fn refuse_handshake(&mut self, link: LinkId, retry_after_ms: u64) {
        let body = format!(
            "{{\"code\":\"handshake_rate_limited\",\"message\":\"this address opens connections too fast\",\"retryAfterMs\":{retry_after_ms}}}"
        );
        let seconds = retry_after_ms.div_ceil(1_000).to_string();
        let headers = [("content-type", JSON), ("retry-after", seconds.as_bytes())];
        self.respond_link(link, 429, &headers, body.as_bytes(), false);
        self.drain_link(link);
    }

    /// A second WebSocket for a session that has one, or is changing to one. Browsers do not tell pages why a handshake was
    /// refused: it is answered, and then closed with a reason. The first one lives on.
    fn refuse_websocket(
        &mut self,
        link: LinkId,
        request: &EngineRequest<'_>,
    ) -> Result<(), EngineError> {
        let accept = request.accept()?;
        let mut answer = Vec::with_capacity(192);
        accept.write(&mut answer);
        self.send_on_link(link, &answer);
        self.close_websocket_saying(link, 1_008, "the session has a WebSocket already");
        Ok(())
    }

    pub(super) fn open_upgrade(
        &mut self,
        link: LinkId,
        client: u32,
        request: &EngineRequest<'_>,
    ) -> Result<(), EngineError> {
        let accept = request.accept()?;
        if !self.clients[client as usize].engine.open_upgrade(link) {
            return Err(EngineError::BadRequest);
        }
        if let Some(state) = self.links.get_mut(link) {
            state.become_websocket(client);
            self.watch_upgrade(link);
        }
        let mut answer = Vec::with_capacity(192);
        accept.write(&mut answer);
        self.send_on_link(link, &answer);
        Ok(())
    }

    pub(super) fn post_request<A: Application>(
        &mut self,
        app: &mut A,
        link: LinkId,
        client: u32,
        request: &EngineRequest<'_>,
    ) -> Progress {
        let head = request.head;
        let (id, links) = (request.id(), &self.links);
        let engine = &mut self.clients[client as usize].engine;
        if engine.is_post_again(id, request.body, link, |link| carrier(links, link)) {
            self.respond_taken(link, head);
            return Progress::Used(request.used);
        }
        let bytes_max = self.message_bytes_max(client);
        if request.body.len() > bytes_max {
            let reason = self.too_big(client, bytes_max);
            self.close(self.key(client), crate::CloseReason::ProtocolError);
            self.respond_engine(link, head, 413, TEXT, reason.as_bytes());
            return Progress::Used(request.used);
        }
        let binary = head.header("content-type") == Some("application/octet-stream");
        let text = std::str::from_utf8(request.body).ok().filter(|_| !binary);
        let packets_max = match self.clients[client as usize].is_stranger() {
            true => STRANGER_POSTED_PACKETS_MAX,
            false => POSTED_PACKETS_MAX,
        };
        let packets = text.and_then(|text| read_packets(text, packets_max));
        let Some(packets) = packets else {
            self.close(self.key(client), crate::CloseReason::ProtocolError);
            let (code, status, message) = EngineError::BadRequest.parts();
            let body = format!("{{\"code\":{code},\"message\":\"{message}\"}}");
            self.respond_engine(link, head, status, JSON, body.as_bytes());
            return Progress::Used(request.used);
        };
        self.clients[client as usize].engine.note_post(id, request.body, link);
        // Answered first: a packet may take the client to another shard, and the poster need not wait for that.
        if packets.iter().any(|packet| matches!(packet, OwnedPacket::Other)) {
            let (code, status, message) = EngineError::BadRequest.parts();
            let body = format!("{{\"code\":{code},\"message\":\"{message}\"}}");
            self.respond_engine(link, head, status, JSON, body.as_bytes());
        } else {
            self.respond_taken(link, head);
        }
        let posted = u32::try_from(packets.len()).unwrap_or(u32::MAX);
        let over_ms = self.spend(client, posted, 0);
        let mut flow = self.polled_packets(app, client, packets);
        if over_ms > 0 {
            flow = flow.max(Flow::PauseMs(over_ms));
        }
        if self.links.get(link).is_none() {
            return Progress::Gone;
        }
        if flow != Flow::Continue {
            self.pause(link, flow);
        }
        Progress::Used(request.used)
    }

    pub(super) fn respond_preflight(&mut self, link: LinkId, head: &Head<'_>) {
        let requested = head.header("access-control-request-headers").unwrap_or("");
        let headers: [(&str, &[u8]); 3] = [
            ("access-control-allow-methods", b"GET,POST"),
            ("access-control-allow-headers", requested.as_bytes()),
            ("access-control-max-age", b"600"),
        ];
        self.respond_link(link, 204, &headers, b"", head.keep_alive);
    }

    /// Answers a post that was taken.
    fn respond_taken(&mut self, link: LinkId, head: &Head<'_>) {
        self.respond_engine(link, head, 200, b"text/html", b"ok");
    }

    pub(super) fn respond_engine(
        &mut self,
        link: LinkId,
        head: &Head<'_>,
        status: u16,
        content_type: &[u8],
        body: &[u8],
    ) {
        self.respond_poll(link, status, content_type, body, head.keep_alive);
    }

    /// What the page may do that a request comes from.
    pub(super) fn page_access<'a>(&self, head: &Head<'a>) -> PageAccess<'a> {
        self.config.origins.access(head.origin(), head.host())
    }

    /// Takes a request to the shard where its session lives.
    pub(super) fn move_request<A: Application>(
        &mut self,
        app: &mut A,
        link: LinkId,
        shard: usize,
        whole: &[u8],
    ) {
        if let Some(mut state) = self.take_link(link) {
            state.input.keep_unread(whole.to_vec());
            app.hand_over(shard, Handover(Moved::Request(Box::new(state))));
        }
    }
}

/// How long a request waits between two looks for a client that is on its way from another shard.
const IN_TRANSIT_MS: u32 = 10;

/// What a refusal says beside its sentence: the version of WebSocket that is spoken here, where another one was asked for.
pub(super) fn spoken_version(error: EngineError) -> Option<(&'static str, &'static [u8])> {
    let is_version = error == EngineError::WebSocketVersion;
    is_version.then_some(("sec-websocket-version", &b"13"[..]))
}
