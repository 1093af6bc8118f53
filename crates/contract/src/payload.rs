//! What a payload must have, and what it says it is about.

#[cfg(test)]
mod agreement;
mod builtin;
mod declared;
mod depth;
mod field;
mod kinds;

use std::borrow::Cow;

pub(crate) use builtin::BuiltinSchemas;
pub use builtin::builtin_schemas;
pub(crate) use declared::lenient_entities;
pub use depth::PAYLOAD_DEPTH_MAX;
pub(crate) use depth::check_depth;

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
