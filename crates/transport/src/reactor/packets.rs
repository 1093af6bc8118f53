//! From packets to the application: what a client says, over whichever transport.

use super::Reactor;
use super::application::{Application, Data, Flow, Verdict};
use super::next::Next;
use crate::client::{Client, OwnedPacket, Packets, Protocol};
use crate::limits::PACKETS_PER_TURN;
use foodtrack_session::{CloseReason, LinkId, PlainStep, ProbeStep, SessionError, Step};
use foodtrack_wire::engine_io::{self, Packet};
use foodtrack_wire::plain_json;
use foodtrack_wire::rfc6455::{self, Message, Opcode};

impl Reactor {
    pub(super) fn websocket_message<A: Application>(
        &mut self,
        app: &mut A,
        link: LinkId,
        client: u32,
        message: Message<'_>,
    ) -> Next<A::Transfer> {
        let Some(state) = self.clients.get_mut(client as usize) else { return Next::Stop };
        // Who is closed while it changes its transport may still do so.
        if state.engine.is_closing() && !state.engine.is_polling() {
            return Next::Stop;
        }
        let protocol = state.protocol();
        let packet = match message {
            Message::Ping(payload) => {
                self.control_frame(link, client, Opcode::Pong, payload);
                return Next::Continue;
            }
            // None of ours asks for one.
            Message::Pong(_) => return self.senseless(client),
            Message::Close(frame) => {
                let code = frame.map_or(1_000, |frame| frame.code);
                // What was sent before the close goes out before it is answered.
                self.flush();
                self.close_websocket(link, code);
                self.link_lost(client, link, CloseReason::TransportClosed);
                return Next::Stop;
            }
            Message::Text(text) if protocol == Protocol::WebSocket => {
                app.message(self, self.key(client), Data::Text(text));
                return Next::Continue;
            }
            Message::Binary(bytes) if protocol == Protocol::WebSocket => {
                app.message(self, self.key(client), Data::Binary(bytes));
                return Next::Continue;
            }
            Message::Text(text) if protocol == Protocol::PlainJson => {
                return self.plain_json_message(app, client, text);
            }
            Message::Binary(_) if protocol == Protocol::PlainJson => {
                let error = SessionError::OutOfStep;
                self.send_plain_json_error(client, &error);
                return Next::Violation;
            }
            Message::Text(text) => match engine_io::decode_text(text) {
                Ok(packet) => packet,
                Err(_) => return Next::Violation,
            },
            Message::Binary(bytes) => Packet::Binary(bytes),
        };
        if state.engine.is_polling() {
            if matches!(packet, Packet::Upgrade) {
                // What was posted before comes before what the WebSocket brings.
                self.take_all_posted(app, client);
            }
            return self.probe_packet(link, client, &packet);
        }
        match packet {
            Packet::Text(text) => self.message(app, client, Data::Text(text)),
            Packet::Binary(bytes) => self.message(app, client, Data::Binary(bytes)),
            Packet::Pong(_) => self.pong(app, client),
            Packet::Noop => self.senseless(client),
            Packet::Close => {
                self.close(self.key(client), CloseReason::TransportClosed);
                Next::Stop
            }
            Packet::Open(_) | Packet::Ping(_) | Packet::Upgrade => Next::Violation,
        }
    }

    pub(super) fn probe_packet<T>(
        &mut self,
        link: LinkId,
        client: u32,
        packet: &Packet<'_>,
    ) -> Next<T> {
        let Some(state) = self.clients.get_mut(client as usize) else { return Next::Stop };
        let Some(step) = state.engine.probe(link, packet) else { return Next::Stop };
        match step {
            ProbeStep::Answer => {
                let mut answer = Vec::with_capacity(8);
                rfc6455::write_frame(&mut answer, Opcode::Text, b"3probe");
                self.send_on_link(link, &answer);
                // A waiting poll ends, so that the client can stop polling.
                self.end_poll_for_upgrade(client);
                Next::Continue
            }
            ProbeStep::Upgrade => {
                self.finish_upgrade(client, link);
                Next::Continue
            }
            ProbeStep::Refuse => {
                self.end_upgrade(client, link);
                self.close_websocket(link, 1_002);
                Next::Stop
            }
        }
    }

    /// Packets of a polling body. Returns whether more may come; what others have to wait for goes on in the next turn.
    pub(super) fn polled_packets<A: Application>(
        &mut self,
        app: &mut A,
        client: u32,
        mut packets: Packets,
    ) -> Flow {
        let mut flow = Flow::Continue;
        let mut taken = 0;
        while let Some(packet) = packets.pop_front() {
            if taken == PACKETS_PER_TURN {
                packets.push_front(packet);
                self.clients.post_later(client, packets);
                return flow;
            }
            taken += 1;
            let Some(state) = self.clients.get_mut(client as usize) else { return flow };
            if state.engine.is_closing() {
                return flow;
            }
            let next = match &packet {
                OwnedPacket::Text(text) => self.message(app, client, Data::Text(text)),
                OwnedPacket::Binary(bytes) => self.message(app, client, Data::Binary(bytes)),
                OwnedPacket::Pong => self.pong(app, client),
                OwnedPacket::Close => {
                    self.end_poll_for_close(client);
                    self.close(self.key(client), CloseReason::TransportClosed);
                    return flow;
                }
                OwnedPacket::Other => Next::Violation,
            };
            match next {
                Next::Continue => self.flush_if_large(),
                Next::Pause(longer) => flow = flow.max(longer),
                Next::Stop => return flow,
                Next::Violation | Next::TooLarge(_) => {
                    self.close(self.key(client), CloseReason::ProtocolError);
                    return flow;
                }
                Next::HandOver { shard, namespace, transfer } => {
                    self.move_client(app, client, shard, namespace, transfer, packets);
                    return flow;
                }
            }
        }
        flow
    }

    /// Goes on with polling bodies that had to wait for others' turn.
    pub(super) fn resume_posted<A: Application>(&mut self, app: &mut A) {
        for id in self.clients.take_posting() {
            let posted = self.clients.open(id).and_then(Client::take_posted);
            if let Some(packets) = posted {
                self.polled_packets(app, id.place(), packets);
            }
        }
    }

    fn take_all_posted<A: Application>(&mut self, app: &mut A, client: u32) {
        while let Some(packets) =
            self.clients.get_mut(client as usize).and_then(Client::take_posted)
        {
            self.polled_packets(app, client, packets);
        }
    }

    /// An Engine.IO message of a client, over whichever transport.
    pub(super) fn message<A: Application>(
        &mut self,
        app: &mut A,
        client: u32,
        data: Data<'_>,
    ) -> Next<A::Transfer> {
        let bytes_max = self.message_bytes_max(client);
        let Some(state) = self.clients.get_mut(client as usize) else { return Next::Stop };
        state.engine.heard(self.deadlines.now_ms());
        if state.protocol() == Protocol::EngineIo {
            app.message(self, self.key(client), data);
            return Next::Continue;
        }
        let namespaces = &self.config.namespaces;
        let step = match data {
            Data::Text(text) => state.session.handle_text(text, namespaces),
            Data::Binary(bytes) => state.session.handle_binary(bytes, bytes_max, namespaces),
        };
        match step {
            Ok(step) => self.step(app, client, step),
            Err(error) => {
                self.log_violation(client, &error);
                match error {
                    SessionError::TooLarge { bytes_max } => Next::TooLarge(bytes_max),
                    _ => Next::Violation,
                }
            }
        }
    }

    /// A message of a client that speaks plain JSON.
    fn plain_json_message<A: Application>(
        &mut self,
        app: &mut A,
        client: u32,
        message: &str,
    ) -> Next<A::Transfer> {
        let now_ms = self.deadlines.now_ms();
        let Some(state) = self.clients.get_mut(client as usize) else { return Next::Stop };
        state.engine.heard(now_ms);
        match state.session.handle_plain_json(message, &self.config.namespaces) {
            Ok(PlainStep::Packet(step)) => self.step(app, client, step),
            Ok(PlainStep::Confirm(cursor)) => {
                state.engine.forgo_proof();
                app.confirmed(self, self.key(client), &cursor);
                Next::Continue
            }
            Ok(PlainStep::Ping) => {
                self.send_plain_json(client, plain_json::PONG);
                Next::Continue
            }
            Ok(PlainStep::Pong) => self.pong(app, client),
            Err(error) => {
                self.log_violation(client, &error);
                self.send_plain_json_error(client, &error);
                Next::Violation
            }
        }
    }

    /// Tells a client that speaks plain JSON why its connection closes.
    fn send_plain_json_error(&mut self, client: u32, error: &SessionError) {
        let message = format!("{{\"type\":\"error\",\"error\":{}}}", error.to_json());
        self.send_plain_json(client, &message);
    }

    pub(super) fn log_violation(&self, client: u32, error: &SessionError) {
        let sid = self.clients.get(client as usize).map(|client| *client.sid());
        tracing::debug!(?sid, %error, "closing a client that broke the protocol");
    }

    pub(super) fn step<A: Application>(
        &mut self,
        app: &mut A,
        client: u32,
        step: Step<'_>,
    ) -> Next<A::Transfer> {
        let key = self.key(client);
        if let Step::Connect { .. } | Step::ConnectUnknown { .. } = step
            && let Some(state) = self.clients.get_mut(client as usize)
            && !state.joining.note_connect()
        {
            return Next::Violation;
        }
        match step {
            Step::Nothing => {}
            Step::Connect { namespace, auth } => {
                self.settle_mode(client);
                let verdict = app.connect(self, key, namespace, auth);
                return self.apply(app, client, namespace, verdict);
            }
            Step::ConnectUnknown { namespace } => {
                self.settle_mode(client);
                self.refuse_unknown(client, &namespace);
            }
            Step::Event(event) => match app.event(self, key, event) {
                Flow::Continue => {}
                flow => return Next::Pause(flow),
            },
            Step::Acknowledged(event) => {
                if !app.acknowledged(self, key, event) {
                    return self.senseless(client);
                }
            }
            Step::Disconnect { namespace } => {
                self.forget_log(client);
                app.left(self, key, namespace);
            }
        }
        match self.clients.get(client as usize) {
            Some(state) if !state.engine.is_closing() => Next::Continue,
            _ => Next::Stop,
        }
    }

    /// Whom the log's frames were for has left: whoever joins by the same transport must not get them.
    fn forget_log(&mut self, client: u32) {
        let Some(state) = self.clients.get_mut(client as usize) else { return };
        if state.forget_log() {
            self.note_drained(client);
        }
    }

    /// Does what the application decided about a CONNECT.
    pub(super) fn apply<A: Application>(
        &mut self,
        app: &mut A,
        client: u32,
        namespace: foodtrack_session::NamespaceId,
        verdict: Verdict<A::Transfer>,
    ) -> Next<A::Transfer> {
        let Some(state) = self.clients.get_mut(client as usize) else { return Next::Stop };
        if state.engine.is_closing() {
            return Next::Stop;
        }
        match verdict {
            Verdict::Accept { answer } => {
                state.session.accept(namespace);
                if state.joining.join() {
                    state.allowance.forgive();
                    self.make_client_known(client);
                }
                match self.clients[client as usize].protocol() {
                    Protocol::EventStream => self.begin_event_stream(client),
                    _ => self.send_connect(client, namespace, &answer),
                }
                app.connected(self, self.key(client), namespace);
                Next::Continue
            }
            Verdict::Refuse { error } => {
                state.session.refuse(namespace);
                self.send_connect_error(client, namespace, &error);
                // Who is in no namespace has as long for another try as at the start.
                self.schedule_connect(client);
                Next::Continue
            }
            Verdict::HandOver { shard, transfer } => {
                state.session.refuse(namespace);
                Next::HandOver { shard, namespace, transfer }
            }
        }
    }
}
