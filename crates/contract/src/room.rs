//! Rooms: a room cannot exist without its tenant.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{ApplicationType, IdentifierError, TenantId, is_identifier};

/// What a room gathers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RoomType {
    /// Everyone of the tenant.
    Tenant,
    /// Everyone of one application.
    #[serde(rename = "app")]
    Application,
    /// Everyone who follows one order.
    Order,
    /// Everyone at one kitchen station.
    KitchenStation,
    /// Everyone on one delivery route.
    DeliveryRoute,
    /// Every connection of one user.
    User,
}

impl RoomType {
    /// The first part of the room's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Application => "app",
            Self::Order => "order",
            Self::KitchenStation => "kitchen_station",
            Self::DeliveryRoute => "delivery_route",
            Self::User => "user",
        }
    }
}

impl fmt::Display for RoomType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A room's name within its tenant. The tenant's own part is not in it: who holds a tenant's rooms knows the tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RoomName<'a> {
    /// `tenant:{tenantId}`
    Tenant,
    /// `app:{tenantId}:{applicationType}`
    Application(ApplicationType),
    /// `order:{tenantId}:{orderId}`
    Order(&'a str),
    /// `kitchen_station:{tenantId}:{stationId}`
    KitchenStation(&'a str),
    /// `delivery_route:{tenantId}:{routeId}`
    DeliveryRoute(&'a str),
    /// `user:{tenantId}:{userId}`
    User(&'a str),
}

impl<'a> RoomName<'a> {
    /// What the room gathers.
    pub const fn room_type(self) -> RoomType {
        match self {
            Self::Tenant => RoomType::Tenant,
            Self::Application(_) => RoomType::Application,
            Self::Order(_) => RoomType::Order,
            Self::KitchenStation(_) => RoomType::KitchenStation,
            Self::DeliveryRoute(_) => RoomType::DeliveryRoute,
            Self::User(_) => RoomType::User,
        }
    }

    /// The last part of the name: an identifier, an application, or nothing for the tenant's room.
    pub const fn id(self) -> &'a str {
        match self {
            Self::Tenant => "",
            Self::Application(application) => application.as_str(),
            Self::Order(id)
            | Self::KitchenStation(id)
            | Self::DeliveryRoute(id)
            | Self::User(id) => id,
        }
    }

    /// The room of this name in `tenant`.
    pub fn of(self, tenant: &TenantId) -> Room<'a> {
        Room { tenant: tenant.clone(), name: self }
    }
}

/// A room of one tenant. Two tenants may each have an order 42; the two rooms differ.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Room<'a> {
    tenant: TenantId,
    name: RoomName<'a>,
}

impl Room<'_> {
    /// The tenant.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The name within the tenant.
    pub fn name(&self) -> RoomName<'_> {
        self.name
    }
}

impl fmt::Display for Room<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, tenant) = (self.name.room_type(), &self.tenant);
        match self.name {
            RoomName::Tenant => write!(f, "{kind}:{tenant}"),
            name => write!(f, "{kind}:{tenant}:{}", name.id()),
        }
    }
}

/// Why a text names no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoomError {
    /// The first part is none of the room types.
    #[error(
        "a room is tenant:, app:, order:, kitchen_station:, delivery_route: or user:, then its tenant"
    )]
    UnknownType,
    /// A part does not parse.
    #[error(transparent)]
    Identifier(#[from] IdentifierError),
    /// The application is none of the four.
    #[error("an application's room names one of the four applications")]
    UnknownApplication,
}

impl<'a> Room<'a> {
    /// Parses a whole name, such as `order:t1:42`.
    ///
    /// # Errors
    /// [`RoomError`] says which part is wrong.
    pub fn parse(text: &'a str) -> Result<Self, RoomError> {
        let (kind, rest) = text.split_once(':').ok_or(RoomError::UnknownType)?;
        if kind == "tenant" {
            return Ok(RoomName::Tenant.of(&TenantId::parse(rest)?));
        }
        let (tenant, id) = rest.split_once(':').ok_or(RoomError::UnknownType)?;
        let tenant = TenantId::parse(tenant)?;
        let name = match kind {
            "app" => RoomName::Application(
                ApplicationType::from_wire(id).ok_or(RoomError::UnknownApplication)?,
            ),
            "order" => RoomName::Order(id),
            "kitchen_station" => RoomName::KitchenStation(id),
            "delivery_route" => RoomName::DeliveryRoute(id),
            "user" => RoomName::User(id),
            _ => return Err(RoomError::UnknownType),
        };
        if !is_identifier(id) {
            return Err(IdentifierError::Length.into());
        }
        Ok(name.of(&tenant))
    }
}

impl FromStr for RoomType {
    type Err = RoomError;

    fn from_str(text: &str) -> Result<Self, RoomError> {
        use RoomType as T;
        [T::Tenant, T::Application, T::Order, T::KitchenStation, T::DeliveryRoute, T::User]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or(RoomError::UnknownType)
    }
}
