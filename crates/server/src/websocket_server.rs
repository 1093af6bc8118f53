//! The running server.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use foodtrack_auth::Gate;
use foodtrack_shard::{ConnectionManager, DeadLetters, EventBroadcaster, Running};

use crate::cluster::{ClusterConnections, NodeId};
use crate::config::{CheckedConfig, ConfigErrors, Tls};
use crate::data::{ClockKeeper, DataDir, DocumentFollower, clock, mark_file, open_keys};
use crate::demo::Demo;
use crate::health::HealthStatus;
use crate::http::{ApiThreads, OpenApiThreads, StatusPages};
use crate::hub::{Hub, HubParts};
use crate::issuer_keys::IssuerKeys;
use crate::kept_of_tenants::KeptOfTenants;
use crate::performance::{Performance, PerformanceMetrics};
use crate::policy_book::RoutingRules;
use crate::reload::{ReloadError, ReloadReport};
use crate::server_parts::{
    begin_to_ask, desk, key_of_sessions, log_start, look_at_redis, open_audit, services,
    start_cluster, start_emitters, start_relay, start_shards, start_telemetry, start_upstream,
    start_webhooks,
};
use crate::shards_config::shards_config;
use crate::start_error::StartError;
use crate::tls::CertificateWatch;
use crate::webhooks::Webhooks;

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
        let accounts = (&audit, &telemetry);
        let services = services(service, upstream.as_ref(), keys.as_ref(), accounts, desk.clone());
        let mut shards = shards_config(&config, listener, session_key, clock.clone());
        shards.reactor.node = redis.as_ref().map(|(_, secret)| secret.node_mark(&id));
        let certificate = config.tls().map(Tls::watch).transpose().map_err(StartError::Tls)?;
        shards.reactor.tls = certificate.as_ref().map(CertificateWatch::door);
        let policies = Arc::clone(&kept.policies);
        let logged = (&webhooks, keys);
        let running = start_shards(&config, &shards, (&policies, &gate), &services, logged)?;
        let asked = upstream.map(|started| begin_to_ask(started, &running));
        let (upstream, upstream_counts) = asked.unzip();
        // The shards hold what is left of them, and let it go when they end.
        drop(services);
        let clock = mark.map(|file| ClockKeeper::start(file, clock)).transpose();
        let clock = clock.map_err(StartError::Thread)?;
        let performance = Performance::new(running.counters.clone());
        let (books, follower) = kept.start(&config, &running, &gate).map_err(StartError::Thread)?;
        start_webhooks(&webhooks, &running, &books)?;
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
            origins: shards.reactor.origins.clone(),
        };
        let hub = Arc::new(Hub::new(parts, &running));
        let api = api.open(&hub);
        log_start(&hub.config, running.address);
        Ok(Self { hub, running, api, clock, upstream, follower, certificate })
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
        self.hub.audit.stop();
        // The last to hold the log: it leaves everything on disk.
        let uptime_s = self.hub.uptime_s().round();
        drop(self.hub);
        drop(self.running);
        telemetry.stop();
        tracing::info!(uptime_s, "stopped");
    }
}
