//! Whom a message goes to, and what it is about.

use foodtrack_contract::{ApplicationSet, ReadPermission, RoomName};
use smallvec::SmallVec;

/// The identifiers that an event names. What is absent reaches nobody: a rule's destination without its identifier is
/// left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct About<'a> {
    /// The order.
    pub order: Option<&'a str>,
    /// The order's customer as the tenant knows it, not as a later message claims it.
    pub customer: Option<&'a str>,
    /// The kitchen station.
    pub station: Option<&'a str>,
    /// The delivery route.
    pub route: Option<&'a str>,
    /// The user whom an order or a delivery is assigned to.
    pub assignee: Option<&'a str>,
}

/// Whom a message goes to, within the one tenant that it was asked for.
///
/// A connection receives the message if it is of one of `applications` or in one of `rooms`, and its application is in
/// `only`, and its permissions allow `read`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience<'a> {
    /// Every connection of these applications; never more than `only`.
    pub applications: ApplicationSet,
    /// The members of these rooms; no room twice.
    pub rooms: SmallVec<[RoomName<'a>; 4]>,
    /// What the message's `target` leaves of the applications; all where it names none.
    pub only: ApplicationSet,
    /// What receiving takes; `None` where everyone of the tenant may.
    pub read: Option<ReadPermission>,
}

impl Audience<'_> {
    /// Whether nobody can be in it.
    pub fn is_empty(&self) -> bool {
        self.only.is_empty() || (self.applications.is_empty() && self.rooms.is_empty())
    }
}
