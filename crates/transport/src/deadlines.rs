//! What comes due: clients' heartbeats and alarms, and the patience with sockets.

use crate::application::Application;
use crate::client::{ClientKey, CloseReason};
use crate::link::LinkKind;
use crate::reactor::{Reactor, millis};

/// What may come due. There is one entry of a kind a link or client, but for what its owner outlived.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Timer {
    /// A socket has said nothing useful, or is closing.
    Link {
        link: u32,
        serial: u32,
    },
    /// A link's pause is over.
    Resume {
        link: u32,
        serial: u32,
    },
    /// Some of what waits for a link must have been taken by now.
    Output {
        link: u32,
        serial: u32,
    },
    Heartbeat {
        client: u32,
        serial: u32,
    },
    /// A client was sent something of the log a moment ago.
    Confirm {
        client: u32,
        serial: u32,
    },
    /// A client must be in a namespace by now.
    Connect {
        client: u32,
        serial: u32,
    },
    /// The probe on a link must have ended by now.
    Upgrade {
        link: u32,
        serial: u32,
    },
    Alarm {
        client: u32,
        serial: u32,
    },
    Accept,
    /// Closed sessions whose clients did not come for the end.
    ClosedPolling,
    Application(u64),
}

/// How often a request that takes long is looked at.
const LOOK_AGAIN_MS: u64 = 1_000;

impl Reactor {
    /// Gives a link until `deadline_ms` to become something, to say what it wants, or to end.
    pub(crate) fn watch_link(&mut self, index: u32, deadline_ms: u64) {
        let Some(link) = self.links.get_mut(index as usize) else { return };
        link.deadline_ms = deadline_ms;
        if deadline_ms < link.timer_ms {
            link.timer_ms = deadline_ms;
            let timer = Timer::Link { link: index, serial: link.serial };
            self.wheel.schedule(deadline_ms, timer);
        }
    }

    pub(crate) fn handshake_deadline_ms(&self) -> u64 {
        self.now_ms + millis(self.config.limits.handshake_timeout)
    }

    pub(crate) fn expire<A: Application>(&mut self, app: &mut A) {
        let mut due = Vec::new();
        self.wheel.expire(self.now_ms, &mut due);
        for timer in due {
            match timer {
                Timer::Accept => {
                    self.is_accept_timed = false;
                    self.accept_pending = true;
                }
                Timer::ClosedPolling => self.forget_closed(),
                Timer::Application(what) => app.deadline(self, what),
                Timer::Link { link, serial } => self.link_deadline(link, serial),
                Timer::Resume { link, serial } => {
                    if let Some(state) = self.link_of(link, serial) {
                        state.is_resume_timed = false;
                        self.resume(app, link);
                    }
                }
                Timer::Output { link, serial } => self.output_deadline(link, serial),
                Timer::Heartbeat { client, serial } => self.beat(app, client, serial),
                Timer::Confirm { client, serial } => self.ask_to_confirm(app, client, serial),
                Timer::Connect { client, serial } => self.connect_deadline(client, serial),
                Timer::Upgrade { link, serial } => self.abandon_upgrade(link, serial),
                Timer::Alarm { client, serial } => self.ring_alarm(app, client, serial),
            }
        }
    }

    pub(crate) fn ring_alarm<A: Application>(&mut self, app: &mut A, client: u32, serial: u32) {
        let now_ms = self.now_ms;
        let Some(state) = self.client_of(client, serial) else { return };
        if state.alarm_timer_ms > now_ms {
            return;
        }
        state.alarm_timer_ms = u64::MAX;
        if state.alarm_ms > now_ms {
            let later_ms = state.alarm_ms - now_ms;
            return self.set_alarm(ClientKey(client), later_ms);
        }
        state.alarm_ms = u64::MAX;
        app.alarm(self, ClientKey(client));
    }

    pub(crate) fn link_deadline(&mut self, index: u32, serial: u32) {
        let (now_ms, patience_ms) = (self.now_ms, millis(self.config.limits.handshake_timeout));
        let Some(link) = self.link_of(index, serial) else { return };
        if link.timer_ms > now_ms && link.timer_ms != u64::MAX {
            return;
        }
        link.timer_ms = u64::MAX;
        let deadline_ms = link.deadline_ms;
        match link.kind {
            // An answer is still being taken; how long that may last is another deadline's matter.
            LinkKind::Http if link.blocked => {
                let deadline_ms = self.handshake_deadline_ms();
                self.watch_link(index, deadline_ms);
            }
            LinkKind::WebSocket { .. } | LinkKind::HttpBusy { .. } => {}
            LinkKind::Http | LinkKind::Draining if deadline_ms > now_ms => {
                self.watch_link(index, deadline_ms);
            }
            // The deadline stays what it was: it says how old the request is.
            LinkKind::Http
                if link.may_go_on((now_ms + patience_ms).saturating_sub(deadline_ms)) =>
            {
                let again_ms = now_ms + LOOK_AGAIN_MS;
                link.timer_ms = again_ms;
                self.wheel.schedule(again_ms, Timer::Link { link: index, serial });
            }
            LinkKind::Http if let Some(why) = link.turned_away => self.turn_away(index, why),
            LinkKind::Http | LinkKind::Draining => self.drop_link(index),
        }
    }

    pub(crate) fn connect_deadline(&mut self, client: u32, serial: u32) {
        let now_ms = self.now_ms;
        let Some(state) = self.client_of(client, serial) else { return };
        state.is_connect_timed = false;
        let deadline_ms = state.connect_deadline_ms;
        if !state.session.is_idle() {
            return;
        }
        if deadline_ms > now_ms {
            state.is_connect_timed = true;
            self.wheel.schedule(deadline_ms, Timer::Connect { client, serial });
        } else {
            self.close(ClientKey(client), CloseReason::ConnectTimeout);
        }
    }
}
