//! Strangers have a part of a turn: who has joined does not wait for all of them, however many they are.

use std::time::{Duration, Instant};

use foodtrack_session::LinkId;

use super::Reactor;
use super::application::Application;

/// How long strangers are served in a turn, and new sockets accepted. Who is left has the next turn, in the order of coming.
const STRANGERS_TIME: Duration = Duration::from_millis(2);

impl Reactor {
    /// A socket may have something to read: now, where somebody known has it.
    pub(super) fn ready<A: Application>(&mut self, app: &mut A, link: LinkId, hung_up: bool) {
        let Some(state) = self.links.get_mut(link) else { return };
        if state.standing.is_known() {
            return self.readable(app, link, hung_up);
        }
        state.waits.note_readable(hung_up);
        self.strangers_ready.push(&mut self.links, link);
    }

    /// Serves strangers for their part of the turn.
    pub(super) fn serve_strangers<A: Application>(&mut self, app: &mut A) {
        if !self.acceptor.is_pending() && self.strangers_ready.is_empty() {
            return;
        }
        // What those who have joined are owed does not wait for strangers.
        self.flush();
        let began = Instant::now();
        self.accept(began + STRANGERS_TIME / 2);
        while let Some((link, waits)) = self.strangers_ready.pop(&mut self.links) {
            if waits.resumes() {
                self.resume(app, link);
            }
            if let Some(hung_up) = waits.readable()
                && self.links.get(link).is_some()
            {
                self.readable(app, link, hung_up);
            }
            self.flush_if_large();
            if began.elapsed() >= STRANGERS_TIME {
                return;
            }
        }
    }
}
