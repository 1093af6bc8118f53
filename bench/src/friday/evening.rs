//! The plan of an evening: what happens when. The same for the same seed; what waits for an answer comes later than planned.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::order::{LIFE, LIFE_S, Order};
use super::speech::EventNumber;
use crate::chance::Chance;

/// How often a courier on the way says where it is, in seconds of the evening.
const LOCATION_EVERY_S: f64 = 3.0;
/// Lines that are torn in a minute of the evening.
const TORN_SHARE: f64 = 0.01;
/// How long a customer's phone sleeps and is awake, in seconds of the evening.
const ASLEEP_S: [f64; 2] = [10.0, 100.0];
const AWAKE_S: [f64; 2] = [120.0, 360.0];
/// How socket.io-client comes back by default: after a second, give or take half of it, twice as long each time up to five.
const DELAY_S: f64 = 1.0;
const DELAY_MAX_S: f64 = 5.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Happening {
    /// Somebody does a step of an order.
    Act(EventNumber),
    /// The courier of an order says where it is.
    Location(usize),
    /// Somebody's line is torn.
    Tear,
    FallAsleep(usize),
    /// Somebody opens a line, unless there is one.
    Come(usize),
    /// A step that was refused is sent again.
    Resend(EventNumber),
    KillNode,
}

pub(super) struct Evening {
    pub(super) chance: Chance,
    speed: f64,
    /// By time in nanoseconds after the beginning, then in the order in which it was planned.
    planned: BinaryHeap<Reverse<(u64, u64, Happening)>>,
    count: u64,
}

impl Evening {
    /// An evening without orders yet, `speed` times as fast as the clock.
    pub(super) fn new(seed: u64, speed: f64) -> Self {
        Self { chance: Chance::new(seed), speed, planned: BinaryHeap::new(), count: 0 }
    }

    /// Plans orders, sleep and torn lines. Before `minutes` are measured, orders begin for as long as one lives. Returns the orders; an
    /// order's number is its place.
    pub(super) fn plan(
        &mut self,
        restaurants: usize,
        minutes: u32,
        phones: impl Iterator<Item = usize>,
    ) -> Vec<Order> {
        let end_s = LIFE_S + 60.0 * f64::from(minutes);
        let mut orders = Vec::new();
        let mut minute_s = 0.0;
        while minute_s < end_s {
            for restaurant in 0..restaurants {
                let order = Order::within(restaurant, minute_s, &mut self.chance);
                self.at(order.at_s, Happening::Act(EventNumber::new(orders.len(), 0)));
                orders.push(order);
            }
            minute_s += 60.0;
        }
        for phone in phones {
            let asleep_s = self.chance.between(0.0, AWAKE_S[1]);
            self.at(asleep_s, Happening::FallAsleep(phone));
        }
        orders
    }

    /// The time on the clock of a moment of the evening.
    pub(super) fn clock(&self, seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds / self.speed)
    }

    fn seconds(&self, clock: Duration) -> f64 {
        clock.as_secs_f64() * self.speed
    }

    fn at(&mut self, seconds: f64, happening: Happening) {
        let due_ns = u64::try_from(self.clock(seconds).as_nanos()).unwrap_or(u64::MAX);
        self.planned.push(Reverse((due_ns, self.count, happening)));
        self.count += 1;
    }

    /// What is due `now` after the beginning, one after the other.
    pub(super) fn next_due(&mut self, now: Duration) -> Option<Happening> {
        let &Reverse((due_ns, _, happening)) = self.planned.peek()?;
        if Duration::from_nanos(due_ns) > now {
            return None;
        }
        self.planned.pop();
        Some(happening)
    }

    /// Plans the kill of a node in the middle of what is measured.
    pub(super) fn kill_node(&mut self, minutes: u32) {
        self.at(LIFE_S + 30.0 * f64::from(minutes), Happening::KillNode);
    }

    /// A step was answered: plans the next one, not before its time.
    pub(super) fn go_on(&mut self, order_at_s: f64, answered: EventNumber, now: Duration) {
        let next = answered.step() + 1;
        if let Some(step) = LIFE.get(next) {
            let due_s = (order_at_s + step.at_s).max(self.seconds(now));
            self.at(due_s, Happening::Act(EventNumber::new(answered.order(), next)));
        }
    }

    pub(super) fn locate(&mut self, order: usize, now: Duration) {
        self.at(self.seconds(now) + LOCATION_EVERY_S, Happening::Location(order));
    }

    /// Plans when the next of so many lines is torn.
    pub(super) fn tear(&mut self, lines: usize, now: Duration) {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let every_s = 60.0 / (TORN_SHARE * lines as f64);
        self.at(self.seconds(now) + every_s, Happening::Tear);
    }

    /// A phone falls asleep: plans when it comes back, and when it falls asleep again.
    pub(super) fn sleep(&mut self, phone: usize, now: Duration) {
        let awake_s = self.seconds(now) + self.chance.between(ASLEEP_S[0], ASLEEP_S[1]);
        let asleep_s = awake_s + self.chance.between(AWAKE_S[0], AWAKE_S[1]);
        self.at(awake_s, Happening::Come(phone));
        self.at(asleep_s, Happening::FallAsleep(phone));
    }

    /// A step was refused: plans when it is sent again.
    pub(super) fn resend(&mut self, number: EventNumber, now: Duration) {
        self.at(self.seconds(now) + DELAY_S, Happening::Resend(number));
    }

    /// Plans when somebody tries to come back who has failed so often since they were here.
    pub(super) fn come_back(&mut self, client: usize, attempts: u32, now: Duration) {
        let delay_s = (DELAY_S * f64::from(1_u32 << attempts.min(8))).min(DELAY_MAX_S);
        let delay_s = delay_s * self.chance.between(0.5, 1.5);
        self.at(self.seconds(now) + delay_s, Happening::Come(client));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn story(seed: u64) -> Vec<Happening> {
        let mut evening = Evening::new(seed, 2.0);
        let orders = evening.plan(3, 2, 0..5);
        // Minutes are begun whole.
        assert_eq!(orders.len(), 3 * 5);
        std::iter::from_fn(|| evening.next_due(Duration::from_secs(3_600))).collect()
    }

    #[test]
    fn the_same_seed_is_the_same_evening() {
        assert_eq!(story(1), story(1));
        assert_ne!(story(1), story(2));
    }

    #[test]
    fn a_step_waits_for_its_time_and_for_the_answer_before_it() {
        let mut evening = Evening::new(1, 10.0);
        let created = EventNumber::new(0, 0);
        evening.go_on(0.0, created, Duration::ZERO);
        assert_eq!(evening.next_due(Duration::from_millis(499)), None);
        let confirmed = EventNumber::new(0, 1);
        assert_eq!(evening.next_due(Duration::from_millis(500)), Some(Happening::Act(confirmed)));
        evening.go_on(0.0, created, Duration::from_secs(3));
        assert_eq!(evening.next_due(Duration::from_millis(2_999)), None);
        assert_eq!(evening.next_due(Duration::from_secs(3)), Some(Happening::Act(confirmed)));
    }
}
