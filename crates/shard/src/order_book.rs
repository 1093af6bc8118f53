//! Whose order is whose.

use std::collections::VecDeque;
use std::sync::Arc;

use ahash::AHashMap;

/// How many orders a tenant's book holds; the oldest are forgotten first.
pub(crate) const ORDERS_MAX: usize = 65_536;

/// The customer of each order: the one that the first accepted `order:created` named, for good.
#[derive(Debug, Default)]
pub(crate) struct OrderBook {
    customers: AHashMap<Arc<str>, Option<Arc<str>>>,
    order: VecDeque<Arc<str>>,
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

    /// Notes an accepted `order:created`. Only the first one counts.
    pub(crate) fn created(&mut self, order: &str, customer: Option<&str>) {
        if self.knows(order) {
            return;
        }
        let order: Arc<str> = order.into();
        self.customers.insert(Arc::clone(&order), customer.map(Arc::from));
        self.order.push_back(order);
        if self.order.len() > ORDERS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.customers.remove(&oldest);
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
    fn the_book_is_bounded() {
        let mut book = OrderBook::default();
        (0..=ORDERS_MAX).for_each(|n| book.created(&n.to_string(), None));
        assert!(!book.knows("0") && book.knows("1"));
        assert_eq!(book.customers.len(), ORDERS_MAX);
    }
}
