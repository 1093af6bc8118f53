//! Strangers have a part of a turn: who has joined does not wait for all of them, however many they are.

use std::time::{Duration, Instant};

use foodtrack_session::LinkId;

use crate::application::Application;
use crate::reactor::Reactor;

/// How long strangers are served in a turn, and new sockets accepted. Who is left has the next turn, in the order of coming.
const STRANGERS_TIME: Duration = Duration::from_millis(2);

/// What a stranger's link waits for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Waits {
    /// It is among those that wait.
    is_queued: bool,
    /// Something may be there to read.
    readable: bool,
    /// And then the end.
    hung_up: bool,
    /// Its reading was put off, and goes on.
    pub(crate) resume: bool,
}

impl Reactor {
    /// A socket may have something to read: now, where somebody known has it.
    pub(crate) fn ready<A: Application>(&mut self, app: &mut A, link: LinkId, hung_up: bool) {
        let Some(state) = self.links.get_mut(link) else { return };
        if state.is_known {
            return self.readable(app, link, hung_up);
        }
        state.waits.readable = true;
        state.waits.hung_up |= hung_up;
        self.let_wait(link);
    }

    /// Puts a stranger's link behind the others that wait.
    pub(crate) fn let_wait(&mut self, link: LinkId) {
        if let Some(state) = self.links.get_mut(link)
            && !std::mem::replace(&mut state.waits.is_queued, true)
        {
            self.strangers_ready.push_back(link);
        }
    }

    /// Serves strangers for their part of the turn.
    pub(crate) fn serve_strangers<A: Application>(&mut self, app: &mut A) {
        if !self.accept_pending && self.strangers_ready.is_empty() {
            return;
        }
        let began = Instant::now();
        if std::mem::take(&mut self.accept_pending) {
            self.accept(began + STRANGERS_TIME / 2);
        }
        while let Some(link) = self.strangers_ready.pop_front() {
            let Some(state) = self.links.get_mut(link) else { continue };
            let waits = std::mem::take(&mut state.waits);
            if waits.resume {
                self.resume(app, link);
            }
            if waits.readable && self.links.get_mut(link).is_some() {
                self.readable(app, link, waits.hung_up);
            }
            self.flush_if_large();
            if began.elapsed() >= STRANGERS_TIME {
                return;
            }
        }
    }
}
