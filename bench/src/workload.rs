//! The loads, and what they share: the fixture they run on and the window they measure in.

mod batch_publishers;
pub(crate) mod client;
pub(crate) mod fan_out;
mod http_answer;
pub(crate) mod http_publish;
pub(crate) mod http_single;
pub(crate) mod idle;
pub(crate) mod idle_streams;
pub(crate) mod noisy;
pub(crate) mod orders;
pub(crate) mod replay;
pub(crate) mod request;
pub(crate) mod scale;
mod single_publishers;
pub(crate) mod steady;
pub(crate) mod upstream;
pub(crate) mod webhooks;

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use crate::back_end::BackEnd;
use crate::dialect::{Member, Refused, refusal};
use crate::latencies::Latencies;
use crate::metric::{Cell, Metric};
use crate::server_process::{self, Cpu, ServerError, ServerProcess};
use crate::stamp::{self, Template};
use crate::swarm::{Attention, Swarm, SwarmError};

/// How long connecting may take, whatever the number.
pub(crate) const OPEN_TIMEOUT: Duration = Duration::from_secs(120);
/// The tenant of every load that has only one.
pub(crate) const TENANT: &str = "bench";

#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkloadError {
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error(transparent)]
    Swarm(#[from] SwarmError),
    #[error("event loop")]
    Loop(#[from] io::Error),
    #[error("sign a token")]
    Token(#[from] jsonwebtoken::errors::Error),
    #[error("{cell}: nothing was delivered for {} s", .waited.as_secs_f32())]
    Silence { cell: String, waited: Duration },
}

impl WorkloadError {
    /// Whether every further load would fail alike, or nobody waits for one.
    pub(crate) fn ends_the_run(&self) -> bool {
        matches!(
            self,
            Self::Server(ServerError::Missing { .. } | ServerError::Spawn { .. })
                | Self::Swarm(SwarmError::Interrupted)
        )
    }
}

/// How long each phase takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
}

impl Pace {
    pub(crate) const FULL: Self =
        Self { warm_up: Duration::from_secs(1), measured: Duration::from_secs(3) };
    pub(crate) const QUICK: Self =
        Self { warm_up: Duration::from_millis(500), measured: Duration::from_millis(1500) };
}

/// One server with its clients.
pub(crate) struct Fixture {
    pub(crate) server: ServerProcess,
    pub(crate) swarm: Swarm,
    pub(crate) pace: Pace,
    /// The server's and the generator's.
    pub(crate) cores: [usize; 2],
    /// Where the server needs one.
    pub(crate) redis: Option<ServerProcess>,
    /// Where the load needs one.
    pub(crate) back_end: Option<BackEnd>,
}

impl Fixture {
    /// A member of `rooms`, named after its place.
    pub(crate) fn member(
        &self,
        tenant: &str,
        user: &str,
        rooms: Vec<String>,
    ) -> Result<Member, WorkloadError> {
        Ok(Member::new(self.swarm.dialect(), tenant, user, rooms)?)
    }
}

/// Everyone who publishes, what they publish, and what the watching clients saw of it.
#[derive(Default)]
pub(crate) struct Publishers {
    /// By client: its place in `templates`, where it publishes.
    places: Vec<Option<usize>>,
    clients: Vec<usize>,
    templates: Vec<Template>,
    pub(crate) latencies: Latencies,
    /// Whether a publisher answers its own copy with the next event.
    pub(crate) repeats: bool,
    /// Own copies that have not come back.
    pub(crate) in_flight: usize,
}

impl Publishers {
    pub(crate) fn add(&mut self, client: usize, template: Template) {
        self.places.resize(self.places.len().max(client + 1), None);
        self.places[client] = Some(self.templates.len());
        self.clients.push(client);
        self.templates.push(template);
    }

    pub(crate) fn len(&self) -> usize {
        self.clients.len()
    }

    /// Sends the next event of the publisher at `place`.
    pub(crate) fn publish(&mut self, place: usize, swarm: &mut Swarm) -> Result<(), SwarmError> {
        self.in_flight += 1;
        swarm.send(self.clients[place], self.templates[place].stamped(stamp::now_ns()))
    }

    /// What a watching client does with a frame.
    ///
    /// # Errors
    /// The frame says that the server refused something.
    pub(crate) fn on_frame(
        &mut self,
        client: usize,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Refused> {
        let Some(sent_ns) = stamp::read(payload) else { return refusal(payload) };
        let now_ns = stamp::now_ns();
        self.latencies.push(now_ns.saturating_sub(sent_ns));
        if let Some(&Some(place)) = self.places.get(client) {
            self.in_flight = self.in_flight.saturating_sub(1);
            if self.repeats {
                self.in_flight += 1;
                let text = self.templates[place].stamped(now_ns);
                crate::frame::encode(crate::frame::Opcode::Text, text, out);
            }
        }
        Ok(())
    }
}

/// The state of all counters at one moment.
pub(crate) struct Snapshot {
    at: Instant,
    server: Cpu,
    redis: Option<Cpu>,
    client: Cpu,
    busy_us: f64,
    deliveries: u64,
    delivered_bytes: u64,
}

/// What passed between two moments.
pub(crate) struct Window {
    pub(crate) elapsed: Duration,
    pub(crate) server: Cpu,
    redis: Option<Cpu>,
    client: Cpu,
    busy_us: f64,
    pub(crate) deliveries: u64,
    delivered_bytes: u64,
}

impl Snapshot {
    pub(crate) fn take(fixture: &Fixture) -> Result<Self, ServerError> {
        Ok(Self {
            at: Instant::now(),
            server: fixture.server.cpu()?,
            redis: fixture.redis.as_ref().map(ServerProcess::cpu).transpose()?,
            client: server_process::cpu("self")?,
            busy_us: server_process::busy_us(fixture.cores)?,
            deliveries: fixture.swarm.deliveries,
            delivered_bytes: fixture.swarm.delivered_bytes,
        })
    }

    pub(crate) fn until_now(self, fixture: &Fixture) -> Result<Window, ServerError> {
        let now = Self::take(fixture)?;
        Ok(Window {
            elapsed: now.at - self.at,
            server: now.server.since(self.server),
            redis: now.redis.zip(self.redis).map(|(now, before)| now.since(before)),
            client: now.client.since(self.client),
            busy_us: now.busy_us - self.busy_us,
            deliveries: now.deliveries - self.deliveries,
            delivered_bytes: now.delivered_bytes - self.delivered_bytes,
        })
    }
}

impl Window {
    /// CPU time of the server, and of the Redis that it needs.
    pub(crate) fn all_servers_us(&self) -> f64 {
        self.server.total_us() + self.redis.map_or(0.0, Cpu::total_us)
    }

    /// A cell of what every load measures.
    pub(crate) fn cell(&self, name: impl Into<String>, latencies: &mut Latencies) -> Cell {
        latencies.sort();
        let elapsed_us = self.elapsed.as_secs_f64() * 1e6;
        let others_us = (self.busy_us - self.all_servers_us() - self.client.total_us()).max(0.0);
        let redis_percent = self.redis.map(|redis| 100.0 * redis.total_us() / elapsed_us);
        Cell::new(name)
            .with(Metric::LatencyUsP50, latencies.percentile_us(500))
            .with(Metric::LatencyUsP99, latencies.percentile_us(990))
            .with(Metric::LatencyUsP999, latencies.percentile_us(999))
            .with(Metric::ServerBusyPercent, 100.0 * self.server.total_us() / elapsed_us)
            .with(Metric::RedisBusyPercent, redis_percent)
            .with(Metric::ClientBusyPercent, 100.0 * self.client.total_us() / elapsed_us)
            .with(Metric::OthersBusyPercent, 100.0 * others_us / (2.0 * elapsed_us))
    }

    /// A cell of a load that delivers events.
    ///
    /// # Errors
    /// None arrived, so there is nothing to divide by.
    pub(crate) fn delivery_cell(
        &self,
        name: impl Into<String>,
        latencies: &mut Latencies,
    ) -> Result<Cell, WorkloadError> {
        let cell = self.cell(name, latencies);
        if self.deliveries == 0 {
            return Err(WorkloadError::Silence { cell: cell.name, waited: self.elapsed });
        }
        let deliveries = self.deliveries as f64;
        Ok(cell
            .with(Metric::CpuUsPerDelivery, self.server.total_us() / deliveries)
            .with(Metric::CpuUserUsPerDelivery, self.server.user_us / deliveries)
            .with(Metric::DeliveriesPerSecond, deliveries / self.elapsed.as_secs_f64())
            .with(Metric::EventBytes, self.delivered_bytes as f64 / deliveries))
    }
}

/// Opens `rooms` rooms of `members` each, the first of them number `first_room`, and names one publisher in the middle of each. It and `watchers` others of a room,
/// spread over it, report latencies.
pub(crate) fn open_rooms(
    fixture: &mut Fixture,
    first_room: usize,
    rooms: usize,
    members: usize,
    watchers: usize,
    tenant_of: impl Fn(usize) -> String,
) -> Result<Publishers, WorkloadError> {
    let first = fixture.swarm.len();
    let mut publishers = Publishers::default();
    let mut plans = Vec::with_capacity(rooms * members);
    for room in 0..rooms {
        let name = room_name(first_room + room);
        for place in 0..members {
            let publishes = place == members / 2;
            let watches = (place * watchers) % members < watchers;
            if publishes {
                let client = first + plans.len();
                publishers.add(client, fixture.swarm.dialect().publication(&name));
            }
            let attention =
                if publishes || watches { Attention::Watches } else { Attention::Counts };
            let user = format!("{name}-{place}");
            plans.push((fixture.member(&tenant_of(room), &user, vec![name.clone()])?, attention));
        }
    }
    fixture.swarm.open(plans, OPEN_TIMEOUT)?;
    Ok(publishers)
}

pub(crate) fn room_name(room: usize) -> String {
    format!("o{room}")
}

/// Keeps `window` events of each publisher under way for the fixture's pace, measures, and lets them run out.
pub(crate) fn keep_in_flight(
    fixture: &mut Fixture,
    publishers: &mut Publishers,
    window: usize,
    name: impl Into<String>,
) -> Result<Cell, WorkloadError> {
    load_for(fixture, publishers, window, fixture.pace.warm_up)?;
    publishers.latencies.clear();
    let start = Snapshot::take(fixture)?;
    fixture
        .swarm
        .run_for(fixture.pace.measured, &mut |c, p, out| publishers.on_frame(c, p, out))?;
    let measured = start.until_now(fixture)?;
    let cell = measured.delivery_cell(name, &mut publishers.latencies)?;
    run_out(fixture, publishers)?;
    Ok(cell)
}

/// Puts `window` events of each publisher under way and keeps them so for `duration`, and after it until [`run_out`].
pub(crate) fn load_for(
    fixture: &mut Fixture,
    publishers: &mut Publishers,
    window: usize,
    duration: Duration,
) -> Result<(), WorkloadError> {
    publishers.repeats = true;
    for place in 0..publishers.len() {
        for _ in 0..window {
            publishers.publish(place, &mut fixture.swarm)?;
        }
    }
    Ok(fixture.swarm.run_for(duration, &mut |c, p, out| publishers.on_frame(c, p, out))?)
}

/// Waits until nothing is under way, so that the next load starts from silence.
pub(crate) fn run_out(
    fixture: &mut Fixture,
    publishers: &mut Publishers,
) -> Result<(), WorkloadError> {
    const TIMEOUT: Duration = Duration::from_secs(20);
    publishers.repeats = false;
    let deadline = Instant::now() + TIMEOUT;
    while publishers.in_flight > 0 {
        fixture.swarm.turn(&mut |c, p, out| publishers.on_frame(c, p, out))?;
        crate::swarm::check_deadline(deadline, "waiting for the last events", TIMEOUT)?;
    }
    // The publisher's own copy is not the last of its event.
    fixture
        .swarm
        .run_for(Duration::from_millis(100), &mut |c, p, out| publishers.on_frame(c, p, out))?;
    publishers.latencies.clear();
    Ok(())
}

/// Lets the server settle, answering its heartbeats.
pub(crate) fn settle(fixture: &mut Fixture, duration: Duration) -> Result<(), WorkloadError> {
    if fixture.swarm.len() == 0 {
        thread::sleep(duration);
    }
    fixture.swarm.run_for(duration, &mut |_, payload, _| refusal(payload))?;
    Ok(())
}
