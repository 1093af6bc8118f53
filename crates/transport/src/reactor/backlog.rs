//! Who has a backlog, and the word that it is gone.

use super::Reactor;
use super::application::Application;
use crate::client::ClientKey;

impl Reactor {
    /// Whether frames wait for the client to take them: its socket is full, or it polls and has not come for them.
    pub fn is_backlogged(&self, client: ClientKey) -> bool {
        let Some(state) = self.clients.get(client.index()) else { return false };
        state.queue.is_some()
            || !state.engine.is_polling()
                && (state.engine.websocket_link().and_then(|link| self.links.get(link)))
                    .is_none_or(|link| link.output.is_blocked())
    }

    /// Makes [`Application::drained`] called for the client, once, when nothing waits for it any more: at the end of this
    /// turn at the earliest, behind what the turn sends. Not where the client closes or moves first.
    pub fn tell_when_drained(&mut self, client: ClientKey) {
        self.clients.watch_drained(client.0);
    }

    /// A backlog may be gone; who asked is told once the turn is flushed.
    pub(super) fn note_drained(&mut self, client: u32) {
        if !self.is_backlogged(ClientKey(client)) {
            self.clients.note_drained(client);
        }
    }

    /// Tells the application of clients without a backlog, and sends what it says to them. Who asks again meanwhile is told
    /// in the next turn.
    pub(super) fn tell_drained<A: Application>(&mut self, app: &mut A) {
        let drained = self.clients.take_drained();
        if drained.is_empty() {
            return;
        }
        for id in drained {
            let client = ClientKey(id.place());
            let is_backlogged = self.is_backlogged(client);
            let Some(state) = self.clients.open(id) else { continue };
            if state.look_at_backlog(is_backlogged) {
                app.drained(self, client);
                self.flush_if_large();
            }
        }
        self.flush();
    }
}
