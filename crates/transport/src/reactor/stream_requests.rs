//! Requests for a stream of events.

use std::collections::VecDeque;

use foodtrack_session::{EngineSession, LinkId, NamespaceId, Step};
use foodtrack_wire::socket_io::write_json_string;

use super::Reactor;
use super::application::{Application, HttpTicket};
use super::next::{Next, Progress};
use crate::client::Protocol;
use crate::door::DoorRefusal;
use crate::engine_request::EngineRequest;
use crate::http::{Head, decoded_query_value};
use crate::link::Waited;
use crate::origin_policy::PageAccess;

impl Reactor {
    /// A client asks for its events: it comes in as others do, and its answer begins once it may.
    pub(super) fn open_event_stream<A: Application>(
        &mut self,
        app: &mut A,
        link: LinkId,
        request: &EngineRequest<'_>,
    ) -> Progress {
        let head = request.head;
        let Some(state) = self.links.get(link) else { return Progress::Gone };
        let (peer, access) = (state.peer(), self.page_access(head));
        if access == PageAccess::Refused {
            self.refuse_stream_request(app, link, head, DoorRefusal::OriginForbidden, None);
            return Progress::Used(request.used);
        }
        match head.method {
            "GET" => {}
            "OPTIONS" => {
                self.respond_preflight(link, head);
                return Progress::Used(request.used);
            }
            _ => {
                let allow = [("allow", &b"GET, OPTIONS"[..])];
                self.respond_link(link, 405, &allow, b"", head.keep_alive);
                return Progress::Used(request.used);
            }
        }
        if let Err(retry_after_ms) = self.admission.admit(peer.ip(), self.deadlines.now_ms()) {
            let why = DoorRefusal::HandshakeRateLimited;
            self.warn_of_proxy(link, head);
            self.refuse_stream_request(app, link, head, why, Some(retry_after_ms));
            return Progress::Used(request.used);
        }
        let mut engine = EngineSession::websocket(link, self.deadlines.now_ms());
        // What it got is known when it brings the id back, and not before.
        engine.forgo_proof();
        let info = Box::new(self.handshake_info(Protocol::EventStream, peer, head));
        let client = self.add_client(Protocol::EventStream, engine, Some(info));
        self.recount_client(client);
        if let Some(state) = self.links.get_mut(link) {
            state.become_event_stream(client);
        }
        self.fanout[client as usize].attach(link);
        self.settle_mode(client);
        let auth = Some(auth(head).into());
        let step = Step::Connect { namespace: NamespaceId::ROOT, auth };
        if let Next::HandOver { shard, namespace, transfer } = self.step(app, client, step) {
            self.move_client(app, client, shard, namespace, transfer, VecDeque::new());
            return Progress::Gone;
        }
        Progress::Used(request.used)
    }

    fn refuse_stream_request<A: Application>(
        &mut self,
        app: &mut A,
        link: LinkId,
        head: &Head<'_>,
        why: DoorRefusal,
        retry_after_ms: Option<u64>,
    ) {
        self.note_refused(link, why);
        if let Some(state) = self.links.get_mut(link) {
            state.wait_for_answer(None, Waited::new(head));
            app.stream_refused(self, HttpTicket { link }, why, retry_after_ms);
        }
    }
}

/// What the request says of its client, as the `auth` of a Socket.IO handshake. A token in the `Authorization` header goes before
/// one in the query, and a `Last-Event-ID` before a cursor there.
fn auth(head: &Head<'_>) -> String {
    let said = |name| decoded_query_value(head.query(), name);
    let cursor = head.header("last-event-id").map(Into::into).or_else(|| said("cursor"));
    let cursor = cursor.filter(|cursor| !cursor.is_empty());
    let fields = [
        ("token", head.header("authorization").map_or_else(|| said("token"), |_| None)),
        ("application", said("application")),
        ("deviceId", said("deviceId")),
        ("pid", cursor.is_some().then(|| "".into())),
        ("offset", cursor),
    ];
    let mut auth = vec![b'{'];
    for (name, value) in fields {
        let Some(value) = value else { continue };
        if auth.len() > 1 {
            auth.push(b',');
        }
        write_json_string(&mut auth, name);
        auth.push(b':');
        write_json_string(&mut auth, &value);
    }
    auth.push(b'}');
    // What was written is text.
    String::from_utf8(auth).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(request: &str, expected: &str) {
        let mut headers = [httparse::EMPTY_HEADER; crate::limits::HTTP_HEADERS_MAX];
        let head = Head::parse(request.as_bytes(), &mut headers).unwrap();
        assert_eq!(auth(&head), expected, "{request}");
    }

    #[test]
    fn a_request_says_what_a_handshake_says() {
        let bare = "HTTP/1.1\r\nhost: x\r\n";
        check(&format!("GET /events {bare}\r\n"), "{}");
        check(
            &format!(
                "GET /events?token=a.b-c&deviceId=t%201%22&application=kitchen_app {bare}\r\n"
            ),
            r#"{"token":"a.b-c","application":"kitchen_app","deviceId":"t 1\""}"#,
        );
        check(
            &format!("GET /events?token=a&cursor=k-4%2B9 {bare}authorization: Bearer b\r\n\r\n"),
            r#"{"pid":"","offset":"k-4+9"}"#,
        );
        check(
            &format!("GET /events?cursor=k-4+9 {bare}last-event-id: k-7\r\n\r\n"),
            r#"{"pid":"","offset":"k-7"}"#,
        );
        check(&format!("GET /events {bare}last-event-id:\r\n\r\n"), "{}");
    }
}
