//! Who is connected: parsed once at the edge, never assumed after.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{ApplicationSet, ApplicationType};

/// The longest identifier of the contract, in characters.
pub const IDENTIFIER_CHARACTERS_MAX: usize = 128;

/// What is wrong with an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentifierError {
    /// A tenant's name is one to 64 of `A-Z a-z 0-9 _ -`.
    #[error("a tenant id is 1 to 64 characters of A-Z, a-z, 0-9, '_' and '-'")]
    Tenant,
    /// Any other identifier is 1 to 128 characters.
    #[error("an identifier is 1 to 128 characters")]
    Length,
}

/// A restaurant, or a chain of them: the wall that nothing crosses.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(Arc<str>);

impl TenantId {
    /// Parses `^[A-Za-z0-9_-]{1,64}$`.
    ///
    /// # Errors
    /// [`IdentifierError::Tenant`] for anything else.
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(IdentifierError::Tenant)
        }
    }

    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether `text` is an identifier of the contract: 1 to 128 characters.
pub fn is_identifier(text: &str) -> bool {
    // A character is one to four bytes: most texts are decided without counting.
    !text.is_empty()
        && (text.len() <= IDENTIFIER_CHARACTERS_MAX
            || (text.len() <= 4 * IDENTIFIER_CHARACTERS_MAX
                && text.chars().count() <= IDENTIFIER_CHARACTERS_MAX))
}

macro_rules! identifiers {
    ($( $(#[$doc:meta])* $name:ident; )*) => { $(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Parses 1 to 128 characters.
            ///
            /// # Errors
            /// [`IdentifierError::Length`] for anything else.
            pub fn parse(text: &str) -> Result<Self, IdentifierError> {
                if is_identifier(text) { Ok(Self(text.into())) } else { Err(IdentifierError::Length) }
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    )* };
}

identifiers! {
    /// A person, or a backend service, within a tenant.
    UserId;
    /// A device that says who it is; never guessed.
    DeviceId;
    /// A token's `jti`.
    TokenId;
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// What a user is to the tenant.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum UserRole {
    /// Orders food.
    Customer,
    /// Works in the kitchen.
    KitchenStaff,
    /// Leads the kitchen.
    Chef,
    /// Brings the food.
    DeliveryPersonnel,
    /// Owns the restaurant.
    RestaurantOwner,
    /// Runs the restaurant.
    RestaurantManager,
    /// Administers the tenant.
    Admin,
    /// A backend service.
    System,
}

impl UserRole {
    /// Every role.
    pub const ALL: [Self; 8] = [
        Self::Customer,
        Self::KitchenStaff,
        Self::Chef,
        Self::DeliveryPersonnel,
        Self::RestaurantOwner,
        Self::RestaurantManager,
        Self::Admin,
        Self::System,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::KitchenStaff => "kitchen_staff",
            Self::Chef => "chef",
            Self::DeliveryPersonnel => "delivery_personnel",
            Self::RestaurantOwner => "restaurant_owner",
            Self::RestaurantManager => "restaurant_manager",
            Self::Admin => "admin",
            Self::System => "system",
        }
    }

    /// Reads the name on the wire.
    pub fn from_wire(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }

    /// What the login of this role opens when its token lists no applications: see [`crate::LoginRole`].
    pub const fn default_applications(self) -> ApplicationSet {
        use ApplicationType as A;
        match self {
            Self::Customer => ApplicationSet::of(&[A::ClientApp]),
            Self::KitchenStaff | Self::Chef => ApplicationSet::of(&[A::KitchenApp]),
            Self::DeliveryPersonnel => ApplicationSet::of(&[A::DeliveryApp]),
            Self::RestaurantManager | Self::RestaurantOwner | Self::Admin => {
                ApplicationSet::of(&[A::TenantDashboard, A::KitchenApp, A::DeliveryApp])
            }
            Self::System => ApplicationSet::EMPTY,
        }
    }

    /// What a token of this role may do when it lists no permissions.
    pub const fn default_permissions(self) -> PermissionSet {
        use Permission as P;
        match self {
            Self::Customer => PermissionSet::of(&[P::ReadOrders, P::WriteOrders, P::ReadDelivery]),
            Self::KitchenStaff | Self::Chef => PermissionSet::of(&[
                P::ReadOrders,
                P::WriteOrders,
                P::ReadKitchen,
                P::WriteKitchen,
                P::ReadInventory,
                P::WriteInventory,
            ]),
            Self::DeliveryPersonnel => PermissionSet::of(&[
                P::ReadOrders,
                P::WriteOrders,
                P::ReadDelivery,
                P::WriteDelivery,
            ]),
            Self::RestaurantManager => PermissionSet::ALL.without(P::AdminAccess),
            Self::RestaurantOwner | Self::Admin | Self::System => PermissionSet::ALL,
        }
    }
}

impl fmt::Display for UserRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing a token may allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[repr(u8)]
pub enum Permission {
    /// `read:orders`
    #[serde(rename = "read:orders")]
    ReadOrders,
    /// `write:orders`
    #[serde(rename = "write:orders")]
    WriteOrders,
    /// `read:kitchen`
    #[serde(rename = "read:kitchen")]
    ReadKitchen,
    /// `write:kitchen`
    #[serde(rename = "write:kitchen")]
    WriteKitchen,
    /// `read:delivery`
    #[serde(rename = "read:delivery")]
    ReadDelivery,
    /// `write:delivery`
    #[serde(rename = "write:delivery")]
    WriteDelivery,
    /// `read:inventory`
    #[serde(rename = "read:inventory")]
    ReadInventory,
    /// `write:inventory`
    #[serde(rename = "write:inventory")]
    WriteInventory,
    /// `admin:access`: every permission within the tenant.
    #[serde(rename = "admin:access")]
    AdminAccess,
}

impl Permission {
    /// Every permission.
    pub const ALL: [Self; 9] = [
        Self::ReadOrders,
        Self::WriteOrders,
        Self::ReadKitchen,
        Self::WriteKitchen,
        Self::ReadDelivery,
        Self::WriteDelivery,
        Self::ReadInventory,
        Self::WriteInventory,
        Self::AdminAccess,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadOrders => "read:orders",
            Self::WriteOrders => "write:orders",
            Self::ReadKitchen => "read:kitchen",
            Self::WriteKitchen => "write:kitchen",
            Self::ReadDelivery => "read:delivery",
            Self::WriteDelivery => "write:delivery",
            Self::ReadInventory => "read:inventory",
            Self::WriteInventory => "write:inventory",
            Self::AdminAccess => "admin:access",
        }
    }

    /// Reads the name on the wire.
    pub fn from_wire(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| permission.as_str() == name)
    }
}

/// What a token allows. `admin:access` implies the rest; [`PermissionSet::allows`] knows.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct PermissionSet(u16);

impl PermissionSet {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Everything.
    pub const ALL: Self = Self(0x1ff);

    /// The set of the given permissions.
    pub const fn of(permissions: &[Permission]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < permissions.len() {
            bits |= 1 << permissions[i] as u16;
            i += 1;
        }
        Self(bits)
    }

    /// The set without `permission`.
    pub const fn without(self, permission: Permission) -> Self {
        Self(self.0 & !(1 << permission as u16))
    }

    /// Adds one.
    pub fn insert(&mut self, permission: Permission) {
        self.0 |= 1 << permission as u16;
    }

    /// Whether the set allows `permission`, itself or through `admin:access`.
    pub const fn allows(self, permission: Permission) -> bool {
        self.0 & (1 << permission as u16 | 1 << Permission::AdminAccess as u16) != 0
    }

    /// Whether the set allows one of `permissions` at least, itself or through `admin:access`.
    pub(crate) const fn allows_any(self, permissions: Self) -> bool {
        self.0 & (permissions.0 | 1 << Permission::AdminAccess as u16) != 0
    }

    /// The members as they were listed, implied ones not among them.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL
            .into_iter()
            .filter(move |permission| self.0 & (1 << *permission as u16) != 0)
    }
}

impl fmt::Debug for PermissionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
