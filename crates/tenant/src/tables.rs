//! What a tenant remembers of its log in memory, and may forget: the log can be asked instead.

use crate::tenant::Tenant;

impl Tenant {
    /// What the tables of ids seen, of orders' owners and of what was emitted last take, and of that, what
    /// [`Tenant::forget_tables`] could give back now or soon; in bytes.
    pub fn table_bytes(&self) -> (usize, usize) {
        let ((intake, of_intake), (ids, of_ids)) = (self.intake.bytes(), self.ledger.ids_bytes());
        (intake + ids, of_intake + of_ids)
    }

    /// Whether the log can be asked instead, and was not asked anything whose answer counts together with what memory knows.
    pub fn may_forget_tables(&self) -> bool {
        self.ledger.is_open() && self.lookups.is_empty()
    }

    /// Forgets what the log can be asked for; never what it does not have yet.
    pub fn forget_tables(&mut self, steady_ms: u64) {
        self.intake.give_up(steady_ms);
        self.ledger.give_up_ids();
    }
}
