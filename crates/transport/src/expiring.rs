//! What is done when a deadline has come: clients' alarms, the time to join, and the patience with sockets.

use foodtrack_session::{CloseReason, LinkId};

use crate::application::Application;
use crate::client::{ClientId, ClientKey};
use crate::deadlines::{Timer, millis};
use crate::link::LinkKind;
use crate::reactor::Reactor;

/// How often a request that takes long is looked at.
const LOOK_AGAIN_MS: u64 = 1_000;

impl Reactor {
    /// Gives a link until `deadline_ms` to become something, to say what it wants, or to end.
    pub(crate) fn watch_link(&mut self, link: LinkId, deadline_ms: u64) {
        let Some(state) = self.links.get_mut(link) else { return };
        state.deadline_ms = deadline_ms;
        if deadline_ms < state.timer_ms {
            state.timer_ms = deadline_ms;
            let timer = Timer::Link(link);
            self.deadlines.schedule(deadline_ms, timer);
        }
    }

    pub(crate) fn handshake_deadline_ms(&self) -> u64 {
        self.deadlines.now_ms() + millis(self.config.limits.handshake_timeout)
    }

    pub(crate) fn expire<A: Application>(&mut self, app: &mut A) {
        for timer in self.deadlines.expire() {
            match timer {
                Timer::Accept => {
                    self.is_accept_timed = false;
                    self.accept_pending = true;
                }
                Timer::ClosedPolling => self.forget_closed(),
                Timer::Application(what) => app.deadline(self, what),
                Timer::Link(link) => self.link_deadline(link),
                Timer::Resume(link) => {
                    if let Some(state) = self.links.get_mut(link) {
                        state.is_resume_timed = false;
                        self.resume(app, link);
                    }
                }
                Timer::Output(link) => self.output_deadline(link),
                Timer::Heartbeat(client) => self.beat(app, client),
                Timer::Confirm(client) => self.ask_to_confirm(app, client),
                Timer::Connect(client) => self.connect_deadline(client),
                Timer::Upgrade(link) => self.abandon_upgrade(link),
                Timer::Alarm(client) => self.ring_alarm(app, client),
            }
        }
    }

    pub(crate) fn ring_alarm<A: Application>(&mut self, app: &mut A, id: ClientId) {
        let now_ms = self.deadlines.now_ms();
        let Some(state) = self.client_of(id) else { return };
        if state.alarm_timer_ms > now_ms {
            return;
        }
        state.alarm_timer_ms = u64::MAX;
        if state.alarm_ms > now_ms {
            let later_ms = state.alarm_ms - now_ms;
            return self.set_alarm(ClientKey(id.place()), later_ms);
        }
        state.alarm_ms = u64::MAX;
        app.alarm(self, ClientKey(id.place()));
    }

    pub(crate) fn link_deadline(&mut self, link: LinkId) {
        let (now_ms, patience_ms) =
            (self.deadlines.now_ms(), millis(self.config.limits.handshake_timeout));
        let Some(state) = self.links.get_mut(link) else { return };
        if state.timer_ms > now_ms && state.timer_ms != u64::MAX {
            return;
        }
        state.timer_ms = u64::MAX;
        let deadline_ms = state.deadline_ms;
        match state.kind {
            // An answer is still being taken; how long that may last is another deadline's matter.
            LinkKind::Http if state.blocked => {
                let deadline_ms = self.handshake_deadline_ms();
                self.watch_link(link, deadline_ms);
            }
            LinkKind::WebSocket { .. } | LinkKind::HttpBusy { .. } => {}
            LinkKind::Http | LinkKind::Draining if deadline_ms > now_ms => {
                self.watch_link(link, deadline_ms);
            }
            // The deadline stays what it was: it says how old the request is.
            LinkKind::Http
                if state.may_go_on((now_ms + patience_ms).saturating_sub(deadline_ms)) =>
            {
                let again_ms = now_ms + LOOK_AGAIN_MS;
                state.timer_ms = again_ms;
                self.deadlines.schedule(again_ms, Timer::Link(link));
            }
            LinkKind::Http if let Some(why) = state.turned_away => self.turn_away(link, why),
            LinkKind::Http | LinkKind::Draining => self.drop_link(link),
        }
    }

    pub(crate) fn connect_deadline(&mut self, id: ClientId) {
        let now_ms = self.deadlines.now_ms();
        let Some(state) = self.client_of(id) else { return };
        state.is_connect_timed = false;
        let deadline_ms = state.connect_deadline_ms;
        if !state.session.is_idle() {
            return;
        }
        if deadline_ms > now_ms {
            state.is_connect_timed = true;
            self.deadlines.schedule(deadline_ms, Timer::Connect(id));
        } else {
            self.close(ClientKey(id.place()), CloseReason::ConnectTimeout);
        }
    }
}
