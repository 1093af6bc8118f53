//! The payloads of the built-in event types, one struct per row of the contract's table. Fields that are not kept are
//! there to be checked. An optional field may be absent or null; more fields than these pass unread.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Entities;
use super::field::{Identifier, Latitude, Longitude, Number, Objects, Text};

/// A payload that says what it is about.
pub(super) trait Payload<'a>: Deserialize<'a> + JsonSchema {
    /// The identifiers in it.
    fn entities(self) -> Entities<'a>;
}
/// An order is created, updated or cancelled.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "to read a field is to check it; not all are kept")]
pub(super) struct Order<'a> {
    /// The order.
    #[serde(borrow)]
    order_id: Identifier<'a>,
    /// Who placed it.
    #[serde(borrow)]
    customer_id: Option<Identifier<'a>>,
    /// What was ordered.
    items: Option<Objects>,
    /// What it costs.
    total_amount: Option<Number>,
}

impl<'a> Payload<'a> for Order<'a> {
    fn entities(self) -> Entities<'a> {
        Entities {
            order_id: Some(self.order_id.0),
            customer_id: self.customer_id.map(|id| id.0),
            ..Entities::default()
        }
    }
}

/// An order moves on.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "to read a field is to check it; not all are kept")]
pub(super) struct OrderStatusChanged<'a> {
    /// The order.
    #[serde(borrow)]
    order_id: Identifier<'a>,
    /// What it is now.
    status: Text,
    /// What it was.
    previous_status: Option<Text>,
    /// Who placed it.
    #[serde(borrow)]
    customer_id: Option<Identifier<'a>>,
    /// The kitchen station that moved it.
    #[serde(borrow)]
    station_id: Option<Identifier<'a>>,
    /// A word to people.
    notes: Option<Text>,
    /// What was ordered.
    items: Option<Objects>,
    /// What it costs.
    total_amount: Option<Number>,
}

impl<'a> Payload<'a> for OrderStatusChanged<'a> {
    fn entities(self) -> Entities<'a> {
        Entities {
            order_id: Some(self.order_id.0),
            customer_id: self.customer_id.map(|id| id.0),
            station_id: self.station_id.map(|id| id.0),
            ..Entities::default()
        }
    }
}

/// An order is given to somebody.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "to read a field is to check it; not all are kept")]
pub(super) struct OrderAssigned<'a> {
    /// The order.
    #[serde(borrow)]
    order_id: Identifier<'a>,
    /// The user it is given to.
    #[serde(borrow)]
    assignee_id: Identifier<'a>,
    /// Who placed it.
    #[serde(borrow)]
    customer_id: Option<Identifier<'a>>,
    /// What was ordered.
    items: Option<Objects>,
    /// What it costs.
    total_amount: Option<Number>,
}

impl<'a> Payload<'a> for OrderAssigned<'a> {
    fn entities(self) -> Entities<'a> {
        Entities {
            order_id: Some(self.order_id.0),
            customer_id: self.customer_id.map(|id| id.0),
            assignee_id: Some(self.assignee_id.0),
            ..Entities::default()
        }
    }
}

/// The kitchen works on an order.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Kitchen<'a> {
    /// The order.
    #[serde(borrow)]
    order_id: Identifier<'a>,
    /// The station that works on it.
    #[serde(borrow)]
    station_id: Option<Identifier<'a>>,
    /// The same, by its other name; `stationId` goes first.
    #[serde(borrow)]
    assigned_station: Option<Identifier<'a>>,
}

impl<'a> Payload<'a> for Kitchen<'a> {
    fn entities(self) -> Entities<'a> {
        Entities {
            order_id: Some(self.order_id.0),
            station_id: self.station_id.or(self.assigned_station).map(|id| id.0),
            ..Entities::default()
        }
    }
}

/// A word to the kitchen.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "to read a field is to check it; not all are kept")]
pub(super) struct KitchenNotification<'a> {
    /// The word.
    message: Text,
    /// The order it is about.
    #[serde(borrow)]
    order_id: Option<Identifier<'a>>,
    /// The station it is for.
    #[serde(borrow)]
    station_id: Option<Identifier<'a>>,
    /// The same, by its other name; `stationId` goes first.
    #[serde(borrow)]
    assigned_station: Option<Identifier<'a>>,
}

impl<'a> Payload<'a> for KitchenNotification<'a> {
    fn entities(self) -> Entities<'a> {
        Entities {
            order_id: self.order_id.map(|id| id.0),
            station_id: self.station_id.or(self.assigned_station).map(|id| id.0),
            ..Entities::default()
        }
    }
}

/// An order is given to a station.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "to read a field is to check it; not all are kept")]
pub(super) struct KitchenStationAssignment<'a> {
    /// The order.
    #[serde(borrow)]
    order_id: Identifier<'a>,
    /// The station.
    #[serde(borrow)]
    station_id: Identifier<'a>,
    /// The same, by its other name; `stationId` goes first.
    #[serde(borrow)]
    assigned_station: Option<Identifier<'a>>,
}

impl<'a> Payload<'a> for KitchenStationAssignment<'a> {
    fn entities(self) -> Entities<'a> {
        Entities {
            order_id: Some(self.order_id.0),
            station_id: Some(self.station_id.0),
            ..Entities::default()
        }
    }
}

/// An order is on its way.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "to read a field is to check it; not all are kept")]
pub(super) struct Delivery<'a> {
    /// The order.
    #[serde(borrow)]
    order_id: Identifier<'a>,
    /// The delivery.
    #[serde(borrow)]
    delivery_id: Option<Identifier<'a>>,
    /// The route it is on.
    #[serde(borrow)]
    route_id: Option<Identifier<'a>>,
    /// Who placed the order.
    #[serde(borrow)]
    customer_id: Option<Identifier<'a>>,
    /// Why, where there is a why.
    reason: Option<Text>,
}

impl<'a> Payload<'a> for Delivery<'a> {
    fn entities(self) -> Entities<'a> {
        Entities {
            order_id: Some(self.order_id.0),
            customer_id: self.customer_id.map(|id| id.0),
            route_id: self.route_id.map(|id| id.0),
            ..Entities::default()
        }
    }
}

/// A delivery is given to a courier.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "to read a field is to check it; not all are kept")]
pub(super) struct DeliveryAssigned<'a> {
    /// The order.
    #[serde(borrow)]
    order_id: Identifier<'a>,
    /// The user it is given to.
    #[serde(borrow)]
    assignee_id: Identifier<'a>,
    /// The delivery.
    #[serde(borrow)]
    delivery_id: Option<Identifier<'a>>,
    /// The route it is on.
    #[serde(borrow)]
    route_id: Option<Identifier<'a>>,
    /// Who placed the order.
    #[serde(borrow)]
    customer_id: Option<Identifier<'a>>,
    /// Why, where there is a why.
    reason: Option<Text>,
}

impl<'a> Payload<'a> for DeliveryAssigned<'a> {
    fn entities(self) -> Entities<'a> {
        Entities {
            order_id: Some(self.order_id.0),
            customer_id: self.customer_id.map(|id| id.0),
            route_id: self.route_id.map(|id| id.0),
            assignee_id: Some(self.assignee_id.0),
            ..Entities::default()
        }
    }
}

/// Where a courier is.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "to read a field is to check it; not all are kept")]
pub(super) struct DeliveryLocationUpdated<'a> {
    /// The order.
    #[serde(borrow)]
    order_id: Identifier<'a>,
    /// Degrees north.
    latitude: Latitude,
    /// Degrees east.
    longitude: Longitude,
    /// Where the courier is heading, in degrees.
    heading: Option<Number>,
    /// How fast.
    speed: Option<Number>,
    /// The delivery.
    #[serde(borrow)]
    delivery_id: Option<Identifier<'a>>,
    /// The route it is on.
    #[serde(borrow)]
    route_id: Option<Identifier<'a>>,
    /// Who placed the order.
    #[serde(borrow)]
    customer_id: Option<Identifier<'a>>,
    /// Why, where there is a why.
    reason: Option<Text>,
}

impl<'a> Payload<'a> for DeliveryLocationUpdated<'a> {
    fn entities(self) -> Entities<'a> {
        Entities {
            order_id: Some(self.order_id.0),
            customer_id: self.customer_id.map(|id| id.0),
            route_id: self.route_id.map(|id| id.0),
            ..Entities::default()
        }
    }
}

/// An ingredient runs out.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "to read a field is to check it; not all are kept")]
pub(super) struct InventoryLowStock<'a> {
    /// The ingredient.
    #[serde(borrow)]
    ingredient_id: Identifier<'a>,
    /// What is left.
    current_stock: Number,
    /// What should be there.
    minimum_stock: Number,
    /// Of what the numbers count.
    unit: Option<Text>,
    /// How bad it is.
    severity: Option<Text>,
}

impl<'a> Payload<'a> for InventoryLowStock<'a> {
    fn entities(self) -> Entities<'a> {
        Entities::default()
    }
}

/// An ingredient was used.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "to read a field is to check it; not all are kept")]
pub(super) struct InventoryUsageUpdate<'a> {
    /// The ingredient.
    #[serde(borrow)]
    ingredient_id: Identifier<'a>,
    /// How much of it.
    quantity: Number,
    /// The order it was used for.
    #[serde(borrow)]
    order_id: Option<Identifier<'a>>,
    /// What is left.
    remaining_stock: Option<Number>,
}

impl<'a> Payload<'a> for InventoryUsageUpdate<'a> {
    fn entities(self) -> Entities<'a> {
        Entities { order_id: self.order_id.map(|id| id.0), ..Entities::default() }
    }
}

/// A product of the menu.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "to read a field is to check it; not all are kept")]
pub(super) struct Product<'a> {
    /// The product.
    #[serde(borrow)]
    product_id: Identifier<'a>,
}

impl<'a> Payload<'a> for Product<'a> {
    fn entities(self) -> Entities<'a> {
        Entities::default()
    }
}

/// A product can be ordered, or no longer.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "to read a field is to check it; not all are kept")]
pub(super) struct ProductAvailabilityChanged<'a> {
    /// The product.
    #[serde(borrow)]
    product_id: Identifier<'a>,
    /// Whether it can be ordered.
    available: bool,
}

impl<'a> Payload<'a> for ProductAvailabilityChanged<'a> {
    fn entities(self) -> Entities<'a> {
        Entities::default()
    }
}

/// Something is wrong with a dish.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "to read a field is to check it; not all are kept")]
pub(super) struct QualityIssueReported<'a> {
    /// The order.
    #[serde(borrow)]
    order_id: Identifier<'a>,
    /// What is wrong.
    issue: Text,
    /// How bad it is.
    severity: Option<Text>,
    /// The station it was found at.
    #[serde(borrow)]
    station_id: Option<Identifier<'a>>,
    /// Whether it must be made again.
    requires_remake: Option<bool>,
}

impl<'a> Payload<'a> for QualityIssueReported<'a> {
    fn entities(self) -> Entities<'a> {
        Entities {
            order_id: Some(self.order_id.0),
            station_id: self.station_id.map(|id| id.0),
            ..Entities::default()
        }
    }
}

/// A station asks for help.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "to read a field is to check it; not all are kept")]
pub(super) struct StationHelpRequested<'a> {
    /// The station.
    #[serde(borrow)]
    station_id: Identifier<'a>,
    /// What kind of help.
    help_type: Option<Text>,
    /// A word about it.
    message: Option<Text>,
}

impl<'a> Payload<'a> for StationHelpRequested<'a> {
    fn entities(self) -> Entities<'a> {
        Entities { station_id: Some(self.station_id.0), ..Entities::default() }
    }
}

/// A word to people.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "to read a field is to check it; not all are kept")]
pub(super) struct Notification {
    /// The word.
    message: Text,
    /// Its title.
    title: Option<Text>,
    /// How loud to show it.
    level: Option<Text>,
}

impl<'a> Payload<'a> for Notification {
    fn entities(self) -> Entities<'a> {
        Entities::default()
    }
}

/// A restaurant's figures of the day. More numbers pass.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "to read a field is to check it; not all are kept")]
pub(super) struct TenantMetrics {
    /// What was taken today.
    total_revenue_today: Number,
    /// How many orders were completed today.
    completed_orders_today: Number,
    /// How many orders are under way.
    active_orders: Number,
}

impl<'a> Payload<'a> for TenantMetrics {
    fn entities(self) -> Entities<'a> {
        Entities::default()
    }
}
