//! What the intake learns of the log: as it is opened, and where others write to it as well, with each entry.

use foodtrack_contract::Offset;
use foodtrack_tenant_log::{HEAD_ORDERS_MAX, LastEmission, LogEntry};

use super::Intake;
use super::assignments::Assignments;
use super::order_book::OrderBook;
use super::publish_dedup::{EmissionKey, Repeats};

/// What a log says as it is opened.
pub(crate) struct OpenedLog {
    /// The newest orders and their customers, oldest first.
    pub(crate) orders: Vec<(Box<str>, Option<Box<str>>)>,
    /// Whether an order was ever assigned.
    pub(crate) has_assignments: bool,
    pub(crate) emissions: Vec<LastEmission>,
    /// Whether others write to it as well: then orders may be made of which nothing is heard.
    pub(crate) is_shared: bool,
}

impl Intake {
    /// The log was begun anew: what it said of orders, and what was emitted into it, is no more. Rates go on.
    pub(crate) fn log_is_new(&mut self) {
        (self.orders, self.assignments) = (OrderBook::default(), Assignments::default());
        self.repeats = Repeats::default();
    }

    /// Takes up what the log says of orders and of what was emitted last. `orders_max` are kept in memory.
    pub(crate) fn opened(
        &mut self,
        log: OpenedLog,
        orders_max: usize,
        key: &EmissionKey,
        steady_ms: u64,
    ) {
        let OpenedLog { orders, has_assignments, emissions, is_shared } = log;
        let is_all = !is_shared && orders.len() < HEAD_ORDERS_MAX;
        self.orders.opened(orders, is_all, orders_max);
        self.assignments.opened(!is_shared && !has_assignments, orders_max);
        self.repeats.restore(key, emissions, steady_ms);
    }

    /// The next entry of a log that others write to as well, whoever wrote it.
    pub(crate) fn in_log(&mut self, entry: &LogEntry, key: &EmissionKey, steady_ms: u64) {
        let Some(order) = &entry.entity else { return };
        if let Some(owner) = &entry.creates_order {
            self.orders.made(order, owner.customer.as_deref(), entry.offset);
            self.orders.committed(entry.offset);
        }
        if let Some((order, assignment)) = entry.by_ref().assignment() {
            self.assignments.assigned(order, assignment);
            self.assignments.committed(entry.offset);
        }
        if let Some(fingerprint) = entry.fingerprint {
            let (order, id, offset) = (order.clone(), entry.id, entry.offset);
            let emission = LastEmission { order, fingerprint, id, offset };
            self.repeats.note_logged(key, emission, steady_ms);
        }
    }

    /// What was submitted to a log that others write to as well is in it here. It is delivered, and taken in with
    /// [`Intake::in_log`], once everything in front of it is.
    pub(crate) fn placed(&mut self, entry: &LogEntry, key: &EmissionKey, offset: Offset) {
        if entry.fingerprint.is_some() {
            self.repeats.placed(key.order(entry.entity.as_deref()), entry.id, offset);
        }
    }

    /// What was submitted to a log that others write to as well is not in it.
    pub(crate) fn not_in_log(&mut self, entry: &LogEntry) {
        if let (Some(_), Some(order)) = (&entry.creates_order, &entry.entity) {
            self.orders.not_made(order);
        }
        if let Some((order, _)) = entry.by_ref().assignment() {
            self.assignments.not_assigned(order);
        }
        self.repeats.forget_submitted(entry.id);
    }
}
