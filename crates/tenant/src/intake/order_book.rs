//! Whose order is whose, as far as memory knows.

use foodtrack_contract::Offset;

use super::order_table::{OrderFact, OrderTable, allocated};

/// Of how many of a tenant's orders it is in memory whose they are, by default. The log knows it of all.
pub(crate) const ORDERS_IN_MEMORY_MAX: usize = 65_536;

/// The customer of each order: the one that the first accepted entry to say so named, for good.
#[derive(Debug, Default)]
pub(crate) struct OrderBook {
    orders: OrderTable<Owner>,
}

#[derive(Debug, PartialEq, Eq)]
enum Owner {
    Customer(Box<str>),
    Nobody,
    NotMade,
    /// An entry that says so was submitted to a log that others write to as well: there another's may come first.
    Undecided,
}

impl OrderFact for Owner {
    fn text_bytes(&self) -> usize {
        match self {
            Self::Customer(customer) => allocated(customer.len()),
            Self::Nobody | Self::NotMade | Self::Undecided => 0,
        }
    }
}

/// Whose an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose<'b> {
    /// This customer's.
    Customers(&'b str),
    /// No customer's, for good.
    Nobodys,
    /// The tenant has not heard of it: it is whose it is said to be first.
    NotMade,
    /// The log must be asked.
    Unknown,
}

impl<'b> Whose<'b> {
    pub(crate) fn customer(self) -> Option<&'b str> {
        match self {
            Self::Customers(customer) => Some(customer),
            _ => None,
        }
    }
}

impl OrderBook {
    /// Takes up what the log says, oldest first. `is_all` where it said of all orders whose they are.
    pub(crate) fn opened(
        &mut self,
        orders: Vec<(Box<str>, Option<Box<str>>)>,
        is_all: bool,
        max: usize,
    ) {
        // The oldest would be forgotten at once.
        let forgotten = orders.len().saturating_sub(max);
        self.orders.opened(is_all && forgotten == 0, max);
        for (order, customer) in orders.into_iter().skip(forgotten) {
            self.learn(&order, Some(customer));
        }
    }

    /// Whose an order is.
    pub(crate) fn whose(&self, order: &str) -> Whose<'_> {
        match self.orders.get(order) {
            Some(Owner::Customer(customer)) => Whose::Customers(customer),
            Some(Owner::Nobody) => Whose::Nobodys,
            Some(Owner::NotMade) => Whose::NotMade,
            Some(Owner::Undecided) => Whose::Unknown,
            None if self.orders.is_whole() => Whose::NotMade,
            None => Whose::Unknown,
        }
    }

    /// Notes an accepted entry that says whose an order is. Only the first one counts.
    pub(crate) fn made(&mut self, order: &str, customer: Option<&str>, at: Offset) {
        if matches!(self.orders.get(order), Some(Owner::Customer(_) | Owner::Nobody)) {
            return;
        }
        let owner = customer.map_or(Owner::Nobody, |it| Owner::Customer(it.into()));
        self.orders.insert(order, owner, at);
    }

    /// Notes what the log said of an order: its customer if it has one, or that it was not made.
    pub(crate) fn learn(&mut self, order: &str, owner: Option<Option<Box<str>>>) {
        if self.orders.get(order).is_some() {
            return;
        }
        let owner = match owner {
            Some(Some(customer)) => Owner::Customer(customer),
            Some(None) => Owner::Nobody,
            None => Owner::NotMade,
        };
        self.orders.insert(order, owner, Offset::ZERO);
    }

    /// Forgets that an order was not made, where that is what is known.
    pub(crate) fn forget_not_made(&mut self, order: &str) {
        if self.orders.get(order) == Some(&Owner::NotMade) {
            self.orders.forget(order);
        }
    }

    /// Notes that an entry was submitted which says whose an order is, if none comes before it in the log.
    pub(crate) fn being_made(&mut self, order: &str) {
        // The log's answer is waited for: until then it is not forgotten.
        self.orders.insert(order, Owner::Undecided, Offset::MAX);
    }

    pub(crate) fn is_being_made(&self, order: &str) -> bool {
        self.orders.get(order) == Some(&Owner::Undecided)
    }

    /// The entry that was submitted is not in the log. What another one said stands.
    pub(crate) fn not_made(&mut self, order: &str) {
        if self.is_being_made(order) {
            self.withdraw(order);
        }
    }

    /// The entry was not accepted after all.
    pub(crate) fn withdraw(&mut self, order: &str) {
        self.orders.remove(order);
    }

    /// Forgets what the log can be asked for.
    pub(crate) fn give_up(&mut self) {
        self.orders.give_up();
    }

    /// What it takes in memory, about.
    pub(crate) fn bytes(&self) -> usize {
        self.orders.bytes()
    }

    /// The log has everything on disk up to here.
    pub(crate) fn committed(&mut self, through: Offset) {
        self.orders.committed(through);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 4;

    fn book(is_all: bool) -> OrderBook {
        let mut book = OrderBook::default();
        book.opened(Vec::new(), is_all, MAX);
        book
    }

    fn at(n: u64) -> Offset {
        Offset::new(n).unwrap()
    }

    #[test]
    fn nobody_becomes_an_orders_customer_by_claiming_it_later() {
        let mut book = book(true);
        book.made("42", Some("ada"), at(1));
        book.made("42", Some("eve"), at(2));
        assert_eq!(book.whose("42"), Whose::Customers("ada"));
        book.made("43", None, at(3));
        book.made("43", Some("eve"), at(4));
        assert_eq!(book.whose("43"), Whose::Nobodys);
    }

    #[test]
    fn what_was_given_up_is_asked_of_the_log_and_what_it_has_not_yet_is_kept() {
        let mut book = book(true);
        book.give_up();
        assert_eq!(book.whose("41"), Whose::NotMade, "nothing was forgotten");
        book.made("42", Some("ada"), at(1));
        book.made("43", Some("bob"), at(2));
        book.committed(at(1));
        book.give_up();
        assert_eq!(book.whose("42"), Whose::Unknown);
        assert_eq!(book.whose("43"), Whose::Customers("bob"));
        assert_eq!(book.orders.all_text_bytes(), allocated(2 + 16) + allocated(3));
        book.learn("42", Some(Some("ada".into())));
        assert_eq!(book.whose("42"), Whose::Customers("ada"));
        book.committed(at(2));
        book.give_up();
        assert_eq!((book.orders.all_text_bytes(), book.bytes()), (0, 0));
    }

    #[test]
    fn what_was_forgotten_is_unknown_and_not_free() {
        let mut book = book(true);
        book.made("ada-1", Some("ada"), at(1));
        assert_eq!(book.whose("other"), Whose::NotMade, "it knows them all");
        book.committed(at(100));
        (2..=5).for_each(|n| book.made(&n.to_string(), Some("eve"), at(n)));
        assert_eq!(book.whose("ada-1"), Whose::Unknown);
        assert_eq!(book.whose("other"), Whose::Unknown);
        book.learn("ada-1", Some(Some("ada".into())));
        book.learn("other", None);
        assert_eq!(book.whose("ada-1"), Whose::Customers("ada"));
        assert_eq!(book.whose("other"), Whose::NotMade);
        book.made("other", Some("bob"), at(6));
        assert_eq!(book.whose("other"), Whose::Customers("bob"));
        assert_eq!(book.orders.len(), MAX);
    }

    #[test]
    fn what_is_not_on_disk_yet_is_not_forgotten() {
        let mut book = book(true);
        (1..=10).for_each(|n| book.made(&n.to_string(), Some("ada"), at(n)));
        assert_eq!(book.whose("1"), Whose::Customers("ada"));
        book.committed(at(3));
        book.made("11", Some("ada"), at(11));
        assert_eq!(book.whose("3"), Whose::Unknown);
        assert_eq!(book.whose("4"), Whose::Customers("ada"));
        book.committed(at(11));
        book.made("12", Some("ada"), at(12));
        assert_eq!(book.orders.len(), MAX);
    }

    #[test]
    fn a_log_that_did_not_name_all_of_its_orders_is_asked() {
        let mut some = book(false);
        assert_eq!(some.whose("1"), Whose::Unknown);
        let orders = |count: u64| (0..count).map(|n| (n.to_string().into(), None)).collect();
        some.opened(orders(5), true, MAX);
        assert_eq!((some.whose("0"), some.whose("1")), (Whose::Unknown, Whose::Nobodys));
    }

    #[test]
    fn an_order_that_was_not_accepted_is_free_for_the_next_who_makes_it() {
        let mut book = book(true);
        book.made("42", Some("eve"), at(1));
        book.withdraw("42");
        assert_eq!(book.whose("42"), Whose::NotMade);
        book.made("42", Some("ada"), at(2));
        assert_eq!(book.whose("42"), Whose::Customers("ada"));
    }

    #[test]
    fn the_first_entry_of_a_shared_log_decides_and_until_then_nobody_knows() {
        let mut book = book(true);
        book.being_made("42");
        (1..=9).for_each(|n| book.made(&n.to_string(), None, at(n)));
        book.committed(at(9));
        assert_eq!(book.whose("42"), Whose::Unknown);
        book.learn("42", None);
        assert!(book.is_being_made("42"), "the store has not heard of it yet");
        book.made("42", Some("ada"), at(10));
        book.made("42", Some("eve"), at(11));
        book.not_made("42");
        assert_eq!(book.whose("42"), Whose::Customers("ada"));
        book.being_made("43");
        book.not_made("43");
        assert_eq!(book.whose("43"), Whose::Unknown, "some were forgotten meanwhile");
    }

    #[test]
    fn the_book_is_bounded_however_often_orders_are_taken_back() {
        let mut book = book(true);
        for n in 1..1_000 {
            book.made("42", Some("eve"), at(n));
            book.withdraw("42");
        }
        assert!(book.orders.listed_len() <= 2 * MAX && book.orders.len() == 0);
    }
}
