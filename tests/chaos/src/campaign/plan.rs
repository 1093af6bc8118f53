//! A schedule: everything that a seed decides.

mod faults;

use std::fmt::Write as _;
use std::time::Duration;

use fastrand::Rng;
use foodtrack_contract::Priority;
use uuid::Uuid;

use crate::client::Tear;
pub use faults::Disturbance;
use foodtrack_simulation::{Publication, Role, Topic};

/// How long things go wrong.
const LENGTH_MS: std::ops::Range<u64> = 700..1_300;
const CLUSTER_LENGTH_MS: std::ops::Range<u64> = 1_000..2_500;
/// A replica is put in a master's place within a second or two.
const FAIL_OVER_LENGTH_MS: std::ops::Range<u64> = 3_000..6_000;
/// How much later somebody repeats an event that bears no id. The hub knows it for ten seconds.
const AGAIN_AFTER_MS_MAX: u64 = 1_000;
/// Orders that every tenant has before anything goes wrong.
const ORDERS: usize = 6;

/// How many nodes share a Redis.
const NODES: usize = 3;

/// Where a schedule runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// A hub with its log on a disk.
    Alone,
    /// Three nodes that share a Redis, which keeps what it has acknowledged.
    Cluster(RedisKind),
}

/// What Redis is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum RedisKind {
    /// One server.
    One,
    /// A master with a replica, which three sentinels watch over. What is acknowledged is at both.
    Sentinel,
    /// A Redis Cluster of three masters, each with a replica. What is acknowledged is at both.
    Cluster,
}

impl Setting {
    /// How many nodes there are.
    pub fn nodes(self) -> usize {
        match self {
            Self::Alone => 1,
            Self::Cluster(_) => NODES,
        }
    }

    /// What the nodes share, where there are several.
    pub fn redis(self) -> Option<RedisKind> {
        match self {
            Self::Alone => None,
            Self::Cluster(kind) => Some(kind),
        }
    }
}

/// One schedule.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it was made from.
    pub seed: u64,
    /// Where it runs.
    pub setting: Setting,
    /// Its tenants' names.
    pub tenants: Vec<String>,
    /// The hub's shards.
    pub shards: u32,
    /// The hub's heartbeat: how often clients confirm.
    pub heartbeat_ms: u64,
    /// How many messages wait for a slow reader.
    pub queue_messages_max: u32,
    /// Who connects at the beginning.
    pub people: Vec<Person>,
    /// What is published before anything goes wrong, for each tenant.
    pub orders: Vec<Publication>,
    /// What happens, by time.
    pub steps: Vec<(Duration, Step)>,
}

/// Somebody with one socket.
#[derive(Clone, Debug)]
pub struct Person {
    /// Their tenant's place.
    pub tenant: usize,
    /// What they do.
    pub role: Role,
    /// Their name.
    pub user: &'static str,
    /// The device that their handshake names.
    pub device: Option<String>,
    /// What the kernel takes in for them while they do not read.
    pub receive_bytes: Option<usize>,
    /// Orders that they subscribe to whenever they begin a session.
    pub orders: Vec<String>,
}

/// Something that happens.
#[derive(Clone, Debug)]
pub enum Step {
    /// Somebody publishes.
    Publish {
        /// The publisher's tenant.
        tenant: usize,
        /// Who; a back end over HTTP where absent.
        person: Option<usize>,
        /// What.
        publication: Publication,
        /// Whether they try until they are told.
        insists: bool,
        /// Whether they send it once more although they were told.
        again: bool,
    },
    /// A node is killed, and started again after a while.
    Kill(usize, Duration),
    /// A node is asked to stop, and started again a while after it did.
    Stop(usize, Duration),
    /// What the nodes share is disturbed.
    Disturb(Disturbance),
    /// A node's wall clock is set to so many seconds after the machine's, or before it.
    JumpClock(usize, i64),
    /// The disk fills up.
    FillDisk,
    /// The disk has room again.
    FreeDisk,
    /// Somebody's connection tears, and they are away for a while.
    Tear(usize, Tear, Duration),
    /// Somebody does not read for a while.
    Pause(usize, Duration),
    /// The application opens another socket beside the one it has, as today's hook does.
    OpenAnother(usize),
    /// Somebody enters an order's room.
    Subscribe(usize, String),
    /// Somebody leaves an order's room.
    Unsubscribe(usize, String),
}

impl Plan {
    /// The seed of the schedule `index` of a campaign.
    pub fn seed(campaign: u64, index: u64) -> u64 {
        // SplitMix64: neighbours get seeds that have nothing to do with each other.
        let mut mixed = campaign.wrapping_add((index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A schedule without anything that goes wrong, to see whether the harness itself is right.
    pub fn calm(seed: u64, setting: Setting) -> Self {
        let mut plan = Self::from_seed(seed, setting);
        plan.steps.retain(|(_, step)| matches!(step, Step::Publish { .. } | Step::Subscribe(..)));
        plan
    }

    /// The schedule that a seed means.
    pub fn from_seed(seed: u64, setting: Setting) -> Self {
        let mut rng = Rng::with_seed(seed);
        let tenants = (0..rng.usize(2..=4)).map(|n| format!("tenant-{n}")).collect::<Vec<_>>();
        let mut maker = Maker { ids: Rng::with_seed(rng.u64(..)), number: 0 };
        let orders: Vec<Publication> = (0..ORDERS).map(|n| maker.order(&mut rng, n)).collect();
        let mut people = Vec::new();
        for tenant in 0..tenants.len() {
            add_people(&mut rng, tenant, &orders, &mut people);
        }
        let length_ms = rng.u64(match setting {
            Setting::Alone => LENGTH_MS,
            Setting::Cluster(RedisKind::One) => CLUSTER_LENGTH_MS,
            Setting::Cluster(_) => FAIL_OVER_LENGTH_MS,
        });
        let mut steps = Vec::new();
        for tenant in 0..tenants.len() {
            // The ids of one tenant are those of the others too.
            let mut maker = Maker { ids: maker.ids.clone(), number: maker.number };
            let ours = |person: &usize| people[*person].tenant == tenant;
            let mine: Vec<usize> = (0..people.len()).filter(ours).collect();
            add_publications(
                &mut rng, tenant, &people, &mine, &orders, &mut maker, length_ms, &mut steps,
            );
        }
        match setting {
            Setting::Alone => faults::alone(&mut rng, length_ms, &mut steps),
            Setting::Cluster(kind) => {
                faults::in_a_cluster(&mut rng, kind, length_ms, &mut steps);
                // Drawn beside the rest, whose seeds mean what they meant.
                faults::of_clocks(&mut Rng::with_seed(!seed), length_ms, &mut steps);
            }
        }
        add_tears(&mut rng, &people, length_ms, &mut steps);
        add_rooms(&mut rng, &people, &orders, length_ms, &mut steps);
        steps.sort_by_key(|(at, _)| *at);
        Self {
            seed,
            setting,
            shards: rng.u32(1..=2),
            heartbeat_ms: rng.u64(100..500),
            queue_messages_max: *pick(&mut rng, &[16, 64, 1_024]),
            tenants,
            people,
            orders,
            steps,
        }
    }

    /// Whether the disk fills up.
    pub fn fills_disk(&self) -> bool {
        self.steps.iter().any(|(_, step)| matches!(step, Step::FillDisk))
    }

    /// Whether a node's wall clock jumps.
    pub fn jumps_clocks(&self) -> bool {
        self.steps.iter().any(|(_, step)| matches!(step, Step::JumpClock(..)))
    }

    /// The schedule as text, one step a line.
    pub fn describe(&self) -> String {
        let mut text = format!("{:#?}\n", Self { steps: Vec::new(), ..self.clone() });
        for (at, step) in &self.steps {
            // Writing into a string does not fail.
            writeln!(text, "{:>5} ms  {step:?}", at.as_millis()).ok();
        }
        text
    }
}

/// Makes publications with ids of their own.
struct Maker {
    ids: Rng,
    number: u64,
}

impl Maker {
    fn publication(&mut self, topic: Topic, about: String) -> Publication {
        self.number += 1;
        let id = uuid::Builder::from_random_bytes(self.ids.u128(..).to_be_bytes()).into_uuid();
        Publication {
            id: Uuid::to_string(&id),
            has_id: true,
            topic,
            about,
            customer: None,
            priority: Priority::Medium,
            number: self.number,
            padding_bytes: 0,
        }
    }

    fn order(&mut self, rng: &mut Rng, number: usize) -> Publication {
        let mut order = self.publication(Topic::Created, format!("order-{number}"));
        order.customer = Some((*pick(rng, Role::Customer.users())).to_owned());
        order
    }
}

fn add_people(rng: &mut Rng, tenant: usize, orders: &[Publication], people: &mut Vec<Person>) {
    for role in Role::ALL {
        for place in 0..rng.usize(1..=2) {
            let user = *pick(rng, role.users());
            let device = rng.bool().then(|| format!("tablet-{place}"));
            let receive_bytes = (rng.u8(0..5) == 0).then_some(4_096);
            // A cook may read no deliveries: the judge takes it that who is in an order's room may read all of the order.
            let may_join = |order: &&Publication| match role {
                Role::Kitchen => false,
                Role::Customer => order.customer.as_deref() == Some(user),
                Role::Dashboard | Role::Courier => true,
            };
            let wanted = orders.iter().filter(may_join).filter(|_| rng.u8(0..3) == 0);
            let orders = wanted.map(|order| order.about.clone()).collect();
            people.push(Person { tenant, role, user, device, receive_bytes, orders });
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "what a tenant's events are drawn from")]
fn add_publications(
    rng: &mut Rng,
    tenant: usize,
    people: &[Person],
    mine: &[usize],
    orders: &[Publication],
    maker: &mut Maker,
    length_ms: u64,
    steps: &mut Vec<(Duration, Step)>,
) {
    let mut times: Vec<u64> = (0..rng.usize(20..60)).map(|_| rng.u64(0..length_ms)).collect();
    times.sort_unstable();
    let mut created = 0;
    for at_ms in times {
        let person = Some(*pick(rng, mine))
            .filter(|person| rng.bool() && people[*person].role != Role::Customer);
        let topic = *pick(rng, Topic::sent_by(person.map(|person| people[person].role)));
        let known = pick(rng, orders);
        let (about, customer) = match topic {
            Topic::Created => {
                created += 1;
                let customer = *pick(rng, Role::Customer.users());
                (format!("new-order-{created}"), Some(customer.to_owned()))
            }
            Topic::LowStock => (String::from("flour"), None),
            Topic::Product => (String::from("pizza"), None),
            Topic::Notification => (String::from("hello"), None),
            _ => (known.about.clone(), known.customer.clone()),
        };
        let mut publication = maker.publication(topic, about);
        publication.customer = customer;
        // Only the last event about an order is known by what it says: of these orders there is no other.
        publication.has_id = topic != Topic::Created || rng.bool();
        publication.priority = match rng.u8(0..10) {
            0 => Priority::Urgent,
            1 => Priority::High,
            // One that is recoverable and low may be dropped.
            2 if topic != Topic::Notification => Priority::Low,
            _ => Priority::Medium,
        };
        publication.padding_bytes = if rng.u8(0..4) == 0 { rng.usize(1_000..8_000) } else { 0 };
        let (insists, again) = (rng.u8(0..6) > 0, rng.u8(0..6) == 0);
        if !publication.has_id {
            // Somebody who was told taps once more, when the server may be another.
            let later = Duration::from_millis(at_ms + rng.u64(0..AGAIN_AFTER_MS_MAX));
            let publication = publication.clone();
            let step = Step::Publish { tenant, person, publication, insists, again: false };
            steps.push((later, step));
        }
        let step = Step::Publish { tenant, person, publication, insists, again };
        steps.push((Duration::from_millis(at_ms), step));
    }
}

fn add_tears(rng: &mut Rng, people: &[Person], length_ms: u64, steps: &mut Vec<(Duration, Step)>) {
    let ms = Duration::from_millis;
    for (person, who) in people.iter().enumerate() {
        for _ in 0..rng.usize(0..=3) {
            let how = *pick(rng, &[Tear::Reset, Tear::Close, Tear::Vanish]);
            let away = ms(if rng.bool() { 0 } else { rng.u64(0..400) });
            let at = ms(rng.u64(0..length_ms));
            steps.push((at, Step::Tear(person, how, away)));
            if rng.u8(0..5) == 0 {
                let after = ms(rng.u64(0..300));
                steps.push((at + after, Step::OpenAnother(person)));
            }
        }
        if who.receive_bytes.is_some() {
            let at = ms(rng.u64(0..length_ms));
            steps.push((at, Step::Pause(person, ms(rng.u64(50..600)))));
        }
    }
}

fn add_rooms(
    rng: &mut Rng,
    people: &[Person],
    orders: &[Publication],
    length_ms: u64,
    steps: &mut Vec<(Duration, Step)>,
) {
    for (person, who) in people.iter().enumerate() {
        if who.role != Role::Courier || rng.bool() {
            continue;
        }
        let order = pick(rng, orders).about.clone();
        let from_ms = rng.u64(0..length_ms);
        let at = Duration::from_millis(from_ms);
        steps.push((at, Step::Subscribe(person, order.clone())));
        if rng.bool() {
            let until = at + Duration::from_millis(rng.u64(0..500));
            steps.push((until, Step::Unsubscribe(person, order)));
        }
    }
}

fn pick<'a, T>(rng: &mut Rng, from: &'a [T]) -> &'a T {
    &from[rng.usize(0..from.len())]
}

#[cfg(test)]
mod tests;
