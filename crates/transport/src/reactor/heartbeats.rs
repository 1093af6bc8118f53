//! Pings and pongs: whether a client is there, and what has reached it.

use foodtrack_session::{Beat, CloseReason, Pong};

use super::Reactor;
use super::application::Application;
use super::next::Next;
use crate::client::{ClientKey, Protocol};
use crate::deadlines::Timer;

/// How long a client that was asked is not asked again.
const CONFIRM_PAUSE_MS: u64 = 5_000;

impl Reactor {
    /// The time has come to ask a client whether what it was sent arrived.
    pub(super) fn ask_to_confirm<A: Application>(&mut self, app: &mut A, id: ClientKey) {
        let now_ms = self.deadlines.now_ms();
        let client = id.place();
        let Some(state) = self.clients.open(id) else { return };
        let (may_mark, is_asked) = (state.engine.may_mark(), !state.engine.forgoes_proof());
        let state = &mut self.fanout[client as usize];
        if !state.is_confirmation_due() {
            return;
        }
        if !is_asked {
            return state.forget_confirmation();
        }
        // While a ping is out, nothing is learned from another one.
        if may_mark {
            state.note_asked();
            let mark = app.unconfirmed(self, self.key(client));
            if mark == 0 {
                self.fanout[client as usize].forget_confirmation();
                return;
            }
            self.ping(self.key(client), mark);
        }
        self.deadlines.schedule(now_ms + CONFIRM_PAUSE_MS, Timer::Confirm(id));
    }

    /// A client's heartbeat is due.
    pub(super) fn beat<A: Application>(&mut self, app: &mut A, id: ClientKey) {
        let (now_ms, config) = (self.deadlines.now_ms(), self.config.heartbeat);
        let client = id.place();
        let Some(state) = self.clients.open(id) else { return };
        if state.protocol() == Protocol::EventStream {
            self.beat_event_stream(client);
            return self.deadlines.schedule(now_ms + config.interval_ms, Timer::Heartbeat(id));
        }
        let deadline_ms = match state.engine.beat(now_ms, &config) {
            Beat::Ping { deadline_ms } => {
                let may_mark = state.engine.may_mark();
                let mark = if may_mark { app.pinged(self, self.key(client)) } else { 0 };
                self.ping(self.key(client), mark);
                deadline_ms
            }
            Beat::Wait { deadline_ms } => deadline_ms,
            Beat::GiveUp => return self.close(self.key(client), CloseReason::PingTimeout),
        };
        self.deadlines.schedule(deadline_ms, Timer::Heartbeat(id));
    }

    /// Sends a ping now, behind everything that the client was sent before, so that the answer proves that it arrived:
    /// `mark` comes back then, as in [`Application::ponged`]. It is forgotten where another one is still out, and where a
    /// client polls in a way that proves nothing.
    pub fn ping(&mut self, client: ClientKey, mark: u64) {
        if self.is_gone(client) {
            return;
        }
        let client = client.place();
        let state = &mut self.clients[client as usize];
        // One that still waits behind a backlog asks as well, and claims less. Who only listens answers none.
        if state.holds_ping() || state.protocol() == Protocol::EventStream {
            return;
        }
        state.engine.ping(mark, self.deadlines.now_ms());
        if self.takes_ranges(client) {
            let ping = self.socket_form(client).ping();
            let (range, _) = self.outbox.direct(|out| out.extend_from_slice(ping));
            self.outbox.push(client, &mut self.fanout[client as usize], range);
        } else {
            self.clients[client as usize].enqueue_ping();
            self.outbox.mark(client, &mut self.fanout[client as usize]);
        }
    }

    /// A client answered a ping, or says that it did.
    pub(super) fn pong<A: Application>(&mut self, app: &mut A, client: u32) -> Next<A::Transfer> {
        let now_ms = self.deadlines.now_ms();
        let Some(state) = self.clients.get_mut(client as usize) else { return Next::Stop };
        // The last ping has not left yet: this answers an earlier one, or nothing.
        let waiting = u8::from(state.holds_ping());
        match state.engine.pong(waiting, now_ms) {
            Pong::Senseless => return self.senseless(client),
            Pong::Answers => {}
            Pong::Confirms(mark) => app.ponged(self, self.key(client), mark),
        }
        Next::Continue
    }
}
