//! A schedule: everything that a seed decides. What it leaves out happens at once and without fault.

use fastrand::Rng;
use foodtrack_contract::Priority;

use crate::{Publication, Role, Tear, Topic, Way};

/// How long things go wrong, in milliseconds.
const LENGTH_MS: std::ops::Range<u64> = 3_000..30_000;
/// How long nobody is there, where that happens: until logs are closed, and a while longer.
const ABSENCE_MS: std::ops::Range<u64> = 400_000..500_000;
/// The number of the first event that is published meanwhile: above all others.
const ABSENCE_NUMBER: u64 = 10_000;
/// Orders that every tenant has before anything goes wrong.
const ORDERS: usize = 3;

/// One schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What it was made from.
    pub seed: u64,
    /// How many nodes there are. Several share a log; one has it on its disk.
    pub nodes: usize,
    /// Its tenants' names.
    pub tenants: Vec<String>,
    /// Who connects.
    pub people: Vec<Person>,
    /// The heartbeat's interval, in milliseconds.
    pub heartbeat_ms: u64,
    /// Whether clients are asked to acknowledge events of a kind.
    pub asks: bool,
    /// Whether tenants forget at once what their logs can be asked for.
    pub forgets: bool,
    /// The longest that a packet takes.
    pub latency_ms_max: u64,
    /// The longest that a sync of the disk takes, or that something takes between a node and the log that it shares.
    pub sync_ms_max: u64,
    /// What happens, by time in milliseconds.
    pub steps: Vec<(u64, Step)>,
}

/// Somebody with one page open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Their tenant's place.
    pub tenant: usize,
    /// What they do.
    pub role: Role,
    /// Their name.
    pub user: &'static str,
    /// The device that their handshake names.
    pub device: Option<String>,
    /// The transports of their page, in their order.
    pub ways: Vec<Way>,
    /// When they open it, in milliseconds.
    pub joins_ms: u64,
    /// Orders that they subscribe to whenever they begin a session.
    pub orders: Vec<String>,
}

/// Something that happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Somebody publishes.
    Publish {
        /// The publisher's tenant.
        tenant: usize,
        /// Who, over their connection; a back end over HTTP where absent.
        person: Option<usize>,
        /// What.
        publication: Publication,
        /// Whether they try until they are told.
        insists: bool,
        /// Whether they send it once more although they were told.
        again: bool,
    },
    /// The process is killed, with the machine's power or without, and started again after so long.
    Kill {
        /// Whether what was not safe on the disk is gone as well.
        with_power: bool,
        /// How long it is away.
        down_ms: u64,
    },
    /// The process is asked to stop, and started again after so long.
    Stop(u64),
    /// The disk fills up.
    FillDisk,
    /// The disk has room again.
    FreeDisk,
    /// The next sync of the disk fails. The process is started anew with another disk a while later.
    FailSync,
    /// Syncs take up to so long from now on.
    SlowDisk(u64),
    /// A node's wall clock jumps, in milliseconds.
    JumpClock {
        /// Which node's.
        node: usize,
        /// How far.
        ms: i64,
    },
    /// A node of several is killed, and started again after so long.
    KillNode {
        /// Which.
        node: usize,
        /// How long it is away.
        down_ms: u64,
    },
    /// A node of several is asked to stop, and started again so long after it did.
    StopNode {
        /// Which.
        node: usize,
        /// How long it is away.
        down_ms: u64,
    },
    /// A node is suspended for so long.
    HangNode {
        /// Which.
        node: usize,
        /// How long.
        ms: u64,
    },
    /// Nothing passes between a node and the log that it shares, for so long.
    CutLine {
        /// Which node.
        node: usize,
        /// How long.
        ms: u64,
    },
    /// What passes between a node and the log that it shares is slow, for so long.
    SlowLine {
        /// Which node.
        node: usize,
        /// How long something takes at most.
        latency_ms_max: u64,
        /// How long.
        ms: u64,
    },
    /// No node reaches the log that they share, for so long.
    LogAway(u64),
    /// The log that nodes share takes nothing, for so long.
    LogFull(u64),
    /// Somebody's connections tear.
    Tear(usize, Tear),
    /// Somebody does not read for so long.
    Pause(usize, u64),
    /// Somebody opens their page anew: without what the page before it knew.
    Reload(usize),
    /// Everybody's machine sleeps for so long: tenants have nobody but back ends.
    Absence(u64),
    /// Somebody enters an order's room.
    Subscribe(usize, String),
    /// Somebody leaves an order's room.
    Unsubscribe(usize, String),
}

impl Step {
    /// How long it takes until it is over, in milliseconds.
    pub(crate) fn lasts_ms(&self) -> u64 {
        match self {
            Self::Absence(ms) | Self::LogAway(ms) | Self::LogFull(ms) => *ms,
            Self::HangNode { ms, .. } | Self::CutLine { ms, .. } | Self::SlowLine { ms, .. } => *ms,
            _ => 0,
        }
    }
}

impl Plan {
    /// The schedule that a seed means.
    pub fn from_seed(seed: u64) -> Self {
        Self::of(seed, |plan, rng, orders, length_ms| {
            plan.add_process_faults(rng, length_ms);
            plan.add_disk_faults(rng, length_ms);
            plan.add_client_faults(rng, orders, length_ms);
            plan.forgets = rng.u8(0..4) == 0;
            if rng.u8(0..5) == 0 {
                plan.add_absence(rng, orders, length_ms);
            }
        })
    }

    /// The schedule of several nodes that a seed means.
    pub fn of_nodes(seed: u64) -> Self {
        let mut plan = Self::of(seed, |plan, rng, orders, length_ms| {
            plan.nodes = rng.usize(2..=3);
            plan.add_node_faults(rng, length_ms);
            plan.add_client_faults(rng, orders, length_ms);
            plan.forgets = rng.u8(0..4) == 0;
        });
        // The model of what nodes share knows a message again by its id alone.
        for (_, step) in &mut plan.steps {
            if let Step::Publish { publication, .. } = step {
                publication.has_id = true;
            }
        }
        plan
    }

    fn of(seed: u64, add_faults: impl FnOnce(&mut Self, &mut Rng, &[Publication], u64)) -> Self {
        let mut rng = Rng::with_seed(seed);
        let tenants: Vec<String> = (0..rng.usize(1..=3)).map(|n| format!("tenant-{n}")).collect();
        let length_ms = rng.u64(LENGTH_MS);
        let mut maker = Maker { ids: Rng::with_seed(rng.u64(..)), number: 0 };
        let orders: Vec<Publication> = (0..ORDERS).map(|n| maker.order(&mut rng, n)).collect();
        let mut plan = Self {
            seed,
            nodes: 1,
            people: Vec::new(),
            heartbeat_ms: rng.u64(1_000..8_000),
            asks: rng.u8(0..3) == 0,
            forgets: false,
            latency_ms_max: *pick(&mut rng, &[0, 5, 50, 400]),
            sync_ms_max: *pick(&mut rng, &[0, 5, 40, 300]),
            steps: Vec::new(),
            tenants,
        };
        for tenant in 0..plan.tenants.len() {
            plan.add_people(&mut rng, tenant, &orders, length_ms);
            for order in &orders {
                let (person, insists, again) = (None, true, false);
                let publication = order.clone();
                let step = Step::Publish { tenant, person, publication, insists, again };
                plan.steps.push((0, step));
            }
            // The ids of one tenant are those of the others too.
            let mut maker = Maker { ids: maker.ids.clone(), number: maker.number };
            plan.add_publications(&mut rng, tenant, &orders, &mut maker, length_ms);
        }
        add_faults(&mut plan, &mut rng, &orders, length_ms);
        plan.steps.sort_by_key(|(at_ms, _)| *at_ms);
        plan
    }

    fn add_people(&mut self, rng: &mut Rng, tenant: usize, orders: &[Publication], length_ms: u64) {
        for role in Role::ALL {
            for place in 0..rng.usize(0..=2) {
                let user = *pick(rng, role.users());
                let device = rng.bool().then(|| format!("tablet-{place}"));
                // A cook may read no deliveries: the judge takes it that who is in an order's room may read all of the order.
                let may_join = |order: &&Publication| match role {
                    Role::Kitchen => false,
                    Role::Customer => order.customer.as_deref() == Some(user),
                    Role::Dashboard | Role::Courier => true,
                };
                let wanted = orders.iter().filter(may_join).filter(|_| rng.bool());
                let orders = wanted.map(|order| order.about.clone()).collect();
                let ways = match rng.u8(0..5) {
                    0 | 1 => vec![Way::WebSocket],
                    2 | 3 => vec![Way::Polling, Way::WebSocket],
                    _ => vec![Way::Polling],
                };
                let joins_ms = if rng.u8(0..4) > 0 { 0 } else { rng.u64(0..length_ms) };
                self.people.push(Person { tenant, role, user, device, ways, joins_ms, orders });
            }
        }
    }

    fn add_publications(
        &mut self,
        rng: &mut Rng,
        tenant: usize,
        orders: &[Publication],
        maker: &mut Maker,
        length_ms: u64,
    ) {
        let mine: Vec<usize> =
            (0..self.people.len()).filter(|person| self.people[*person].tenant == tenant).collect();
        // Events come in bursts, or else hardly any would meet a commit that is under way.
        let bursts: Vec<u64> = (0..rng.usize(1..=4)).map(|_| rng.u64(0..length_ms)).collect();
        for number in 0..rng.usize(4..24) {
            let at_ms = if rng.bool() {
                *pick(rng, &bursts) + rng.u64(0..60)
            } else {
                rng.u64(0..length_ms)
            };
            let person = (!mine.is_empty() && rng.bool()).then(|| *pick(rng, &mine));
            let person = person.filter(|it| self.people[*it].role != Role::Customer);
            let topic = *pick(rng, Topic::sent_by(person.map(|it| self.people[it].role)));
            let known = pick(rng, orders);
            let (about, customer) = match topic {
                Topic::Created => {
                    let customer = *pick(rng, Role::Customer.users());
                    (format!("new-order-{number}"), Some(customer.to_owned()))
                }
                Topic::LowStock => (String::from("flour"), None),
                Topic::Product => (String::from("pizza"), None),
                Topic::Notification => (String::from("hello"), None),
                _ => (known.about.clone(), known.customer.clone()),
            };
            let mut publication = maker.publication(topic, about);
            publication.customer = customer;
            publication.has_id = topic != Topic::Created || rng.bool();
            publication.priority = match rng.u8(0..10) {
                0 | 1 => Priority::Urgent,
                2 => Priority::High,
                // One that is recoverable and low may be dropped.
                3 if topic != Topic::Notification => Priority::Low,
                _ => Priority::Medium,
            };
            let (insists, again) = (rng.u8(0..6) > 0, rng.u8(0..6) == 0);
            let step = Step::Publish { tenant, person, publication, insists, again };
            self.steps.push((at_ms, step));
        }
    }

    fn add_process_faults(&mut self, rng: &mut Rng, length_ms: u64) {
        for _ in 0..rng.usize(0..=3) {
            let (at_ms, down_ms) = (self.moment(rng, length_ms), rng.u64(0..3_000));
            let step = match rng.u8(0..4) {
                0 => Step::Stop(down_ms),
                kind => Step::Kill { with_power: kind == 1, down_ms },
            };
            self.steps.push((at_ms, step));
        }
        if rng.u8(0..4) == 0 {
            let jump_ms = rng.i64(-3_600_000..86_400_000);
            self.steps.push((rng.u64(0..length_ms), Step::JumpClock { node: 0, ms: jump_ms }));
        }
    }

    fn add_node_faults(&mut self, rng: &mut Rng, length_ms: u64) {
        for _ in 0..rng.usize(1..=5) {
            let (at_ms, node) = (self.moment(rng, length_ms), rng.usize(0..self.nodes));
            let (down_ms, ms) = (rng.u64(0..3_000), rng.u64(50..4_000));
            let step = match rng.u8(0..10) {
                0 | 1 => Step::KillNode { node, down_ms },
                2 => Step::StopNode { node, down_ms },
                3 => Step::HangNode { node, ms },
                4 | 5 => Step::CutLine { node, ms },
                6 => Step::SlowLine { node, latency_ms_max: rng.u64(300..2_000), ms },
                7 => Step::LogAway(ms),
                8 => Step::LogFull(ms),
                _ => Step::JumpClock { node, ms: rng.i64(-3_600_000..86_400_000) },
            };
            self.steps.push((at_ms, step));
        }
    }

    fn add_disk_faults(&mut self, rng: &mut Rng, length_ms: u64) {
        if rng.u8(0..4) == 0 {
            let (from_ms, full_ms) = (self.moment(rng, length_ms), rng.u64(50..4_000));
            self.steps.push((from_ms, Step::FillDisk));
            self.steps.push((from_ms + full_ms, Step::FreeDisk));
        }
        if rng.u8(0..6) == 0 {
            self.steps.push((self.moment(rng, length_ms), Step::FailSync));
        }
        if rng.u8(0..4) == 0 {
            let (from_ms, slow_ms) = (rng.u64(0..length_ms), rng.u64(50..4_000));
            self.steps.push((from_ms, Step::SlowDisk(rng.u64(500..3_000))));
            self.steps.push((from_ms + slow_ms, Step::SlowDisk(self.sync_ms_max)));
        }
    }

    fn add_client_faults(&mut self, rng: &mut Rng, orders: &[Publication], length_ms: u64) {
        for person in 0..self.people.len() {
            for _ in 0..rng.usize(0..=3) {
                let how = *pick(rng, &[Tear::Reset, Tear::Vanish, Tear::Close(crate::End::Server)]);
                self.steps.push((self.moment(rng, length_ms), Step::Tear(person, how)));
            }
            if rng.u8(0..4) == 0 {
                self.steps.push((self.moment(rng, length_ms), Step::Reload(person)));
            }
            if rng.u8(0..4) == 0 {
                let step = Step::Pause(person, rng.u64(100..6_000));
                self.steps.push((self.moment(rng, length_ms), step));
            }
            if self.people[person].role == Role::Courier && rng.bool() {
                let order = pick(rng, orders).about.clone();
                let at_ms = self.moment(rng, length_ms);
                self.steps.push((at_ms, Step::Subscribe(person, order.clone())));
                if rng.bool() {
                    let until_ms = at_ms + rng.u64(0..5_000);
                    self.steps.push((until_ms, Step::Unsubscribe(person, order)));
                }
            }
        }
    }

    /// Nobody is there for so long that logs are closed, while a back end publishes now and then.
    fn add_absence(&mut self, rng: &mut Rng, orders: &[Publication], length_ms: u64) {
        let (from_ms, absence_ms) = (rng.u64(0..length_ms), rng.u64(ABSENCE_MS));
        self.steps.push((from_ms, Step::Absence(absence_ms)));
        let mut maker = Maker { ids: Rng::with_seed(rng.u64(..)), number: ABSENCE_NUMBER };
        for _ in 0..rng.usize(1..4) {
            let known = pick(rng, orders);
            let topic = *pick(rng, &[Topic::Started, Topic::Notification]);
            let about = match topic {
                Topic::Notification => String::from("hello"),
                _ => known.about.clone(),
            };
            let mut publication = maker.publication(topic, about);
            if topic == Topic::Started {
                publication.customer = known.customer.clone();
            }
            let tenant = rng.usize(0..self.tenants.len());
            let (person, insists, again) = (None, true, rng.bool());
            let step = Step::Publish { tenant, person, publication, insists, again };
            self.steps.push((from_ms + rng.u64(ABSENCE_MS.start - 10_000..absence_ms), step));
        }
    }

    /// A moment when something goes wrong: often just when something is published.
    fn moment(&self, rng: &mut Rng, length_ms: u64) -> u64 {
        if self.steps.is_empty() || rng.u8(0..3) == 0 {
            return rng.u64(0..length_ms);
        }
        pick(rng, &self.steps).0 + rng.u64(0..120)
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
            id: id.to_string(),
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

fn pick<'a, T>(rng: &mut Rng, from: &'a [T]) -> &'a T {
    &from[rng.usize(0..from.len())]
}
