//! HTTP requests on the one port: Engine.IO handshakes and polls here, everything else for the application.

use std::cell::Cell;
use std::sync::Arc;

use foodtrack_session::{EngineSession, LinkId, Sid};

use super::Reactor;
use super::application::{Application, HttpRequest, HttpTicket};
use super::askers::Asker;
use super::next::Progress;
use crate::client::Protocol;
use crate::commons::ReactorConfig;
use crate::door::DoorRefusal;
use crate::engine_request::EngineRequest;
use crate::http::{self, BodyLength, Head, HttpError};
use crate::link::{LinkKind, Waited, is_hello};
use crate::request_reader::{BodyLimit, Reading, RequestReader};
use crate::sid::SidDirectory;

impl Reactor {
    /// Uses the front of a link's bytes as an HTTP request.
    pub(super) fn use_http<A: Application>(
        &mut self,
        app: &mut A,
        link: LinkId,
        bytes: &[u8],
    ) -> Progress {
        let Some(state) = self.links.get_mut(link) else { return Progress::Gone };
        let is_proxied = state.is_proxied();
        let is_certified = state.peer_certificate().is_some();
        let mut begun = state.input.take_request();
        let mut fresh = RequestReader::default();
        let reader = begun.as_deref_mut().unwrap_or(&mut fresh);
        let (config, sids) = (Arc::clone(&self.config), Arc::clone(&self.sids));
        let asker = Cell::new(None);
        let limit = |head: &Head<'_>, length| {
            let access = config.origins.access(head.origin(), head.host()).keep();
            let vouched = config.node.as_ref().and_then(|node| node.vouched(head));
            let forwarded = match vouched {
                Some(client) => Some(Some(client)),
                None => is_proxied.then(|| config.proxies.client(head)),
            };
            asker.set(Some(Asker { access, forwarded }));
            body_limit(&config, &sids, head, length, is_certified)
        };
        let read = reader.read(bytes, limit, |head, body, used| {
            if !self.note_asker(link, asker.take()) {
                return Progress::Gone;
            }
            let endpoint = config.endpoints.iter().find(|end| end.path == head.path());
            match endpoint.map(|endpoint| endpoint.protocol) {
                Some(Protocol::WebSocket) => self.open_raw(link, head),
                Some(Protocol::EventStream) => {
                    let request = EngineRequest { head, body: &body, whole: bytes, used };
                    return self.open_event_stream(app, link, &request);
                }
                Some(protocol) => {
                    let request = EngineRequest { head, body: &body, whole: bytes, used };
                    return self.engine_request(app, link, protocol, &request);
                }
                None => self.forward(app, link, head, body.into_owned()),
            }
            Progress::Used(used)
        });
        if !self.note_asker(link, asker.take()) {
            return Progress::Gone;
        }
        match read {
            Ok(Reading::Whole(progress)) => {
                if let Progress::Used(_) = progress {
                    self.rest_link(link);
                }
                progress
            }
            Ok(Reading::NeedMore { invite }) => {
                let begun = begun.unwrap_or_else(|| Box::new(fresh));
                self.expect_more(link, begun, invite);
                Progress::NeedMore
            }
            Err(error) => {
                self.refuse_request(link, bytes, &error);
                Progress::Gone
            }
        }
    }

    /// Says what is wrong with what is no sound request, in the words of who said it, and closes.
    fn refuse_request(&mut self, link: LinkId, bytes: &[u8], error: &HttpError) {
        if is_hello(bytes) {
            self.note_refused(link, DoorRefusal::TlsUnexpected);
        } else {
            self.note_refused(link, error.into());
            self.note_page(link, bytes);
            self.respond_link(link, error.status, &[], error.message.as_bytes(), false);
        }
        self.drain_link(link);
    }

    /// Keeps what was read of a request whose rest is still to come: in time, whatever comes meanwhile.
    fn expect_more(&mut self, link: LinkId, begun: Box<RequestReader>, invite: bool) {
        let deadline_ms = self.handshake_deadline_ms();
        let Some(state) = self.links.get_mut(link) else { return };
        state.input.keep_request(begun);
        if state.standing.end_rest() {
            self.watch_link(link, deadline_ms);
        }
        if invite {
            self.send_on_link(link, b"HTTP/1.1 100 Continue\r\n\r\n");
        }
    }

    /// Gives a request that is not Engine.IO's to the application.
    fn forward<A: Application>(
        &mut self,
        app: &mut A,
        link: LinkId,
        head: &Head<'_>,
        body: Vec<u8>,
    ) {
        let Some(state) = self.links.get_mut(link) else { return };
        state.wait_for_answer(None, Waited::new(head));
        let ticket = HttpTicket { link };
        let request = HttpRequest {
            // The same is answered, but for the body, which is left out on its way.
            method: if head.method == "HEAD" { "GET" } else { head.method }.to_owned(),
            target: head.target().into_owned(),
            headers: head.owned_headers(),
            body,
            peer: state.peer(),
            certificate: state.peer_certificate().map(<[u8]>::to_vec),
            pass_on: None,
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
        let Some(link) = self.links.get_mut(ticket.link) else { return };
        let LinkKind::HttpBusy { client: None, .. } = link.kind() else { return };
        let Some(Waited { keep_alive, head_only, .. }) = link.end_wait() else { return };
        let keep_alive = keep_alive && !link.input.has_ended();
        let body_sent = if head_only { &[] } else { body };
        self.respond_saying(ticket.link, status, headers, body.len(), body_sent, keep_alive);
        self.next_request(ticket.link);
    }

    fn open_raw(&mut self, link: LinkId, head: &Head<'_>) {
        let request = EngineRequest { head, body: &[], whole: &[], used: 0 };
        match request.is_upgrade().then(|| request.accept()) {
            Some(Ok(accept)) => {
                let engine = EngineSession::websocket(link, self.deadlines.now_ms());
                let client = self.add_client(Protocol::WebSocket, engine, None);
                self.become_websocket(link, client);
                let (range, ()) = self.outbox.direct(|out| accept.write(out));
                self.outbox.push(client, &mut self.fanout[client as usize], range);
            }
            _ => self.ask_for_upgrade(link, head),
        }
    }
}

/// Whether a session is another node's.
fn is_others(config: &ReactorConfig, sid: &Sid) -> bool {
    config.node.as_ref().is_some_and(|node| node.other(sid).is_some())
}

/// How large a request's body may be, and whether it may take long. A small one may come from whomever. Otherwise the session id says so for Engine.IO,
/// and for the application it takes an `Authorization`, or a certificate that was verified.
fn body_limit(
    config: &ReactorConfig,
    sids: &SidDirectory,
    head: &Head<'_>,
    length: BodyLength,
    is_certified: bool,
) -> BodyLimit {
    let bytes_max = config.limits.payload_bytes_max;
    let known = || {
        let message = format!("a body may have {bytes_max} bytes (limits.payloadBytesMax)");
        let refusal = HttpError { status: 413, message: message.into() };
        BodyLimit { bytes_max, may_take_long: true, refusal }
    };
    if matches!(length, BodyLength::Known(length) if length > bytes_max) {
        return known();
    }
    let bytes_max = config.limits.stranger_bytes_max;
    let stranger = |refusal| BodyLimit { bytes_max, may_take_long: false, refusal };
    if config.endpoints.iter().any(|end| end.path == head.path()) {
        let sid = http::query_value(head.query(), "sid").and_then(Sid::parse);
        return match sid.and_then(|sid| sids.is_known(&sid)) {
            Some(true) => known(),
            // The node whose session it is looks at it again.
            None if sid.is_some_and(|sid| is_others(config, &sid)) => known(),
            Some(false) => {
                let message =
                    format!("a message before joining a namespace may have {bytes_max} bytes");
                stranger(HttpError { status: 413, message: message.into() })
            }
            None => stranger(http::error(400, "{\"code\":1,\"message\":\"Session ID unknown\"}")),
        };
    }
    let is_authorized = head
        .header("authorization")
        .and_then(|value| value.split_once(' '))
        .is_some_and(|(_, credentials)| !credentials.trim().is_empty());
    match is_authorized || is_certified {
        true => known(),
        false => {
            stranger(http::error(401, "a body this large takes `Authorization: Bearer TOKEN`"))
        }
    }
}
