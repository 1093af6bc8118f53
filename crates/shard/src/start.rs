//! Starting a server's shards, each on a thread of its own.

use std::io;
use std::net::SocketAddr;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use foodtrack_contract::Authenticate;
use foodtrack_tenant::{Counters, Crowds, PageLimits, Policies, Settings};
use foodtrack_tenant_log::{OnCompletion, OpenError, TenantLog};
use foodtrack_transport::{Commons, DoorRefusals, Reactor, adopt, listen};

use crate::connection_audit::ConnectionAudit;
use crate::delivery_tracer::DeliveryTracer;
use crate::http_service::HttpService;
use crate::log_link::{LogLink, NewsSender, on_completion};
use crate::mailbox::ShardSender;
use crate::observer::ObserverDesk;
use crate::payload_keys::PayloadKeys;
use crate::shard::{Shard, ShardParts};
use crate::shard_config::ShardsConfig;
use crate::shards::{HomeOf, Shards};
use crate::upstream::Upstream;

/// Why shards did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be bound, or the system gives no poll or thread.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The log cannot be opened.
    #[error(transparent)]
    Log(#[from] OpenError),
}

/// Opens the log that the shards share. It is given what to call when something was written.
pub type OpensLog = Box<dyn FnOnce(OnCompletion) -> Result<Arc<dyn TenantLog>, OpenError>>;

/// Shards that run.
pub struct Running {
    /// The way to them.
    pub shards: Shards,
    /// Where they listen.
    pub address: SocketAddr,
    /// What each of them counts.
    pub counters: Vec<Arc<Counters>>,
    /// Of which tenants they have many connections, and what other nodes have of those; `None` where there are no others.
    pub crowds: Option<Arc<Crowds>>,
    /// Whom they refused before anything was known of them.
    pub door: Arc<DoorRefusals>,
    /// The log that they write. Dropped by everyone, it leaves everything on disk.
    pub log: Arc<dyn TenantLog>,
    threads: Vec<JoinHandle<()>>,
    readers: Vec<JoinHandle<()>>,
}

impl Running {
    /// Waits until every shard has stopped, and nothing of theirs reads the log any more.
    pub fn join(&mut self) {
        for thread in self.threads.drain(..).chain(self.readers.drain(..)) {
            // A shard that panicked has said so on its way out.
            let _ = thread.join();
        }
    }

    /// Whether a shard has ended, by itself or because it was told to.
    pub fn has_ended(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }
}

/// What shards ask that others answer.
#[derive(Clone)]
pub struct Services {
    /// HTTP requests that are not Engine.IO's.
    pub http: Arc<dyn HttpService>,
    /// Clients' requests to the business back end.
    pub upstream: Option<Arc<dyn Upstream>>,
    /// Tenants' keys of payloads.
    pub payload_keys: Option<Arc<dyn PayloadKeys>>,
    /// Who keeps account of connections.
    pub audit: Option<Arc<dyn ConnectionAudit>>,
    /// Who traces events, where spans are sent.
    pub tracer: Option<Arc<dyn DeliveryTracer>>,
    /// Who lets clients watch from outside: then the second namespace of the reactor is theirs.
    pub desk: Option<Arc<dyn ObserverDesk>>,
}

/// Binds the port, opens the log and starts the shards.
///
/// # Errors
/// [`StartError`]
pub fn start(
    config: &ShardsConfig,
    authenticator: &Arc<dyn Authenticate>,
    policies: &Arc<Policies>,
    services: &Services,
    open_log: OpensLog,
) -> Result<Running, StartError> {
    let listener = match &config.listener {
        Some(given) => adopt(given.try_clone()?)?,
        None => listen(config.address)?,
    };
    let address = listener.local_addr()?;
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let count = if config.shards == 0 { cores } else { config.shards };
    let commons = Commons::new(config.reactor.clone(), count);
    let reactors = (0..count)
        .map(|index| Reactor::new(&commons, index, Some(listener.try_clone()?)))
        .collect::<io::Result<Vec<_>>>()?;
    let (news_senders, news): (Vec<_>, Vec<_>) =
        reactors.iter().map(|reactor| NewsSender::new(reactor.waker())).unzip();
    let homes = HomeOf { shards: count };
    let log = open_log(on_completion(homes, news_senders.clone()))?;
    let (links, readers) = LogLink::start(&log, &news_senders)?;
    let (senders, inboxes): (Vec<_>, Vec<_>) =
        reactors.iter().map(|reactor| ShardSender::new(reactor.waker())).unzip();
    let shards = Shards::new(senders);
    let counters: Vec<Arc<Counters>> = (0..count).map(|_| Arc::default()).collect();
    let crowds: Option<Arc<Crowds>> = log.is_shared().then(Arc::default);
    let mut threads = Vec::with_capacity(count);
    let shard_parts = reactors.into_iter().zip(inboxes).zip(links.into_iter().zip(news));
    for (index, ((reactor, inbox), (link, news))) in shard_parts.enumerate() {
        let queue = &config.reactor.limits;
        let parts = ShardParts {
            index,
            shards: shards.clone(),
            inbox,
            http: Arc::clone(&services.http),
            upstream: services.upstream.clone(),
            payload_keys: services.payload_keys.clone(),
            audit: services.audit.clone(),
            tracer: services.tracer.clone(),
            desk: services.desk.clone(),
            log: link,
            news,
            settings: Settings {
                policies: Arc::clone(policies),
                limits: config.limits,
                retry: config.retry,
                recovery: config.recovery,
                page: PageLimits::within(queue.queue_messages_max, queue.queue_bytes_max),
                session_key: config.session_key.clone(),
                emission_key: config.session_key.emission_key(),
                authenticator: Arc::clone(authenticator),
                counters: Arc::clone(&counters[index]),
                crowds: crowds.clone(),
                node_trouble: None,
            },
            cookie_name: config.cookie_name.clone(),
            clock: config.clock.clone(),
        };
        threads.push(run(parts, reactor)?);
    }
    let door = commons.door();
    Ok(Running { shards, address, counters, crowds, door, log, threads, readers })
}

/// Runs a shard on a thread of its own.
fn run(parts: ShardParts, mut reactor: Reactor) -> io::Result<JoinHandle<()>> {
    let index = parts.index;
    thread::Builder::new().name(format!("shard-{index}")).spawn(move || {
        // A panic outside a tenant's turn is nobody's in particular: the thread ends, and whoever looks stops the rest.
        let run = || Shard::new(parts).run(&mut reactor);
        match catch_unwind(AssertUnwindSafe(run)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, index, "a shard has stopped"),
            Err(_) => {
                tracing::error!(index, "a panic outside a tenant's turn: a shard has stopped");
            }
        }
    })
}
