//! How clients are closed, and what becomes of their upgrades and sockets then; they are let go of at the end of the turn.

use foodtrack_session::{CloseReason, Closing, LinkId, Lost, Polling};

use super::Reactor;
use crate::client::ClientKey;

impl Reactor {
    /// Ends a client: its transport closes after this turn's frames, and the application is told then. Clients of the
    /// library connect again by themselves, unless they were [disconnected](Reactor::disconnect) before.
    pub fn close(&mut self, client: ClientKey, reason: CloseReason) {
        let Some(state) = self.clients.find_mut(client) else { return };
        match state.engine.close(reason) {
            Closing::Begun => {
                self.fanout[client.index()].close();
                self.clients.let_go_later(client.place());
            }
            Closing::Already => {}
            Closing::GiveUpUpgrade => self.give_up_upgrade(client.place()),
        }
    }

    /// A client lost one of its sockets, which is gone or goes its own way from now on.
    pub(super) fn link_lost(&mut self, client: u32, link: LinkId, reason: CloseReason) {
        let Some(state) = self.clients.get_mut(client as usize) else { return };
        match state.engine.lose(link) {
            Lost::Nothing => {}
            Lost::Upgrade => self.release_from_upgrade(client),
            Lost::Client => {
                self.fanout[client as usize].detach();
                self.close(self.key(client), reason);
            }
        }
    }

    /// The upgrade of a client is over, one way or the other: nothing keeps it any more.
    pub(super) fn release_from_upgrade(&mut self, client: u32) {
        if self.clients.get(client as usize).is_some_and(|state| state.engine.is_kept_by_upgrade())
        {
            self.clients.let_go_later(client);
        }
    }

    /// Lets go of a client's upgrade, if one is under way.
    pub(super) fn give_up_upgrade(&mut self, client: u32) {
        let Some(state) = self.clients.get(client as usize) else { return };
        if let Some(link) = state.engine.as_polling().and_then(Polling::probing) {
            self.end_upgrade(client, link);
            self.drop_link(link);
        }
    }

    /// A client's upgrade comes to nothing, where it is on this link, which is the caller's to close. Returns whether it was.
    pub(super) fn end_upgrade(&mut self, client: u32, link: LinkId) -> bool {
        let Some(state) = self.clients.get_mut(client as usize) else { return false };
        let was_there = state.engine.end_upgrade(link);
        if was_there {
            self.release_from_upgrade(client);
        }
        was_there
    }

    /// An upgrade took too long: its socket closes, the client goes on polling.
    pub(super) fn abandon_upgrade(&mut self, link: LinkId) {
        let Some(client) = self.links.get_mut(link).and_then(|link| link.client()) else {
            return;
        };
        if self.end_upgrade(client, link) {
            self.drop_link(link);
        }
    }
}
