//! Which of the nodes that have a tenant open watches over it: whoever has that duty acts for all.

use crate::effects::Effects;
use crate::tenant::Tenant;
use crate::turn::Turn;
use crate::watch_duty::WatchDuty;

impl Tenant {
    /// There is something to watch.
    pub(crate) fn watch_over(&mut self, turn: &mut Turn<'_, impl Effects>) {
        self.want_duty(turn, WatchDuty::Wanted);
    }

    /// Has it before there is something: whoever accepts an event may end before it has said that it is to be watched.
    pub(crate) fn watch_from_the_start(&mut self, turn: &mut Turn<'_, impl Effects>) {
        if self.may_have_to_watch(turn) {
            self.watch_over(turn);
        }
    }

    fn may_have_to_watch(&self, turn: &Turn<'_, impl Effects>) -> bool {
        turn.policies.delivery.any_watched() || turn.policies.hub_events.has_devices(&self.id)
    }

    /// A node that watched over the tenant has ended.
    pub(crate) fn take_up_watch(&mut self, turn: &mut Turn<'_, impl Effects>) {
        self.want_duty(turn, WatchDuty::TakenUp);
        self.need_log(turn);
    }

    fn want_duty(&mut self, turn: &mut Turn<'_, impl Effects>, as_what: WatchDuty) {
        if !turn.effects.is_log_shared() {
            return;
        }
        let before = std::mem::replace(&mut self.watch_duty, as_what);
        if before == WatchDuty::Unwanted && turn.effects.want_watch(&self.id) {
            self.watch_duty = WatchDuty::Wanted;
        }
    }

    /// This node has the duty from now on.
    pub(crate) fn got_watch(&mut self, turn: &mut Turn<'_, impl Effects>) {
        if self.watch_duty == WatchDuty::TakenUp {
            self.watch_duty = WatchDuty::Wanted;
        }
        self.ask_for_left_devices(turn);
        self.rest_from_watching(turn);
    }

    /// Leaves it once there is nothing to watch, and will not be while the rules stay.
    pub(crate) fn rest_from_watching(&mut self, turn: &mut Turn<'_, impl Effects>) {
        let is_over = self.watch_duty == WatchDuty::Wanted
            && !self.may_have_to_watch(turn)
            && self.ledger.is_open()
            && self.reliability.watches_nothing()
            && self.devices.is_empty();
        if is_over {
            self.watch_duty = WatchDuty::Unwanted;
            turn.effects.rest_from_watching(&self.id);
        }
    }
}
