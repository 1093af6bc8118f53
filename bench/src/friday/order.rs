//! An order's life: a dozen durable events, and where its courier is.

use super::cast::{Person, Role};
use crate::chance::Chance;

/// What happens to an order.
pub(super) struct Step {
    pub(super) event: &'static str,
    /// What the event says beside the order's id.
    pub(super) says: Says,
    pub(super) by: Role,
    /// When, in seconds of the evening after the order was to be made. Never before the step before it was answered.
    pub(super) at_s: f64,
    to_kitchens: bool,
    to_couriers: Couriers,
    to_customer: bool,
}

#[derive(Clone, Copy)]
pub(super) enum Says {
    Nothing,
    Customer,
    Assignee,
    Status(&'static str),
}

/// Who of the couriers gets it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Couriers {
    None,
    Assignee,
    All,
}

/// Steps of an order.
pub(super) const STEPS: usize = 12;
/// From its first step to its last, in seconds of the evening.
pub(super) const LIFE_S: f64 = 140.0;
/// Once this one is answered the courier is on the way, until the last one is.
pub(super) const LEAVES: usize = 9;

/// The audience is that of the hub's default rules, every dashboard included.
pub(super) const LIFE: [Step; STEPS] = [
    kitchens("order:created", Says::Customer, Role::Customer, 0.0, true),
    everyone("confirmed", Role::Dashboard, 5.0),
    kitchens("kitchen:order_received", Says::Nothing, Role::Kitchen, 8.0, false),
    kitchens("kitchen:preparation_started", Says::Nothing, Role::Kitchen, 15.0, false),
    everyone("preparing", Role::Kitchen, 16.0),
    Step {
        to_couriers: Couriers::All,
        ..kitchens("kitchen:preparation_completed", Says::Nothing, Role::Kitchen, 60.0, false)
    },
    everyone("ready", Role::Kitchen, 61.0),
    Step { to_customer: false, ..way("delivery:assigned", Says::Assignee, Role::Dashboard, 65.0) },
    way("delivery:picked_up", Says::Nothing, Role::Courier, 80.0),
    everyone("out_for_delivery", Role::Courier, 81.0),
    way("delivery:in_transit", Says::Nothing, Role::Courier, 90.0),
    way("delivery:completed", Says::Nothing, Role::Courier, LIFE_S),
];

const fn kitchens(event: &'static str, says: Says, by: Role, at_s: f64, to_customer: bool) -> Step {
    Step { event, says, by, at_s, to_kitchens: true, to_couriers: Couriers::None, to_customer }
}

const fn everyone(status: &'static str, by: Role, at_s: f64) -> Step {
    let says = Says::Status(status);
    let to_couriers = Couriers::All;
    let event = "order:status_changed";
    Step { event, says, by, at_s, to_kitchens: true, to_couriers, to_customer: true }
}

const fn way(event: &'static str, says: Says, by: Role, at_s: f64) -> Step {
    let to_couriers = Couriers::Assignee;
    Step { event, says, by, at_s, to_kitchens: false, to_couriers, to_customer: true }
}

/// An order of some restaurant.
pub(super) struct Order {
    restaurant: usize,
    customer: usize,
    courier: usize,
    /// Steps that were answered: a bit each.
    answered: u16,
    /// When it is made, in seconds of the evening.
    pub(super) at_s: f64,
}

impl Order {
    /// One that is made within the minute that begins at `minute_s`.
    pub(super) fn within(restaurant: usize, minute_s: f64, chance: &mut Chance) -> Self {
        let customer = chance.below(super::cast::CUSTOMERS);
        let courier = chance.below(super::cast::COURIERS);
        Self { restaurant, customer, courier, answered: 0, at_s: minute_s + 60.0 * chance.unit() }
    }

    fn person(&self, role: Role, number: usize) -> Person {
        Person { restaurant: self.restaurant, role, number }
    }

    pub(super) fn customer(&self) -> Person {
        self.person(Role::Customer, self.customer)
    }

    pub(super) fn courier(&self) -> Person {
        self.person(Role::Courier, self.courier)
    }

    /// Who does a step.
    pub(super) fn actor(&self, step: usize) -> Person {
        match LIFE[step].by {
            Role::Customer => self.customer(),
            Role::Courier => self.courier(),
            // The two dashboards and kitchens share the work.
            role => self.person(role, self.customer % 2),
        }
    }

    /// Notes that a step was answered; returns whether that is new.
    pub(super) fn answer(&mut self, step: usize) -> bool {
        let is_new = !self.is_answered(step);
        self.answered |= 1 << step;
        is_new
    }

    pub(super) fn is_answered(&self, step: usize) -> bool {
        self.answered & 1 << step != 0
    }

    /// Whether somebody of any restaurant is to get a step.
    pub(super) fn is_for(&self, step: usize, person: Person) -> bool {
        let Step { to_kitchens, to_couriers, to_customer, .. } = LIFE[step];
        person.restaurant == self.restaurant
            && match person.role {
                Role::Dashboard => true,
                Role::Kitchen => to_kitchens,
                Role::Courier => match to_couriers {
                    Couriers::None => false,
                    Couriers::Assignee => person == self.courier(),
                    Couriers::All => true,
                },
                Role::Customer => to_customer && person == self.customer(),
            }
    }

    /// The same as rooms, for a peer; without a step those who see where the courier is.
    pub(super) fn rooms(&self, step: Option<usize>) -> Vec<String> {
        let Step { to_kitchens, to_couriers, to_customer, .. } = LIFE[step.unwrap_or(STEPS - 1)];
        let role = |role| super::cast::role_room(self.restaurant, role);
        let courier = match to_couriers {
            Couriers::None => None,
            Couriers::Assignee => Some(self.courier().own_room()),
            Couriers::All => Some(role(Role::Courier)),
        };
        let kitchens = to_kitchens.then(|| role(Role::Kitchen));
        let customer = to_customer.then(|| self.customer().own_room());
        [Some(role(Role::Dashboard)), kitchens, courier, customer].into_iter().flatten().collect()
    }

    /// Everyone of the restaurant.
    pub(super) fn people(&self) -> impl Iterator<Item = Person> + use<> {
        let first = self.restaurant * super::cast::PEOPLE;
        (first..first + super::cast::PEOPLE).map(Person::of_client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_for_its_own_restaurant_and_its_rooms_are_those_of_its_audience() {
        let order = Order::within(1, 0.0, &mut Chance::new(7));
        for step in 0..STEPS {
            let rooms = order.rooms(Some(step));
            for client in 0..3 * super::super::cast::PEOPLE {
                let person = Person::of_client(client);
                let is_in_a_room = person.rooms().iter().any(|room| rooms.contains(room));
                assert_eq!(order.is_for(step, person), is_in_a_room, "{step} {person:?}");
            }
        }
    }

    #[test]
    fn whoever_does_a_step_gets_it_too() {
        let order = Order::within(0, 0.0, &mut Chance::new(1));
        for step in 0..STEPS {
            assert!(order.is_for(step, order.actor(step)), "{step}");
        }
    }
}
