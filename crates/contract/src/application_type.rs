//! The four applications, and the spellings of their names that a handshake may use.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// One of FoodTrack's applications.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum ApplicationType {
    /// What customers order with.
    ClientApp,
    /// What the restaurant watches.
    TenantDashboard,
    /// What the kitchen cooks from.
    KitchenApp,
    /// What couriers ride with.
    DeliveryApp,
}

impl ApplicationType {
    /// Every application, in declaration order.
    pub const ALL: [Self; 4] =
        [Self::ClientApp, Self::TenantDashboard, Self::KitchenApp, Self::DeliveryApp];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientApp => "client_app",
            Self::TenantDashboard => "tenant_dashboard",
            Self::KitchenApp => "kitchen_app",
            Self::DeliveryApp => "delivery_app",
        }
    }

    /// Reads the name on the wire, and nothing else.
    pub fn from_wire(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|application| application.as_str() == name)
    }

    /// Reads what a client may say of itself in its handshake: the name on the wire or a short form.
    pub fn from_handshake(name: &str) -> Option<Self> {
        match name {
            "client" | "customer" => Some(Self::ClientApp),
            "tenant" | "dashboard" => Some(Self::TenantDashboard),
            "kitchen" => Some(Self::KitchenApp),
            "delivery" => Some(Self::DeliveryApp),
            _ => Self::from_wire(name),
        }
    }
}

impl fmt::Display for ApplicationType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of applications: a token's, a rule's, a message's target.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ApplicationSet(u8);

impl ApplicationSet {
    /// No application.
    pub const EMPTY: Self = Self(0);
    /// All four.
    pub const ALL: Self = Self(0b1111);

    /// The set of the given applications.
    pub const fn of(applications: &[ApplicationType]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < applications.len() {
            bits |= 1 << applications[i] as u8;
            i += 1;
        }
        Self(bits)
    }

    /// Adds one.
    pub fn insert(&mut self, application: ApplicationType) {
        self.0 |= 1 << application as u8;
    }

    /// Whether `application` is in the set.
    pub const fn contains(self, application: ApplicationType) -> bool {
        self.0 & (1 << application as u8) != 0
    }

    /// What is in both.
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in either.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether nothing is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The set as a store keeps it: one bit for each application, in declaration order.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The set that a store kept; bits of no application are left out.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// How many applications are in the set.
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// The members, in declaration order.
    pub fn iter(self) -> impl Iterator<Item = ApplicationType> {
        ApplicationType::ALL.into_iter().filter(move |application| self.contains(*application))
    }
}

impl FromIterator<ApplicationType> for ApplicationSet {
    fn from_iter<I: IntoIterator<Item = ApplicationType>>(applications: I) -> Self {
        let mut set = Self::EMPTY;
        applications.into_iter().for_each(|application| set.insert(application));
        set
    }
}

impl fmt::Debug for ApplicationSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl Serialize for ApplicationSet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for ApplicationSet {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<ApplicationType>::deserialize(deserializer)?.into_iter().collect())
    }
}

impl JsonSchema for ApplicationSet {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("ApplicationSet")
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names = ApplicationType::ALL.map(ApplicationType::as_str);
        let one = json_schema!({ "type": "string", "enum": names });
        json_schema!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
    }
}

/// Who sent a message: an application, or the server and the back ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// One of the four applications.
    Application(ApplicationType),
    /// The server itself or a backend service.
    System,
}

impl Source {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Application(application) => application.as_str(),
            Self::System => "system",
        }
    }

    /// Reads the name on the wire.
    pub fn from_wire(name: &str) -> Option<Self> {
        match name {
            "system" => Some(Self::System),
            _ => ApplicationType::from_wire(name).map(Self::Application),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl JsonSchema for Source {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Source")
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let applications = ApplicationType::ALL.into_iter().map(Self::Application);
        let names: Vec<&str> = applications.chain([Self::System]).map(Self::as_str).collect();
        json_schema!({ "type": "string", "enum": names })
    }
}
