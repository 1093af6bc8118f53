//! What is done when a deadline has come: clients' alarms, the time to join, and the patience with sockets.

use foodtrack_session::{CloseReason, LinkId};

use super::Reactor;
use super::application::Application;
use crate::client::{ClientKey, Ring};
use crate::deadlines::{Timer, millis};
use crate::link::LinkKind;

/// How often a request that takes long is looked at.
const LOOK_AGAIN_MS: u64 = 1_000;

impl Reactor {
    pub(super) fn expire<A: Application>(&mut self, app: &mut A) {
        for timer in self.deadlines.expire() {
            match timer {
                Timer::Accept => self.acceptor.end_wait(),
                Timer::ClosedPolling => self.forget_closed(),
                Timer::Application(what) => app.deadline(self, what),
                Timer::Link(link) => self.link_deadline(link),
                Timer::Resume(link) => {
                    if let Some(state) = self.links.get_mut(link) {
                        state.input.forget_timer();
                        self.resume(app, link);
                    }
                }
                Timer::Output(link) => self.output_deadline(link),
                Timer::Heartbeat(client) => self.beat(app, client),
                Timer::Confirm(client) => self.ask_to_confirm(app, client),
                Timer::Connect(client) => self.connect_deadline(client),
                Timer::Upgrade(link) => self.abandon_upgrade(link),
                Timer::Alarm(client) => self.ring_alarm(app, client),
                Timer::Stream(link) => self.look_at_stream(link),
            }
        }
    }

    pub(super) fn ring_alarm<A: Application>(&mut self, app: &mut A, id: ClientKey) {
        let now_ms = self.deadlines.now_ms();
        let Some(state) = self.clients.open(id) else { return };
        match state.alarm.expire(now_ms) {
            Ring::No => return,
            Ring::At(at_ms) => return self.deadlines.schedule(at_ms, Timer::Alarm(id)),
            Ring::Now => {}
        }
        app.alarm(self, id);
    }

    pub(super) fn link_deadline(&mut self, link: LinkId) {
        let (now_ms, patience_ms) =
            (self.deadlines.now_ms(), millis(self.config.limits.handshake_timeout));
        let Some(state) = self.links.get_mut(link) else { return };
        if !state.patience.has_come(now_ms) {
            return;
        }
        let deadline_ms = state.patience.deadline_ms();
        match state.kind() {
            // An answer is still being taken; how long that may last is another deadline's matter.
            LinkKind::Http if state.output.is_blocked() => {
                let deadline_ms = self.handshake_deadline_ms();
                self.watch_link(link, deadline_ms);
            }
            LinkKind::WebSocket { .. }
            | LinkKind::EventStream { .. }
            | LinkKind::HttpBusy { .. }
            | LinkKind::HttpStream => {}
            LinkKind::Http | LinkKind::Draining if deadline_ms > now_ms => {
                self.watch_link(link, deadline_ms);
            }
            // The deadline stays what it was: it says how old the request is.
            LinkKind::Http
                if state.may_go_on((now_ms + patience_ms).saturating_sub(deadline_ms)) =>
            {
                let again_ms = now_ms + LOOK_AGAIN_MS;
                state.patience.look_again(again_ms);
                self.deadlines.schedule(again_ms, Timer::Link(link));
            }
            LinkKind::Http | LinkKind::Draining => match state.standing.turned_away() {
                Some(why) if !state.is_draining() => self.turn_away(link, why),
                _ => self.drop_link(link),
            },
        }
    }

    pub(super) fn connect_deadline(&mut self, id: ClientKey) {
        let now_ms = self.deadlines.now_ms();
        let Some(state) = self.clients.open(id) else { return };
        state.joining.forget_timer();
        let deadline_ms = state.joining.deadline_ms();
        if !state.session.is_idle() {
            return;
        }
        if deadline_ms > now_ms {
            state.joining.time();
            self.deadlines.schedule(deadline_ms, Timer::Connect(id));
        } else {
            self.close(id, CloseReason::ConnectTimeout);
        }
    }
}
