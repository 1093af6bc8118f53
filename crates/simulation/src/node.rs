//! A process: a gateway, and what lives above it.

use foodtrack_session::{CloseReason, Event, HeartbeatConfig, NamespaceId};

use crate::{Call, Clients, Hub, LinkIndex, ModelTime, Output, Packet};

/// One process of a hub. Everything happens in the turn of a call; [`Node::take_outputs`] has what came of it.
pub struct Node {
    clients: Clients,
    hub: Box<dyn Hub>,
    upgrades: u64,
    acknowledged: Vec<u64>,
}

impl Node {
    /// A process that has just begun. `first_client` is above every client's number of earlier ones.
    pub fn new(
        seed: u64,
        first_client: u32,
        heartbeat: HeartbeatConfig,
        hub: Box<dyn Hub>,
    ) -> Self {
        Self {
            clients: Clients::new(seed, first_client, heartbeat),
            hub,
            upgrades: 0,
            acknowledged: Vec::new(),
        }
    }

    /// The clients, for faults to be planted.
    pub fn clients_mut(&mut self) -> &mut Clients {
        &mut self.clients
    }

    /// The number of the next process's first client.
    pub fn next_client(&self) -> u32 {
        self.clients.next_client()
    }

    /// The numbers of the events whose acknowledgements have come since this was asked last.
    pub fn take_acknowledged(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.acknowledged)
    }

    /// Whether a session of this id is its own, or was until a moment ago.
    pub fn knows(&self, sid: &str) -> bool {
        self.clients.knows(sid)
    }

    /// How many clients have changed from polling to a WebSocket.
    pub fn upgrades(&self) -> u64 {
        self.upgrades
    }

    /// A packet has arrived on a link.
    pub fn arrived(&mut self, now: ModelTime, link: LinkIndex, packet: Packet) {
        self.clients.set_now(now);
        self.clients.arrived(link, packet);
        self.go_on(now);
    }

    /// A link has ended.
    pub fn link_closed(&mut self, now: ModelTime, link: LinkIndex) {
        self.clients.set_now(now);
        self.clients.link_closed(link);
        self.go_on(now);
    }

    /// Time has passed.
    pub fn wake(&mut self, now: ModelTime) {
        self.clients.set_now(now);
        for (client, is_due) in self.clients.expire() {
            let may_mark = self.clients.may_mark(client);
            let mark = if may_mark { self.hub.ping_mark(client, is_due) } else { 0 };
            if is_due || mark > 0 {
                self.clients.ping(client, mark);
            }
        }
        self.hub.wake(now, &mut self.clients);
        self.go_on(now);
    }

    /// Sends every client away, as a process does that was asked to stop.
    pub fn drain(&mut self, now: ModelTime) {
        self.clients.set_now(now);
        self.clients.close_all(CloseReason::ServerClosed);
        self.go_on(now);
    }

    /// When it has something to do by itself, on the monotonic clock.
    pub fn next_ms(&self) -> Option<u64> {
        self.clients.next_ms().into_iter().chain(self.hub.next_ms()).min()
    }

    /// What goes out on links, in its order.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        self.clients.take_outputs()
    }

    fn go_on(&mut self, now: ModelTime) {
        loop {
            while let Some(call) = self.clients.next_call() {
                self.tell(now, call);
            }
            if !self.clients.finish_closing() {
                return;
            }
        }
    }

    fn tell(&mut self, now: ModelTime, call: Call) {
        let (hub, clients) = (&mut self.hub, &mut self.clients);
        match call {
            Call::Connect(client, auth) => hub.connect(now, clients, client, auth.as_deref()),
            Call::Event { client, id, data } => {
                let (namespace, attachments) = (NamespaceId::ROOT, Vec::new());
                let event = Event { namespace, id, data: data.into(), attachments };
                hub.event(now, clients, client, &event);
            }
            Call::Acknowledged(client, id) => {
                self.acknowledged.push(id);
                hub.acknowledged(now, clients, client, id);
            }
            Call::Ponged(client, mark) => hub.ponged(now, clients, client, mark),
            Call::Drained(client) => hub.drained(now, clients, client),
            Call::Upgraded(_) => self.upgrades += 1,
            Call::Closed(client, reason) => hub.closed(now, clients, client, reason),
            Call::Publish(ticket, request) => hub.publish(now, clients, ticket, &request),
            Call::Flush(client) => clients.flush(client),
        }
    }
}
