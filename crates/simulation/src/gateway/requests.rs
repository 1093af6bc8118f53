//! What comes on links: requests, and messages of WebSockets.

use foodtrack_session::{
    Carrier, CloseReason, EngineSession, LastPacket, LinkId, Lost, PollStep, Pong, ProbeStep,
    RequestId, Sid, Step,
};
use foodtrack_wire::engine_io;

use super::client::Client;
use super::{BODY_BYTES_MAX, CONNECT_MS_MAX, Clients, link_id, of_link, text_of};
use crate::{Call, ClientIndex, LinkIndex, Output, Packet, Ticket};

impl Clients {
    /// A packet has arrived on a link.
    pub(crate) fn arrived(&mut self, link: LinkIndex, packet: Packet) {
        match packet {
            Packet::Handshake => self.open(link, None),
            Packet::OpenWebSocket(None) => self.open(link, Some(())),
            Packet::OpenWebSocket(Some(sid)) => self.open_upgrade(link, &sid),
            Packet::Poll { sid, request } => self.poll(link, &sid, request),
            Packet::Post { sid, request, body } => self.post(link, &sid, request, &body),
            Packet::Text(text) => self.websocket_text(link, &text),
            Packet::Publish { .. } => {
                let ticket = Ticket(self.next_ticket);
                self.next_ticket += 1;
                self.requests.insert(ticket, link);
                self.calls.push_back(Call::Publish(ticket, packet));
            }
            Packet::Answer(_) => {}
        }
    }

    pub(super) fn open(&mut self, link: LinkIndex, websocket: Option<()>) {
        let (sid, now_ms) = (self.new_id(), self.now.monotonic_ms);
        let client = ClientIndex(self.next_client);
        self.next_client += 1;
        let (engine, upgrades) = match websocket {
            Some(()) => (EngineSession::websocket(link_id(link), now_ms), "[]"),
            None => (EngineSession::polling(now_ms), "[\"websocket\"]"),
        };
        let beat_ms = now_ms + self.heartbeat.interval_ms;
        self.clients.insert(client, Client::new(sid, engine, beat_ms, now_ms + CONNECT_MS_MAX));
        self.by_sid.insert(sid, client);
        let opening = format!(
            "0{{\"sid\":\"{}\",\"upgrades\":{upgrades},\"pingInterval\":{},\"pingTimeout\":{},\"maxPayload\":1000000}}",
            sid.as_str(),
            self.heartbeat.interval_ms,
            self.heartbeat.timeout_ms * u64::from(self.heartbeat.missed_max),
        );
        if websocket.is_some() {
            self.links.insert(link, client);
            self.outputs.push(Output::Send(link, Packet::Text(opening)));
        } else {
            self.outputs.push(Output::Send(link, Packet::Answer(Some(opening))));
        }
    }

    pub(super) fn find(&self, sid: &str) -> Option<ClientIndex> {
        self.by_sid.get(&Sid::parse(sid)?).copied()
    }

    pub(super) fn open_upgrade(&mut self, link: LinkIndex, sid: &str) {
        let client = self.find(sid).filter(|client| {
            let state = self.clients.get_mut(client);
            state.is_some_and(|state| state.engine.open_upgrade(link_id(link)))
        });
        match client {
            Some(client) => _ = self.links.insert(link, client),
            None => self.drop_link(link),
        }
    }

    pub(super) fn poll(&mut self, link: LinkIndex, sid: &str, request: Option<RequestId>) {
        let ended = self.ended.clone();
        let carrier = move |link: LinkId| match ended.contains(&of_link(link)) {
            true => Carrier::Ended,
            false => Carrier::Open,
        };
        let Some(client) = self.find(sid) else {
            let parsed = Sid::parse(sid);
            let body = parsed.and_then(|sid| {
                self.closed.answer(&sid, request, link_id(link), BODY_BYTES_MAX, carrier)
            });
            let body = body.map(|(body, _)| text_of(body));
            return self.outputs.push(Output::Send(link, Packet::Answer(body)));
        };
        let now_ms = self.now.monotonic_ms;
        let Some(state) = self.clients.get_mut(&client) else { return };
        state.engine.heard(now_ms);
        match state.engine.poll(request, link_id(link), now_ms, carrier) {
            None => self.outputs.push(Output::Send(link, Packet::Answer(None))),
            Some(PollStep::Conflict) => {
                self.outputs.push(Output::Send(link, Packet::Answer(None)));
                self.close(client, CloseReason::ProtocolError);
            }
            Some(PollStep::Again(body)) => {
                self.outputs.push(Output::Send(link, Packet::Answer(Some(text_of(body)))));
            }
            Some(PollStep::Waits { given_up, is_changing, .. }) => {
                self.links.insert(link, client);
                for link in given_up.into_iter().flatten() {
                    self.drop_link(of_link(link));
                }
                let last = is_changing.then_some(LastPacket::Noop);
                if is_changing || self.is_backlogged(client) {
                    self.answer_poll(client, last);
                }
            }
        }
    }

    /// Answers the poll of a client that waits, if one does.
    pub(super) fn answer_poll(&mut self, client: ClientIndex, last: Option<LastPacket>) {
        let Some(state) = self.clients.get_mut(&client) else { return };
        let last = last.filter(|_| state.queue.is_none());
        let holds_entries = state.holds_entries;
        let answer =
            state.engine.answer_poll(&mut state.queue, holds_entries, BODY_BYTES_MAX, last);
        let Some(answer) = answer else { return };
        if state.queue.is_none() && std::mem::take(&mut state.tells_drained) {
            self.calls.push_back(Call::Drained(client));
        }
        let (link, body) = (of_link(answer.link), text_of(answer.body));
        self.links.remove(&link);
        self.outputs.push(Output::Send(link, Packet::Answer(Some(body))));
    }

    pub(super) fn post(
        &mut self,
        link: LinkIndex,
        sid: &str,
        request: Option<RequestId>,
        body: &str,
    ) {
        let ended = self.ended.clone();
        let carrier = move |link: LinkId| match ended.contains(&of_link(link)) {
            true => Carrier::Ended,
            false => Carrier::Open,
        };
        let now_ms = self.now.monotonic_ms;
        let client = self.find(sid);
        let state = client.and_then(|client| Some((client, self.clients.get_mut(&client)?)));
        let Some((client, state)) = state else {
            return self.outputs.push(Output::Send(link, Packet::Answer(None)));
        };
        state.engine.heard(now_ms);
        let is_again = state.engine.is_post_again(request, body.as_bytes(), link_id(link), carrier);
        if !is_again {
            state.engine.note_post(request, body.as_bytes(), link_id(link));
        }
        self.outputs.push(Output::Send(link, Packet::Answer(Some(String::from("ok")))));
        if !is_again {
            body.split('\u{1e}').for_each(|packet| self.packet(client, packet));
        }
    }

    pub(super) fn websocket_text(&mut self, link: LinkIndex, text: &str) {
        let Some(client) = self.links.get(&link).copied() else { return };
        let now_ms = self.now.monotonic_ms;
        let Some(state) = self.clients.get_mut(&client) else { return };
        if state.engine.websocket_link() == Some(link_id(link)) {
            state.engine.heard(now_ms);
            return self.packet(client, text);
        }
        let Ok(packet) = engine_io::decode_text(text) else { return };
        match state.engine.probe(link_id(link), &packet) {
            None => {}
            Some(ProbeStep::Answer) => {
                self.outputs.push(Output::Send(link, Packet::Text(String::from("3probe"))));
                self.answer_poll(client, Some(LastPacket::Noop));
            }
            Some(ProbeStep::Upgrade) => {
                if let Some(answer) = state.engine.finish_upgrade(link_id(link)) {
                    let (link, body) = (of_link(answer.link), text_of(answer.body));
                    self.links.remove(&link);
                    self.outputs.push(Output::Send(link, Packet::Answer(Some(body))));
                }
                self.calls.push_back(Call::Upgraded(client));
                self.flush(client);
                self.release_from_upgrade(client);
            }
            Some(ProbeStep::Refuse) => {
                state.engine.end_upgrade(link_id(link));
                self.drop_link(link);
                self.release_from_upgrade(client);
            }
        }
    }

    /// Takes an Engine.IO packet of a client.
    pub(super) fn packet(&mut self, client: ClientIndex, packet: &str) {
        let now_ms = self.now.monotonic_ms;
        let Some(state) = self.clients.get_mut(&client) else { return };
        if state.engine.is_closing() {
            return;
        }
        let (kind, rest) = packet.split_at(usize::from(!packet.is_empty()));
        match kind {
            "3" => {
                let waiting = u8::from(state.queue.as_ref().is_some_and(|it| it.holds_ping()));
                match state.engine.pong(waiting, now_ms) {
                    Pong::Confirms(mark) => self.calls.push_back(Call::Ponged(client, mark)),
                    Pong::Answers | Pong::Senseless => {}
                }
            }
            "4" => match state.io.handle_text(rest, &self.namespaces) {
                Ok(Step::Connect { auth, .. }) => {
                    let auth = auth.map(std::borrow::Cow::into_owned);
                    self.calls.push_back(Call::Connect(client, auth));
                }
                Ok(Step::Event(event)) => {
                    let data = event.data.into_owned();
                    self.calls.push_back(Call::Event { client, id: event.id, data });
                }
                Ok(Step::Acknowledged(event)) => {
                    let id = event.id.unwrap_or_default();
                    self.calls.push_back(Call::Acknowledged(client, id));
                }
                Ok(_) => {}
                Err(_) => self.close(client, CloseReason::ProtocolError),
            },
            "1" => self.close(client, CloseReason::TransportClosed),
            _ => {}
        }
    }

    /// A link has ended, and the node hears of it.
    pub(crate) fn link_closed(&mut self, link: LinkIndex) {
        self.ended.insert(link);
        self.requests.retain(|_, of| *of != link);
        let Some(client) = self.links.remove(&link) else { return };
        let Some(state) = self.clients.get_mut(&client) else { return };
        match state.engine.lose(link_id(link)) {
            Lost::Nothing => {}
            Lost::Upgrade => self.release_from_upgrade(client),
            Lost::Client => self.close(client, CloseReason::TransportError),
        }
    }
}
