//! The built-in event types, their groups and how they travel.

use std::fmt;
use std::sync::Arc;

macro_rules! event_types {
    ($( $variant:ident = $name:literal, $group:ident, $class:ident; )*) => {
        /// A built-in event type; a Socket.IO event is named after it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum EventType {
            $( #[doc = concat!("`", $name, "`")] $variant, )*
        }

        impl EventType {
            /// Every built-in event type, in the contract's order.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )* ];

            /// The name on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $name, )* }
            }

            /// Reads the name on the wire.
            pub fn from_wire(name: &str) -> Option<Self> {
                match name { $( $name => Some(Self::$variant), )* _ => None }
            }

            /// The group the type belongs to.
            pub const fn group(self) -> EventGroup {
                match self { $( Self::$variant => EventGroup::$group, )* }
            }

            /// Whether it says who an order is assigned to.
            pub const fn assigns_order(self) -> bool {
                matches!(self, Self::OrderAssigned | Self::DeliveryAssigned)
            }

            /// How the type travels unless configuration says otherwise.
            pub const fn delivery_class(self) -> DeliveryClass {
                match self { $( Self::$variant => DeliveryClass::$class, )* }
            }
        }
    };
}

event_types! {
    OrderCreated = "order:created", Order, Durable;
    OrderUpdated = "order:updated", Order, Durable;
    OrderStatusChanged = "order:status_changed", Order, Durable;
    OrderAssigned = "order:assigned", Order, Durable;
    OrderCancelled = "order:cancelled", Order, Durable;
    KitchenOrderReceived = "kitchen:order_received", Kitchen, Durable;
    KitchenPreparationStarted = "kitchen:preparation_started", Kitchen, Durable;
    KitchenPreparationCompleted = "kitchen:preparation_completed", Kitchen, Durable;
    KitchenNotification = "kitchen:notification", Kitchen, Durable;
    KitchenStationAssignment = "kitchen:station_assignment", Kitchen, Durable;
    DeliveryAssigned = "delivery:assigned", Delivery, Durable;
    DeliveryPickedUp = "delivery:picked_up", Delivery, Durable;
    DeliveryInTransit = "delivery:in_transit", Delivery, Durable;
    DeliveryCompleted = "delivery:completed", Delivery, Durable;
    DeliveryDelayed = "delivery:delayed", Delivery, Durable;
    DeliveryLocationUpdated = "delivery:location_updated", Delivery, Volatile;
    InventoryLowStock = "inventory:low_stock", Inventory, Durable;
    InventoryUsageUpdate = "inventory:usage_update", Inventory, Durable;
    ProductCreated = "product:created", Product, Durable;
    ProductUpdated = "product:updated", Product, Durable;
    ProductDeleted = "product:deleted", Product, Durable;
    ProductAvailabilityChanged = "product:availability_changed", Product, Durable;
    QualityIssueReported = "quality:issue_reported", Quality, Durable;
    StationHelpRequested = "station:help_requested", Station, Durable;
    NotificationAlert = "notification:alert", Notification, Recoverable;
    NotificationInfo = "notification:info", Notification, Recoverable;
    NotificationWarning = "notification:warning", Notification, Recoverable;
    TenantMetrics = "tenant:metrics", Tenant, Volatile;
    SystemConnectionEstablished = "system:connection_established", System, Volatile;
    SystemHeartbeat = "system:heartbeat", System, Volatile;
    SystemError = "system:error", System, Volatile;
    SystemReconnectionRequired = "system:reconnection_required", System, Volatile;
    SystemMetrics = "system:metrics", System, Recoverable;
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventGroup {
    /// A customer's order.
    Order,
    /// Its preparation.
    Kitchen,
    /// Its way to the customer.
    Delivery,
    /// Ingredients.
    Inventory,
    /// The menu.
    Product,
    /// What went wrong with a dish.
    Quality,
    /// A kitchen station.
    Station,
    /// A word to people.
    Notification,
    /// The restaurant as a whole.
    Tenant,
    /// The server's own.
    System,
}

impl EventGroup {
    /// Every group, in the order of its declaration.
    pub const ALL: [Self; 10] = [
        Self::Order,
        Self::Kitchen,
        Self::Delivery,
        Self::Inventory,
        Self::Product,
        Self::Quality,
        Self::Station,
        Self::Notification,
        Self::Tenant,
        Self::System,
    ];

    /// The part of its events' names before the colon.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Kitchen => "kitchen",
            Self::Delivery => "delivery",
            Self::Inventory => "inventory",
            Self::Product => "product",
            Self::Quality => "quality",
            Self::Station => "station",
            Self::Notification => "notification",
            Self::Tenant => "tenant",
            Self::System => "system",
        }
    }
}

/// What the server promises about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryClass {
    /// On disk before it is acknowledged or fanned out.
    Durable,
    /// In the log, without waiting for the disk.
    Recoverable,
    /// Never logged, dropped for a slow consumer.
    Volatile,
}

impl DeliveryClass {
    /// Every class, in the order of its declaration.
    pub const ALL: [Self; 3] = [Self::Durable, Self::Recoverable, Self::Volatile];

    /// As configuration names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Durable => "durable",
            Self::Recoverable => "recoverable",
            Self::Volatile => "volatile",
        }
    }
}

/// The name of an event: a built-in type, or one that a tenant declared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EventName {
    /// From the contract.
    Builtin(EventType),
    /// From a tenant's declaration.
    Declared(Arc<str>),
}

impl EventName {
    /// The name on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Builtin(event_type) => event_type.as_str(),
            Self::Declared(name) => name,
        }
    }
}

impl From<EventType> for EventName {
    fn from(event_type: EventType) -> Self {
        Self::Builtin(event_type)
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
