//! What everybody should have got, and what they did get.

use super::cast::Person;
use super::crowd::Crowd;
use super::order::STEPS;
use super::speech::EventNumber;

/// Receipts of durable events: what is counted is an event at one of its receivers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Judgement {
    /// Of events that were answered.
    pub(super) expected: u64,
    /// Of these, those that never came.
    pub(super) lost: u64,
    /// Further receipts of what had come already.
    pub(super) repeated: u64,
    /// Receipts by somebody whom the event was not for.
    pub(super) foreign: u64,
    /// Steps that were sent and never answered.
    pub(super) unanswered: u64,
}

/// Sorts what everybody received, and judges it.
pub(super) fn judge(crowd: &mut Crowd) -> Judgement {
    let mut judgement = Judgement::default();
    for (client, app) in crowd.apps.iter_mut().enumerate() {
        let person = Person::of_client(client);
        app.received.sort_unstable();
        let all = app.received.len();
        app.received.dedup();
        judgement.repeated += (all - app.received.len()) as u64;
        judgement.unanswered += app.unanswered.len() as u64;
        let is_foreign = |number: &&EventNumber| {
            let order = crowd.orders.get(number.order());
            !order.is_some_and(|order| order.is_for(number.step(), person))
        };
        judgement.foreign += app.received.iter().filter(is_foreign).count() as u64;
    }
    for (number, order) in crowd.orders.iter().enumerate() {
        for step in (0..STEPS).filter(|&step| order.is_answered(step)) {
            let event = EventNumber::new(number, step);
            for person in order.people().filter(|&person| order.is_for(step, person)) {
                let received = &crowd.apps[person.client()].received;
                judgement.expected += 1;
                judgement.lost += u64::from(received.binary_search(&event).is_err());
            }
        }
    }
    judgement
}

#[cfg(test)]
mod tests {
    use super::super::cast::PEOPLE;
    use super::super::order::Order;
    use super::*;
    use crate::chance::Chance;
    use crate::dialect::Dialect;

    /// Two restaurants with an order each, of which all steps were answered and all came.
    fn quiet_evening() -> Crowd {
        let mut chance = Chance::new(5);
        let orders = (0..2).map(|restaurant| Order::within(restaurant, 0.0, &mut chance)).collect();
        let mut crowd = Crowd::new(Dialect::Hub, 2 * PEOPLE, orders).unwrap();
        for number in 0..2 {
            for step in 0..STEPS {
                crowd.orders[number].answer(step);
                for person in crowd.orders[number].people() {
                    if crowd.orders[number].is_for(step, person) {
                        let event = EventNumber::new(number, step);
                        crowd.apps[person.client()].received.push(event);
                    }
                }
            }
        }
        crowd
    }

    #[test]
    fn an_evening_on_which_all_came_once_has_no_fault() {
        let judgement = judge(&mut quiet_evening());
        assert!(judgement.expected > 100);
        let expected = judgement.expected;
        assert_eq!(judgement, Judgement { expected, ..Judgement::default() });
    }

    #[test]
    fn what_is_lost_repeated_or_anothers_is_found() {
        let mut crowd = quiet_evening();
        let expected = judge(&mut quiet_evening()).expected;
        let anothers = EventNumber::new(1, 0);
        let dashboard = &mut crowd.apps[0].received;
        let repeated = dashboard[3];
        dashboard.extend([repeated, anothers]);
        dashboard.remove(0);
        let judgement = judge(&mut crowd);
        let found = Judgement { expected, lost: 1, repeated: 1, foreign: 1, unanswered: 0 };
        assert_eq!(judgement, found);
    }
}
