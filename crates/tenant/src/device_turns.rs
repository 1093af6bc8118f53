//! What of connections' coming and going is a turn in a device's life.

use crate::members::Connection;
use crate::model::DeviceTurn;
use crate::reliability::SubscriberId;
use crate::replay::Replay;
use crate::tenant::Tenant;

impl Tenant {
    /// A connection has come in. A device that was here already has not come.
    pub(crate) fn journal_came(&mut self, of: SubscriberId, now_ms: u64, is_recovered: bool) {
        let Some(known) = self.reliability.subscriber(of) else { return };
        if known.is_alone() {
            self.journal.add(known.key.clone(), now_ms, DeviceTurn::Came { is_recovered });
        }
    }

    /// A connection that caught up has what it missed.
    pub(crate) fn journal_caught_up(&mut self, place: u32, replay: &Replay, now_ms: u64) {
        let Some((events, oldest_ms)) = replay.brought_back() else { return };
        let of = self.members.get(place).map(|connection| connection.subscriber);
        let Some(known) = of.and_then(|of| self.reliability.subscriber(of)) else { return };
        let what = DeviceTurn::CaughtUp { events, oldest_ms };
        self.journal.add(known.key.clone(), now_ms, what);
    }

    /// A connection has gone. A device that has another one is here still.
    pub(crate) fn journal_went(&mut self, gone: &Connection, now_ms: u64, reason: &'static str) {
        let Some(known) = self.reliability.subscriber(gone.subscriber) else { return };
        if !known.is_here() {
            self.journal.add(known.key.clone(), now_ms, DeviceTurn::Went { reason });
        }
    }
}
