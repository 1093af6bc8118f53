//! Whose orders are whose, in memory.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use ahash::AHashMap;

use crate::{Assignment, EntryRef, OrderOwner};

/// Of how many orders a tenant's log in memory knows whose they are. Those stay: an order that was forgotten could be claimed
/// by somebody else. So beyond it there is no room, and [`crate::LogReader::has_room_for_orders`] says so.
pub const MEMORY_ORDERS_MAX: usize = 262_144;

/// The owners of a tenant's orders.
#[derive(Debug, Default)]
pub(super) struct Orders {
    owners: AHashMap<Arc<str>, Option<Box<str>>>,
    /// Oldest first.
    made: Vec<Arc<str>>,
    assignments: AHashMap<Arc<str>, Assignment>,
    /// Those of `assignments`, oldest first.
    assigned: VecDeque<Arc<str>>,
}

impl Orders {
    /// Notes what an entry says of an order.
    pub(super) fn note(&mut self, entry: &EntryRef<'_>) {
        if let (Some(owner), Some(order)) = (entry.creates_order, entry.entity) {
            self.add(order, owner);
        }
        if let Some((order, assignment)) = entry.assignment() {
            self.assign(order, assignment);
        }
    }

    /// Notes whose an order is, unless that is known or there is no room.
    fn add(&mut self, order: &str, owner: &OrderOwner) {
        if !self.has_room() || self.owners.contains_key(order) {
            return;
        }
        let order: Arc<str> = order.into();
        self.made.push(Arc::clone(&order));
        self.owners.insert(order, owner.customer.clone());
    }

    pub(super) fn owner(&self, order: &str) -> Option<OrderOwner> {
        self.owners.get(order).map(|customer| OrderOwner { customer: customer.clone() })
    }

    /// Notes who an order is assigned to. Of [`MEMORY_ORDERS_MAX`] orders it is known; of older ones nobody is.
    fn assign(&mut self, order: &str, assignment: Assignment) {
        if let Some(known) = self.assignments.get_mut(order) {
            *known = assignment;
            return;
        }
        let order: Arc<str> = order.into();
        self.assigned.push_back(Arc::clone(&order));
        self.assignments.insert(order, assignment);
        if self.assigned.len() > MEMORY_ORDERS_MAX
            && let Some(oldest) = self.assigned.pop_front()
        {
            self.assignments.remove(&oldest);
        }
    }

    pub(super) fn assignment(&self, order: &str) -> Option<Assignment> {
        self.assignments.get(order).cloned()
    }

    pub(super) fn has_assignments(&self) -> bool {
        !self.assignments.is_empty()
    }

    pub(super) fn has_room(&self) -> bool {
        self.owners.len() < MEMORY_ORDERS_MAX
    }

    /// The orders whose customer a user is.
    pub(super) fn of_customer(&self, user: &str) -> HashSet<String> {
        let own = self.owners.iter().filter(|(_, customer)| customer.as_deref() == Some(user));
        own.map(|(order, _)| String::from(&**order)).collect()
    }

    /// Forgets whose they are where that is a user, and what is assigned to the user. An order stays somebody's, or a customer who names
    /// it could claim it. Returns how many that were.
    pub(super) fn forget_user(&mut self, user: &str) -> u64 {
        let mut gone = 0;
        for customer in self.owners.values_mut().filter(|it| it.as_deref() == Some(user)) {
            *customer = None;
            gone += 1;
        }
        let before = self.assignments.len();
        self.assignments.retain(|_, assignment| *assignment.user != *user);
        gone + self.end_of_assignments(before)
    }

    /// The same of one order.
    pub(super) fn forget_order(&mut self, order: &str) -> u64 {
        let customer = self.owners.get_mut(order).and_then(Option::take);
        let before = self.assignments.len();
        self.assignments.remove(order);
        u64::from(customer.is_some()) + self.end_of_assignments(before)
    }

    fn end_of_assignments(&mut self, before: usize) -> u64 {
        self.assigned.retain(|order| self.assignments.contains_key(order));
        (before - self.assignments.len()) as u64
    }

    /// How much is known: owners and assignments.
    pub(super) fn count(&self) -> u64 {
        (self.owners.len() + self.assignments.len()) as u64
    }

    /// The newest, oldest first.
    pub(super) fn newest(&self, count: usize) -> Vec<(Box<str>, Option<Box<str>>)> {
        let first = self.made.len().saturating_sub(count);
        let newest = self.made.iter().skip(first);
        newest.filter_map(|it| Some((Box::from(&**it), self.owners.get(it)?.clone()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_never_forgotten_for_another() {
        let mut orders = Orders::default();
        let owner = |name: &str| OrderOwner { customer: Some(name.into()) };
        for order in 0..=MEMORY_ORDERS_MAX {
            orders.add(&order.to_string(), &owner("ada"));
        }
        orders.add("0", &owner("eve"));
        assert!(!orders.has_room());
        assert_eq!(orders.owner("0"), Some(owner("ada")));
        assert_eq!(orders.owner(&MEMORY_ORDERS_MAX.to_string()), None);
        assert_eq!(orders.newest(2).len(), 2);
    }
}
