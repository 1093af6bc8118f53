//! The server itself restarts under everybody: how long until all are back, and have what they missed.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::Percentiles;
use super::broadcaster::{Broadcast, Broadcaster};
use super::fixture::{Fixture, LoadError, TENANT, TURN, start_node_clients};
use super::listeners::Listeners;
use crate::hub::Status;
use crate::recorder::Recorder;
use foodtrack_history_checker::{Verdict, What, check, merge};

/// Between two broadcasts.
const PERIOD: Duration = Duration::from_millis(100);
/// Broadcasts go on for so long before the restart, and after it began.
const AROUND: Duration = Duration::from_secs(1);
/// Their clients give up after about 17 s; what is not back by then is lost to somebody.
const PATIENCE: Duration = Duration::from_secs(30);
/// What the project promises.
const BACK_WITHIN: Duration = Duration::from_secs(8);

/// How the server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It is asked to.
    Sigterm,
    /// It is killed.
    Kill,
}

/// The load.
#[derive(Clone, Debug)]
pub struct Storm {
    /// The hub to test.
    pub hub: PathBuf,
    /// Sessions.
    pub sessions: usize,
    /// How the server ends.
    pub how: How,
    /// Unmodified clients beside the sessions, in a Node process.
    pub node_clients: usize,
    /// What chance decides by.
    pub seed: u64,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct StormReport {
    /// Sessions.
    pub sessions: usize,
    /// Sessions that are back with everything.
    pub back: usize,
    /// Sessions that were taken up.
    pub recovered: usize,
    /// Events that were published, before and during the restart.
    pub published: u64,
    /// Events that came twice in a session.
    pub repeated: usize,
    /// How long the server was not there.
    pub down: Duration,
    /// From the signal until a session was back with everything.
    pub time: Percentiles,
    /// What the unmodified clients prove, where there were some.
    pub node: Option<Verdict>,
}

impl Storm {
    /// Runs it.
    ///
    /// # Errors
    /// [`LoadError`], when it could not be run.
    pub fn run(&self) -> Result<StormReport, LoadError> {
        let published = Arc::new(AtomicU64::new(0));
        let tenants = (0..self.sessions).map(|_| TENANT.to_owned());
        let mut listeners = Listeners::new(tenants, Arc::clone(&published));
        let mut fixture = Fixture::start(&self.hub, self.sessions, self.seed)?;
        fixture.open(&mut listeners)?;
        let address = fixture.hub.address();
        let node = start_node_clients(address, self.node_clients, None)?;
        let recorder = Recorder::default();
        let mut broadcaster = Broadcaster::start(Broadcast {
            address,
            tenant: TENANT.to_owned(),
            token: Fixture::back_end()?,
            period: PERIOD,
            count: u64::MAX,
            recorder: recorder.clone(),
        });
        let begin = Instant::now();
        while begin.elapsed() < AROUND {
            fixture.swarm.turn(Instant::now() + TURN, &mut listeners)?;
        }
        let signal = Instant::now();
        match self.how {
            How::Sigterm => {
                recorder.note(What::HubStopping);
                fixture.hub.terminate();
            }
            How::Kill => {
                recorder.note(What::HubKilled);
                fixture.hub.kill();
            }
        }
        let up =
            self.restart(&mut fixture, &mut listeners, &mut broadcaster, &published, signal)?;
        let count = broadcaster.stop();
        let is_back = |s: &usize| listeners.connections(*s) > 1 && listeners.has(*s, count);
        let back: Vec<usize> = (0..self.sessions).filter(is_back).collect();
        let times = back.iter().filter_map(|session| listeners.last(*session));
        let node = match node {
            Some(node) => Some(check(&merge([recorder.take(), node.finish()?]))),
            None => None,
        };
        Ok(StormReport {
            sessions: self.sessions,
            back: back.len(),
            recovered: back.iter().filter(|session| listeners.is_recovered(**session)).count(),
            published: count,
            repeated: listeners.repeated + listeners.foreign,
            down: up.unwrap_or(PATIENCE),
            time: Percentiles::of(times.map(|at| at.saturating_duration_since(signal)).collect()),
            node,
        })
    }

    /// Starts the server again once it is down, and waits until everybody has everything, or for the patience. Returns how long
    /// after `signal` the server was back.
    fn restart(
        &self,
        fixture: &mut Fixture,
        listeners: &mut Listeners,
        broadcaster: &mut Broadcaster,
        published: &AtomicU64,
        signal: Instant,
    ) -> Result<Option<Duration>, LoadError> {
        let (mut up, mut count, mut is_started) = (None, None, false);
        while signal.elapsed() < PATIENCE {
            fixture.swarm.turn(Instant::now() + TURN, listeners)?;
            match fixture.hub.status() {
                Status::Down => {
                    fixture.hub.start()?;
                    is_started = true;
                }
                Status::Up if is_started && up.is_none() => up = Some(signal.elapsed()),
                _ => {}
            }
            published.store(broadcaster.published(), Ordering::SeqCst);
            // Enough was published meanwhile once it is up again: what is to come is what all are to have.
            if up.is_some() && signal.elapsed() > AROUND && count.is_none() {
                count = Some(broadcaster.stop());
            }
            let is_back = |session, count| {
                listeners.connections(session) > 1 && listeners.has(session, count)
            };
            if count.is_some_and(|count| (0..self.sessions).all(|s| is_back(s, count))) {
                break;
            }
        }
        Ok(up)
    }
}

impl StormReport {
    /// Whether all came back in time, to their sessions, and have everything once.
    pub fn holds(&self) -> bool {
        self.back == self.sessions
            && self.recovered == self.sessions
            && self.repeated == 0
            && self.time.at(100) <= BACK_WITHIN
            && self.node.as_ref().is_none_or(Verdict::holds)
    }
}

impl fmt::Display for StormReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sessions, back, recovered, published, repeated, down, time, .. } = self;
        let down_s = down.as_secs_f64();
        writeln!(
            f,
            "{sessions} sessions, {published} broadcasts, the server back after {down_s:.3} s"
        )?;
        if let Some(node) = &self.node {
            writeln!(f, "unmodified clients: {} due; {node}", node.expected)?;
        }
        let percent = *recovered as f64 * 100.0 / (*sessions).max(1) as f64;
        writeln!(f, "{back} back with everything, {percent:.2} % recovered, {repeated} repeated")?;
        write!(f, "back: {time}")
    }
}
