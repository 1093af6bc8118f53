//! Whose order is whose.

use std::collections::VecDeque;
use std::sync::Arc;

use ahash::AHashMap;

/// How many orders a tenant's book holds; the oldest are forgotten first.
pub(crate) const ORDERS_MAX: usize = 65_536;

/// Of these, how many one customer may create: or else one could have everybody else's forgotten, and then claim them.
pub(crate) const ORDERS_PER_CUSTOMER_MAX: u32 = 1_024;
const _: () = assert!(ORDERS_PER_CUSTOMER_MAX as usize * 16 <= ORDERS_MAX);

/// The customer of each order: the one that the first accepted `order:created` named, for good.
#[derive(Debug, Default)]
pub(crate) struct OrderBook {
    customers: AHashMap<Arc<str>, Option<Arc<str>>>,
    order: VecDeque<Arc<str>>,
    /// How many orders of each customer are in the book.
    counts: AHashMap<Arc<str>, u32>,
}

impl OrderBook {
    /// Whether the order was created.
    pub(crate) fn knows(&self, order: &str) -> bool {
        self.customers.contains_key(order)
    }

    /// The order's customer.
    pub(crate) fn customer(&self, order: &str) -> Option<&str> {
        self.customers.get(order)?.as_deref()
    }

    /// Whether the book takes another order that this customer creates.
    pub(crate) fn has_room_for(&self, customer: &str) -> bool {
        self.counts.get(customer).is_none_or(|count| *count < ORDERS_PER_CUSTOMER_MAX)
    }

    /// Notes an accepted `order:created`. Only the first one counts.
    pub(crate) fn created(&mut self, order: &str, customer: Option<&str>) {
        if self.knows(order) {
            return;
        }
        let order: Arc<str> = order.into();
        let customer = customer.map(|customer| self.count(customer));
        self.customers.insert(Arc::clone(&order), customer);
        self.order.push_back(order);
        if self.order.len() > ORDERS_MAX
            && let Some(oldest) = self.order.pop_front()
            && let Some(Some(customer)) = self.customers.remove(&oldest)
        {
            self.discount(&customer);
        }
    }

    fn count(&mut self, customer: &str) -> Arc<str> {
        let name = self.counts.get_key_value(customer).map(|(name, _)| Arc::clone(name));
        let name = name.unwrap_or_else(|| Arc::from(customer));
        *self.counts.entry(Arc::clone(&name)).or_default() += 1;
        name
    }

    fn discount(&mut self, customer: &str) {
        if let Some(count) = self.counts.get_mut(customer) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(customer);
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
    fn one_customer_cannot_fill_the_book() {
        let mut book = OrderBook::default();
        let mut accepted = 0;
        while book.has_room_for("eve") {
            book.created(&format!("eve-{accepted}"), Some("eve"));
            accepted += 1;
        }
        assert_eq!(accepted, ORDERS_PER_CUSTOMER_MAX);
        assert!(book.has_room_for("ada"));
        // Orders that are forgotten count no more.
        (0..ORDERS_MAX).for_each(|n| book.created(&n.to_string(), None));
        assert!(book.has_room_for("eve") && book.counts.is_empty());
    }

    #[test]
    fn the_book_is_bounded() {
        let mut book = OrderBook::default();
        (0..=ORDERS_MAX).for_each(|n| book.created(&n.to_string(), None));
        assert!(!book.knows("0") && book.knows("1"));
        assert_eq!(book.customers.len(), ORDERS_MAX);
    }
}
