//! What tests of client libraries talk to: tokens, rooms, acknowledgements of both sides, and recovery.

use std::borrow::Cow;

use ahash::HashMap;
use foodtrack_session::{Event, NamespaceId, Parser};
use foodtrack_transport::{
    Application, ClientKey, CloseReason, Flow, FrameMeta, Handover, HttpRequest, HttpTicket,
    Reactor, Verdict,
};
use serde_json::json;

use crate::echo::{Nowhere, socket_id};
use crate::packets::{Incoming, Kind, Outgoing};
use crate::recovery::{Recent, Recovery};
use crate::rooms::{Rooms, Socket};
use crate::token::TokenVerifier;

/// How long a client may take to answer a question.
const QUESTION_TIMEOUT_MS: u64 = 2_000;
/// The longest burst of `volatile-burst`.
const TICKS_MAX: u32 = 100_000;

/// An event that waits until its sender has answered a question.
struct Asked {
    client: ClientKey,
    namespace: NamespaceId,
    /// The event's own acknowledgement id.
    answer_to: u64,
}

/// The server of the mode `clients`.
pub(crate) struct Clients {
    verifier: TokenVerifier,
    msgpack_only: bool,
    rooms: Rooms,
    recovery: Recovery,
    sockets: u64,
    /// What clients said as `auth`, until they have joined.
    auths: HashMap<(ClientKey, NamespaceId), String>,
    /// By the question's acknowledgement id.
    asked: HashMap<u64, Asked>,
    questions: u64,
}

impl Clients {
    pub(crate) fn new(verifier: TokenVerifier, msgpack_only: bool) -> Self {
        Self {
            verifier,
            msgpack_only,
            rooms: Rooms::default(),
            recovery: Recovery::default(),
            sockets: 0,
            auths: HashMap::default(),
            asked: HashMap::default(),
            questions: 0,
        }
    }

    fn acknowledge(
        &self,
        io: &mut Reactor,
        client: ClientKey,
        namespace: NamespaceId,
        id: u64,
        arguments: &[&str],
        attachments: &[Vec<u8>],
    ) {
        let answer = Outgoing { namespace, kind: Kind::Ack(id), arguments, attachments };
        answer.send(io, client, FrameMeta::default());
    }

    /// Does what the event asks; the answer to be acknowledged at once, if that is the answer.
    fn perform(
        &mut self,
        io: &mut Reactor,
        client: ClientKey,
        event: &Event<'_>,
        incoming: &Incoming<'_>,
    ) -> Option<Vec<String>> {
        let namespace = event.namespace;
        match &*incoming.name {
            "message" => {
                let own = self.rooms.socket(client, namespace)?.id.clone();
                let arguments = incoming.arguments();
                self.emit(io, event, &own, None, "message-back", arguments);
            }
            "message-with-ack" => {
                return Some(incoming.arguments().iter().map(|&raw| raw.to_owned()).collect());
            }
            "whoami" => return self.whoami(io, client, namespace).map(|me| vec![me]),
            "join" => self.rooms.join(client, namespace, incoming.text(0)?),
            "leave" => self.rooms.leave(client, namespace, &incoming.text(0)?),
            "publish" => {
                let (room, name) = (incoming.text(0)?, incoming.text(1)?);
                self.emit(io, event, &room, None, &name, incoming.arguments().get(2..)?);
            }
            "publish-others" => {
                let (room, name) = (incoming.text(0)?, incoming.text(1)?);
                let arguments = incoming.arguments().get(2..)?;
                self.emit(io, event, &room, Some(client), &name, arguments);
            }
            "volatile-burst" => self.burst(io, client, namespace, incoming)?,
            "ask-me" => {
                self.ask(io, client, event, incoming);
                return None;
            }
            "disconnect-me" => {
                self.rooms.remove(client, namespace);
                io.disconnect(client, namespace);
                if incoming.arguments().first() == Some(&"true") {
                    io.close(client, CloseReason::Disconnected);
                }
                return None;
            }
            _ => return None,
        }
        Some(Vec::new())
    }

    fn whoami(&self, io: &Reactor, client: ClientKey, namespace: NamespaceId) -> Option<String> {
        let socket = self.rooms.socket(client, namespace)?;
        let transport = if io.is_polling(client) { "polling" } else { "websocket" };
        let me = json!({
            "id": socket.id,
            "sub": socket.subject,
            "transport": transport,
            "recovered": socket.recovered.is_some(),
            "rooms": socket.rooms,
        });
        Some(me.to_string())
    }

    /// Sends an event to a room of the namespace in which `cause` came, and keeps it for members who are away.
    fn emit(
        &mut self,
        io: &mut Reactor,
        cause: &Event<'_>,
        room: &str,
        but: Option<ClientKey>,
        name: &str,
        arguments: &[&str],
    ) {
        let namespace = cause.namespace;
        let but_id = but
            .and_then(|client| self.rooms.socket(client, namespace))
            .map(|socket| socket.id.as_str());
        let attachments = &cause.attachments;
        let kept = self.recovery.keep(namespace, room, but_id, name, arguments, attachments);
        let arguments: Vec<_> = kept.arguments.iter().map(String::as_str).collect();
        let frame = outgoing(namespace, kept, &arguments).frame(io);
        for member in self.rooms.members(namespace, room.to_owned()) {
            if Some(*member) != but {
                io.send(*member, frame);
            }
        }
    }

    fn burst(
        &self,
        io: &mut Reactor,
        client: ClientKey,
        namespace: NamespaceId,
        incoming: &Incoming<'_>,
    ) -> Option<()> {
        let ticks: u32 = incoming.arguments().first()?.parse().ok()?;
        // As it stands: a client takes the last argument of any event for its offset.
        let offset = self.recovery.offset();
        let meta = FrameMeta { droppable: true, ..FrameMeta::default() };
        for tick in 0..ticks.min(TICKS_MAX) {
            let arguments = [&*tick.to_string(), &offset];
            let kind = Kind::Event("tick", None);
            let event = Outgoing { namespace, kind, arguments: &arguments, attachments: &[] };
            event.send(io, client, meta);
        }
        Some(())
    }

    fn ask(
        &mut self,
        io: &mut Reactor,
        client: ClientKey,
        event: &Event<'_>,
        incoming: &Incoming<'_>,
    ) {
        let Some(answer_to) = event.id else { return };
        self.questions += 1;
        let question = Outgoing {
            namespace: event.namespace,
            kind: Kind::Event("question", Some(self.questions)),
            arguments: incoming.arguments(),
            attachments: &event.attachments,
        };
        question.send(io, client, FrameMeta::default());
        let asked = Asked { client, namespace: event.namespace, answer_to };
        self.asked.insert(self.questions, asked);
        io.schedule(QUESTION_TIMEOUT_MS, self.questions);
    }
}

fn outgoing<'a>(
    namespace: NamespaceId,
    kept: &'a Recent,
    arguments: &'a [&'a str],
) -> Outgoing<'a> {
    let kind = Kind::Event(&kept.name, None);
    Outgoing { namespace, kind, arguments, attachments: &kept.attachments }
}

impl Application for Clients {
    type Transfer = Nowhere;

    fn connect(
        &mut self,
        io: &mut Reactor,
        client: ClientKey,
        namespace: NamespaceId,
        auth: Option<Cow<'_, str>>,
    ) -> Verdict<Nowhere> {
        if self.msgpack_only && io.parser(client) != Parser::Msgpack {
            io.close(client, CloseReason::ProtocolError);
        }
        let subject = match self.verifier.subject(auth.as_deref()) {
            Ok(subject) => subject,
            Err(error) => return Verdict::Refuse { error: error.packet() },
        };
        let now_ms = io.now_ms();
        let socket = match self.recovery.resume(namespace, auth.as_deref(), &subject, now_ms) {
            Some((socket, offset)) => Socket { recovered: Some(offset), ..socket },
            None => {
                self.sockets += 1;
                let id = socket_id(self.sockets);
                let pid = format!("private-{:012}", self.sockets);
                Socket { rooms: vec![id.clone()], id, pid, subject, recovered: None }
            }
        };
        let said = auth.map_or_else(|| "{}".to_owned(), Cow::into_owned);
        self.auths.insert((client, namespace), said);
        let answer = json!({ "sid": socket.id, "pid": socket.pid }).to_string();
        self.rooms.add(client, namespace, socket);
        Verdict::Accept { answer }
    }

    /// CONNECT is out; what it said and what was missed comes behind it.
    fn connected(&mut self, io: &mut Reactor, client: ClientKey, namespace: NamespaceId) {
        if let Some(auth) = self.auths.remove(&(client, namespace)) {
            let event = Outgoing {
                namespace,
                kind: Kind::Event("auth", None),
                arguments: &[&auth],
                attachments: &[],
            };
            event.send(io, client, FrameMeta::default());
        }
        let Some(socket) = self.rooms.socket(client, namespace) else { return };
        let Some(offset) = socket.recovered else { return };
        for missed in self.recovery.missed(namespace, socket, offset) {
            let arguments: Vec<_> = missed.arguments.iter().map(String::as_str).collect();
            let event = outgoing(namespace, missed, &arguments);
            event.send(io, client, FrameMeta::default());
        }
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
        let namespace = event.namespace;
        let answer = self.perform(io, client, &event, &incoming);
        if let (Some(answer), Some(id)) = (answer, event.id) {
            let arguments: Vec<&str> = answer.iter().map(String::as_str).collect();
            // Only an echo answers with what came, and what came with it.
            let is_echo = incoming.name == "message-with-ack";
            let attachments = if is_echo { &event.attachments[..] } else { &[] };
            self.acknowledge(io, client, namespace, id, &arguments, attachments);
        }
        Flow::Continue
    }

    fn acknowledged(&mut self, io: &mut Reactor, client: ClientKey, event: Event<'_>) -> bool {
        let id = event.id.unwrap_or_default();
        let is_own = |asked: &Asked| (asked.client, asked.namespace) == (client, event.namespace);
        if !self.asked.get(&id).is_some_and(is_own) {
            return false;
        }
        if foodtrack_wire::socket_io::split_arguments(&event.data).is_err() {
            io.close(client, CloseReason::ProtocolError);
            return true;
        }
        if let Some(asked) = self.asked.remove(&id) {
            let arguments = [&*event.data];
            let (namespace, id) = (event.namespace, asked.answer_to);
            self.acknowledge(io, client, namespace, id, &arguments, &event.attachments);
        }
        true
    }

    fn left(&mut self, _io: &mut Reactor, client: ClientKey, namespace: NamespaceId) {
        self.rooms.remove(client, namespace);
    }

    fn closed(&mut self, io: &mut Reactor, client: ClientKey, reason: CloseReason) {
        for namespace in self.rooms.namespaces(client) {
            if let Some(socket) = self.rooms.remove(client, namespace)
                && reason != CloseReason::Disconnected
            {
                self.recovery.part(namespace, socket, io.now_ms());
            }
        }
        self.asked.retain(|_, asked| asked.client != client);
    }

    fn http(&mut self, io: &mut Reactor, _request: HttpRequest, ticket: HttpTicket) {
        io.respond(ticket, 404, &[], b"");
    }

    fn turn(&mut self, _io: &mut Reactor) {}

    fn deadline(&mut self, io: &mut Reactor, what: u64) {
        if let Some(asked) = self.asked.remove(&what) {
            let Asked { client, namespace, answer_to } = asked;
            self.acknowledge(io, client, namespace, answer_to, &["\"timeout\""], &[]);
        }
    }
}
