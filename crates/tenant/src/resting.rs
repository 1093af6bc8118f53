//! Whether a tenant can be dropped from memory and opened again later, and nobody notices.

use crate::now::Now;
use crate::settings::Settings;
use crate::tenant::Tenant;

impl Tenant {
    /// Whether nobody is here, nothing is under way, and the log brings back all that matters of what is in memory: sessions,
    /// rooms and what was said of them, cursors, owners of orders and ids.
    ///
    /// It does not bring back ids of volatile events: let some time pass in which nobody was here.
    pub fn is_at_rest(&self, now: Now<'_>, settings: &Settings) -> bool {
        let (limits, now_ms) = (&settings.limits, now.monotonic_ms);
        let is_under_way = !self.entering.is_empty()
            || !self.returning.is_empty()
            || !self.ahead.is_empty()
            || self.owes_answers()
            || self.has_more()
            || self.devices.due_ms().is_some()
            || self.sessions.has_waiting();
        !self.members.has_users()
            && !is_under_way
            && self.ledger.is_at_rest()
            && self.reliability.is_at_rest(now_ms)
            && self.intake.is_at_rest(limits.messages_per_tenant, now_ms, now.steady_ms)
    }
}
