//! How a node that is to stop lets go of its clients: it says that it drains, and then sends them elsewhere, some at a time.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use foodtrack_shard::{Counters, Shards};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::watch;

/// How often it is looked whether clients are still here.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What becomes of a node once its clients are elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AfterDrain {
    /// Its process ends.
    #[default]
    Exit,
    /// It stays, for whoever looks at it, and sends on who comes.
    Stay,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DrainPhase {
    /// `/ready` and `/health` say so, and clients are served as before.
    Announced,
    /// Clients are sent elsewhere.
    Moving,
    /// The time for that is over, or none is left.
    Drained,
}

/// A drain, as `/health` tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct DrainReport {
    /// How far it is.
    pub phase: DrainPhase,
    /// What comes then.
    pub then: AfterDrain,
    /// Since when; RFC 3339.
    pub since: String,
}

/// How to drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DrainOrder {
    pub(crate) then: AfterDrain,
    /// How long it is said before anything else changes.
    pub(crate) delay: Duration,
    /// How long it then takes to send all clients elsewhere.
    pub(crate) within: Duration,
}

/// What drains a node.
pub(crate) struct Drain {
    shards: Shards,
    counters: Vec<Arc<Counters>>,
    state: watch::Sender<Option<DrainReport>>,
    thread: Mutex<Option<DrainThread>>,
}

/// The thread that does what an order over the API says.
struct DrainThread {
    /// Dropped: it ends.
    goes_on: SyncSender<()>,
    thread: JoinHandle<()>,
}

impl Drain {
    pub(crate) fn new(shards: Shards, counters: Vec<Arc<Counters>>) -> Self {
        let (state, _) = watch::channel(None);
        Self { shards, counters, state, thread: Mutex::new(None) }
    }

    /// How far it is; `None` where the node does not drain.
    pub(crate) fn report(&self) -> Option<DrainReport> {
        self.state.borrow().clone()
    }

    /// From now on it is said. `false`: it was already.
    pub(crate) fn announce(&self, then: AfterDrain) -> bool {
        let since = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
        self.state.send_if_modified(|state| {
            let is_first = state.is_none();
            if is_first {
                *state = Some(DrainReport { phase: DrainPhase::Announced, then, since });
            }
            is_first
        })
    }

    /// Does what the order says, on a thread of its own. Where the node drains already, that goes on as it is, and the order says what
    /// comes then.
    ///
    /// # Errors
    /// The system gave no thread; it is said that the node drains all the same.
    pub(crate) fn begin(self: &Arc<Self>, order: DrainOrder) -> io::Result<()> {
        if !self.announce(order.then) {
            self.change(|report| report.then = order.then);
        }
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_some() {
            return Ok(());
        }
        tracing::info!(?order, "draining, as the API was asked: /ready and /health say so");
        let (goes_on, is_over) = sync_channel(0);
        let drain = Arc::clone(self);
        let run = move || drain.run(order, &is_over);
        let spawned = std::thread::Builder::new().name("drain".into()).spawn(run)?;
        *thread = Some(DrainThread { goes_on, thread: spawned });
        Ok(())
    }

    fn run(&self, order: DrainOrder, is_over: &Receiver<()>) {
        if passes(order.delay, is_over) && self.send_elsewhere(order.within, is_over) {
            tracing::info!(left = self.clients(), "drained");
        }
    }

    /// Sends clients elsewhere until none is left or the time is over. `false`: it was told to stop before.
    fn send_elsewhere(&self, within: Duration, is_over: &Receiver<()>) -> bool {
        let until = self.begin_to_move(within);
        while self.clients() > 0 && Instant::now() < until {
            if !passes(LOOK_EVERY, is_over) {
                return false;
            }
        }
        self.change(|report| report.phase = DrainPhase::Drained);
        true
    }

    /// As that, and blocks meanwhile.
    pub(crate) fn send_all_elsewhere(&self, within: Duration) {
        let (_goes_on, is_over) = sync_channel(0);
        self.send_elsewhere(within, &is_over);
    }

    fn begin_to_move(&self, within: Duration) -> Instant {
        let within_ms = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(within_ms, "clients are told to connect elsewhere, some at a time");
        self.change(|report| report.phase = DrainPhase::Moving);
        self.shards.send_elsewhere(within);
        Instant::now() + within
    }

    /// Leaves what an order over the API began: from now on the server itself sees to it.
    pub(crate) fn take_over(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(DrainThread { goes_on, thread }) = thread else { return };
        drop(goes_on);
        if thread.join().is_err() {
            tracing::error!("the thread that drains had panicked");
        }
    }

    /// Whether the process is to end: its clients are elsewhere, and that was asked.
    pub(crate) fn is_to_exit(&self) -> bool {
        self.state.borrow().as_ref().is_some_and(DrainReport::is_to_exit)
    }

    /// Ready once [`Drain::is_to_exit`].
    pub(crate) async fn exit_asked(&self) {
        let mut state = self.state.subscribe();
        // The sender lives as long as `self`.
        let _ = state.wait_for(|state| state.as_ref().is_some_and(DrainReport::is_to_exit)).await;
    }

    fn change(&self, change: impl FnOnce(&mut DrainReport)) {
        self.state.send_modify(|state| {
            if let Some(report) = state {
                change(report);
            }
        });
    }

    fn clients(&self) -> u64 {
        self.counters.iter().map(|it| it.connections.get()).sum()
    }
}

impl DrainReport {
    fn is_to_exit(&self) -> bool {
        self.phase == DrainPhase::Drained && self.then == AfterDrain::Exit
    }
}

/// Whether the time passes before it is told to stop.
fn passes(time: Duration, is_over: &Receiver<()>) -> bool {
    matches!(is_over.recv_timeout(time), Err(RecvTimeoutError::Timeout))
}
