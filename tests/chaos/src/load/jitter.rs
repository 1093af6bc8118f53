//! Connections that tear all the time, as in a published benchmark of Socket.IO servers: broadcasts at a steady pace to
//! everybody, each connection torn every 15 s or so for 2 s.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::Percentiles;
use super::broadcaster::{Broadcast, Broadcaster};
use super::fixture::{Fixture, LoadError, TENANT, TURN, start_node_clients};
use super::listeners::Listeners;
use crate::client::Tear;
use crate::recorder::Recorder;
use foodtrack_history_checker::{Kind, Verdict, check, merge};

const PERIOD: Duration = Duration::from_millis(500);
const TORN_EVERY: Duration = Duration::from_secs(15);
const AWAY: Duration = Duration::from_secs(2);
/// For the last replay, after the last broadcast.
const PATIENCE: Duration = Duration::from_secs(20);

/// The load.
#[derive(Clone, Debug)]
pub struct Jitter {
    /// The hub to test.
    pub hub: PathBuf,
    /// Sessions.
    pub sessions: usize,
    /// How long there are broadcasts.
    pub duration: Duration,
    /// Between two tears of a connection, about.
    pub torn_every: Duration,
    /// How long a torn connection stays away.
    pub away: Duration,
    /// Unmodified clients beside the sessions, in a Node process.
    pub node_clients: usize,
    /// What chance decides by.
    pub seed: u64,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct JitterReport {
    /// Events that were published.
    pub published: u64,
    /// Sessions.
    pub sessions: usize,
    /// Events that arrived, one for each session.
    pub delivered: u64,
    /// Events that came twice in a session.
    pub repeated: usize,
    /// Connections that were made again, and how many took up their session.
    pub reconnected: usize,
    /// See `reconnected`.
    pub recovered: usize,
    /// From CONNECT to the last missed event.
    pub replay: Percentiles,
    /// What the unmodified clients prove, where there were some.
    pub node: Option<Verdict>,
}

impl Jitter {
    /// As it was published, with so many sessions.
    pub fn published(hub: PathBuf, sessions: usize) -> Self {
        let duration = Duration::from_secs(60);
        let (torn_every, away, node_clients, seed) = (TORN_EVERY, AWAY, 0, 1);
        Self { hub, sessions, duration, torn_every, away, node_clients, seed }
    }

    /// Runs it.
    ///
    /// # Errors
    /// [`LoadError`], when it could not be run.
    pub fn run(&self) -> Result<JitterReport, LoadError> {
        let mut rng = Rng::with_seed(self.seed);
        let published = Arc::new(AtomicU64::new(0));
        let tenants = (0..self.sessions).map(|_| TENANT.to_owned());
        let mut listeners = Listeners::new(tenants, Arc::clone(&published));
        let mut fixture = Fixture::start(&self.hub, self.sessions, self.seed)?;
        fixture.open(&mut listeners)?;
        let address = fixture.hub.address();
        let node = start_node_clients(address, self.node_clients, Some(self.torn_every))?;
        let recorder = Recorder::default();
        let count = u64::try_from(self.duration.as_millis() / PERIOD.as_millis()).unwrap_or(0);
        let mut broadcaster = Broadcaster::start(Broadcast {
            address,
            tenant: TENANT.to_owned(),
            token: Fixture::back_end()?,
            period: PERIOD,
            count,
            recorder: recorder.clone(),
        });
        let start = Instant::now();
        let later = |rng: &mut Rng| self.torn_every.mul_f64(0.8 + 0.4 * rng.f64());
        let mut tears: Vec<(Instant, usize)> = (0..self.sessions)
            .map(|session| (start + self.torn_every.mul_f64(rng.f64()), session))
            .collect();
        tears.sort_unstable();
        let mut tears = std::collections::VecDeque::from(tears);
        while !broadcaster.is_done() {
            fixture.swarm.turn(Instant::now() + TURN, &mut listeners)?;
            published.store(broadcaster.published(), Ordering::SeqCst);
            while let Some((_, session)) = tears.pop_front_if(|(at, _)| *at <= Instant::now()) {
                let how = if rng.bool() { Tear::Reset } else { Tear::Close };
                fixture.swarm.tear(session, how, self.away, &mut listeners);
                let next = Instant::now() + self.away + later(&mut rng);
                let place = tears.partition_point(|(at, _)| *at <= next);
                tears.insert(place, (next, session));
            }
        }
        let count = broadcaster.stop();
        published.store(count, Ordering::SeqCst);
        let deadline = Instant::now() + PATIENCE;
        let is_complete =
            |listeners: &Listeners| (0..self.sessions).all(|s| listeners.has(s, count));
        while !is_complete(&listeners) && Instant::now() < deadline {
            fixture.swarm.turn(Instant::now() + TURN, &mut listeners)?;
        }
        let node = match node {
            Some(node) => Some(check(&merge([recorder.take(), node.finish()?]))),
            None => None,
        };
        Ok(JitterReport {
            published: count,
            sessions: self.sessions,
            delivered: listeners.delivered(count),
            repeated: listeners.repeated + listeners.foreign,
            reconnected: listeners.reconnected,
            recovered: listeners.recovered,
            replay: Percentiles::of(listeners.replays),
            node,
        })
    }
}

impl JitterReport {
    /// Whether everything arrived, once.
    pub fn holds(&self) -> bool {
        self.published > 0
            && self.delivered == self.published * self.sessions as u64
            && self.repeated == 0
            && self.node.as_ref().is_none_or(Verdict::holds)
    }
}

impl fmt::Display for JitterReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let due = self.published * self.sessions as u64;
        let percent = self.delivered as f64 * 100.0 / due.max(1) as f64;
        let Self { published, sessions, delivered, repeated, reconnected, recovered, .. } = self;
        writeln!(
            f,
            "{published} broadcasts to {sessions} sessions: {delivered} of {due} delivered"
        )?;
        writeln!(f, "{reconnected} connections made again, {recovered} recovered")?;
        if let Some(node) = &self.node {
            let lost = node.count(Kind::Lost);
            writeln!(f, "unmodified clients: {} due, {lost} lost; {node}", node.expected)?;
        }
        writeln!(f, "replay of {}: {}", self.replay.count(), self.replay)?;
        // Rounded down: what is not all is not 100 %.
        write!(f, "delivered {:.3} %, {repeated} repeated", (percent * 1_000.0).floor() / 1_000.0)
    }
}
