//! Whether frames wait for a client, and who wants to know when they do not any more.

use super::Reactor;
use crate::client::ClientKey;

impl Reactor {
    /// Whether frames wait for the client to take them: its socket is full, or it polls and has not come for them.
    pub fn is_backlogged(&self, client: ClientKey) -> bool {
        let Some(state) = self.clients.find(client) else { return false };
        state.queue().is_some()
            || !state.engine.is_polling()
                && (state.engine.websocket_link().and_then(|link| self.links.get(link)))
                    .is_none_or(|link| link.output.is_blocked())
    }

    /// Makes [`Application::drained`] called for the client, once, when nothing waits for it any more: at the end of this
    /// turn at the earliest, behind what the turn sends. Not where the client closes or moves first.
    pub fn tell_when_drained(&mut self, client: ClientKey) {
        self.clients.watch_drained(client);
    }

    /// A backlog may be gone; who asked is told once the turn is flushed.
    pub(super) fn note_drained(&mut self, client: u32) {
        if !self.is_backlogged(self.key(client)) {
            self.clients.note_drained(client);
        }
    }
}
