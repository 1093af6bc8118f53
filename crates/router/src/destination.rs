//! Where a rule sends an event.

use std::fmt;
use std::str::FromStr;

use foodtrack_contract::{ApplicationSet, ApplicationType, RoomName};
use serde::{Deserialize, Serialize};

use crate::About;

/// One destination of a rule; in configuration the text that [`Destination::as_str`] gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Destination {
    /// `client_app`, `tenant_dashboard`, `kitchen_app` or `delivery_app`: every connection of the application.
    Application(ApplicationType),
    /// `every_application`: every connection of the tenant.
    EveryApplication,
    /// `order_room`: who follows the order.
    OrderRoom,
    /// `customer`: every connection of the order's customer.
    Customer,
    /// `assignee`: every connection of the user whom it is assigned to.
    Assignee,
    /// `station_room`: the kitchen station.
    StationRoom,
    /// `route_room`: the delivery route.
    RouteRoom,
}

/// The text names no destination.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a rule's destination is an application (client_app, tenant_dashboard, kitchen_app, delivery_app), \
     every_application, order_room, customer, assignee, station_room or route_room"
)]
pub struct DestinationError;

impl Destination {
    /// The destinations that are rooms, in the order in which an audience lists them.
    pub(crate) const ROOMS: [Self; 5] =
        [Self::OrderRoom, Self::Customer, Self::Assignee, Self::StationRoom, Self::RouteRoom];

    /// The text in configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Application(application) => application.as_str(),
            Self::EveryApplication => "every_application",
            Self::OrderRoom => "order_room",
            Self::Customer => "customer",
            Self::Assignee => "assignee",
            Self::StationRoom => "station_room",
            Self::RouteRoom => "route_room",
        }
    }

    /// The applications it names.
    pub(crate) const fn applications(self) -> ApplicationSet {
        match self {
            Self::Application(application) => ApplicationSet::of(&[application]),
            Self::EveryApplication => ApplicationSet::ALL,
            _ => ApplicationSet::EMPTY,
        }
    }

    /// The room it names, where the event names what the room is for.
    pub(crate) fn room<'a>(self, about: &About<'a>) -> Option<RoomName<'a>> {
        match self {
            Self::Application(_) | Self::EveryApplication => None,
            Self::OrderRoom => about.order.map(RoomName::Order),
            Self::Customer => about.customer.map(RoomName::User),
            Self::Assignee => about.assignee.map(RoomName::User),
            Self::StationRoom => about.station.map(RoomName::KitchenStation),
            Self::RouteRoom => about.route.map(RoomName::DeliveryRoute),
        }
    }

    /// What an event must name for the destination to be reached.
    pub(crate) const fn needs(self) -> Option<&'static str> {
        match self {
            Self::Application(_) | Self::EveryApplication => None,
            Self::OrderRoom => Some("order"),
            Self::Customer => Some("order with a known customer"),
            Self::Assignee => Some("assignee"),
            Self::StationRoom => Some("station"),
            Self::RouteRoom => Some("route"),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Destination {
    type Err = DestinationError;

    fn from_str(text: &str) -> Result<Self, DestinationError> {
        if let Some(application) = ApplicationType::from_wire(text) {
            return Ok(Self::Application(application));
        }
        Self::ROOMS
            .into_iter()
            .chain([Self::EveryApplication])
            .find(|destination| destination.as_str() == text)
            .ok_or(DestinationError)
    }
}

impl TryFrom<String> for Destination {
    type Error = DestinationError;

    fn try_from(text: String) -> Result<Self, DestinationError> {
        text.parse()
    }
}

impl From<Destination> for String {
    fn from(destination: Destination) -> Self {
        destination.as_str().to_owned()
    }
}
