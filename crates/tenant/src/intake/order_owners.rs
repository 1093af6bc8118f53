//! Who may touch an order, and who says whose it is.

use foodtrack_contract::{
    ApplicationType, Entities, ErrorCode, EventName, EventType, Refusal, Source,
};
use foodtrack_tenant_log::OrderOwner;

use super::order_book::Whose;
use super::{Intake, Publisher};
use crate::appending::away;
use crate::ledger::Unavailable;

/// Why nobody can say what the log knows.
pub(crate) fn log_unknown(log: Result<(), Unavailable>) -> Refusal {
    match log {
        Err(Unavailable::Away(reason)) => away(reason),
        _ => {
            let message =
                "the log cannot be asked now what it knows of this event: try again in a moment";
            Refusal::new(ErrorCode::Degraded, message).retry_after_ms(1_000)
        }
    }
}

/// Whether a customer publishes.
pub(super) fn by_customer(publisher: &Publisher<'_>) -> bool {
    publisher.source == Source::Application(ApplicationType::ClientApp)
}

impl Intake {
    /// What was to be said of an order was said in the log by another entry.
    pub(crate) fn said_elsewhere(&mut self, order: &str, makes: bool, assigns: bool) {
        if makes {
            self.orders.not_made(order);
        }
        if assigns {
            self.assignments.not_assigned(order);
        }
    }

    /// Whether an event makes an order of which memory does not know whether it is made, and which nobody here is making.
    pub(super) fn may_be_new(
        &self,
        order: &str,
        log: Result<(), Unavailable>,
        event: &EventName,
    ) -> bool {
        *event == EventName::Builtin(EventType::OrderCreated)
            && self.must_ask(order, log)
            && !self.orders.is_being_made(order)
    }

    /// Whose an order is; `presumes_new` where it counts as not made if nobody knows.
    fn presumed(&self, order: &str, presumes_new: bool) -> Whose<'_> {
        match self.orders.whose(order) {
            Whose::Unknown if presumes_new => Whose::NotMade,
            whose => whose,
        }
    }

    /// A customer may only touch orders of their own, and name nobody else as customer.
    pub(super) fn check_order(
        &self,
        (log, presumes_new): (Result<(), Unavailable>, bool),
        event: &EventName,
        publisher: &Publisher<'_>,
        entities: &Entities<'_>,
        has_room_for_orders: impl FnOnce() -> bool,
    ) -> Result<(), Refusal> {
        if !by_customer(publisher) {
            return Ok(());
        }
        let refuse = |message: &'static str, pointer: &'static str| {
            Err(Refusal::new(ErrorCode::OrderForbidden, message).at(pointer, "const"))
        };
        if entities.customer_id.as_deref().is_some_and(|customer| customer != publisher.user) {
            return refuse("a customer may name only themselves as customer", "/customerId");
        }
        let Some(order) = entities.order_id.as_deref() else { return Ok(()) };
        let makes = *event == EventName::Builtin(EventType::OrderCreated);
        match self.presumed(order, presumes_new) {
            Whose::Customers(customer) if customer == publisher.user => Ok(()),
            Whose::NotMade if makes => {
                if has_room_for_orders() {
                    return Ok(());
                }
                let message = "the server knows of as many orders as it may in memory whose they are, and forgets none";
                Err(Refusal::new(ErrorCode::StorageFull, message))
            }
            Whose::Unknown => Err(log_unknown(log)),
            _ => refuse("the order is not one of this customer's", "/orderId"),
        }
    }

    /// The first accepted `order:created` says whose the order is; a customer who names nobody means themselves. Where the
    /// order was never made, a back end or the dashboard says so by whatever event names its customer first.
    pub(super) fn new_order(
        &self,
        event: &EventName,
        publisher: &Publisher<'_>,
        entities: &Entities<'_>,
        presumes_new: bool,
    ) -> Option<OrderOwner> {
        if self.presumed(entities.order_id.as_deref()?, presumes_new) != Whose::NotMade {
            return None;
        }
        let named = entities.customer_id.as_deref().map(Box::from);
        if *event == EventName::Builtin(EventType::OrderCreated) {
            let customer = named.or_else(|| by_customer(publisher).then(|| publisher.user.into()));
            return Some(OrderOwner { customer });
        }
        let may_say = matches!(
            publisher.source,
            Source::System | Source::Application(ApplicationType::TenantDashboard)
        );
        named.filter(|_| may_say).map(|customer| OrderOwner { customer: Some(customer) })
    }
}
