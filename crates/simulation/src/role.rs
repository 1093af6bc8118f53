//! Who there is in a restaurant's world.

use foodtrack_contract::{ApplicationType, UserRole};

/// What somebody does there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A kitchen's screen.
    Kitchen,
    /// The restaurant's dashboard.
    Dashboard,
    /// Somebody who ordered.
    Customer,
    /// Somebody who delivers.
    Courier,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Kitchen, Self::Dashboard, Self::Customer, Self::Courier];

    /// What they connect as.
    pub const fn application(self) -> ApplicationType {
        match self {
            Self::Kitchen => ApplicationType::KitchenApp,
            Self::Dashboard => ApplicationType::TenantDashboard,
            Self::Customer => ApplicationType::ClientApp,
            Self::Courier => ApplicationType::DeliveryApp,
        }
    }

    /// What their token says.
    pub const fn user_role(self) -> UserRole {
        match self {
            Self::Kitchen => UserRole::Chef,
            Self::Dashboard => UserRole::RestaurantManager,
            Self::Customer => UserRole::Customer,
            Self::Courier => UserRole::DeliveryPersonnel,
        }
    }

    /// Their names: the same with every tenant.
    pub const fn users(self) -> &'static [&'static str] {
        match self {
            Self::Kitchen => &["chef"],
            Self::Dashboard => &["mia"],
            Self::Customer => &["ana", "bea"],
            Self::Courier => &["rui", "leo"],
        }
    }
}
