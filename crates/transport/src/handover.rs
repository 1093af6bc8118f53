//! What moves from shard to shard: a client with its socket, or a request with its socket.

use foodtrack_session::NamespaceId;

use crate::application::Application;
use crate::client::{Client, ClientKey, CloseReason, DrainedWatch, Packets, Transport};
use crate::link::{Link, LinkKind};
use crate::outbox::Hot;
use crate::reactor::Reactor;
use crate::reading::Next;
use crate::sid::SidClaim;

/// Something on its way to another shard of the same server. Dropping it closes its sockets.
pub struct Handover<T>(pub(crate) Moved<T>);

impl<T> Handover<T> {
    /// What goes with the client; `None` for a request.
    pub fn transfer(&self) -> Option<&T> {
        match &self.0 {
            Moved::Client(moved) => Some(&moved.transfer),
            Moved::Request(_) => None,
        }
    }

    /// As [`Handover::transfer`], to be changed.
    pub fn transfer_mut(&mut self) -> Option<&mut T> {
        match &mut self.0 {
            Moved::Client(moved) => Some(&mut moved.transfer),
            Moved::Request(_) => None,
        }
    }
}

pub(crate) enum Moved<T> {
    Client(Box<MovedClient<T>>),
    Request(Box<Link>),
}

pub(crate) struct MovedClient<T> {
    pub(crate) client: Client,
    /// Its WebSocket, or the poll that waits.
    pub(crate) link: Option<Link>,
    pub(crate) namespace: NamespaceId,
    pub(crate) transfer: T,
    /// Its id in the directory, where requests may name it: it polls, or polled once.
    pub(crate) claim: Option<SidClaim>,
    /// Packets that came behind its CONNECT in the same body.
    pub(crate) packets: Packets,
}

impl Reactor {
    /// Packs a client up and gives it to another shard.
    pub(crate) fn move_client<A: Application>(
        &mut self,
        app: &mut A,
        client: u32,
        shard: usize,
        namespace: NamespaceId,
        transfer: A::Transfer,
        packets: Packets,
    ) {
        // What was sent to it here goes out here.
        self.flush();
        let Some(mut state) = self.clients.try_remove(client as usize) else { return };
        self.hot[client as usize] = Hot::FREE;
        let was_named = self.polling.remove(&state.sid).is_some();
        // Requests follow the client from now on, and may be there before it.
        let claim = was_named.then(|| SidClaim::new(&self.sids, state.sid, shard));
        let link = match &mut state.transport {
            Transport::WebSocket { link } => self.take_link(*link),
            Transport::Polling(polling) => {
                // An upgrade that is under way starts anew: the client goes on polling.
                if let Some(upgrade) = polling.upgrade.take() {
                    self.drop_link(upgrade.link);
                }
                polling.waiting.take().and_then(|waiting| self.take_link(waiting))
            }
        };
        let moved = MovedClient { client: state, link, namespace, transfer, claim, packets };
        app.hand_over(shard, Handover(Moved::Client(Box::new(moved))));
    }

    /// Takes in what another shard handed over.
    pub fn adopt<A: Application>(&mut self, app: &mut A, handover: Handover<A::Transfer>) {
        match handover.0 {
            Moved::Request(link) => {
                let link = Link { serial: self.next_serial(), ..*link };
                let serial = link.serial;
                if let Some(link) = self.add_link(link) {
                    self.defer(link, serial);
                }
            }
            Moved::Client(moved) => self.adopt_client(app, *moved),
        }
    }

    fn adopt_client<A: Application>(&mut self, app: &mut A, moved: MovedClient<A::Transfer>) {
        let MovedClient { mut client, link, namespace, transfer, claim, packets } = moved;
        client.serial = self.next_serial();
        client.is_connect_timed = false;
        // What the other shard's application asked for means nothing to this one's.
        client.pings.forget_mark();
        client.drained_watch = DrainedWatch::Off;
        let sid = client.sid;
        let polls = matches!(client.transport, Transport::Polling(_));
        let link = link.and_then(|link| {
            let link = Link { serial: self.next_serial(), ..link };
            let serial = link.serial;
            self.add_link(link).map(|link| (link, serial))
        });
        if !polls && link.is_none() {
            return;
        }
        let beat_ms = self.now_ms + self.config.heartbeat.interval_ms;
        let client = self.insert_client(client, beat_ms);
        if let Some(claim) = claim {
            claim.keep();
            self.polling.insert(sid, client);
        }
        if let Some((link, serial)) = link {
            self.attach(client, link);
            self.defer(link, serial);
        }
        self.schedule_connect(client);
        let key = ClientKey(client);
        let verdict = app.adopt(self, key, namespace, transfer);
        if let Next::HandOver { .. } = self.apply(app, client, namespace, verdict) {
            // A shard that was given a client is its home: sending it on would go round for ever.
            self.close(key, CloseReason::ServerClosed);
        }
        self.polled_packets(app, client, packets);
    }

    /// Gives an adopted client its socket back.
    fn attach(&mut self, client: u32, link: u32) {
        let Some(state) = self.clients.get_mut(client as usize) else { return };
        match &mut state.transport {
            Transport::WebSocket { link: own } => {
                *own = link;
                self.hot[client as usize].link = link;
                if let Some(Link { kind: LinkKind::WebSocket { client: own, .. }, .. }) =
                    self.links.get_mut(link as usize)
                {
                    *own = client;
                }
                self.settle_mode(client);
            }
            Transport::Polling(polling) => {
                polling.waiting = Some(link);
                if let Some(Link { kind: LinkKind::HttpBusy { client: own, .. }, .. }) =
                    self.links.get_mut(link as usize)
                {
                    *own = Some(client);
                }
            }
        }
    }
}
