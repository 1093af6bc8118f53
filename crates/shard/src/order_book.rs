//! Whose order is whose.

use std::collections::VecDeque;
use std::sync::Arc;

use ahash::AHashMap;

/// How many orders a tenant's book holds; the oldest are forgotten first.
pub(crate) const ORDERS_MAX: usize = 65_536;

/// Of these, how many one customer's may be: beyond that their own oldest is forgotten, and nobody else's. Or else one
/// customer could have everybody's orders forgotten, and then claim them.
pub(crate) const ORDERS_PER_CUSTOMER_MAX: usize = 1_024;
const _: () = assert!(ORDERS_PER_CUSTOMER_MAX * 16 <= ORDERS_MAX);

/// The customer of each order: the one that the first accepted `order:created` named, for good.
#[derive(Debug, Default)]
pub(crate) struct OrderBook {
    orders: AHashMap<Arc<str>, Order>,
    /// Oldest first. An order that was forgotten before its time is still listed, by a number that is nobody's any more.
    listed: VecDeque<(u64, Arc<str>)>,
    /// Each customer's orders, oldest first.
    by_customer: AHashMap<Arc<str>, VecDeque<Arc<str>>>,
    number: u64,
}

#[derive(Debug)]
struct Order {
    customer: Option<Arc<str>>,
    number: u64,
}

impl OrderBook {
    /// Whether the order was created.
    pub(crate) fn knows(&self, order: &str) -> bool {
        self.orders.contains_key(order)
    }

    /// The order's customer.
    pub(crate) fn customer(&self, order: &str) -> Option<&str> {
        self.orders.get(order)?.customer.as_deref()
    }

    /// Notes an accepted `order:created`. Only the first one counts.
    pub(crate) fn created(&mut self, order: &str, customer: Option<&str>) {
        if self.knows(order) {
            return;
        }
        self.number += 1;
        let (number, order): (u64, Arc<str>) = (self.number, order.into());
        let customer = customer.map(|customer| self.list_for(customer, &order));
        self.listed.push_back((number, Arc::clone(&order)));
        self.orders.insert(order, Order { customer, number });
        while self.orders.len() > ORDERS_MAX
            && let Some((number, oldest)) = self.listed.pop_front()
        {
            self.forget(number, &oldest);
        }
        if self.listed.len() > 2 * ORDERS_MAX {
            let orders = &self.orders;
            self.listed.retain(|(number, order)| {
                orders.get(order).is_some_and(|known| known.number == *number)
            });
        }
    }

    /// The order was not accepted after all.
    pub(crate) fn withdraw(&mut self, order: &str) {
        let Some(Order { customer, .. }) = self.orders.remove(order) else { return };
        if let Some(customer) = customer
            && let Some(own) = self.by_customer.get_mut(&customer)
        {
            own.retain(|it| **it != *order);
            if own.is_empty() {
                self.by_customer.remove(&customer);
            }
        }
    }

    /// Adds to a customer's orders; their oldest makes room.
    fn list_for(&mut self, customer: &str, order: &Arc<str>) -> Arc<str> {
        let name = self.by_customer.get_key_value(customer).map(|(name, _)| Arc::clone(name));
        let name = name.unwrap_or_else(|| Arc::from(customer));
        let own = self.by_customer.entry(Arc::clone(&name)).or_default();
        if own.len() >= ORDERS_PER_CUSTOMER_MAX
            && let Some(oldest) = own.pop_front()
        {
            self.orders.remove(&oldest);
        }
        own.push_back(Arc::clone(order));
        name
    }

    /// Forgets an order whose turn has come, unless that was another one of the same name.
    fn forget(&mut self, number: u64, order: &Arc<str>) {
        if self.orders.get(order).is_none_or(|known| known.number != number) {
            return;
        }
        let Some(Order { customer: Some(customer), .. }) = self.orders.remove(order) else {
            return;
        };
        if let Some(own) = self.by_customer.get_mut(&customer) {
            // A customer's oldest is forgotten first, here as there.
            own.pop_front();
            if own.is_empty() {
                self.by_customer.remove(&customer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_becomes_an_orders_customer_by_claiming_it_later() {
        let mut book = OrderBook::default();
        book.created("42", Some("ada"));
        book.created("42", Some("eve"));
        assert_eq!(book.customer("42"), Some("ada"));
        book.created("43", None);
        book.created("43", Some("eve"));
        assert_eq!(book.customer("43"), None);
    }

    #[test]
    fn a_customer_with_many_orders_has_only_their_own_oldest_forgotten() {
        let mut book = OrderBook::default();
        book.created("ada-1", Some("ada"));
        (0..3 * ORDERS_MAX).for_each(|n| book.created(&format!("eve-{n}"), Some("eve")));
        assert_eq!(book.customer("ada-1"), Some("ada"));
        assert_eq!(book.orders.len(), ORDERS_PER_CUSTOMER_MAX + 1);
        assert!(book.listed.len() <= 2 * ORDERS_MAX);
        let last = format!("eve-{}", 3 * ORDERS_MAX - 1);
        assert_eq!(book.customer(&last), Some("eve"));
    }

    #[test]
    fn an_order_that_was_forgotten_and_made_anew_keeps_its_new_place() {
        let mut book = OrderBook::default();
        book.created("42", Some("eve"));
        (0..ORDERS_PER_CUSTOMER_MAX).for_each(|n| book.created(&format!("eve-{n}"), Some("eve")));
        assert!(!book.knows("42"));
        book.created("42", Some("ada"));
        // The first 42's turn to be forgotten comes, and the second one stays.
        let others = ORDERS_MAX - book.orders.len() + 1;
        (0..others).for_each(|n| book.created(&n.to_string(), None));
        assert_eq!(book.customer("42"), Some("ada"));
    }

    #[test]
    fn an_order_that_was_not_accepted_is_free_for_the_next_who_makes_it() {
        let mut book = OrderBook::default();
        book.created("42", Some("eve"));
        book.withdraw("42");
        assert!(!book.knows("42") && book.by_customer.is_empty());
        book.created("42", Some("ada"));
        assert_eq!(book.customer("42"), Some("ada"));
    }

    #[test]
    fn the_book_is_bounded() {
        let mut book = OrderBook::default();
        (0..=ORDERS_MAX).for_each(|n| book.created(&n.to_string(), Some("ada")));
        (0..=ORDERS_MAX).for_each(|n| book.created(&format!("x{n}"), None));
        assert!(!book.knows("x0") && book.knows("x1"));
        assert_eq!(book.orders.len(), ORDERS_MAX);
        assert!(book.by_customer.is_empty());
    }
}
