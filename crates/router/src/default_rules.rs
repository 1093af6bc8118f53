//! The contract's default routing, as data.

use foodtrack_contract::{ApplicationType, EventType, Permission, Source};

use crate::{Destination, Rule};

/// The rules that every tenant has unless configuration removes them.
///
/// `delivery:assigned` has a rule of its own and no part in the other deliveries' rules: a courier may send it for
/// themselves alone, of an order that is nobody's yet, which the tenant sees to.
#[expect(clippy::too_many_lines, reason = "a table")]
pub fn default_rules() -> Vec<Rule> {
    use Destination::{Assignee, Customer, EveryApplication, OrderRoom, RouteRoom, StationRoom};
    use EventType as E;
    use Permission as P;
    const CLIENT: Source = Source::Application(ApplicationType::ClientApp);
    const DASHBOARD: Source = Source::Application(ApplicationType::TenantDashboard);
    const KITCHEN: Source = Source::Application(ApplicationType::KitchenApp);
    const DELIVERY: Source = Source::Application(ApplicationType::DeliveryApp);
    const SYSTEM: Source = Source::System;
    const TO_DASHBOARD: Destination = Destination::Application(ApplicationType::TenantDashboard);
    const TO_KITCHEN: Destination = Destination::Application(ApplicationType::KitchenApp);
    const TO_DELIVERY: Destination = Destination::Application(ApplicationType::DeliveryApp);

    let order = |event: EventType| {
        rule(
            event.as_str(),
            &[CLIENT, DASHBOARD, SYSTEM],
            Some(P::WriteOrders),
            &[TO_DASHBOARD, TO_KITCHEN, OrderRoom, Customer],
        )
    };
    let assignment = |event: EventType, from: &[Source]| {
        rule(event.as_str(), from, Some(P::WriteDelivery), &[Assignee, TO_DASHBOARD, OrderRoom])
    };
    let delivery = |event: EventType| {
        rule(
            event.as_str(),
            &[DELIVERY, SYSTEM],
            Some(P::WriteDelivery),
            &[TO_DASHBOARD, OrderRoom, Customer, Assignee, RouteRoom],
        )
    };
    let kitchen = |events: &str, to: &[Destination]| {
        rule(events, &[KITCHEN, SYSTEM], Some(P::WriteKitchen), to)
    };
    let trouble =
        |events: &str| rule(events, &[KITCHEN], Some(P::WriteKitchen), &[TO_DASHBOARD, TO_KITCHEN]);
    vec![
        order(E::OrderCreated),
        order(E::OrderUpdated),
        Rule {
            to: vec![TO_DASHBOARD, TO_KITCHEN, OrderRoom, Customer, Assignee],
            ..order(E::OrderCancelled)
        },
        rule(
            E::OrderStatusChanged.as_str(),
            &[KITCHEN, DASHBOARD, DELIVERY, SYSTEM],
            Some(P::WriteOrders),
            &[TO_DASHBOARD, TO_KITCHEN, TO_DELIVERY, OrderRoom, Customer],
        ),
        assignment(E::OrderAssigned, &[DASHBOARD, SYSTEM]),
        assignment(E::DeliveryAssigned, &[DASHBOARD, DELIVERY, SYSTEM]),
        kitchen("kitchen:*", &[TO_KITCHEN, StationRoom, TO_DASHBOARD, OrderRoom]),
        kitchen(E::KitchenPreparationCompleted.as_str(), &[TO_DELIVERY]),
        delivery(E::DeliveryPickedUp),
        delivery(E::DeliveryInTransit),
        delivery(E::DeliveryCompleted),
        delivery(E::DeliveryDelayed),
        delivery(E::DeliveryLocationUpdated),
        rule(
            "inventory:*",
            &[KITCHEN, SYSTEM],
            Some(P::WriteInventory),
            &[TO_DASHBOARD, TO_KITCHEN],
        ),
        rule("product:*", &[DASHBOARD, SYSTEM], Some(P::WriteInventory), &[EveryApplication]),
        trouble("quality:*"),
        trouble("station:*"),
        rule("notification:*", &[DASHBOARD, SYSTEM], None, &[EveryApplication]),
        rule(E::TenantMetrics.as_str(), &[SYSTEM], None, &[TO_DASHBOARD]),
    ]
}

/// A default rule is named after what it covers, so that a log line or an explanation needs no second look.
fn rule(events: &str, from: &[Source], permission: Option<Permission>, to: &[Destination]) -> Rule {
    Rule {
        id: format!("default:{events}"),
        tenant: None,
        events: events.to_owned(),
        from: from.to_vec(),
        permission,
        to: to.to_vec(),
    }
}
