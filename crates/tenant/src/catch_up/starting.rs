//! Where a connection's catching up starts: at what it has, or at what its subscriber has confirmed.

use foodtrack_tenant_log::SavedCursor;

use crate::dialect::Dialect;
use crate::effects::Effects;
use crate::read_job::{Asker, Job, ReadJob};
use crate::replay::{Replay, Start};
use crate::tenant::Tenant;
use crate::turn::Turn;

impl Tenant {
    /// Starts to bring a connection up to date. From now on what is sent to it says where it stands; [`Tenant::go_on`] sends
    /// what it missed, and it is live at once if that is nothing.
    pub(crate) fn start_catch_up(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        place: u32,
        start: Start,
    ) {
        let Some(position) = self.ledger.position() else { return };
        let Some(connection) = self.members.get(place) else { return };
        let (slot, subscriber, sid) = (connection.slot, connection.subscriber, connection.id);
        let is_device = connection.device.is_some();
        let known = self.reliability.subscriber(subscriber).and_then(|it| it.confirmed());
        let acknowledges = connection.dialect.acknowledges();
        let asks = acknowledges && turn.policies.delivery.any_acknowledged();
        let serial = self.next_serial();
        let trusts_subscriber = asks && is_device;
        let now_ms = turn.now.monotonic_ms;
        let mut replay = Replay::new(serial, &position, start, trusts_subscriber, now_ms);
        // Another socket did not get what this subscriber's others acknowledged.
        let by = (!is_device).then_some(&sid);
        replay.leave_out(self.reliability.acknowledged(subscriber, by));
        let mut to_find = None;
        // What it brings may be more than was delivered here, and is not believed before the log has it.
        let here = position.delivered_through;
        match (replay.brought().map(|cursor| cursor.through()), known) {
            (Some(brought), None) if !asks && brought <= here => {
                // It brings back what it got: that is a confirmation.
                self.reliability.known(subscriber, brought);
                self.save_cursor(turn, subscriber);
            }
            (Some(brought), Some(_)) => {
                replay.owe(self.reliability.owed(subscriber, brought));
                if brought <= here {
                    self.arrived(turn, subscriber, brought);
                }
            }
            (None, Some(confirmed)) => {
                let confirmed = replay.go_on_from(confirmed);
                if replay.has_said() {
                    // It brings back what it got: that is a confirmation.
                    self.arrived(turn, subscriber, confirmed.min(here));
                }
                replay.owe(self.reliability.owed(subscriber, confirmed));
            }
            (_, None) => {
                let since = self.reliability.here_since(subscriber, replay.at());
                let cursor = replay.find(since);
                to_find = self.reliability.subscriber(subscriber).map(|it| it.key.clone());
                self.begin_cursor(turn, subscriber, cursor);
            }
        }
        self.members.set_behind(place, Box::new(replay));
        self.keep_where_it_goes_on(turn, place);
        let asker = Asker::Connection(slot, serial);
        match to_find {
            // Memory keeps nobody waiting.
            Some(key) if turn.effects.is_log_in_memory() => {
                let saved = turn.effects.cursor(&self.id, &key);
                self.found(turn, place, saved.as_ref());
            }
            Some(key) => turn.effects.read(&self.id, asker, ReadJob(Job::Cursor(key))),
            None => {}
        }
    }

    /// Keeps where a client is sent what it missed from, where that is before its session began: what it brings back when
    /// it comes again may be as old, and nothing older is its own.
    fn keep_where_it_goes_on(&mut self, turn: &mut Turn<'_, impl Effects>, place: u32) {
        let replay = self.members.get(place).and_then(|it| it.replay.as_deref());
        if let Some(from) = replay.and_then(Replay::start_before_session) {
            self.keep_from(turn, place, from);
        }
    }

    /// The store said how far a subscriber had confirmed.
    pub(super) fn found(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        place: u32,
        saved: Option<&SavedCursor>,
    ) {
        let Some(position) = self.ledger.position() else { return };
        let Some(connection) = self.members.get_mut(place) else { return };
        let subscriber = connection.subscriber;
        let Some(replay) = connection.replay.as_deref_mut() else { return };
        let asking = match connection.dialect {
            Dialect::Canonical => turn.policies.delivery.acknowledged(),
            // It is asked for no acknowledgement.
            Dialect::Listening | Dialect::Profile(_) => Vec::new(),
        };
        let confirmed = replay.found(saved, &position, asking);
        let had = replay.had_through();
        self.reliability.known(subscriber, confirmed);
        self.reliability.arrived(subscriber, had.min(position.delivered_through));
        self.save_cursor(turn, subscriber);
        self.keep_where_it_goes_on(turn, place);
    }
}
