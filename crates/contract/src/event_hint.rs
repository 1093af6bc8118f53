//! What an unknown event's sender most likely meant.

use crate::{EventGroup, EventType, nearest};

/// The control events that every client may send. The shard takes them; here they are names that somebody may have meant.
pub const CONTROL_EVENTS: [&str; 14] = [
    "subscribe:order",
    "subscribe:kitchen",
    "subscribe:tenant",
    "subscribe:customer",
    "subscribe:route",
    "unsubscribe:order",
    "unsubscribe:kitchen",
    "unsubscribe:tenant",
    "unsubscribe:customer",
    "unsubscribe:route",
    "ping",
    "health_check",
    "authenticate",
    "payload_key",
];

/// Names that applications used before, and what they are called now. Where a typo tells the name, it is not here.
const FORMER_NAMES: [(&str, &str); 33] = [
    ("accept_delivery", "delivery:assigned"),
    ("complete_delivery", "delivery:completed"),
    ("delivery_location_update", "delivery:location_updated"),
    ("delivery_started", "delivery:picked_up"),
    ("inventory:update-usage", "inventory:usage_update"),
    ("join_order_room", "subscribe:order"),
    ("kitchen_order_completed", "kitchen:preparation_completed"),
    ("kitchen_order_started", "kitchen:preparation_started"),
    ("leave_order_room", "unsubscribe:order"),
    ("order:accepted", "order:status_changed"),
    ("order:changed", "order:updated"),
    ("order:delivered", "delivery:completed"),
    ("order:modified", "order:updated"),
    ("order:new", "order:created"),
    ("order:placed", "order:created"),
    ("order:ready", "kitchen:preparation_completed"),
    ("order:status", "order:status_changed"),
    ("order:status-update", "order:status_changed"),
    ("order:update-status", "order:status_changed"),
    ("quality:report-issue", "quality:issue_reported"),
    ("start_delivery", "delivery:picked_up"),
    ("station:assignment", "kitchen:station_assignment"),
    ("station:help-request", "station:help_requested"),
    ("station:request-help", "station:help_requested"),
    ("subscribe:orders", "subscribe:order"),
    ("subscribe:station", "subscribe:kitchen"),
    ("subscribe:delivery", "subscribe:route"),
    ("subscribe:user", "subscribe:customer"),
    ("subscribe_to_orders", "subscribe:tenant"),
    ("real_time_metrics", "tenant:metrics"),
    ("system_alert", "notification:alert"),
    ("system_notification", "notification:info"),
    ("update_delivery_location", "delivery:location_updated"),
];

/// The event that the sender of an unknown one most likely meant: one of what clients may send, or of `declared`, what its
/// tenant declared. `None` where nothing is near.
///
/// Cost: as [`nearest`].
#[cold]
pub(crate) fn meant_event<'a>(
    name: &str,
    declared: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let builtin = EventType::ALL
        .iter()
        .filter(|event| event.group() != EventGroup::System)
        .map(|event| event.as_str());
    let former = FORMER_NAMES.iter().map(|(former, _)| *former);
    let known = builtin.chain(CONTROL_EVENTS).chain(former).chain(declared);
    let nearest = nearest(name, known)?;
    let now = FORMER_NAMES.iter().find(|(former, _)| *former == nearest);
    Some(now.map_or(nearest, |(_, now)| *now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_told_by_its_spelling_and_by_its_meaning() {
        let declared = ["loyalty:points_earned"];
        for (name, meant) in [
            ("order:create", "order:created"),
            ("orderCreated", "order:created"),
            ("order-created", "order:created"),
            ("ORDER_CREATED", "order:created"),
            ("order:craeted", "order:created"),
            ("order:cancel", "order:cancelled"),
            ("order:canceled", "order:cancelled"),
            ("kitchenOrderReceived", "kitchen:order_received"),
            ("deliveryLocationUpdated", "delivery:location_updated"),
            ("order:new", "order:created"),
            ("order:modified", "order:updated"),
            ("order:update-status", "order:status_changed"),
            ("KITCHEN_ORDER_COMPLETED", "kitchen:preparation_completed"),
            ("join_order_room", "subscribe:order"),
            ("joinOrderRoom", "subscribe:order"),
            ("subscribe:orders", "subscribe:order"),
            ("subscribeOrder", "subscribe:order"),
            ("healthcheck", "health_check"),
            ("loyaltyPointsEarned", "loyalty:points_earned"),
        ] {
            assert_eq!(meant_event(name, declared), Some(meant), "{name}");
        }
        for name in ["", "weather:changed", "system:error", "x"] {
            assert_eq!(meant_event(name, declared), None, "{name}");
        }
        assert_eq!(meant_event("loyaltyPointsEarned", []), None);
    }

    #[test]
    fn former_names_lead_to_events_that_exist() {
        for (former, now) in FORMER_NAMES {
            assert!(EventType::from_wire(now).is_some() || CONTROL_EVENTS.contains(&now), "{now}");
            assert!(EventType::from_wire(former).is_none(), "{former}");
            assert_eq!(meant_event(former, []), Some(now), "{former}");
        }
    }
}
