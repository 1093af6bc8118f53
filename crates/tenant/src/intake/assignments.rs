//! Who orders are assigned to, as far as memory knows.

use foodtrack_contract::Offset;
use foodtrack_tenant_log::Assignment;

use super::order_table::{OrderFact, OrderTable, allocated};

/// The assignee of each order: the one that the last accepted entry to say so names.
#[derive(Debug, Default)]
pub(crate) struct Assignments {
    orders: OrderTable<Assignee>,
}

#[derive(Debug)]
enum Assignee {
    Somebody(Assignment),
    Nobody,
    /// An entry that says so was submitted to a log that others write to as well.
    Undecided,
}

impl OrderFact for Assignee {
    fn text_bytes(&self) -> usize {
        match self {
            Self::Somebody(assignment) => allocated(assignment.user.len()),
            Self::Nobody | Self::Undecided => 0,
        }
    }
}

/// Who an order is assigned to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AssignedTo<'b> {
    Somebody(&'b Assignment),
    Nobody,
    /// The log must be asked.
    Unknown,
}

impl Assignments {
    /// A log was opened. `is_none` where no entry of it ever assigned an order.
    pub(crate) fn opened(&mut self, is_none: bool, max: usize) {
        // Another writer may have assigned them anew.
        self.orders.give_up();
        self.orders.opened(is_none, max);
    }

    pub(crate) fn of(&self, order: &str) -> AssignedTo<'_> {
        match self.orders.get(order) {
            Some(Assignee::Somebody(assignment)) => AssignedTo::Somebody(assignment),
            Some(Assignee::Nobody) => AssignedTo::Nobody,
            Some(Assignee::Undecided) => AssignedTo::Unknown,
            None if self.orders.is_whole() => AssignedTo::Nobody,
            None => AssignedTo::Unknown,
        }
    }

    /// Notes an accepted entry that assigns an order. The last one counts.
    pub(crate) fn assigned(&mut self, order: &str, assignment: Assignment) {
        let at = assignment.offset;
        self.orders.insert(order, Assignee::Somebody(assignment), at);
    }

    /// Notes what the log said of an order.
    pub(crate) fn learn(&mut self, order: &str, assignment: Option<Assignment>) {
        if self.orders.get(order).is_none() {
            let assignee = assignment.map_or(Assignee::Nobody, Assignee::Somebody);
            self.orders.insert(order, assignee, Offset::ZERO);
        }
    }

    /// Forgets that an order is assigned to nobody, where that is what is known.
    pub(crate) fn forget_nobody(&mut self, order: &str) {
        if matches!(self.orders.get(order), Some(Assignee::Nobody)) {
            self.orders.forget(order);
        }
    }

    /// Notes that an entry was submitted which assigns an order, to a log that says later where it is.
    pub(crate) fn being_assigned(&mut self, order: &str) {
        // The log's answer is waited for: until then it is not forgotten.
        self.orders.insert(order, Assignee::Undecided, Offset::MAX);
    }

    pub(crate) fn is_being_assigned(&self, order: &str) -> bool {
        matches!(self.orders.get(order), Some(Assignee::Undecided))
    }

    /// The entry that was submitted is not in the log. What another one said stands.
    pub(crate) fn not_assigned(&mut self, order: &str) {
        if self.is_being_assigned(order) {
            self.orders.forget(order);
        }
    }

    /// The entry at an offset was not accepted after all: it is assigned as it was before, which the log knows.
    pub(crate) fn withdraw(&mut self, order: &str, at: Offset) {
        if self.orders.said_at(order) == Some(at) {
            self.orders.forget(order);
        }
    }

    /// The log has everything on disk up to here.
    pub(crate) fn committed(&mut self, through: Offset) {
        self.orders.committed(through);
    }

    /// Forgets what the log can be asked for.
    pub(crate) fn give_up(&mut self) {
        self.orders.give_up();
    }

    /// What it takes in memory, about.
    pub(crate) fn bytes(&self) -> usize {
        self.orders.bytes()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn by(user: &str, n: u64) -> Assignment {
        let (id, offset) = (Uuid::from_u128(n.into()), Offset::new(n).unwrap());
        Assignment { user: user.into(), id, offset }
    }

    fn opened(is_none: bool) -> Assignments {
        let mut assignments = Assignments::default();
        assignments.opened(is_none, 4);
        assignments
    }

    #[test]
    fn the_last_accepted_entry_says_who_an_order_is_assigned_to() {
        let mut assignments = opened(true);
        assert_eq!(assignments.of("42"), AssignedTo::Nobody);
        assignments.assigned("42", by("dora", 1));
        assignments.assigned("42", by("dino", 2));
        assert_eq!(assignments.of("42"), AssignedTo::Somebody(&by("dino", 2)));
        assignments.learn("42", Some(by("eve", 1)));
        assert_eq!(assignments.of("42"), AssignedTo::Somebody(&by("dino", 2)));
    }

    #[test]
    fn what_the_store_did_not_keep_is_asked_of_the_log_again() {
        let mut assignments = opened(true);
        assignments.assigned("42", by("dora", 1));
        assignments.assigned("42", by("dino", 2));
        assignments.withdraw("42", Offset::new(1).unwrap());
        assert_eq!(assignments.of("42"), AssignedTo::Somebody(&by("dino", 2)));
        assignments.withdraw("42", Offset::new(2).unwrap());
        assert_eq!(assignments.of("42"), AssignedTo::Unknown);
        assignments.learn("42", None);
        assert_eq!(assignments.of("42"), AssignedTo::Nobody);
    }

    #[test]
    fn what_was_forgotten_or_never_heard_of_is_unknown_and_not_free() {
        let mut assignments = opened(false);
        assert_eq!(assignments.of("42"), AssignedTo::Unknown);
        assignments.learn("42", None);
        (1..=4).for_each(|n| assignments.assigned(&n.to_string(), by("dora", n)));
        assignments.committed(Offset::new(3).unwrap());
        assignments.give_up();
        assert_eq!(assignments.of("42"), AssignedTo::Unknown);
        assert_eq!(assignments.of("3"), AssignedTo::Unknown);
        assert_eq!(assignments.of("4"), AssignedTo::Somebody(&by("dora", 4)), "not on disk yet");
    }

    #[test]
    fn in_a_log_that_others_write_to_nobody_knows_until_it_has_said() {
        let mut assignments = opened(false);
        assignments.being_assigned("42");
        assert_eq!(assignments.of("42"), AssignedTo::Unknown);
        assignments.assigned("42", by("dora", 1));
        assignments.not_assigned("42");
        assert_eq!(assignments.of("42"), AssignedTo::Somebody(&by("dora", 1)));
        assignments.being_assigned("43");
        assignments.not_assigned("43");
        assert!(!assignments.is_being_assigned("43"));
    }
}
