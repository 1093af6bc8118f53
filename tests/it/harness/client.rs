//! A Socket.IO client with blocking calls.

mod asking;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use foodtrack_wire::socket_io::PacketType;
use serde_json::{Value, json};

use super::event::Event;
use super::link::{Link, Outgoing, Received};
use super::packet::{WholePacket, encode};
use super::plain_json::PlainJsonLink;
use super::polling::PollingLink;
use super::websocket::WebSocketLink;
use super::{Address, Away, PATIENCE, Who, eventually};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    WebSocket,
    Polling,
    /// No Socket.IO: a WebSocket with a JSON object a message.
    PlainJson,
}

impl Transport {
    pub(crate) const ALL: [Self; 3] = [Self::WebSocket, Self::Polling, Self::PlainJson];
    /// Those that Socket.IO has.
    pub(crate) const SOCKET_IO: [Self; 2] = [Self::WebSocket, Self::Polling];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parser {
    Json,
    Msgpack,
}

/// How a client connects.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) transport: Transport,
    pub(crate) parser: Parser,
    /// The handshake's `auth`; null for none.
    pub(crate) auth: Value,
    pub(crate) headers: Vec<(String, String)>,
    /// What the kernel takes in while the client does not read.
    pub(crate) receive_bytes: Option<usize>,
}

impl Options {
    pub(crate) fn new(transport: Transport, auth: Value) -> Self {
        let headers = Vec::new();
        Self { transport, parser: Parser::Json, auth, headers, receive_bytes: None }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// What became of a handshake.
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once")]
pub(crate) enum Connect {
    Connected(Client),
    /// CONNECT_ERROR: message and data. The transport stays open.
    Refused(Value),
    /// The HTTP handshake was refused: the whole answer.
    HttpRefused(String),
}

/// A connected client. Reads only when it is asked to; answers pings then. Keeps what socket.io-client keeps.
pub(crate) struct Client {
    link: Box<dyn Link + Send>,
    options: Options,
    parser: Parser,
    /// The Socket.IO id.
    pub(crate) id: String,
    /// The private id, if the server gave one.
    pub(crate) pid: Option<String>,
    /// The cursor of the last event that had one.
    pub(crate) offset: Option<String>,
    /// Whether its session came back.
    pub(crate) recovered: bool,
    /// How many more pings it answers.
    pub(crate) pongs_left: u32,
    /// How many pings came.
    pub(crate) pings: u32,
    next_ack_id: u64,
    partial: Option<WholePacket>,
    waiting: VecDeque<WholePacket>,
    /// What its node said of itself.
    heartbeats: VecDeque<Event>,
    closed: Option<Option<u16>>,
}

impl Client {
    /// Connects as somebody, over the transport, and takes the greeting off.
    #[track_caller]
    pub(crate) fn join(server: &impl Address, transport: Transport, who: &Who) -> Self {
        let auth = json!({ "token": who.token() });
        Self::join_with(server, &Options::new(transport, auth))
    }

    #[track_caller]
    pub(crate) fn join_with(server: &impl Address, options: &Options) -> Self {
        let mut client = match Self::connect(server, options) {
            Connect::Connected(client) => client,
            Connect::Refused(error) => panic!("refused: {error}"),
            Connect::HttpRefused(answer) => panic!("refused: {answer}"),
        };
        client.take_greeting();
        client
    }

    #[track_caller]
    pub(crate) fn take_greeting(&mut self) {
        let greeting = self.next();
        assert_eq!(greeting.name, "system:connection_established");
        assert_eq!(greeting.payload("connectionId"), &json!(self.id));
        assert_eq!(greeting.payload("recovered"), self.recovered);
    }

    /// Connects and says how that went.
    pub(crate) fn connect(server: &impl Address, options: &Options) -> Connect {
        let mut client = match Self::open(server, options) {
            Ok(client) => client,
            Err(answer) => return Connect::HttpRefused(answer),
        };
        client.send_connect();
        match client.connected() {
            Ok(()) => Connect::Connected(client),
            Err(error) => Connect::Refused(error),
        }
    }

    /// Connects and sends events right behind the CONNECT, without waiting for its answer.
    #[track_caller]
    pub(crate) fn join_talking(
        server: &impl Address,
        options: &Options,
        events: &[(&str, Value)],
    ) -> Self {
        let mut client = Self::open(server, options).unwrap();
        let mut packets = encode(client.parser, PacketType::Connect, None, &options.auth, &[]);
        for (name, argument) in events {
            let data = json!([name, argument]);
            packets.extend(encode(client.parser, PacketType::Event, None, &data, &[]));
        }
        assert!(client.link.send(&packets));
        client.connected().unwrap();
        client
    }

    /// A transport that is open, in no namespace yet.
    pub(crate) fn open(server: &impl Address, options: &Options) -> Result<Self, String> {
        let (address, headers) = (server.address(), &options.headers);
        let link: Box<dyn Link + Send> = match options.transport {
            Transport::WebSocket => Box::new(
                WebSocketLink::open(address, headers, options.receive_bytes)
                    .map_err(|refused| refused.0)?,
            ),
            Transport::PlainJson => Box::new(
                PlainJsonLink::open(address, headers, options.receive_bytes)
                    .map_err(|refused| refused.0)?,
            ),
            Transport::Polling => Box::new(
                PollingLink::open(address, headers).map_err(|answer| format!("{answer:?}"))?,
            ),
        };
        let mut client = Self {
            link,
            options: options.clone(),
            parser: match options.transport {
                // It has one form.
                Transport::PlainJson => Parser::Json,
                Transport::WebSocket | Transport::Polling => options.parser,
            },
            id: String::new(),
            pid: None,
            offset: None,
            recovered: false,
            pongs_left: u32::MAX,
            pings: 0,
            next_ack_id: 0,
            partial: None,
            waiting: VecDeque::new(),
            heartbeats: VecDeque::new(),
            closed: None,
        };
        match client.link.receive(Instant::now() + PATIENCE) {
            Received::Text(open) if open.starts_with('0') => Ok(client),
            other => panic!("the session does not open: {other:?}"),
        }
    }

    /// Asks to enter; [`Client::connected`] hears the answer.
    pub(crate) fn send_connect(&mut self) {
        let auth = self.options.auth.clone();
        self.send_packet(PacketType::Connect, None, &auth, &[]);
    }

    /// Hears what became of a CONNECT.
    pub(crate) fn connected(&mut self) -> Result<(), Value> {
        let packet = self.packet(PATIENCE).expect("an answer to CONNECT");
        match packet.kind {
            PacketType::Connect => {
                self.id = packet.data["sid"].as_str().unwrap().to_owned();
                let pid = packet.data["pid"].as_str().map(str::to_owned);
                let before = self.options.auth["pid"].as_str();
                self.recovered = pid.is_some() && pid.as_deref() == before;
                self.pid = pid;
                self.offset = self.options.auth["offset"].as_str().map(str::to_owned);
                Ok(())
            }
            PacketType::ConnectError => Err(packet.data),
            other => panic!("CONNECT is answered with {other:?}"),
        }
    }

    /// Tries to enter again on a transport that was refused or left.
    pub(crate) fn send_packet(
        &mut self,
        kind: PacketType,
        id: Option<u64>,
        data: &Value,
        attachments: &[Vec<u8>],
    ) -> bool {
        let packets = encode(self.parser, kind, id, data, attachments);
        self.link.send(&packets)
    }

    /// Emits an event that asks for no acknowledgement.
    #[track_caller]
    pub(crate) fn emit(&mut self, name: &str, argument: Value) {
        assert!(self.try_emit(name, argument), "the server has closed the transport");
    }

    pub(crate) fn try_emit(&mut self, name: &str, argument: Value) -> bool {
        self.send_packet(PacketType::Event, None, &json!([name, argument]), &[])
    }

    /// Sends an Engine.IO text message as it is.
    pub(crate) fn send_text(&mut self, text: &str) -> bool {
        self.link.send(&[Outgoing::Text(text.to_owned())])
    }

    /// Sends a binary message as it is.
    pub(crate) fn send_binary(&mut self, bytes: Vec<u8>) -> bool {
        self.link.send(&[Outgoing::Binary(bytes)])
    }

    /// Emits several events together.
    #[track_caller]
    pub(crate) fn emit_all(&mut self, events: &[(&str, Value)]) {
        assert!(self.try_emit_all(events), "the server has closed the transport");
    }

    pub(crate) fn try_emit_all(&mut self, events: &[(&str, Value)]) -> bool {
        let packets: Vec<Outgoing> = events
            .iter()
            .flat_map(|(name, argument)| {
                encode(self.parser, PacketType::Event, None, &json!([name, argument]), &[])
            })
            .collect();
        self.link.send(&packets)
    }

    /// Joins a room and takes the `subscribed` off.
    #[track_caller]
    pub(crate) fn subscribe(&mut self, topic: &str, id: &str) {
        self.accepted(&format!("subscribe:{topic}"), json!(id));
        let event = self.next();
        assert_eq!(event.name, "subscribed");
    }

    /// The next event.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Event {
        self.next_within(PATIENCE)
            .unwrap_or_else(|| panic!("no event came; closed: {:?}", self.closed))
    }

    /// How its node stands towards Redis, as it is told next; other events that come before are lost.
    #[track_caller]
    pub(crate) fn next_redis_state(&mut self) -> String {
        let told = eventually(|| {
            self.next_within(Duration::from_millis(20));
            self.heartbeats.pop_front()
        });
        let state = told.payload("redis")["state"].as_str().unwrap().to_owned();
        let status = if state == "healthy" { "healthy" } else { "degraded" };
        assert_eq!(told.payload("status"), status);
        state
    }

    /// Whether its node said something of itself, as far as was read.
    pub(crate) fn is_told_of_its_node(&self) -> bool {
        !self.heartbeats.is_empty()
    }

    /// The next event, if one comes in time. What its node says of itself is kept aside.
    pub(crate) fn next_within(&mut self, patience: Duration) -> Option<Event> {
        loop {
            let event = self.any_within(patience)?;
            if event.name != "system:heartbeat" {
                return Some(event);
            }
            self.heartbeats.push_back(event);
        }
    }

    fn any_within(&mut self, patience: Duration) -> Option<Event> {
        let packet = self.packet(patience)?;
        assert_eq!(packet.kind, PacketType::Event, "{packet:?}");
        let cursor = packet.cursor().map(str::to_owned);
        let mut arguments = packet.data;
        let count = arguments.as_array().unwrap().len() - 1;
        let name = arguments[0].as_str().unwrap().to_owned();
        let argument = arguments.get_mut(1).map_or(Value::Null, Value::take);
        let (attachments, ack_id) = (packet.attachments, packet.id);
        Some(Event { name, argument, attachments, cursor, ack_id, arguments: count })
    }

    /// The next so many events.
    #[track_caller]
    pub(crate) fn take(&mut self, count: usize) -> Vec<Event> {
        (0..count).map(|_| self.next()).collect()
    }

    /// Answers an event that asked for an acknowledgement.
    #[track_caller]
    pub(crate) fn acknowledge(&mut self, event: &Event) {
        let id = event.ack_id.expect("the event asks for an acknowledgement");
        assert!(self.send_packet(PacketType::Ack, Some(id), &json!([]), &[]));
    }

    /// Waits until the server has heard everything that was sent so far, pongs among it.
    #[track_caller]
    pub(crate) fn settle(&mut self) {
        self.accepted("health_check", Value::Null);
    }

    /// How many HTTP requests it took so far.
    pub(crate) fn requests(&self) -> u64 {
        self.link.requests()
    }

    /// What this client would bring when it connects again now; this connection stays as it is.
    pub(crate) fn away(&self) -> Away {
        let mut options = self.options.clone();
        if let (Some(pid), Value::Object(auth)) = (&self.pid, &mut options.auth) {
            auth.insert("pid".into(), json!(pid));
            match &self.offset {
                Some(offset) => _ = auth.insert("offset".into(), json!(offset)),
                None => _ = auth.remove("offset"),
            }
        }
        Away { options }
    }

    /// Loses its connection, between two bytes. What it had read by then, it has.
    pub(crate) fn tear(mut self) -> Away {
        self.link.tear();
        self.away()
    }

    /// The next event, which must be of this name.
    #[track_caller]
    pub(crate) fn expect(&mut self, name: &str) -> Event {
        let event = self.next();
        assert_eq!(event.name, name, "{event:?}");
        event
    }

    /// Whether nothing that it missed is still to come.
    #[track_caller]
    pub(crate) fn is_up_to_date(&mut self) -> bool {
        self.accepted("health_check", Value::Null)["upToDate"].as_bool().unwrap()
    }

    /// Every event that the server had for this client when it was asked: once it is up to date, a `ping` behind them all
    /// fences them off.
    #[track_caller]
    pub(crate) fn drain(&mut self) -> Vec<Event> {
        eventually(|| self.is_up_to_date().then_some(()));
        self.accepted("ping", Value::Null);
        let mut events = Vec::new();
        loop {
            let event = self.next();
            if event.name == "pong" {
                return events;
            }
            events.push(event);
        }
    }

    /// As [`Client::drain`], the names alone.
    #[track_caller]
    pub(crate) fn drain_names(&mut self) -> Vec<String> {
        self.drain().into_iter().map(|event| event.name).collect()
    }

    /// Reads until the server closes the transport; returns the events before that, and WebSocket's code.
    #[track_caller]
    pub(crate) fn until_closed(&mut self) -> (Vec<Event>, Option<u16>) {
        let mut events = Vec::new();
        loop {
            match self.packet(PATIENCE) {
                Some(packet) if packet.kind == PacketType::Event => {
                    self.waiting.push_front(packet);
                    events.extend(self.next_within(PATIENCE));
                }
                Some(_) => {}
                None => {
                    let closed = self.closed.expect("the server closes the transport");
                    return (events, closed);
                }
            }
        }
    }

    /// The next packet of any kind; `None` where none comes or the transport is closed.
    pub(crate) fn packet(&mut self, patience: Duration) -> Option<WholePacket> {
        if let Some(packet) = self.waiting.pop_front() {
            return Some(packet);
        }
        self.read_packet(Instant::now() + patience)
    }

    fn read_packet(&mut self, deadline: Instant) -> Option<WholePacket> {
        if self.closed.is_some() {
            return None;
        }
        loop {
            let packet = match self.link.receive(deadline) {
                Received::Text(text) => match text.split_at(1) {
                    ("4", packet) => WholePacket::from_text(packet),
                    ("2", _) => {
                        self.pings += 1;
                        if self.pongs_left > 0 {
                            self.pongs_left -= 1;
                            self.link.send(&[Outgoing::Text("3".into())]);
                        }
                        continue;
                    }
                    ("6", _) => continue,
                    _ => panic!("a server does not send {text}"),
                },
                Received::Binary(bytes) => match self.partial.take() {
                    Some(mut packet) => {
                        packet.attachments.push(bytes);
                        packet.missing -= 1;
                        packet
                    }
                    None => WholePacket::from_msgpack(&bytes),
                },
                Received::Nothing => return None,
                Received::Closed(code) => {
                    self.closed = Some(code);
                    return None;
                }
            };
            if packet.missing == 0 {
                // A handler that takes an acknowledgement has it as its last argument, and no cursor.
                if packet.kind == PacketType::Event
                    && self.pid.is_some()
                    && let Some(cursor) = packet.cursor()
                {
                    self.offset = Some(cursor.to_owned());
                }
                return Some(packet);
            }
            self.partial = Some(packet);
        }
    }
}
