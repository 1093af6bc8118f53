//! An event that a schedule publishes, and who is to get it.

use foodtrack_contract::{ApplicationType, Priority};
use serde_json::{Value, json};

use crate::Role;
use foodtrack_history_checker::{Attempt, Audience, Class};

/// What a schedule publishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// What it is known by: the message's id, or where it has none, a name in its payload.
    pub id: String,
    /// Whether its publisher gives the message its id, or leaves that to the hub: who repeats it then says so by nothing but
    /// what it says.
    pub has_id: bool,
    /// What it is.
    pub topic: Topic,
    /// The order it is about; for products and stock the thing's own id.
    pub about: String,
    /// The order's customer, where the hub knows one.
    pub customer: Option<String>,
    /// Its priority.
    pub priority: Priority,
    /// Its number in the schedule.
    pub number: u64,
    /// Bytes that fill it up, for readers who are slow.
    pub padding_bytes: usize,
}

/// The event types that schedules use: each way through routing, class and entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// `order:created`
    Created,
    /// `order:updated`
    Updated,
    /// `order:status_changed`
    StatusChanged,
    /// `kitchen:preparation_started`
    Started,
    /// `delivery:picked_up`
    PickedUp,
    /// `delivery:location_updated`
    Location,
    /// `inventory:low_stock`
    LowStock,
    /// `product:updated`
    Product,
    /// `notification:info`
    Notification,
}

impl Topic {
    /// What somebody of this role may send; `None`: a back end, who may send all.
    pub const fn sent_by(role: Option<Role>) -> &'static [Self] {
        match role {
            None => &[
                Self::Created,
                Self::Updated,
                Self::StatusChanged,
                Self::Started,
                Self::PickedUp,
                Self::LowStock,
                Self::Product,
                Self::Notification,
            ],
            Some(Role::Dashboard) => {
                &[Self::Created, Self::Updated, Self::StatusChanged, Self::Product]
            }
            Some(Role::Kitchen) => &[Self::StatusChanged, Self::Started, Self::LowStock],
            Some(Role::Courier) => &[Self::StatusChanged, Self::PickedUp, Self::Location],
            Some(Role::Customer) => &[],
        }
    }

    /// The name on the wire.
    pub const fn event_type(self) -> &'static str {
        match self {
            Self::Created => "order:created",
            Self::Updated => "order:updated",
            Self::StatusChanged => "order:status_changed",
            Self::Started => "kitchen:preparation_started",
            Self::PickedUp => "delivery:picked_up",
            Self::Location => "delivery:location_updated",
            Self::LowStock => "inventory:low_stock",
            Self::Product => "product:updated",
            Self::Notification => "notification:info",
        }
    }

    pub(crate) const fn class(self) -> Class {
        match self {
            Self::Location => Class::Volatile,
            Self::Notification => Class::Recoverable,
            _ => Class::Durable,
        }
    }

    /// The applications that get it and may read it.
    const fn applications(self) -> &'static [ApplicationType] {
        use ApplicationType::{ClientApp, DeliveryApp, KitchenApp, TenantDashboard};
        match self {
            Self::StatusChanged => &[TenantDashboard, KitchenApp, DeliveryApp],
            Self::Created | Self::Updated | Self::Started | Self::LowStock => {
                &[TenantDashboard, KitchenApp]
            }
            Self::PickedUp | Self::Location => &[TenantDashboard],
            Self::Product | Self::Notification => {
                &[TenantDashboard, KitchenApp, DeliveryApp, ClientApp]
            }
        }
    }

    const fn is_for_the_order(self) -> bool {
        use Topic::{Created, Location, PickedUp, StatusChanged, Updated};
        matches!(self, Created | Updated | StatusChanged | PickedUp | Location)
    }

    const fn is_about_an_order(self) -> bool {
        !matches!(self, Self::LowStock | Self::Product | Self::Notification)
    }
}

impl Publication {
    /// Whether whom it is for depends on an order that was made before.
    pub fn needs_order(&self) -> bool {
        self.topic.is_for_the_order() && self.topic != Topic::Created && self.customer.is_some()
    }

    /// Text that no packing makes smaller, or else it would fill no disk.
    fn padding(&self) -> String {
        let mut random = fastrand::Rng::with_seed(self.number);
        std::iter::repeat_with(|| random.alphanumeric()).take(self.padding_bytes).collect()
    }

    /// The message as a publisher of the tenant sends it.
    pub fn message(&self, tenant: &str) -> String {
        let mut payload = json!({
            "origin": tenant,
            "number": self.number,
            "padding": self.padding(),
        });
        let about = json!(self.about);
        match self.topic {
            Topic::Created => {
                payload["orderId"] = about;
                payload["customerId"] = self.customer.as_ref().map_or(Value::Null, |c| json!(c));
            }
            Topic::StatusChanged => {
                payload["orderId"] = about;
                payload["status"] = json!("ready");
            }
            Topic::Location => {
                payload["orderId"] = about;
                payload["latitude"] = json!(1.5);
                payload["longitude"] = json!(2.5);
            }
            Topic::LowStock => {
                payload["ingredientId"] = about;
                payload["currentStock"] = json!(1);
                payload["minimumStock"] = json!(2);
            }
            Topic::Product => payload["productId"] = about,
            Topic::Notification => payload["message"] = about,
            Topic::Updated | Topic::Started | Topic::PickedUp => payload["orderId"] = about,
        }
        let (kind, priority) = (self.topic.event_type(), self.priority.as_str());
        let mut message = json!({ "type": kind, "priority": priority, "payload": payload });
        if self.has_id {
            message["id"] = json!(self.id);
        } else {
            message["payload"]["name"] = json!(self.id);
        }
        message.to_string()
    }

    /// The record of an attempt.
    pub fn attempt(&self, tenant: &str) -> Attempt {
        let applications =
            self.topic.applications().iter().map(|one| one.as_str().to_owned()).collect();
        let (users, orders) = if self.topic.is_for_the_order() {
            (self.customer.iter().cloned().collect(), vec![self.about.clone()])
        } else {
            (Vec::new(), Vec::new())
        };
        Attempt {
            tenant: tenant.to_owned(),
            id: self.id.clone(),
            event_type: self.topic.event_type().to_owned(),
            entity: self.topic.is_about_an_order().then(|| self.about.clone()),
            class: self.topic.class(),
            priority: self.priority,
            audience: Audience { applications, users, orders },
        }
    }
}
