//! Clients and requests that move from shard to shard.

use foodtrack_session::{CloseReason, LinkId, NamespaceId};

use crate::client::{ClientKey, Packets};
use crate::handover::{Handover, Moved, MovedClient};
use crate::link::Link;
use crate::outbox::FanoutState;
use crate::sid::SidClaim;
use crate::turned_away::TurnedAway;

use super::Reactor;
use super::application::Application;
use super::reading::Next;

impl Reactor {
    /// Packs a client up and gives it to another shard.
    pub(super) fn move_client<A: Application>(
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
        let Some((mut state, was_named)) = self.clients.remove(client) else { return };
        self.discount_client(&mut state);
        self.fanout[client as usize] = FanoutState::FREE;
        // Requests follow the client from now on, and may be there before it.
        let claim = was_named.then(|| SidClaim::new(&self.sids, *state.sid(), shard));
        let links = state.engine.depart();
        let [link, probed] = links.map(|link| link.and_then(|link| self.take_link(link)));
        let moved =
            MovedClient { client: state, link, probed, namespace, transfer, claim, packets };
        app.hand_over(shard, Handover(Moved::Client(Box::new(moved))));
    }

    /// Takes in what another shard handed over.
    pub fn adopt<A: Application>(&mut self, app: &mut A, handover: Handover<A::Transfer>) {
        match handover.0 {
            Moved::Request(link) => {
                let Some(link) = self.add_link(*link) else { return };
                match self.lodge(link) {
                    true => self.defer(link),
                    false => self.turn_away(link, TurnedAway::AddressFull),
                }
            }
            Moved::Client(moved) => self.adopt_client(app, *moved),
        }
    }

    fn adopt_client<A: Application>(&mut self, app: &mut A, moved: MovedClient<A::Transfer>) {
        let MovedClient { mut client, link, probed, namespace, transfer, claim, packets } = moved;
        // Its token is good: whoever sends it on knows that.
        let known = |mut link: Link| {
            link.standing.set_known(true);
            link
        };
        let link = link.and_then(|link| self.add_link(known(link)));
        let probed = probed.and_then(|link| self.add_link(known(link)));
        if !client.engine.arrive([link, probed]) {
            return;
        }
        let client = self.insert_client(client);
        if let Some(claim) = claim {
            claim.keep();
            self.clients.name(client);
        }
        if let Some(link) = link {
            self.attach(client, link);
            self.defer(link);
        }
        self.attach_probed(client, probed);
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
    fn attach(&mut self, client: u32, link: LinkId) {
        self.name_client(link, client);
        let Some(state) = self.clients.get(client as usize) else { return };
        if !state.engine.is_polling() {
            self.fanout[client as usize].attach(link);
            self.settle_mode(client);
        }
    }

    /// Goes on with the upgrade of an adopted client, if its socket is still there.
    fn attach_probed(&mut self, client: u32, probed: Option<LinkId>) {
        let Some(link) = probed else { return };
        self.name_client(link, client);
        self.watch_upgrade(link);
        self.defer(link);
    }

    /// Tells a link whose it is on this shard.
    fn name_client(&mut self, link: LinkId, client: u32) {
        if let Some(link) = self.links.get_mut(link) {
            link.name_client(client);
        }
    }
}
