//! The well-behaved: subscribers and publishers of two tenants, and what they notice.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use chaos::client::{ClientOptions, Observer, Opened, Swarm, SwarmError};
use chaos::load::Percentiles;
use foodtrack_contract::{ApplicationType, UserRole};
use foodtrack_simulation::{Backoff, Event};
use serde::Deserialize;

use crate::people::{TENANTS, auth, person};

/// Clients that share an address, as people of one household or restaurant do.
const CLIENTS_PER_ADDRESS: usize = 8;
/// Subscribers of a room.
const ROOM_SUBSCRIBERS: usize = 10;
/// The hub's default allows a connection twice as many.
const EVENTS_PER_SECOND_EACH: u32 = 50;
const TURN: Duration = Duration::from_millis(1);
const EVENT: &str = "delivery:in_transit";

/// How many there are, and how much they do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CrowdSize {
    /// Rooms, each with a publisher of its own.
    pub(crate) rooms: usize,
    /// Events a second of all publishers together.
    pub(crate) events_per_second: u32,
}

impl CrowdSize {
    /// 200 subscribers and 1 000 events a second.
    pub(crate) const FULL: Self =
        Self { rooms: 20, events_per_second: 20 * EVENTS_PER_SECOND_EACH };
    /// 80 subscribers and 80 events a second: what a debug build does beside others' work.
    pub(crate) const SMALL: Self = Self { rooms: 8, events_per_second: 80 };
}

/// What the crowd noticed since it was last asked.
#[derive(Debug, Default)]
pub(crate) struct Noticed {
    /// From an event's being emitted to each of its receptions.
    pub(crate) latencies: Percentiles,
    /// Connections that ended or could not be made.
    pub(crate) disconnected: usize,
    /// Events that were refused.
    pub(crate) refused: usize,
    /// The first refusal's words.
    pub(crate) first_refusal: Option<String>,
    /// Events whose publishers got no answer.
    pub(crate) unanswered: usize,
    /// Receptions of acknowledged events that never came.
    pub(crate) lost: u64,
    /// Newcomers who did not get in.
    pub(crate) locked_out: usize,
}

/// The crowd's clients. Publishers come first, then subscribers.
pub(crate) struct Crowd {
    swarm: Swarm,
    size: CrowdSize,
    ears: Ears,
    newcomers: Vec<usize>,
    next_publisher: usize,
    next_emission: Instant,
}

/// The crowd cannot be brought together.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CrowdError {
    /// The clients' event loop.
    #[error(transparent)]
    Swarm(#[from] SwarmError),
    /// The hub does not let everybody in, without any attack.
    #[error("{ready} of {clients} well-behaved clients were ready after {waited_s} s, {noticed}")]
    Absent { ready: usize, clients: usize, waited_s: u64, noticed: String },
}

#[derive(Default)]
struct Ears {
    rooms: usize,
    ready: usize,
    opened: Vec<usize>,
    /// When each emission that waits for its answer was sent, by publisher and id.
    waiting: HashMap<(usize, u64), Instant>,
    acknowledged: Vec<u64>,
    /// Receptions of each subscriber.
    received: Vec<u64>,
    start: Option<Instant>,
    latencies: Vec<Duration>,
    disconnected: usize,
    refused: usize,
    first_refusal: Option<String>,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    payload: Stamped<'a>,
}

#[derive(Deserialize)]
struct Stamped<'a> {
    #[serde(borrow)]
    reason: Cow<'a, str>,
}

impl Crowd {
    /// Brings the crowd together and waits until everybody is in and has subscribed.
    ///
    /// # Errors
    /// [`CrowdError`]
    pub(crate) fn gather(hub: SocketAddr, size: CrowdSize) -> Result<Self, CrowdError> {
        let mut swarm = Swarm::new(vec![hub], 1)?;
        let clients = size.rooms * (1 + ROOM_SUBSCRIBERS);
        for client in 0..clients {
            let tenant = TENANTS[room_of(client, size.rooms) % TENANTS.len()];
            swarm.add(courier(client, tenant), Duration::from_millis(client as u64));
        }
        let ears = Ears {
            rooms: size.rooms,
            acknowledged: vec![0; size.rooms],
            received: vec![0; clients],
            start: Some(Instant::now()),
            ..Ears::default()
        };
        let (newcomers, next_emission) = (Vec::new(), Instant::now());
        let mut crowd = Self { swarm, size, ears, newcomers, next_publisher: 0, next_emission };
        crowd.settle(clients)?;
        Ok(crowd)
    }

    fn settle(&mut self, clients: usize) -> Result<(), CrowdError> {
        let patience = Duration::from_secs(40);
        let subscribers = clients - self.size.rooms;
        let deadline = Instant::now() + patience;
        while self.swarm.open() < clients || self.ears.ready < subscribers {
            if Instant::now() > deadline {
                let (ready, waited_s) = (self.ears.ready, patience.as_secs());
                let noticed = format!(
                    "{} torn or turned away, first refusal: {}",
                    self.ears.disconnected,
                    self.ears.first_refusal.as_deref().unwrap_or("none")
                );
                return Err(CrowdError::Absent { ready, clients, waited_s, noticed });
            }
            self.swarm.turn(Instant::now() + TURN, &mut self.ears)?;
            for client in std::mem::take(&mut self.ears.opened) {
                if client >= self.size.rooms {
                    let room = format!("\"order-{}\"", room_of(client, self.size.rooms));
                    self.swarm.emit(client, "subscribe:order", &room);
                }
            }
        }
        self.ears.forget();
        Ok(())
    }

    /// Publishes and listens for so long; calls `every_turn` now and then.
    ///
    /// # Errors
    /// [`CrowdError::Swarm`]
    pub(crate) fn work(&mut self, duration: Duration) -> Result<(), CrowdError> {
        let end = Instant::now() + duration;
        self.next_emission = Instant::now();
        let period = Duration::from_secs(1) / self.size.events_per_second;
        while Instant::now() < end {
            // What was due while the machine did something else is sent late, but it is sent.
            while self.next_emission <= Instant::now() {
                self.next_emission += period;
                self.publish();
            }
            self.swarm.turn(self.next_emission.min(Instant::now() + TURN), &mut self.ears)?;
        }
        Ok(())
    }

    /// Waits until everything that was published has come, or for the patience; says what was noticed since the last call.
    ///
    /// # Errors
    /// [`CrowdError::Swarm`]
    pub(crate) fn hear_out(&mut self, patience: Duration) -> Result<Noticed, CrowdError> {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline
            && (!self.ears.waiting.is_empty() || self.ears.missing() > 0)
        {
            self.swarm.turn(Instant::now() + TURN, &mut self.ears)?;
        }
        let ears = &mut self.ears;
        let noticed = Noticed {
            latencies: Percentiles::of(std::mem::take(&mut ears.latencies)),
            disconnected: ears.disconnected,
            refused: ears.refused,
            first_refusal: ears.first_refusal.take(),
            unanswered: ears.waiting.len(),
            lost: ears.missing(),
            locked_out: self.newcomers.iter().filter(|one| !self.swarm.is_open(**one)).count(),
        };
        ears.forget();
        Ok(noticed)
    }

    /// Lets newcomers come one after the other, evenly over this time; [`hear_out`](Self::hear_out) says who did not get in.
    pub(crate) fn expect_newcomers(&mut self, newcomers: u32, within: Duration) {
        for newcomer in 0..newcomers {
            let number = self.ears.received.len() + self.newcomers.len();
            let tenant = TENANTS[number % TENANTS.len()];
            let delay = within * newcomer / newcomers;
            self.newcomers.push(self.swarm.add(courier(number, tenant), delay));
        }
    }

    fn publish(&mut self) {
        let publisher = self.next_publisher;
        self.next_publisher = (publisher + 1) % self.size.rooms;
        let stamp = self.ears.now_ns();
        let argument = format!(r#"{{"orderId":"order-{publisher}","reason":"{stamp}"}}"#);
        if let Some(id) = self.swarm.emit(publisher, EVENT, &argument) {
            self.ears.waiting.insert((publisher, id), Instant::now());
        }
    }
}

fn courier(client: usize, tenant: &str) -> ClientOptions {
    let app = ApplicationType::DeliveryApp;
    let token = person(tenant, &format!("courier-{client}"), UserRole::DeliveryPersonnel, app);
    let place = u8::try_from(client / CLIENTS_PER_ADDRESS % 250 + 1).unwrap_or(1);
    ClientOptions {
        auth: auth(&token, app),
        receive_bytes: None,
        backoff: Backoff::LIBRARY,
        connect_timeout: Duration::from_secs(20),
        source: Some(Ipv4Addr::new(127, 1, 0, place)),
    }
}

/// Which room a client publishes to or hears.
fn room_of(client: usize, rooms: usize) -> usize {
    if client < rooms { client } else { (client - rooms) / ROOM_SUBSCRIBERS }
}

impl Ears {
    fn now_ns(&self) -> u128 {
        self.start.map_or(0, |start| start.elapsed().as_nanos())
    }

    /// Receptions of acknowledged events that have not come.
    fn missing(&self) -> u64 {
        let subscribers = self.received.iter().enumerate().skip(self.rooms);
        subscribers
            .map(|(client, received)| {
                self.acknowledged[room_of(client, self.rooms)].saturating_sub(*received)
            })
            .sum()
    }

    fn forget(&mut self) {
        self.waiting.clear();
        self.acknowledged.fill(0);
        self.received.fill(0);
        self.latencies.clear();
        self.disconnected = 0;
        self.refused = 0;
        self.first_refusal = None;
    }
}

impl Observer for Ears {
    fn opened(&mut self, client: usize, _opened: Opened<'_>) {
        self.opened.push(client);
    }

    fn event(&mut self, client: usize, event: &Event<'_>) {
        if event.name != EVENT {
            return;
        }
        let envelope = serde_json::from_str::<Envelope<'_>>(event.argument);
        let stamp = envelope.ok().and_then(|envelope| envelope.payload.reason.parse::<u128>().ok());
        if let (Some(stamp), true) = (stamp, client < self.received.len()) {
            let latency_ns = u64::try_from(self.now_ns().saturating_sub(stamp)).unwrap_or(u64::MAX);
            self.latencies.push(Duration::from_nanos(latency_ns));
            self.received[client] += 1;
        }
    }

    fn acknowledged(&mut self, client: usize, id: u64, answer: &str) {
        let is_success = answer.contains("\"success\":true");
        if client >= self.rooms {
            // A subscriber's only emission is its subscription.
            self.ready += usize::from(is_success);
        } else if self.waiting.remove(&(client, id)).is_some() {
            if is_success {
                self.acknowledged[client] += 1;
            } else {
                self.refused += 1;
            }
        }
        if !is_success && self.first_refusal.is_none() {
            self.first_refusal = Some(answer.chars().take(200).collect());
        }
    }

    fn torn(&mut self, _client: usize) {
        self.disconnected += 1;
    }

    fn turned_away(&mut self, _client: usize, code: &str) {
        self.disconnected += 1;
        self.first_refusal.get_or_insert_with(|| code.to_owned());
    }

    fn dismissed(&mut self, _client: usize) {
        self.disconnected += 1;
    }
}
