//! Clients and requests that another shard handed over.

use foodtrack_session::{CloseReason, LinkId};

use super::Reactor;
use super::application::Application;
use super::next::Next;
use crate::handover::{Handover, Moved, MovedClient};
use crate::link::Link;
use crate::turned_away::TurnedAway;

impl Reactor {
    /// Takes in what another shard handed over.
    pub fn adopt<A: Application>(&mut self, app: &mut A, handover: Handover<A::Transfer>) {
        match handover.0 {
            Moved::Request(link) => {
                let Some(link) = self.add_link(*link) else { return };
                match self.list_stranger(link) {
                    true => self.defer(link),
                    false => self.turn_away(link, TurnedAway::AddressFull),
                }
            }
            Moved::Client(moved) => self.adopt_client(app, *moved),
        }
    }

    pub(super) fn adopt_client<A: Application>(
        &mut self,
        app: &mut A,
        moved: MovedClient<A::Transfer>,
    ) {
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
        let key = self.key(client);
        let verdict = app.adopt(self, key, namespace, transfer);
        if let Next::HandOver { .. } = self.apply(app, client, namespace, verdict) {
            // A shard that was given a client is its home: sending it on would go round for ever.
            self.close(key, CloseReason::ServerClosed);
        }
        self.polled_packets(app, client, packets);
    }

    /// Gives an adopted client its socket back.
    pub(super) fn attach(&mut self, client: u32, link: LinkId) {
        self.name_client(link, client);
        let Some(state) = self.clients.get(client as usize) else { return };
        if !state.engine.is_polling() {
            self.fanout[client as usize].attach(link);
            self.settle_mode(client);
        }
    }

    /// Goes on with the upgrade of an adopted client, if its socket is still there.
    pub(super) fn attach_probed(&mut self, client: u32, probed: Option<LinkId>) {
        let Some(link) = probed else { return };
        self.name_client(link, client);
        self.watch_upgrade(link);
        self.defer(link);
    }

    /// Tells a link whose it is on this shard.
    pub(super) fn name_client(&mut self, link: LinkId, client: u32) {
        if let Some(link) = self.links.get_mut(link) {
            link.name_client(client);
        }
    }
}
