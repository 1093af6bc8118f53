//! What a tenant counts of itself, beside what its shard counts of all of its tenants.

use std::cell::Cell;

/// What a tenant did on this node since it was opened here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TenantTally {
    /// Connections now.
    pub connections: usize,
    /// Events that were accepted.
    pub events_accepted: u64,
    /// Events that were refused.
    pub events_refused: u64,
    /// Frames that were handed to a recipient's transport or queue.
    pub deliveries: u64,
}

impl TenantTally {
    /// Adds what another tenant did.
    pub fn add(&mut self, other: &Self) {
        self.connections += other.connections;
        self.events_accepted += other.events_accepted;
        self.events_refused += other.events_refused;
        self.deliveries += other.deliveries;
    }
}

/// The numbers as they are counted.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    accepted: Cell<u64>,
    refused: Cell<u64>,
    delivered: Cell<u64>,
}

impl Tally {
    pub(crate) fn accept(&self) {
        self.accepted.update(|count| count + 1);
    }

    pub(crate) fn refuse(&self) {
        self.refused.update(|count| count + 1);
    }

    pub(crate) fn deliver(&self, frames: usize) {
        self.delivered.update(|count| count + frames as u64);
    }

    pub(crate) fn read(&self, connections: usize) -> TenantTally {
        TenantTally {
            connections,
            events_accepted: self.accepted.get(),
            events_refused: self.refused.get(),
            deliveries: self.delivered.get(),
        }
    }
}
