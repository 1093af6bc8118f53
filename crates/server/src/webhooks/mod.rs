//! Back ends that are told of events: read from the tenants' logs, posted in batches, signed, at least once and in the log's order.
//!
//! A webhook has a place in each tenant's log. It moves when the receiver has taken what comes next, so that a receiver that was
//! away, or a hub that was killed, costs no event. Where several nodes share a log, one at a time tells a webhook of a tenant, under a
//! lease, and all find there how far it is.

mod desk;
mod event_filter;
mod kept;
mod letters;
mod place;
mod progress;
mod receiver;
mod receiver_health;
mod reloading;
mod report;
mod strays;
mod terms;
mod turns;
mod webhook;

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use foodtrack_contract::{Cursor, ErrorCode, Refusal, TenantId};
use foodtrack_router::Viewer;
use foodtrack_shard::{ConnectionManager, RetryPolicy, WantedHubEvents};
use foodtrack_tenant_log::{
    Answer, Completion, Duty, NoteKind, OnCompletion, ReadError, TenantLog,
};
use foodtrack_transport::CidrBlocks;
use http::HeaderMap;
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};

use kept::Kept;
use place::Place;
use receiver::{Delivery, Receiver};
pub(crate) use report::{TestReport, WebhookReport};
use strays::Strays;
use webhook::{TurnEnd, Webhook};

use crate::config::{CheckedConfig, WebhookConfig};
use crate::data::{DataDir, DataDirError};
use crate::log_report::Reports;
use crate::policy_book::PolicyBook;
use crate::shards_config::retry_policy;
use crate::telemetry::Telemetry;

/// Requests to one receiver at once, each of another tenant.
const REQUESTS_MAX: usize = 8;
/// How long a tenant of whose events none was wanted is not looked at: it may have many of them, one commit after another.
const GATHER: Duration = Duration::from_millis(20);
/// How long requests that are under way may go on when the server stops; what is not answered by then is sent again.
const STOP_WAIT: Duration = Duration::from_secs(1);

/// Every webhook of the configuration.
pub(crate) struct Webhooks {
    all: ArcSwap<Vec<Arc<Webhook>>>,
    /// The private networks that they may go to.
    allowed: CidrBlocks,
    retry: RetryPolicy,
    telemetry: Arc<Telemetry>,
    kept: Kept,
    strays: Arc<Strays>,
    /// How soon it is looked again at what another node is to do.
    looks_again: Duration,
    stop: Arc<Notify>,
    /// Of the thread that sends; not before it runs.
    runtime: OnceLock<Handle>,
    thread: Mutex<Thread>,
}

/// What webhooks are told with.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) log: Arc<dyn TenantLog>,
    pub(crate) connections: ConnectionManager,
    pub(crate) policies: Arc<PolicyBook>,
}

/// The thread that sends.
enum Thread {
    /// There was no webhook yet.
    Idle,
    Runs(JoinHandle<()>),
    /// The server stops.
    Ended,
}

impl Webhooks {
    /// Those of the configuration.
    ///
    /// # Errors
    /// [`DataDirError`]: what is kept of them cannot be read, or no HTTP client can be made.
    pub(crate) fn new(
        config: &CheckedConfig,
        directory: Option<&DataDir>,
        telemetry: &Arc<Telemetry>,
    ) -> Result<Self, DataDirError> {
        let said = config.said();
        let webhooks = Self {
            all: ArcSwap::default(),
            allowed: allowed(config),
            retry: retry_policy(config),
            telemetry: Arc::clone(telemetry),
            kept: Kept::open(directory)?,
            strays: Arc::default(),
            looks_again: Duration::from_millis(said.redis.lease_ms.into()) / 3,
            stop: Arc::default(),
            runtime: OnceLock::new(),
            thread: Mutex::new(Thread::Idle),
        };
        let first = webhooks
            .next(&said.webhooks)
            .map_err(|source| DataDirError::Unusable { path: "webhooks".into(), source })?;
        webhooks.all.store(Arc::new(first.into_all()));
        Ok(webhooks)
    }

    /// Hears of a log's commits before `next` does.
    pub(crate) fn listen(self: &Arc<Self>, next: OnCompletion) -> OnCompletion {
        let webhooks = Arc::clone(self);
        Box::new(move |completion| {
            // Where there is none, nobody pays for more than this look.
            if webhooks.all.load().is_empty() {
                return next(completion);
            }
            let grown = match &completion {
                Completion::Committed { tenant, .. }
                | Completion::Grown { tenant, .. }
                | Completion::Answered { tenant, answer: Answer::Committed(_), .. } => {
                    Some(tenant.clone())
                }
                Completion::Abandoned { tenant, duty } => {
                    webhooks.take_up(tenant, duty);
                    None
                }
                _ => None,
            };
            next(completion);
            webhooks.add(grown.as_slice());
        })
    }

    fn of(&self, tenant: &TenantId) -> Vec<Arc<Webhook>> {
        self.all.load().iter().filter(|webhook| webhook.covers(tenant)).cloned().collect()
    }

    /// Webhooks that were not there before are told of what is accepted from now on. Before the first event of this process.
    pub(crate) fn begin(&self, log: &dyn TenantLog) {
        self.begin_with(log, &self.all.load());
    }

    fn begin_with(&self, log: &dyn TenantLog, all: &[Arc<Webhook>]) {
        if let Err(error) = self.kept.begin(log, all) {
            tracing::error!(%error, "new webhooks may be told of old events: where they begin is not kept");
        }
    }

    /// No node tells a webhook any more.
    fn take_up(&self, tenant: &TenantId, duty: &Duty) {
        if !matches!(duty, Duty::Webhook(_)) {
            return;
        }
        match self.of(tenant).iter().find(|webhook| webhook.duty == *duty) {
            Some(webhook) => webhook.turns.add(tenant),
            None => self.strays.add(tenant, duty.clone()),
        }
    }

    /// Has them told, where there are any. It ends with [`Webhooks::stop`].
    ///
    /// # Errors
    /// The system gave no thread or no runtime.
    pub(crate) fn start(self: &Arc<Self>, around: &Surroundings) -> io::Result<()> {
        let all = self.all.load();
        if all.is_empty() {
            return Ok(());
        }
        self.start_thread(around)?;
        self.tell(&all, around);
        Ok(())
    }

    /// Starts the thread that sends, unless it runs.
    fn start_thread(&self, around: &Surroundings) -> io::Result<()> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        match &*thread {
            Thread::Idle => {}
            Thread::Runs(_) => return Ok(()),
            Thread::Ended => return Err(io::Error::other("the server stops")),
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .thread_name("webhooks-disk")
            .max_blocking_threads(2)
            .build()?;
        let handle = runtime.handle().clone();
        let (strays, stop) = (Arc::clone(&self.strays), Arc::clone(&self.stop));
        let log = Arc::clone(&around.log);
        let run = move || {
            runtime.block_on(async {
                tokio::spawn(async move { strays.give_back(&log).await });
                stop.notified().await;
            });
            runtime.shutdown_timeout(STOP_WAIT);
        };
        *thread = Thread::Runs(std::thread::Builder::new().name("webhooks".into()).spawn(run)?);
        // It is started once.
        let _ = self.runtime.set(handle);
        Ok(())
    }

    /// Has these told from now on, and looks once at every tenant of all.
    fn tell(self: &Arc<Self>, fresh: &[Arc<Webhook>], around: &Surroundings) {
        let Some(runtime) = self.runtime.get() else { return };
        for webhook in fresh {
            let (webhooks, webhook) = (Arc::clone(self), Arc::clone(webhook));
            let Surroundings { log, policies, .. } = around.clone();
            runtime.spawn(async move { webhooks.run(&webhook, &log, &policies).await });
        }
        let (webhooks, around) = (Arc::clone(self), around.clone());
        // It waits for the disk.
        runtime.spawn_blocking(move || webhooks.look_at_all(around));
    }

    fn look_at_all(&self, around: Surroundings) {
        let Surroundings { log, connections, policies } = around;
        match log.tenants() {
            Ok(tenants) => self.add(&tenants),
            Err(error) => {
                tracing::error!(%error, "webhooks hear of a tenant only once it has a new event");
            }
        }
        let noted = tenants_with_devices(&*log, &policies.current().hub_events);
        if let Some(runtime) = self.runtime.get() {
            runtime.spawn(open_all(connections, noted));
        }
    }

    /// Ends the thread, and waits for its end.
    pub(crate) fn stop(&self) {
        self.stop.notify_one();
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Thread::Runs(thread) = std::mem::replace(&mut *thread, Thread::Ended)
            && thread.join().is_err()
        {
            tracing::error!("the webhooks' thread had panicked");
        }
    }

    fn add(&self, tenants: &[TenantId]) {
        let all = self.all.load();
        for tenant in tenants {
            let covering = all.iter().filter(|webhook| webhook.covers(tenant));
            covering.for_each(|webhook| webhook.turns.add(tenant));
        }
    }

    /// Gives one webhook's tenants their turns.
    async fn run(
        self: &Arc<Self>,
        webhook: &Arc<Webhook>,
        log: &Arc<dyn TenantLog>,
        policies: &PolicyBook,
    ) {
        let places = Arc::new(Semaphore::new(REQUESTS_MAX));
        loop {
            // Nobody closes it.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let Some(tenant) = webhook.next().await else { return };
            // What is hidden by now stays hidden, whenever the events were accepted.
            let reports = reports(policies, &tenant);
            let (webhooks, webhook, log) = (Arc::clone(self), Arc::clone(webhook), Arc::clone(log));
            tokio::spawn(async move {
                let is_alone = log.webhook_places().is_none();
                let end = if is_alone && webhooks.kept.is_paused(&webhook.name, &tenant) {
                    TurnEnd::Done
                } else {
                    webhook.turn(&log, reports).await
                };
                drop(place);
                match end {
                    TurnEnd::Refused(delay) => tokio::time::sleep(delay).await,
                    TurnEnd::Unwanted => tokio::time::sleep(GATHER).await,
                    TurnEnd::Elsewhere => tokio::time::sleep(webhooks.looks_again).await,
                    TurnEnd::Done | TurnEnd::More | TurnEnd::Down => {}
                }
                let is_over = matches!(end, TurnEnd::Done | TurnEnd::Unwanted) || webhook.is_gone();
                if is_over {
                    log.rest(&tenant, &webhook.duty);
                }
                webhook.turns.end(&tenant, !is_over);
            });
        }
    }

    /// Numbers for Prometheus: each webhook with what it has delivered, failed to deliver and given up, and whether its receiver is
    /// away.
    pub(crate) fn counts(&self) -> Vec<WebhookCounts> {
        let all = self.all.load();
        let counts = all.iter().map(|webhook| WebhookCounts {
            name: webhook.name.clone(),
            delivered: webhook.counts.delivered.load(Ordering::Relaxed),
            failed: webhook.counts.failed.load(Ordering::Relaxed),
            dead_letters: webhook.counts.dead_letters.load(Ordering::Relaxed),
            is_receiver_away: webhook.health.report().failures > 0,
        });
        counts.collect()
    }

    /// How the webhooks of a tenant do. Waits for the disk.
    ///
    /// # Errors
    /// [`ReadError`]
    pub(crate) fn list(
        &self,
        log: &dyn TenantLog,
        tenant: &TenantId,
    ) -> Result<Vec<WebhookReport>, ReadError> {
        let last = match log.stats(tenant) {
            Ok(stats) => Some(stats.last),
            Err(ReadError::UnknownTenant(_)) => None,
            Err(error) => return Err(error),
        };
        let report = |webhook: &Arc<Webhook>| -> Result<WebhookReport, ReadError> {
            let standing = self.kept.standing(log, webhook, tenant)?;
            Ok(WebhookReport::new(webhook, &standing, last.as_ref()))
        };
        self.of(tenant).iter().map(report).collect()
    }

    /// Sends nothing of a tenant for now, or goes on where it was, whichever node tells it. Blocks for one fsync.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`]: the tenant has no such webhook. [`ErrorCode::Degraded`]: it cannot be kept.
    pub(crate) fn set_paused(
        &self,
        log: &dyn TenantLog,
        tenant: &TenantId,
        name: &str,
        is_paused: bool,
    ) -> Result<(), Refusal> {
        let webhook = self.find(tenant, name)?;
        self.kept.pause(log, &webhook, tenant, is_paused)
    }

    /// Sends a tenant's events again, those after `from`; all that its log has where there is none. Waits for the disk.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`]: the tenant has no such webhook. [`ErrorCode::Conflict`]: the log never gave out this cursor.
    /// [`ErrorCode::Degraded`]: the log cannot be read.
    pub(crate) fn replay(
        &self,
        log: &dyn TenantLog,
        tenant: &TenantId,
        name: &str,
        from: Option<&Cursor>,
    ) -> Result<(), Refusal> {
        let webhook = self.find(tenant, name)?;
        let degraded = |error: String| Refusal::new(ErrorCode::Degraded, error);
        let last = match log.stats(tenant) {
            Ok(stats) => stats.last,
            // Nothing was accepted yet.
            Err(ReadError::UnknownTenant(_)) if from.is_none() => return Ok(()),
            Err(error) => return Err(degraded(error.to_string())),
        };
        let place = match from {
            None => Place { epoch: Some(last.epoch()), ..Place::BEGINNING },
            Some(cursor)
                if cursor.epoch() == last.epoch() && cursor.through() <= last.through() =>
            {
                cursor.into()
            }
            Some(_) => {
                let sentence = "the log never gave out this cursor; leave it out to send everything that the log has";
                return Err(Refusal::new(ErrorCode::Conflict, sentence));
            }
        };
        self.kept.move_to(log, &webhook, tenant, place)
    }

    /// Sends a request without events, and says what came of it.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`]: the tenant has no such webhook. [`ErrorCode::Draining`]: the server is about to stop.
    pub(crate) async fn test(&self, tenant: &TenantId, name: &str) -> Result<TestReport, Refusal> {
        let (webhook, tenant) = (self.find(tenant, name)?, tenant.clone());
        let draining = || Refusal::new(ErrorCode::Draining, "the server starts or stops");
        let post = async move {
            let delivery = Delivery::test(&webhook.name, &tenant);
            let terms = webhook.terms();
            let exchange = terms.receiver.post(&delivery, HeaderMap::new()).await;
            TestReport::new(&terms.receiver, exchange)
        };
        // Whoever asks may have a runtime without sockets.
        let posted = self.runtime.get().ok_or_else(draining)?.spawn(post);
        posted.await.map_err(|_| draining())
    }

    fn find(&self, tenant: &TenantId, name: &str) -> Result<Arc<Webhook>, Refusal> {
        self.of(tenant).into_iter().find(|webhook| webhook.name == name).ok_or_else(|| {
            let sentence =
                "the tenant has no such webhook; GET /api/v1/webhooks lists what there is";
            Refusal::new(ErrorCode::NotFound, sentence)
        })
    }
}

/// How receivers are told of a tenant's events at this moment.
fn reports(policies: &PolicyBook, tenant: &TenantId) -> Reports {
    Reports::new(&policies.current().redactions, tenant, Viewer::Webhook)
}

/// Tenants whose devices somebody follows, and that had some when the server ended.
fn tenants_with_devices(log: &dyn TenantLog, wanted: &WantedHubEvents) -> Vec<TenantId> {
    if wanted.is_empty() {
        return Vec::new();
    }
    let mut noted = log.tenants_noted(NoteKind::Presence).unwrap_or_else(|error| {
        tracing::error!(%error, "webhooks hear of a device that is offline only once somebody of its tenant comes");
        Vec::new()
    });
    noted.retain(|tenant| wanted.has_devices(tenant));
    noted
}

/// Opens tenants one after the other: devices of theirs that do not come back are told of.
async fn open_all(connections: ConnectionManager, tenants: Vec<TenantId>) {
    for tenant in tenants {
        while connections.open(&tenant).await.is_err() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

/// A webhook's numbers since the start.
pub(crate) struct WebhookCounts {
    pub(crate) name: String,
    pub(crate) delivered: u64,
    pub(crate) failed: u64,
    pub(crate) dead_letters: u64,
    pub(crate) is_receiver_away: bool,
}

/// Sends the receiver of a configuration's webhook one request without events.
///
/// # Errors
/// TLS cannot be set up.
pub(crate) async fn test_once(
    config: &CheckedConfig,
    webhook: &WebhookConfig,
    tenant: &TenantId,
) -> io::Result<TestReport> {
    let receiver = Receiver::new(webhook, allowed(config))?;
    let exchange = receiver.post(&Delivery::test(&webhook.name, tenant), HeaderMap::new()).await;
    Ok(TestReport::new(&receiver, exchange))
}

/// The private networks that webhooks may go to.
fn allowed(config: &CheckedConfig) -> CidrBlocks {
    // The configuration is checked: they are networks.
    CidrBlocks::new(&config.said().security.webhook_networks).unwrap_or_default()
}
