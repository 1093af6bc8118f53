//! A client's connections: what a browser does with the requests and the WebSockets of the library.

use fastrand::Rng;
use foodtrack_session::RequestId;
use serde::Deserialize;

use crate::{Action, Arrival, End, LinkIndex, Network, Packet, Tear, Way};

/// The links of one client, and what was asked on them.
#[derive(Debug)]
pub struct ClientHost {
    rng: Rng,
    sid: Option<String>,
    get: Option<Request>,
    post: Option<Request>,
    websocket: Option<LinkIndex>,
    probe: Option<LinkIndex>,
    requests: u64,
    /// Requests that were sent again by the browser itself.
    repeated: u64,
}

/// A connection for requests, one at a time.
#[derive(Debug)]
struct Request {
    link: LinkIndex,
    /// Whether it carried an answer before.
    is_used: bool,
    /// What is not answered yet.
    pending: Option<Packet>,
}

/// What the library is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostNews {
    /// [`crate::Input::Payload`].
    Payload(Way, String),
    /// [`crate::Input::Posted`].
    Posted,
    /// [`crate::Input::Closed`].
    Closed(Way),
}

#[derive(Deserialize)]
struct Opening {
    sid: String,
}

impl ClientHost {
    /// A host without connections.
    pub fn new(seed: u64) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            sid: None,
            get: None,
            post: None,
            websocket: None,
            probe: None,
            requests: 0,
            repeated: 0,
        }
    }

    /// Its links that are open.
    pub fn links(&self) -> impl Iterator<Item = LinkIndex> + use<> {
        let requests = [&self.get, &self.post].map(|it| it.as_ref().map(|it| it.link));
        requests.into_iter().chain([self.websocket, self.probe]).flatten()
    }

    /// How many requests were sent again by themselves.
    pub fn repeated(&self) -> u64 {
        self.repeated
    }

    /// Does what the library asks for. Returns links that were opened.
    pub fn act(
        &mut self,
        now_ms: u64,
        network: &mut Network<Packet>,
        actions: Vec<Action>,
    ) -> Vec<LinkIndex> {
        let mut opened = Vec::new();
        for action in actions {
            let sid = self.sid.clone().unwrap_or_default();
            match action {
                Action::Open(Way::Polling) => {
                    let packet = Packet::Handshake;
                    opened.extend(request(&mut self.get, now_ms, network, packet));
                }
                Action::Open(Way::WebSocket) => {
                    let link = network.open();
                    network.send(now_ms, link, End::Server, Packet::OpenWebSocket(None));
                    self.websocket = Some(link);
                    opened.push(link);
                }
                Action::OpenProbe => {
                    let link = network.open();
                    network.send(now_ms, link, End::Server, Packet::OpenWebSocket(Some(sid)));
                    self.probe = Some(link);
                    opened.push(link);
                }
                Action::Poll => {
                    let packet = Packet::Poll { sid, request: self.next_request() };
                    opened.extend(request(&mut self.get, now_ms, network, packet));
                }
                Action::Post(body) => {
                    let packet = Packet::Post { sid, request: self.next_request(), body };
                    opened.extend(request(&mut self.post, now_ms, network, packet));
                }
                Action::Say(text) => {
                    // The one that is probed is the WebSocket once the library has changed to it.
                    if text == "5" {
                        self.websocket = self.probe.take();
                    }
                    if let Some(link) = self.probe.or(self.websocket) {
                        network.send(now_ms, link, End::Server, Packet::Text(text));
                    }
                }
                Action::Leave => {
                    for link in self.links() {
                        network.tear(now_ms, link, Tear::Close(End::Client));
                    }
                    self.forget();
                }
            }
        }
        opened
    }

    /// Forgets every link: they are nobody's any more.
    pub fn forget(&mut self) {
        (self.sid, self.get, self.post) = (None, None, None);
        (self.websocket, self.probe) = (None, None);
    }

    /// Something has come out of one of its links. Returns what the library is told, and a link that was opened instead.
    pub fn arrived(
        &mut self,
        now_ms: u64,
        network: &mut Network<Packet>,
        link: LinkIndex,
        arrival: Arrival<Packet>,
    ) -> (Option<HostNews>, Option<LinkIndex>) {
        if self.websocket == Some(link) || self.probe == Some(link) {
            return (self.websocket_arrived(link, arrival), None);
        }
        let is = |request: &Option<Request>| request.as_ref().is_some_and(|it| it.link == link);
        if is(&self.get) {
            self.request_arrived(now_ms, network, false, arrival)
        } else if is(&self.post) {
            self.request_arrived(now_ms, network, true, arrival)
        } else {
            (None, None)
        }
    }

    fn websocket_arrived(&mut self, link: LinkIndex, arrival: Arrival<Packet>) -> Option<HostNews> {
        match arrival {
            Arrival::Packet(Packet::Text(text)) => {
                self.note_opening(&text);
                Some(HostNews::Payload(Way::WebSocket, text))
            }
            Arrival::Packet(_) => None,
            Arrival::Closed => {
                self.websocket.take_if(|own| *own == link);
                self.probe.take_if(|own| *own == link);
                Some(HostNews::Closed(Way::WebSocket))
            }
        }
    }

    fn request_arrived(
        &mut self,
        now_ms: u64,
        network: &mut Network<Packet>,
        is_post: bool,
        arrival: Arrival<Packet>,
    ) -> (Option<HostNews>, Option<LinkIndex>) {
        let slot = if is_post { &mut self.post } else { &mut self.get };
        let Some(own) = slot else { return (None, None) };
        match arrival {
            Arrival::Packet(Packet::Answer(answer)) => {
                (own.pending, own.is_used) = (None, true);
                let Some(text) = answer else {
                    return (Some(HostNews::Closed(Way::Polling)), None);
                };
                if is_post {
                    return (Some(HostNews::Posted), None);
                }
                self.note_opening(&text);
                (Some(HostNews::Payload(Way::Polling, text)), None)
            }
            Arrival::Packet(_) => (None, None),
            Arrival::Closed => {
                let (is_used, pending) = (own.is_used, own.pending.take());
                *slot = None;
                match pending {
                    // A browser repeats a request when its connection, used before, ends without an answer.
                    Some(packet) if is_used && self.rng.u8(0..4) > 0 => {
                        self.repeated += 1;
                        (None, request(slot, now_ms, network, packet))
                    }
                    Some(_) => (Some(HostNews::Closed(Way::Polling)), None),
                    None => (None, None),
                }
            }
        }
    }

    fn note_opening(&mut self, payload: &str) {
        if let Some(opening) = payload.strip_prefix('0')
            && let Ok(opening) = serde_json::from_str::<Opening>(opening)
        {
            self.sid = Some(opening.sid);
        }
    }

    fn next_request(&mut self) -> Option<RequestId> {
        self.requests += 1;
        RequestId::parse(&format!("t{}", self.requests))
    }
}

/// Sends a request on the connection that there is, or on a new one, which is returned.
fn request(
    slot: &mut Option<Request>,
    now_ms: u64,
    network: &mut Network<Packet>,
    packet: Packet,
) -> Option<LinkIndex> {
    let is_new = slot.is_none();
    let own =
        slot.get_or_insert_with(|| Request { link: network.open(), is_used: false, pending: None });
    own.pending = Some(packet.clone());
    network.send(now_ms, own.link, End::Server, packet);
    is_new.then_some(own.link)
}
