//! Clients that move to another shard.

use foodtrack_session::NamespaceId;

use crate::client::Packets;
use crate::handover::{Handover, Moved, MovedClient};
use crate::outbox::FanoutState;
use crate::sid::SidClaim;

use super::Reactor;
use super::application::Application;

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
}
