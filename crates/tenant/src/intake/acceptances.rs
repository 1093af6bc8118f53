//! Couriers who accept orders: the first one wins. Dashboards and back ends assign as they like.

use foodtrack_contract::{
    ApplicationType, Entities, ErrorCode, EventName, Offset, Refusal, Source, TenantId,
};
use uuid::Uuid;

use super::assignments::AssignedTo;
use super::order_owners::log_unknown;
use super::{Intake, Publisher, Question};
use crate::ledger::Unavailable;
use crate::policies::Policies;

/// Whether a courier assigns an order.
fn accepts(event: &EventName, publisher: &Publisher<'_>) -> bool {
    publisher.source == Source::Application(ApplicationType::DeliveryApp)
        && matches!(event, EventName::Builtin(event) if event.assigns_order())
}

/// Whether it must be known who the order is assigned to that an event is about: who accepts it, or whom the event goes to,
/// depends on it.
pub(super) fn needs_assignee(
    policies: &Policies,
    tenant: &TenantId,
    event: &EventName,
    source: Source,
    publisher: &Publisher<'_>,
    entities: &Entities<'_>,
) -> bool {
    accepts(event, publisher)
        || entities.assignee_id.is_none() && policies.router.goes_to_assignee(tenant, event, source)
}

impl Intake {
    /// What the log must say first of an order, if it can be asked.
    pub(super) fn must_ask_of(
        &self,
        order: &str,
        log: Result<(), Unavailable>,
        must_know_assignee: impl FnOnce() -> bool,
    ) -> Option<Question> {
        if self.must_ask(order, log) {
            return Some(Question::OwnerOf(order.into()));
        }
        let is_unknown = log.is_ok() && self.assignments.of(order) == AssignedTo::Unknown;
        (is_unknown && must_know_assignee()).then(|| Question::AssigneeOf(order.into()))
    }

    /// A courier may take an order that is nobody's yet, for themselves alone.
    pub(super) fn check_acceptance(
        &self,
        log: Result<(), Unavailable>,
        event: &EventName,
        publisher: &Publisher<'_>,
        entities: &Entities<'_>,
    ) -> Result<(), Refusal> {
        let order = entities.order_id.as_deref().filter(|_| accepts(event, publisher));
        let Some(order) = order else { return Ok(()) };
        if entities.assignee_id.as_deref() != Some(publisher.user) {
            let message = "a courier may assign an order only to themselves";
            let refusal = Refusal::new(ErrorCode::PermissionDenied, message);
            return Err(refusal.at("/assigneeId", "const"));
        }
        match self.assignments.of(order) {
            AssignedTo::Nobody => Ok(()),
            AssignedTo::Somebody(assignment) if *assignment.user == *publisher.user => Ok(()),
            AssignedTo::Somebody(_) => {
                let message = "the order is assigned to another courier already";
                Err(Refusal::new(ErrorCode::OrderTaken, message).at("/orderId", "const"))
            }
            AssignedTo::Unknown => Err(log_unknown(log)),
        }
    }

    /// The message by which a courier has the order already that they accept, and its place.
    pub(super) fn assigned_already(
        &self,
        event: &EventName,
        publisher: &Publisher<'_>,
        entities: &Entities<'_>,
    ) -> Option<(Uuid, Offset)> {
        let order = entities.order_id.as_deref().filter(|_| accepts(event, publisher))?;
        match self.assignments.of(order) {
            AssignedTo::Somebody(known) => Some((known.id, known.offset)),
            AssignedTo::Nobody | AssignedTo::Unknown => None,
        }
    }
}
