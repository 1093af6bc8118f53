//! Whose order is whose, as far as memory knows.

use std::collections::VecDeque;
use std::sync::Arc;

use ahash::AHashMap;
use foodtrack_contract::Offset;

/// Of how many of a tenant's orders it is in memory whose they are, by default. The log knows it of all.
pub(crate) const ORDERS_IN_MEMORY_MAX: usize = 65_536;

/// The customer of each order: the one that the first accepted entry to say so named, for good.
///
/// What was forgotten here must be looked up. What is not on disk yet is not forgotten, for there it would not be found.
#[derive(Debug, Default)]
pub(crate) struct OrderBook {
    orders: AHashMap<Arc<str>, Order>,
    /// Oldest first. An order that is not here any more is still listed, by a number that is nobody's.
    listed: VecDeque<(u64, Arc<str>)>,
    number: u64,
    /// Whether what is not here was never made: then nothing need be looked up.
    is_whole: bool,
    /// Up to here the log has everything on disk.
    committed: Offset,
    max: usize,
    /// What the names of `orders` take.
    text_bytes: usize,
}

#[derive(Debug)]
struct Order {
    owner: Owner,
    number: u64,
    /// The entry that said so, if this server accepted it.
    made_at: Offset,
}

#[derive(Debug, PartialEq, Eq)]
enum Owner {
    Customer(Box<str>),
    Nobody,
    NotMade,
    /// An entry that says so was submitted to a log that others write to as well: there another's may come first.
    Undecided,
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
        (self.is_whole, self.max) = (is_all, max);
        // The oldest would be forgotten at once.
        let forgotten = orders.len().saturating_sub(max);
        self.is_whole &= forgotten == 0;
        for (order, customer) in orders.into_iter().skip(forgotten) {
            self.learn(&order, Some(customer));
        }
    }

    /// Whose an order is.
    pub(crate) fn whose(&self, order: &str) -> Whose<'_> {
        match self.orders.get(order).map(|order| &order.owner) {
            Some(Owner::Customer(customer)) => Whose::Customers(customer),
            Some(Owner::Nobody) => Whose::Nobodys,
            Some(Owner::NotMade) => Whose::NotMade,
            Some(Owner::Undecided) => Whose::Unknown,
            None if self.is_whole => Whose::NotMade,
            None => Whose::Unknown,
        }
    }

    /// Notes an accepted entry that says whose an order is. Only the first one counts.
    pub(crate) fn made(&mut self, order: &str, customer: Option<&str>, at: Offset) {
        let is_decided = |known: &Order| matches!(known.owner, Owner::Customer(_) | Owner::Nobody);
        if self.orders.get(order).is_some_and(is_decided) {
            return;
        }
        self.insert(order, customer.map_or(Owner::Nobody, |it| Owner::Customer(it.into())), at);
    }

    /// Notes what the log said of an order: its customer if it has one, or that it was not made.
    pub(crate) fn learn(&mut self, order: &str, owner: Option<Option<Box<str>>>) {
        if self.orders.contains_key(order) {
            return;
        }
        let owner = match owner {
            Some(Some(customer)) => Owner::Customer(customer),
            Some(None) => Owner::Nobody,
            None => Owner::NotMade,
        };
        self.insert(order, owner, Offset::ZERO);
    }

    /// Notes that an entry was submitted which says whose an order is, if none comes before it in the log.
    pub(crate) fn being_made(&mut self, order: &str) {
        // The log's answer is waited for: until then it is not forgotten.
        self.insert(order, Owner::Undecided, Offset::MAX);
    }

    pub(crate) fn is_being_made(&self, order: &str) -> bool {
        self.orders.get(order).is_some_and(|known| known.owner == Owner::Undecided)
    }

    /// The entry that was submitted is not in the log. What another one said stands.
    pub(crate) fn not_made(&mut self, order: &str) {
        if self.is_being_made(order) {
            self.withdraw(order);
        }
    }

    /// The entry was not accepted after all.
    pub(crate) fn withdraw(&mut self, order: &str) {
        if let Some((order, known)) = self.orders.remove_entry(order) {
            self.text_bytes -= text_bytes(&order, &known);
        }
    }

    /// Forgets what the log can be asked for.
    pub(crate) fn give_up(&mut self) {
        let (before, committed) = (self.orders.len(), self.committed);
        let kept = std::mem::take(&mut self.orders);
        let is_kept = |(_, known): &(Arc<str>, Order)| known.made_at > committed;
        self.orders = kept.into_iter().filter(is_kept).collect();
        self.is_whole &= self.orders.len() == before;
        let orders = &self.orders;
        self.listed
            .retain(|(number, order)| orders.get(order).map(|it| it.number) == Some(*number));
        self.listed.shrink_to_fit();
        self.text_bytes = orders.iter().map(|(order, known)| text_bytes(order, known)).sum();
    }

    /// What it takes in memory, about.
    pub(crate) fn bytes(&self) -> usize {
        self.orders.capacity() * (size_of::<(Arc<str>, Order)>() + 1)
            + self.listed.capacity() * size_of::<(u64, Arc<str>)>()
            + self.text_bytes
    }

    /// The log has everything on disk up to here.
    pub(crate) fn committed(&mut self, through: Offset) {
        self.committed = self.committed.max(through);
    }

    fn insert(&mut self, order: &str, owner: Owner, made_at: Offset) {
        self.number += 1;
        let (number, order): (u64, Arc<str>) = (self.number, order.into());
        self.listed.push_back((number, Arc::clone(&order)));
        let new = Order { owner, number, made_at };
        self.text_bytes += text_bytes(&order, &new);
        if let Some(old) = self.orders.insert(Arc::clone(&order), new) {
            self.text_bytes -= text_bytes(&order, &old);
        }
        while self.orders.len() > self.max
            && let Some((number, oldest)) = self.listed.front()
        {
            if let Some(known) = self.orders.get(oldest).filter(|it| it.number == *number) {
                if known.made_at > self.committed {
                    break;
                }
                self.text_bytes -= text_bytes(oldest, known);
                self.orders.remove(oldest);
                self.is_whole = false;
            }
            self.listed.pop_front();
        }
        if self.listed.len() > 2 * self.orders.len().max(self.max) {
            let orders = &self.orders;
            let is_listed = |(number, order): &(u64, Arc<str>)| {
                orders.get(order).map(|it| it.number) == Some(*number)
            };
            self.listed.retain(is_listed);
        }
    }
}

/// What the names of an order take, as allocators give it out: with 8 bytes of their own, in sixteens, and 32 at least.
fn text_bytes(order: &str, known: &Order) -> usize {
    let taken = |bytes: usize| (bytes + 8).next_multiple_of(16).max(32);
    let customer = match &known.owner {
        Owner::Customer(customer) => taken(customer.len()),
        Owner::Nobody | Owner::NotMade | Owner::Undecided => 0,
    };
    // An `Arc` counts its references in two words.
    taken(order.len() + 16) + customer
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
        assert_eq!(book.text_bytes, text_bytes("43", &book.orders["43"]));
        book.learn("42", Some(Some("ada".into())));
        assert_eq!(book.whose("42"), Whose::Customers("ada"));
        book.committed(at(2));
        book.give_up();
        assert_eq!((book.text_bytes, book.bytes()), (0, 0));
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
        assert!(book.listed.len() <= 2 * MAX && book.orders.is_empty());
    }
}
