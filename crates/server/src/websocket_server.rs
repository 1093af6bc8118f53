//! The running server.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use foodtrack_auth::Gate;
use foodtrack_contract::Authenticate;
use foodtrack_shard::{
    ConnectionAudit, ConnectionManager, DeadLetters, EventBroadcaster, HttpService, ObserverDesk,
    OpensLog, PayloadKeys, Policies, Running, Services, SessionKey, ShardsConfig,
    StartError as ShardsError,
};
use foodtrack_tenant_log::{
    KeySource, MemoryLog, MemoryStore, OnCompletion, OpenError, RedisLog, RedisOptions,
    RedisPersistence, SqliteLog, SqliteOptions, TenantLog, first_look,
};

use crate::admin_ui::Desk;
use crate::audit::AuditLog;
use crate::cluster::{
    Cluster, ClusterConnections, ClusterOptions, ClusterSecret, NodeId, Relay, RelayThread,
};
use crate::config::{CheckedConfig, ConfigErrors, Tls};
use crate::data::{
    ClockKeeper, DataDir, DataDirError, DocumentFollower, KeyStore, clock, fresh_secret, mark_file,
    open_keys, session_key,
};
use crate::demo::Demo;
use crate::emitters::Emitters;
use crate::health::HealthStatus;
use crate::http::{ApiThreads, OpenApiThreads, StatusPages};
use crate::hub::{Hub, HubParts};
use crate::issuer_keys::IssuerKeys;
use crate::kept_of_tenants::{Books, KeptOfTenants};
use crate::performance::{Performance, PerformanceMetrics};
use crate::policy_book::RoutingRules;
use crate::reload::{ReloadError, ReloadReport};
use crate::shards_config::{disk_budget, retention, shards_config};
use crate::start_error::StartError;
use crate::telemetry::Telemetry;
use crate::tls::CertificateWatch;
use crate::upstream::{self, UpstreamCounts};
use crate::webhooks::Webhooks;

/// Starts the shards: from then on there are clients.
fn start_shards(
    config: &CheckedConfig,
    shards: &ShardsConfig,
    (policies, gate): (&Arc<Policies>, &Arc<Gate>),
    services: &Services,
    (webhooks, keys): (&Arc<Webhooks>, Option<Arc<KeyStore>>),
) -> Result<Running, StartError> {
    let keys = keys.filter(|it| it.is_kept()).map(|it| it as Arc<dyn KeySource>);
    let log = open_log(config, webhooks, keys);
    let gate: Arc<dyn Authenticate> = Arc::clone(gate) as _;
    let started = foodtrack_shard::start(shards, &gate, policies, services, log);
    started.map_err(|error| match error {
        ShardsError::Io(source) => StartError::Bind { address: config.address(), source },
        ShardsError::Log(error) => StartError::Log(error),
    })
}

/// Who lets the admin UI in, where there is one.
fn desk(config: &CheckedConfig) -> Option<Arc<Desk>> {
    let said = &config.said().admin_ui;
    said.enabled.then(|| Arc::new(Desk::new(said.read_only)))
}

/// Says what listens where.
fn log_start(config: &CheckedConfig, address: SocketAddr) {
    let said = config.said();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        address = %address,
        tls = config.tls().is_some(),
        data_dir = said.data_dir.as_deref().unwrap_or("(none: in memory)"),
        shards = config.shards(),
        payload_bytes_max = said.limits.payload_bytes_max,
        connections_per_tenant_max = said.limits.connections_per_tenant_max,
        handshakes_per_minute = said.security.rate_limiting.handshakes_per_minute,
        "listening"
    );
}

/// Says what an acknowledgement is worth where Redis has the logs.
fn log_cluster(persistence: RedisPersistence) {
    let promise = persistence.as_str();
    if persistence.is_safe() {
        tracing::info!(promise, "the tenants' logs are in Redis");
    } else {
        tracing::warn!(promise, "the tenants' logs are in Redis, which may lose durable events");
    }
}

/// How much longer another node's answer to a poll may take than the poll waits there.
const RELAY_PATIENCE: Duration = Duration::from_secs(10);

/// Hears the back ends that publish through Redis.
fn start_emitters(config: &CheckedConfig, running: &Running) -> Result<Emitters, StartError> {
    let said = config.said();
    let url = said.redis.fixed_address();
    let broadcaster = EventBroadcaster::new(running.shards.clone());
    Emitters::start(&said.emitters, (url.as_deref(), &said.redis.prefix), &broadcaster)
        .map_err(StartError::Thread)
}

/// The thread that asks the business back end, where there is one.
fn start_upstream(
    config: &CheckedConfig,
    telemetry: &Arc<Telemetry>,
) -> io::Result<Option<upstream::Started>> {
    let said = config.said();
    let Some(url) = &said.upstream.url else { return Ok(None) };
    let bytes_max = usize::try_from(said.limits.payload_bytes_max).unwrap_or(usize::MAX);
    upstream::start(&said.upstream, url, bytes_max, telemetry).map(Some)
}

/// Gives the thread that asks the back end the way to its answers. Returns it, and what it counts.
fn begin_to_ask(
    started: upstream::Started,
    running: &Running,
) -> (JoinHandle<()>, Arc<UpstreamCounts>) {
    // It is set once.
    let _ = started.broadcaster.set(EventBroadcaster::new(running.shards.clone()));
    (started.thread, started.counts)
}

/// The log where the configuration says: in Redis, in the data directory, or in memory.
fn open_log(
    config: &CheckedConfig,
    webhooks: &Arc<Webhooks>,
    keys: Option<Arc<dyn KeySource>>,
) -> OpensLog {
    let (retention, budget) = (retention(config), disk_budget(config));
    let directory = config.said().data_dir.as_ref().map(PathBuf::from);
    let overwrites = config.said().log.erase_after_hours.is_some();
    let webhooks = Arc::clone(webhooks);
    let redis = config.redis(retention);
    Box::new(move |on_completion: OnCompletion| -> Result<Arc<dyn TenantLog>, OpenError> {
        let on_completion = webhooks.listen(on_completion);
        let log: Arc<dyn TenantLog> = match (redis, directory) {
            (Some(options), _) => Arc::new(RedisLog::open(&options, on_completion)?),
            (None, Some(directory)) => {
                let options = SqliteOptions {
                    retention,
                    budget,
                    overwrites,
                    keys,
                    ..SqliteOptions::default()
                };
                Arc::new(SqliteLog::open(&directory, options, on_completion)?)
            }
            (None, None) => {
                Arc::new(MemoryLog::new(MemoryStore::default(), retention, on_completion))
            }
        };
        webhooks.begin(&*log);
        Ok(log)
    })
}

/// The audit log in the data directory, where there is one.
fn open_audit(config: &CheckedConfig) -> Result<Arc<AuditLog>, StartError> {
    let said = config.said();
    let data_dir = said.data_dir.as_deref().map(Path::new);
    let audit = AuditLog::start(&said.audit, data_dir).map_err(|source| {
        let path = data_dir.map(|it| it.join("audit")).unwrap_or_default();
        DataDirError::Unusable { path, source }
    })?;
    Ok(Arc::new(audit))
}

/// What shards ask others for.
fn services(
    http: Arc<dyn HttpService>,
    upstream: Option<&upstream::Started>,
    keys: Option<&Arc<KeyStore>>,
    audit: &Arc<AuditLog>,
    desk: Option<Arc<Desk>>,
) -> Services {
    Services {
        http,
        upstream: upstream.map(|it| Arc::clone(&it.upstream)),
        payload_keys: keys.map(|it| Arc::clone(it) as Arc<dyn PayloadKeys>),
        audit: audit.is_on().then(|| Arc::clone(audit) as Arc<dyn ConnectionAudit>),
        desk: desk.map(|it| it as Arc<dyn ObserverDesk>),
    }
}

/// What the cluster's Redis says at the start, where there is one.
fn look_at_redis(
    config: &CheckedConfig,
) -> Result<Option<(RedisOptions, ClusterSecret)>, StartError> {
    let Some(options) = config.redis(retention(config)) else { return Ok(None) };
    let look = first_look(&options, fresh_secret()?)?;
    log_cluster(look.persistence);
    Ok(Some((options, ClusterSecret::new(look.secret))))
}

/// What private ids of sessions are made with: a session goes on at whichever node.
fn key_of_sessions(
    redis: Option<&(RedisOptions, ClusterSecret)>,
    directory: Option<&DataDir>,
) -> Result<SessionKey, StartError> {
    match redis {
        Some((_, secret)) => Ok(SessionKey::new(&secret.bytes())),
        None => Ok(session_key(directory)?),
    }
}

/// What passes on requests about sessions of other nodes, where there are any.
fn start_relay(
    config: &CheckedConfig,
    has_others: bool,
) -> Result<(Option<Relay>, Option<RelayThread>), StartError> {
    let heartbeat = &config.said().heartbeat;
    // A poll waits until the next ping at the latest.
    let poll_ms = u64::from(heartbeat.interval_ms) + u64::from(heartbeat.timeout_ms);
    let patience = Duration::from_millis(poll_ms) + RELAY_PATIENCE;
    let start = || Relay::start(patience, config.node_authorities());
    let started = has_others.then(start).transpose().map_err(StartError::Thread)?;
    Ok(started.unzip())
}

/// The thread that tells webhooks, where there are any.
fn start_webhooks(
    webhooks: &Arc<Webhooks>,
    running: &Running,
    books: &Books,
) -> Result<Option<JoinHandle<()>>, StartError> {
    let connections = ConnectionManager::new(running.shards.clone());
    webhooks.start(&running.log, &connections, &books.policies).map_err(StartError::Thread)
}

/// What traces and where to.
fn start_telemetry(config: &CheckedConfig, id: &NodeId) -> Result<Arc<Telemetry>, StartError> {
    let started = Telemetry::start(&config.said().tracing, id.as_str());
    started.map(Arc::new).map_err(StartError::Thread)
}

/// Makes this node one of its cluster.
fn start_cluster(
    config: &CheckedConfig,
    redis: Option<(RedisOptions, ClusterSecret)>,
    (id, relay): (NodeId, Option<RelayThread>),
    running: &Running,
    follower: &DocumentFollower,
) -> Result<Arc<Cluster>, StartError> {
    let said = &config.said().redis;
    let started = Cluster::start(ClusterOptions {
        redis,
        id,
        relay,
        advertise: said.advertise.clone(),
        lease: Duration::from_millis(said.node_lease_ms.into()),
        listens_at: running.address,
        is_encrypted: config.tls().is_some(),
        authorities: config.node_authorities().map(<[u8]>::to_vec),
        counters: running.counters.clone(),
        crowds: running.crowds.clone(),
        connections: ConnectionManager::new(running.shards.clone()),
        declared: follower.way(),
    });
    Ok(Arc::new(started?))
}

/// A hub that runs: shards that own the sockets, and two threads for the HTTP API.
///
/// Its handles are cheap to clone, may be used from any thread or runtime, and answer `overloaded` once it has stopped.
/// Dropping it leaves the server running; [`WebSocketServer::stop`] ends it.
pub struct WebSocketServer {
    hub: Arc<Hub>,
    running: Running,
    api: OpenApiThreads,
    clock: Option<ClockKeeper>,
    upstream: Option<JoinHandle<()>>,
    webhooks: Option<JoinHandle<()>>,
    follower: DocumentFollower,
    certificate: Option<CertificateWatch>,
}

impl WebSocketServer {
    /// Listens and starts; returns when clients can connect.
    ///
    /// # Errors
    /// - [`StartError::DataDir`]: the data directory is another server's, or what is in it cannot be read.
    /// - [`StartError::Keys`]: the master key is not the one of the keys in it, or they are damaged.
    /// - [`StartError::Log`]: the tenants' log in it is damaged, foreign, of a later version, or the disk does not take it.
    /// - [`StartError::Redis`]: the cluster's Redis cannot be reached, or is another one's.
    /// - [`StartError::Bind`]: the address cannot be listened on.
    /// - [`StartError::Tls`]: the system gave no thread or no random numbers.
    /// - [`StartError::Thread`]: the system gave no thread.
    pub fn bind(config: CheckedConfig) -> Result<Self, StartError> {
        Self::bind_with(config, None, None)
    }

    /// As [`WebSocketServer::bind`], on a listener that somebody else has bound and keeps: who connects while the server is started anew
    /// waits, and is not refused. The configuration's address counts for nothing.
    ///
    /// # Errors
    /// Those of [`WebSocketServer::bind`].
    pub fn bind_on(config: CheckedConfig, listener: TcpListener) -> Result<Self, StartError> {
        Self::bind_with(config, Some(listener), None)
    }

    /// As [`WebSocketServer::bind_on`] where there is a listener, with the demo's pages where there are.
    pub(crate) fn bind_with(
        config: CheckedConfig,
        listener: Option<TcpListener>,
        demo: Option<Demo>,
    ) -> Result<Self, StartError> {
        let data_dir = config.said().data_dir.as_deref().map(Path::new);
        let directory = data_dir.map(DataDir::open).transpose()?;
        let keys = open_keys(data_dir, config.master_key())?;
        let redis = look_at_redis(&config)?;
        let session_key = key_of_sessions(redis.as_ref(), directory.as_ref())?;
        let clock = clock(directory.as_ref())?;
        let mark = directory.as_ref().map(mark_file);
        let audit = open_audit(&config)?;
        let id = NodeId::fresh(config.said().redis.node_name.as_deref());
        let telemetry = start_telemetry(&config, &id)?;
        let webhooks = Arc::new(Webhooks::new(&config, directory.as_ref(), &telemetry)?);
        let gate = Arc::new(Gate::new(config.authenticator()));
        let issuer_keys = IssuerKeys::of(&config, data_dir).map_err(StartError::Thread)?;
        let kept = KeptOfTenants::open(&config, directory, redis.as_ref(), &gate)?;
        let pages = Arc::new(StatusPages::default());
        let (relay, relay_thread) = start_relay(&config, redis.is_some())?;
        let (api, service) =
            ApiThreads::start(demo, Arc::clone(&pages), relay).map_err(StartError::Thread)?;
        let upstream = start_upstream(&config, &telemetry).map_err(StartError::Thread)?;
        let desk = desk(&config);
        let services = services(service, upstream.as_ref(), keys.as_ref(), &audit, desk.clone());
        let mut shards = shards_config(&config, listener, session_key, clock.clone());
        shards.reactor.node = redis.as_ref().map(|(_, secret)| secret.node_mark(&id));
        let certificate = config.tls().map(Tls::watch).transpose().map_err(StartError::Tls)?;
        shards.reactor.tls = certificate.as_ref().map(CertificateWatch::door);
        let policies = Arc::clone(&kept.policies);
        let logged = (&webhooks, keys);
        let running = start_shards(&config, &shards, (&policies, &gate), &services, logged)?;
        let asked = upstream.map(|started| begin_to_ask(started, &running));
        let (upstream_thread, upstream_counts) = asked.unzip();
        // The shards hold what is left of them, and let it go when they end.
        drop(services);
        let clock = mark.map(|file| ClockKeeper::start(file, clock)).transpose();
        let clock = clock.map_err(StartError::Thread)?;
        let performance = Performance::new(running.counters.clone());
        let (books, follower) = kept.start(&config, &running, &gate).map_err(StartError::Thread)?;
        let webhooks_thread = start_webhooks(&webhooks, &running, &books)?;
        let cluster = start_cluster(&config, redis, (id, relay_thread), &running, &follower)?;
        let emitters = start_emitters(&config, &running)?;
        let parts = HubParts {
            config,
            gate,
            books,
            issuer_keys,
            performance,
            status_pages: pages,
            webhooks,
            emitters,
            upstream: upstream_counts,
            telemetry,
            cluster,
            certificate: certificate.as_ref().map(CertificateWatch::state),
            audit,
            desk,
        };
        let hub = Arc::new(Hub::new(parts, &running));
        let api = api.open(&hub);
        log_start(&hub.config, running.address);
        let (upstream, webhooks) = (upstream_thread, webhooks_thread);
        Ok(Self { hub, running, api, clock, upstream, webhooks, follower, certificate })
    }

    /// Where it listens: the port is the real one, also where 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.running.address
    }

    /// Looks connections up, counts and ends them: those of this node.
    pub fn connections(&self) -> ConnectionManager {
        self.hub.connections.clone()
    }

    /// The same for all nodes of the cluster; where there is none, of this node.
    pub fn cluster_connections(&self) -> ClusterConnections {
        self.hub.cluster.connections.clone()
    }

    /// Sends events.
    pub fn broadcaster(&self) -> EventBroadcaster {
        self.hub.broadcaster.clone()
    }

    /// Reads and changes the routing rules.
    pub fn router(&self) -> RoutingRules {
        RoutingRules::new(Arc::clone(&self.hub.policies))
    }

    /// How the node is. Waits for the shards; one that is stuck delays the answer as long as it is.
    pub async fn health(&self) -> HealthStatus {
        let totals = self.hub.connections.totals().await;
        self.hub.health(Some(totals.total))
    }

    /// The page of `GET /metrics` as it is now; over HTTP it may be a second old.
    pub fn metrics(&self) -> String {
        self.hub.metrics()
    }

    /// Has the certificate and its key read anew, where the port speaks TLS. What cannot be used changes nothing: `/health` says why.
    pub fn reload_certificate(&self) {
        self.certificate.iter().for_each(CertificateWatch::reload);
    }

    /// Says where the configuration is read from when it is read anew: by [`WebSocketServer::reload`], or as the HTTP API is asked. The
    /// first one counts.
    pub fn reload_from(
        &self,
        source: impl Fn() -> Result<CheckedConfig, ConfigErrors> + Send + Sync + 'static,
    ) {
        self.hub.reloader.read_from(Box::new(source));
    }

    /// Reads the configuration anew, and the certificate and its key where the port speaks TLS. What can change without a restart does:
    /// the report says what did, and what takes a restart.
    ///
    /// # Errors
    /// [`ReloadError`]: nothing of the configuration changed.
    pub fn reload(&self) -> Result<ReloadReport, ReloadError> {
        self.reload_certificate();
        self.hub.reload()
    }

    /// How the node performs, over the last ten seconds.
    pub fn performance(&self) -> PerformanceMetrics {
        self.hub.performance.metrics()
    }

    /// Whether a part of it has ended by itself; then only stopping it and starting anew helps.
    pub fn has_ended(&self) -> bool {
        self.running.has_ended()
    }

    /// Ends its shards without its doing.
    #[cfg(test)]
    pub(crate) fn end_shards(&self) {
        self.running.shards.stop();
    }

    /// Whether it has drained as the HTTP API was asked, and is now to stop.
    pub fn is_to_stop(&self) -> bool {
        self.hub.drain.is_to_exit()
    }

    /// Runs until `shutdown` is ready or it has drained as the HTTP API was asked, then stops as [`WebSocketServer::stop`] does, blocking
    /// meanwhile.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) {
        tokio::select! {
            () = shutdown => {}
            () = self.hub.drain.exit_asked() => {}
        }
        self.stop();
    }

    /// Reads what could not be delivered, and has it delivered after all. Reading waits for the disk.
    pub fn dead_letters(&self) -> DeadLetters {
        self.hub.dead_letters.clone()
    }

    /// Says that it drains, and then sends clients elsewhere, some at a time, until none is left or the time is over. The listener stays
    /// open: who looks at `/ready` is answered, and who comes all the same is sent on. Where the API was asked to drain before, it is
    /// said already.
    fn drain(&self) {
        let is_first = self.hub.begin_draining();
        self.hub.drain.take_over();
        // What has ended by itself serves nobody meanwhile.
        if self.has_ended() {
            return;
        }
        let delay_ms = self.hub.config.said().shutdown.drain_delay_ms;
        if is_first && delay_ms > 0 {
            tracing::info!(
                delay_ms,
                "draining: /ready and /health say so, clients are still served"
            );
            std::thread::sleep(Duration::from_millis(delay_ms.into()));
        }
        let within = self.hub.config.spread();
        if !within.is_zero() {
            self.hub.drain.send_all_elsewhere(within);
        }
    }

    /// Stops: `/health` and `/ready` say so, and for `shutdown.drainDelayMs` nothing else changes, so that whoever sends
    /// clients here can send them elsewhere. For `shutdown.spreadMs` clients are sent there, some at a time. Then every client's transport closes with a reason (its library connects
    /// elsewhere or again), the threads end, and what was accepted is on disk. Blocks until then.
    pub fn stop(mut self) {
        self.drain();
        tracing::info!("stopping: the listener closes, and clients are told to connect elsewhere");
        self.hub.begin_stopping();
        // What is in hand of a stream is read again elsewhere, and known by its id.
        self.hub.emitters.stop();
        self.hub.cluster.stop_passing_on();
        self.running.shards.stop();
        self.running.join();
        drop(self.clock.take());
        self.api.join();
        if let Some(thread) = self.upstream.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that asks the back end had panicked");
        }
        self.hub.cluster.stop();
        self.follower.stop();
        self.hub.issuer_keys.stop();
        self.hub.webhooks.stop();
        let telemetry = Arc::clone(&self.hub.telemetry);
        if let Some(thread) = self.webhooks.take()
            && thread.join().is_err()
        {
            tracing::error!("the webhooks' thread had panicked");
        }
        self.hub.audit.stop();
        // The last to hold the log: it leaves everything on disk.
        let uptime_s = self.hub.uptime_s().round();
        drop(self.hub);
        drop(self.running);
        telemetry.stop();
        tracing::info!(uptime_s, "stopped");
    }
}
