//! What the strangers of one shard hold: their sockets by address, and their memory.

use std::net::IpAddr;
use std::sync::Arc;

use foodtrack_session::LinkId;

use crate::network::network;
use crate::stranger_budget::StrangerBudget;
use crate::strangers_by_address::StrangersByAddress;

/// Whether strangers hold more memory than they may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spent {
    /// They do not.
    No,
    /// They do, and this shard has more than its part: the oldest are to go until they hold no more than so many bytes here.
    Here { bytes_max: usize },
    /// They do, and another shard has more than its part.
    Elsewhere,
}

/// A shard's part of the [`StrangerBudget`]. It says who has to go; letting go of them is the caller's matter.
pub(crate) struct StrangerLedger {
    budget: Arc<StrangerBudget>,
    bytes: usize,
    /// How many of the others' calls to let go of strangers were heard.
    calls_heard: u32,
    by_address: StrangersByAddress,
}

impl StrangerLedger {
    pub(crate) fn new(budget: Arc<StrangerBudget>) -> Self {
        Self { budget, bytes: 0, calls_heard: 0, by_address: StrangersByAddress::default() }
    }

    /// What all shards count together.
    pub(crate) fn budget(&self) -> &StrangerBudget {
        &self.budget
    }

    /// A socket of this address comes. Returns whether the address has no more of them than it may.
    pub(crate) fn enter(&mut self, address: IpAddr, link: LinkId) -> bool {
        let count = self.by_address.enter(network(address), link);
        let count_max = self.budget.per_address_max();
        count_max == 0 || count <= count_max
    }

    /// A socket of this address goes, or is known from now on.
    pub(crate) fn leave(&mut self, address: IpAddr, link: LinkId) {
        self.by_address.leave(network(address), link);
    }

    /// The sockets of an address, the oldest first.
    pub(crate) fn of(&self, address: IpAddr) -> impl Iterator<Item = LinkId> {
        self.by_address.of(network(address))
    }

    /// The sockets of the address that has most of them here, the oldest first.
    pub(crate) fn of_busiest(&self) -> impl Iterator<Item = LinkId> {
        self.by_address.busiest().into_iter().flat_map(|busiest| self.by_address.of(busiest))
    }

    /// Counts what a socket or session holds now instead of what it held before.
    pub(crate) fn replace_bytes(&mut self, before: usize, now: usize) {
        self.bytes = (self.bytes + now).saturating_sub(before);
        self.budget.replace_bytes(before, now);
    }

    /// Bytes that strangers hold here.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether strangers hold too much memory.
    pub(crate) fn spent(&self) -> Spent {
        let part = self.budget.part_bytes();
        match self.budget.is_spent() {
            false => Spent::No,
            true if self.bytes <= part => Spent::Elsewhere,
            // An eighth less, so that not every read has to look for somebody.
            true => Spent::Here { bytes_max: part - part / 8 },
        }
    }

    /// Asks the other shards to let go of some: here there is nobody, or only who has just come in because of this.
    pub(crate) fn call_others(&mut self) {
        self.calls_heard = self.budget.call();
    }

    /// Whether another shard has asked since this was asked last.
    pub(crate) fn hear_call(&mut self) -> bool {
        let calls = self.budget.calls();
        std::mem::replace(&mut self.calls_heard, calls) != calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn ledgers(limits: Limits) -> [StrangerLedger; 2] {
        let budget = Arc::new(StrangerBudget::new(&limits, 2));
        [StrangerLedger::new(Arc::clone(&budget)), StrangerLedger::new(budget)]
    }

    #[test]
    fn who_holds_more_than_its_part_lets_go_of_some_and_the_other_is_called() {
        let [mut one, mut other] =
            ledgers(Limits { strangers_bytes_max: 1_600, ..Limits::default() });
        other.replace_bytes(0, 700);
        one.replace_bytes(0, 900);
        assert_eq!((one.spent(), other.spent()), (Spent::No, Spent::No));
        one.replace_bytes(900, 1_000);
        assert_eq!(one.spent(), Spent::Here { bytes_max: 700 });
        assert_eq!(other.spent(), Spent::Elsewhere);
        other.call_others();
        assert!(one.hear_call() && !one.hear_call() && !other.hear_call());
        one.replace_bytes(1_000, 0);
        assert_eq!((one.bytes(), one.spent()), (0, Spent::No));
    }

    #[test]
    fn an_address_has_no_more_sockets_than_its_shard_allows_it() {
        let limits = Limits { strangers_per_address_max: 64, ..Limits::default() };
        let [mut one, _] = ledgers(limits);
        let address = IpAddr::from([192, 0, 2, 1]);
        let link = |place| LinkId::new(place, 1);
        assert!((0..32).all(|place| one.enter(address, link(place))));
        assert!(!one.enter(address, link(32)));
        assert_eq!(one.of_busiest().next(), Some(link(0)));
        one.leave(address, link(0));
        assert!(one.of(address).eq((1..=32).map(link)));
    }
}
