//! What a payload must have, and what it says it is about.

#[cfg(test)]
mod agreement;
mod builtin;
mod declared;
mod depth;
mod encrypted;
mod field;
mod kinds;

use std::borrow::Cow;

use crate::EventName;

pub(crate) use builtin::BuiltinSchemas;
pub use builtin::builtin_schemas;
pub(crate) use declared::lenient_entities;
pub use depth::PAYLOAD_DEPTH_MAX;
pub(crate) use depth::check_depth;
pub use encrypted::{
    ENCRYPTED_FIELDS_MAX, PAYLOAD_ALGORITHM, PAYLOAD_KEY_ID_BYTES_MAX, encrypted_entities,
};

/// What a message is about: identifiers found in its payload. Borrowed where the JSON has no escapes.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Entities<'a> {
    /// `orderId`
    pub order_id: Option<Cow<'a, str>>,
    /// `customerId`
    pub customer_id: Option<Cow<'a, str>>,
    /// `stationId`; in the kitchen's events `assignedStation`, where that is absent.
    pub station_id: Option<Cow<'a, str>>,
    /// `routeId`
    pub route_id: Option<Cow<'a, str>>,
    /// `assigneeId`
    pub assignee_id: Option<Cow<'a, str>>,
}

impl Entities<'_> {
    /// Whether an event that is about this assigns its order.
    pub fn assigns(&self, event: &EventName) -> bool {
        matches!(event, EventName::Builtin(event) if event.assigns_order())
            && self.order_id.is_some()
            && self.assignee_id.is_some()
    }

    /// The same, of its own.
    pub(crate) fn into_owned(self) -> Entities<'static> {
        let owned = |id: Option<Cow<'_, str>>| id.map(|id| Cow::Owned(id.into_owned()));
        Entities {
            order_id: owned(self.order_id),
            customer_id: owned(self.customer_id),
            station_id: owned(self.station_id),
            route_id: owned(self.route_id),
            assignee_id: owned(self.assignee_id),
        }
    }

    /// The field of the first identifier that `has` something.
    pub(crate) fn field_that(&self, has: impl Fn(&str) -> bool) -> Option<&'static str> {
        let fields = [
            (&self.order_id, "orderId"),
            (&self.customer_id, "customerId"),
            (&self.station_id, "stationId"),
            (&self.route_id, "routeId"),
            (&self.assignee_id, "assigneeId"),
        ];
        fields.into_iter().find(|(id, _)| id.as_deref().is_some_and(&has)).map(|(_, name)| name)
    }
}
