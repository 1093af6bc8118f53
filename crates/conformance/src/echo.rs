//! What the protocols' own suites expect to talk to.

use std::borrow::Cow;

use foodtrack_session::{Event, NamespaceId};
use foodtrack_transport::{
    Application, ClientKey, CloseReason, Data, Flow, FrameMeta, Handover, HttpRequest, HttpTicket,
    Reactor, Verdict,
};

use crate::packets::{Incoming, Kind, Outgoing};

/// How long after its answer to CONNECT a client is told its `auth`. The Socket.IO suite listens for one packet at a time,
/// and loses the second of two that it reads at once.
const AUTH_AFTER_MS: u64 = 20;

/// Tells a client the `auth` that it connected with, and sends back what it sends.
pub(crate) struct Echo {
    /// The `auth` of those who are still to be told theirs, in the order of joining.
    auths: Vec<(ClientKey, NamespaceId, String)>,
    sockets: u64,
}

impl Echo {
    pub(crate) fn new() -> Self {
        Self { auths: Vec::new(), sockets: 0 }
    }

    fn tell_auth(&mut self, io: &mut Reactor, client: ClientKey) {
        for (_, namespace, auth) in self.auths.extract_if(.., |(other, ..)| *other == client) {
            let event = Outgoing {
                namespace,
                kind: Kind::Event("auth", None),
                arguments: &[&auth],
                attachments: &[],
            };
            event.send(io, client, FrameMeta::default());
        }
    }
}

/// A socket's public id: unique within a run, as long as the reference's.
pub(crate) fn socket_id(socket: u64) -> String {
    format!("socket-{socket:013}")
}

/// No shard but one: nothing is ever handed over.
#[derive(Debug)]
pub(crate) enum Nowhere {}

impl Application for Echo {
    type Transfer = Nowhere;

    fn connect(
        &mut self,
        _io: &mut Reactor,
        client: ClientKey,
        namespace: NamespaceId,
        auth: Option<Cow<'_, str>>,
    ) -> Verdict<Nowhere> {
        let auth = auth.map_or_else(|| "{}".to_owned(), Cow::into_owned);
        self.auths.push((client, namespace, auth));
        self.sockets += 1;
        Verdict::Accept { answer: format!("{{\"sid\":\"{}\"}}", socket_id(self.sockets)) }
    }

    fn connected(&mut self, io: &mut Reactor, client: ClientKey, _namespace: NamespaceId) {
        io.set_alarm(client, AUTH_AFTER_MS);
    }

    fn alarm(&mut self, io: &mut Reactor, client: ClientKey) {
        self.tell_auth(io, client);
    }

    fn adopt(
        &mut self,
        _io: &mut Reactor,
        _client: ClientKey,
        _namespace: NamespaceId,
        transfer: Nowhere,
    ) -> Verdict<Nowhere> {
        match transfer {}
    }

    fn hand_over(&mut self, _shard: usize, _handover: Handover<Nowhere>) {}

    fn event(&mut self, io: &mut Reactor, client: ClientKey, event: Event<'_>) -> Flow {
        let Ok(incoming) = Incoming::parse(&event) else {
            io.close(client, CloseReason::ProtocolError);
            return Flow::Continue;
        };
        self.tell_auth(io, client);
        let kind = match (&*incoming.name, event.id) {
            ("message", _) => Kind::Event("message-back", None),
            ("message-with-ack", Some(id)) => Kind::Ack(id),
            _ => return Flow::Continue,
        };
        let answer = Outgoing {
            namespace: event.namespace,
            kind,
            arguments: incoming.arguments(),
            attachments: &event.attachments,
        };
        answer.send(io, client, FrameMeta::default());
        Flow::Continue
    }

    fn acknowledged(&mut self, _io: &mut Reactor, _client: ClientKey, _event: Event<'_>) -> bool {
        true
    }

    fn left(&mut self, _io: &mut Reactor, client: ClientKey, namespace: NamespaceId) {
        self.auths.retain(|(other, left, _)| (*other, *left) != (client, namespace));
    }

    fn closed(&mut self, _io: &mut Reactor, client: ClientKey, _reason: CloseReason) {
        self.auths.retain(|(other, ..)| *other != client);
    }

    fn message(&mut self, io: &mut Reactor, client: ClientKey, data: Data<'_>) {
        io.send_message(client, data);
    }

    fn http(&mut self, io: &mut Reactor, _request: HttpRequest, ticket: HttpTicket) {
        io.respond(ticket, 404, &[], b"");
    }

    fn turn(&mut self, _io: &mut Reactor) {}
}
