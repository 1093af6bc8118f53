//! Who is there: the same people in every restaurant.

use crate::token;

/// People of a restaurant: 2 dashboards, 2 kitchens, 4 couriers and 10 customers, numbered in this order.
pub(super) const PEOPLE: usize = 2 + 2 + COURIERS + CUSTOMERS;
pub(super) const COURIERS: usize = 4;
pub(super) const CUSTOMERS: usize = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Dashboard,
    Kitchen,
    Courier,
    Customer,
}

impl Role {
    /// Of the person with this number in a restaurant.
    fn of(place: usize) -> Self {
        match place {
            0..2 => Self::Dashboard,
            2..4 => Self::Kitchen,
            4..8 => Self::Courier,
            _ => Self::Customer,
        }
    }

    /// The number of the role's first person.
    fn first(self) -> usize {
        match self {
            Self::Dashboard => 0,
            Self::Kitchen => 2,
            Self::Courier => 4,
            Self::Customer => 8,
        }
    }

    pub(super) fn application(self) -> &'static str {
        match self {
            Self::Dashboard => "tenant_dashboard",
            Self::Kitchen => "kitchen_app",
            Self::Courier => "delivery_app",
            Self::Customer => "client_app",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Dashboard => "restaurant_manager",
            Self::Kitchen => "kitchen_staff",
            Self::Courier => "delivery_personnel",
            Self::Customer => "customer",
        }
    }
}

/// Somebody of some restaurant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) restaurant: usize,
    pub(super) role: Role,
    /// Which of its role.
    pub(super) number: usize,
}

impl Person {
    /// The one behind a client of the swarm.
    pub(super) fn of_client(client: usize) -> Self {
        let place = client % PEOPLE;
        let role = Role::of(place);
        Self { restaurant: client / PEOPLE, role, number: place - role.first() }
    }

    pub(super) fn client(self) -> usize {
        self.restaurant * PEOPLE + self.role.first() + self.number
    }

    pub(super) fn tenant(self) -> String {
        format!("r{}", self.restaurant)
    }

    pub(super) fn user(self) -> String {
        format!("{}-{}", self.role.name(), self.number)
    }

    pub(super) fn token(self) -> Result<String, jsonwebtoken::errors::Error> {
        let (role, application) = (self.role.name(), self.role.application());
        token::person(&self.tenant(), &self.user(), role, application)
    }

    /// On peers, which know no applications: everyone of a role, and each alone.
    pub(super) fn rooms(self) -> [String; 2] {
        [role_room(self.restaurant, self.role), self.own_room()]
    }

    pub(super) fn own_room(self) -> String {
        format!("{}:{}", self.tenant(), self.user())
    }
}

pub(super) fn role_room(restaurant: usize, role: Role) -> String {
    format!("r{restaurant}:{}", role.application())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_is_one_person() {
        for client in 0..3 * PEOPLE {
            assert_eq!(Person::of_client(client).client(), client);
        }
        let customers = (0..PEOPLE).filter(|&it| Person::of_client(it).role == Role::Customer);
        assert_eq!(customers.count(), CUSTOMERS);
    }
}
