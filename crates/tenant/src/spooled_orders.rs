//! Orders of which something was accepted that is on this node's disk, since the log is away.

use ahash::AHashMap;
use foodtrack_tenant_log::LogEntry;

/// Orders of which the log will say something that is on this node's disk.
#[derive(Debug, Default)]
pub(crate) struct SpooledOrders {
    /// By the ticket of what says it: the order, and whether it makes and whether it assigns it.
    of_ticket: AHashMap<u64, Said>,
    /// How many of them there are for each order.
    orders: AHashMap<Box<str>, u32>,
}

/// What an entry says of its order.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) order: Box<str>,
    pub(crate) makes: bool,
    pub(crate) assigns: bool,
}

impl SpooledOrders {
    /// An entry that was submitted with this ticket is on disk.
    pub(crate) fn note(&mut self, ticket: u64, entry: &LogEntry) {
        let makes = entry.creates_order.is_some();
        let assigns = entry.by_ref().assignment().is_some();
        let Some(order) = entry.entity.clone().filter(|_| makes || assigns) else { return };
        *self.orders.entry(order.clone()).or_default() += 1;
        self.of_ticket.insert(ticket, Said { order, makes, assigns });
    }

    /// What became of it is known: returns what it says of an order.
    pub(crate) fn take(&mut self, ticket: u64) -> Option<Said> {
        let said = self.of_ticket.remove(&ticket)?;
        if let Some(count) = self.orders.get_mut(&said.order) {
            *count -= 1;
            if *count == 0 {
                self.orders.remove(&said.order);
            }
        }
        Some(said)
    }

    /// Whether the log will say something of an order that is on this node's disk.
    pub(crate) fn have(&self, order: &str) -> bool {
        !self.orders.is_empty() && self.orders.contains_key(order)
    }
}
