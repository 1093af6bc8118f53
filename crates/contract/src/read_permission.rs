//! What receiving an event takes.

use serde::{Serialize, Serializer};

use crate::{ApplicationSet, ApplicationType, EventGroup, EventType, Permission, PermissionSet};

/// What receiving an event takes: any one of the permissions that [`ReadPermission::any_of`] lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReadPermission {
    /// `read:orders`
    Orders,
    /// `read:kitchen`
    Kitchen,
    /// `read:delivery`
    Delivery,
    /// `read:inventory`
    Inventory,
    /// `read:kitchen` or `read:delivery`: couriers too want to know when an order is ready. A customer's `read:delivery`
    /// is about the delivery of an own order, and does not count: see [`ReadPermission::is_held_by`].
    KitchenOrDelivery,
}

impl ReadPermission {
    /// Each of them.
    pub const ALL: [Self; 5] =
        [Self::Orders, Self::Kitchen, Self::Delivery, Self::Inventory, Self::KitchenOrDelivery];

    /// What receiving an event of this type takes; `None` where everyone of the tenant may.
    pub const fn of_event(event: EventType) -> Option<Self> {
        match event {
            EventType::KitchenPreparationCompleted => Some(Self::KitchenOrDelivery),
            event => Self::of_group(event.group()),
        }
    }

    /// What receiving an event of this group takes unless its type says otherwise.
    pub const fn of_group(group: EventGroup) -> Option<Self> {
        match group {
            EventGroup::Order => Some(Self::Orders),
            EventGroup::Kitchen | EventGroup::Quality | EventGroup::Station => Some(Self::Kitchen),
            EventGroup::Delivery => Some(Self::Delivery),
            EventGroup::Inventory => Some(Self::Inventory),
            EventGroup::Product
            | EventGroup::Notification
            | EventGroup::Tenant
            | EventGroup::System => None,
        }
    }

    /// The permissions of which one is enough.
    pub const fn any_of(self) -> &'static [Permission] {
        match self {
            Self::Orders => &[Permission::ReadOrders],
            Self::Kitchen => &[Permission::ReadKitchen],
            Self::Delivery => &[Permission::ReadDelivery],
            Self::Inventory => &[Permission::ReadInventory],
            Self::KitchenOrDelivery => &[Permission::ReadKitchen, Permission::ReadDelivery],
        }
    }

    /// Whether a connection of `application` (empty for a back end's) with these permissions may receive the event.
    ///
    /// Cost: two comparisons.
    pub const fn is_held_by(self, permissions: PermissionSet, application: ApplicationSet) -> bool {
        const SETS: [PermissionSet; 5] = {
            let mut sets = [PermissionSet::NONE; 5];
            let mut i = 0;
            while i < sets.len() {
                sets[i] = PermissionSet::of(ReadPermission::ALL[i].any_of());
                i += 1;
            }
            sets
        };
        let set = match self {
            Self::KitchenOrDelivery if application.contains(ApplicationType::ClientApp) => {
                SETS[Self::Kitchen as usize]
            }
            _ => SETS[self as usize],
        };
        permissions.allows_any(set)
    }

    /// In words, as logs keep it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Orders => "read:orders",
            Self::Kitchen => "read:kitchen",
            Self::Delivery => "read:delivery",
            Self::Inventory => "read:inventory",
            Self::KitchenOrDelivery => "read:kitchen or read:delivery",
        }
    }

    /// Reads what [`ReadPermission::as_str`] gives.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }
}

/// The list of permissions.
impl Serialize for ReadPermission {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.any_of().serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COURIERS: ApplicationSet = ApplicationSet::of(&[ApplicationType::DeliveryApp]);

    #[test]
    fn one_of_the_permissions_is_enough_and_no_other_is() {
        for read in ReadPermission::ALL {
            for permission in Permission::ALL {
                let expected =
                    read.any_of().contains(&permission) || permission == Permission::AdminAccess;
                let permissions = PermissionSet::of(&[permission]);
                for application in [ApplicationSet::EMPTY, COURIERS] {
                    let held = read.is_held_by(permissions, application);
                    assert_eq!(held, expected, "{read:?} {permission:?}");
                }
            }
            assert!(!read.is_held_by(PermissionSet::NONE, COURIERS));
            assert_eq!(ReadPermission::parse(read.as_str()), Some(read));
        }
    }

    #[test]
    fn a_customers_delivery_does_not_open_the_kitchen() {
        let customers = ApplicationSet::of(&[ApplicationType::ClientApp]);
        let may = |read: ReadPermission, permission| {
            read.is_held_by(PermissionSet::of(&[permission]), customers)
        };
        assert!(!may(ReadPermission::KitchenOrDelivery, Permission::ReadDelivery));
        assert!(may(ReadPermission::KitchenOrDelivery, Permission::ReadKitchen));
        assert!(may(ReadPermission::KitchenOrDelivery, Permission::AdminAccess));
        assert!(may(ReadPermission::Delivery, Permission::ReadDelivery));
    }

    #[test]
    fn what_logs_said_before_is_read_as_before() {
        for (name, read) in [
            ("read:orders", ReadPermission::Orders),
            ("read:kitchen", ReadPermission::Kitchen),
            ("read:delivery", ReadPermission::Delivery),
            ("read:inventory", ReadPermission::Inventory),
        ] {
            assert_eq!(ReadPermission::parse(name), Some(read));
        }
    }
}
