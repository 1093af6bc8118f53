//! What the HTTP handlers know of the running server.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use foodtrack_auth::Gate;
use foodtrack_contract::{Authenticate, ErrorCode, Principal, Refusal};
use foodtrack_shard::{
    ConnectionManager, Counters, DeadLetters, EventBroadcaster, Observers, Running, Shards, Tallies,
};
use foodtrack_tenant_log::{StorageState, StorageStatus, TenantLog};
use foodtrack_transport::{DoorRefusals, OriginPolicy};
use serde_json::json;

use crate::admin_ui::Desk;
use crate::api_keys::ApiKeyBook;
use crate::api_quota::ApiQuota;
use crate::audit::AuditLog;
use crate::canary::{Canary, DISK_LATE};
use crate::cluster::{Cluster, NodeInfo, RedisState, RedisWatch};
use crate::config::CheckedConfig;
use crate::data::Declarations;
use crate::descriptors;
use crate::drain::{AfterDrain, Drain, DrainOrder, DrainReport};
use crate::emitters::Emitters;
use crate::health::{HealthState, HealthStatus, Signs};
use crate::health_book::{HealthBook, HealthCondition};
use crate::http::{Cors, DiskWork, IdempotencyKeys, StatusPages, TenantQueue, batches};
use crate::issuer_keys::IssuerKeys;
use crate::kept_of_tenants::Books;
use crate::logging::{self, Levels};
use crate::metrics::{BackEndCounts, Page, PageFormat, Sources};
use crate::operator_token::OperatorToken;
use crate::performance::{Performance, SAMPLE_INTERVAL};
use crate::policy_book::PolicyBook;
use crate::reload::Reloader;
use crate::revocations::{RevocationBook, now_s};
use crate::shards_config::api_rates;
use crate::telemetry::Telemetry;
use crate::tls::{CertificateState, KnownClient};
use crate::upstream::UpstreamCounts;
use crate::webhooks::Webhooks;

/// How long a shard may take to count its connections before the node counts as unhealthy.
const COUNT_TIMEOUT: Duration = Duration::from_secs(1);

/// The running server, seen by those who ask.
pub(crate) struct Hub {
    pub(crate) connections: ConnectionManager,
    pub(crate) broadcaster: EventBroadcaster,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) policies: Arc<PolicyBook>,
    pub(crate) declarations: Arc<Declarations>,
    pub(crate) revocations: Arc<RevocationBook>,
    pub(crate) api_keys: Arc<ApiKeyBook>,
    pub(crate) issuer_keys: IssuerKeys,
    pub(crate) disk_work: DiskWork,
    pub(crate) batches: TenantQueue,
    pub(crate) performance: Performance,
    pub(crate) config: CheckedConfig,
    pub(crate) api_quota: ApiQuota,
    pub(crate) reloader: Reloader,
    pub(crate) cors: Arc<Cors>,
    /// Who runs the hub, where the configuration says.
    pub(crate) operator: Option<OperatorToken>,
    /// Where whoever notices that something is wrong says so.
    pub(crate) health_book: HealthBook,
    pub(crate) status_pages: Arc<StatusPages>,
    pub(crate) idempotency: IdempotencyKeys,
    pub(crate) webhooks: Arc<Webhooks>,
    pub(crate) emitters: Emitters,
    /// What became of requests to the business back end, where there is one.
    upstream: Option<Arc<UpstreamCounts>>,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) cluster: Arc<Cluster>,
    /// Who looks from the admin UI, where that may be.
    pub(crate) desk: Option<Arc<Desk>>,
    gate: Arc<Gate>,
    /// What is known of the certificate, where the port speaks TLS.
    pub(crate) certificate: Option<Arc<CertificateState>>,
    pub(crate) log: Arc<dyn TenantLog>,
    pub(crate) audit: Arc<AuditLog>,
    door: Arc<DoorRefusals>,
    started_at: Instant,
    log_levels: Arc<Levels>,
    /// What the largest tenants did, as of the last look; where they are to be told.
    tallies: Mutex<Option<Tallies>>,
    pub(crate) canary: Canary,
    /// What was known at the last look.
    panics_seen: AtomicU64,
    log_lines_dropped_seen: AtomicU64,
    audit_lost_seen: AtomicU64,
    pub(crate) drain: Arc<Drain>,
    pub(crate) shards: Shards,
    is_stopping: AtomicBool,
}

/// What a hub is made of beside its shards.
pub(crate) struct HubParts {
    pub(crate) config: CheckedConfig,
    pub(crate) gate: Arc<Gate>,
    pub(crate) books: Books,
    pub(crate) issuer_keys: IssuerKeys,
    pub(crate) performance: Performance,
    pub(crate) status_pages: Arc<StatusPages>,
    pub(crate) webhooks: Arc<Webhooks>,
    pub(crate) emitters: Emitters,
    pub(crate) upstream: Option<Arc<UpstreamCounts>>,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) certificate: Option<Arc<CertificateState>>,
    pub(crate) audit: Arc<AuditLog>,
    pub(crate) desk: Option<Arc<Desk>>,
    /// Which pages may call: that of the shards.
    pub(crate) origins: OriginPolicy,
}

impl Hub {
    pub(crate) fn new(parts: HubParts, running: &Running) -> Self {
        let HubParts {
            config,
            gate,
            books,
            issuer_keys,
            performance,
            status_pages,
            webhooks,
            emitters,
            upstream,
            telemetry,
            cluster,
            certificate,
            audit,
            desk,
            origins,
        } = parts;
        let Books { policies, declarations, revocations, api_keys } = books;
        Self {
            connections: ConnectionManager::new(running.shards.clone()),
            broadcaster: EventBroadcaster::new(running.shards.clone()),
            dead_letters: DeadLetters::new(running.shards.clone(), Arc::clone(&running.log)),
            policies,
            declarations,
            revocations,
            api_keys,
            issuer_keys,
            disk_work: DiskWork::default(),
            batches: batches(),
            performance,
            api_quota: ApiQuota::new(api_rates(&config.said().limits)),
            reloader: Reloader::new(config.said()),
            cors: Arc::new(Cors::new(&config, origins)),
            operator: config.operator_token(),
            desk,
            gate,
            log: Arc::clone(&running.log),
            audit,
            door: Arc::clone(&running.door),
            config,
            health_book: HealthBook::default(),
            status_pages,
            idempotency: IdempotencyKeys::default(),
            webhooks,
            emitters,
            upstream,
            telemetry,
            cluster,
            certificate,
            started_at: Instant::now(),
            log_levels: logging::levels().unwrap_or_else(|| Arc::new(Levels::new("info"))),
            tallies: Mutex::default(),
            canary: Canary::default(),
            panics_seen: AtomicU64::new(logging::panics()),
            log_lines_dropped_seen: AtomicU64::new(logging::lines_dropped()),
            audit_lost_seen: AtomicU64::new(0),
            shards: running.shards.clone(),
            drain: Arc::new(Drain::new(running.shards.clone(), running.counters.clone())),
            is_stopping: AtomicBool::new(false),
        }
    }

    /// Who the token is.
    pub(crate) fn principal(&self, token: &str) -> Result<Principal, Refusal> {
        self.gate.principal(token, now_s())
    }

    /// Who has the API key.
    pub(crate) fn holder(&self, key: &str) -> Result<Principal, Refusal> {
        self.gate.api_key(key, now_s())
    }

    /// Whether a token that was good is good still: it has not ended, and nothing of it was revoked.
    pub(crate) fn is_in_standing(&self, principal: &Principal) -> bool {
        let now_s = self.wall_ms() / 1_000;
        principal.expires_at_s() > now_s
            && self.gate.check_standing(principal, None, None, now_s).is_ok()
    }

    /// The time, in milliseconds since the Unix epoch.
    pub(crate) fn wall_ms(&self) -> u64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
    }

    /// What this node is called.
    pub(crate) fn node_name(&self) -> String {
        let nodes = self.cluster.book.nodes();
        nodes.into_iter().find(|node| node.is_self).map_or_else(|| "hub".to_owned(), |it| it.id)
    }

    /// The way to clients that watch from outside.
    pub(crate) fn observers(&self) -> Observers {
        Observers::new(self.shards.clone())
    }

    /// The back end whose certificate this is, which was verified, for the tenant that it names. `None`: nobody wrote it down.
    pub(crate) fn certified(
        &self,
        certificate: &[u8],
        tenant: Option<&str>,
    ) -> Option<Result<KnownClient, Refusal>> {
        let known = self.certificate.as_ref()?.client(certificate, tenant)?;
        Some(known.and_then(|known| {
            self.gate.check_standing(&known.principal, None, None, now_s()).map(|()| known)
        }))
    }

    pub(crate) fn uptime_s(&self) -> f64 {
        self.started_at.elapsed().as_secs_f64()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// From now on `/health` and `/ready` tell whoever sends clients here to send them elsewhere; all else goes on. `false`: they did
    /// already.
    pub(crate) fn begin_draining(&self) -> bool {
        let is_first = self.drain.announce(AfterDrain::Exit);
        self.tell_of_drain();
        is_first
    }

    /// Drains as the API was asked; says how far that is.
    ///
    /// # Errors
    /// [`ErrorCode::Overloaded`]: the system gave no thread; the node says that it drains all the same.
    pub(crate) fn drain(&self, order: DrainOrder) -> Result<Option<DrainReport>, Refusal> {
        let begun = self.drain.begin(order);
        self.tell_of_drain();
        begun.map_err(|error| {
            tracing::error!(%error, "no thread to drain");
            let sentence = "the system gave no thread to send clients elsewhere; ask again";
            Refusal::new(ErrorCode::Overloaded, sentence)
        })?;
        Ok(self.drain.report())
    }

    fn tell_of_drain(&self) {
        self.cluster.book.begin_draining();
        self.status_pages.forget();
    }

    /// From now on the API refuses, too.
    pub(crate) fn begin_stopping(&self) {
        self.begin_draining();
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// The page of `GET /metrics` as it is now, in Prometheus' own format.
    pub(crate) fn metrics(&self) -> String {
        self.metrics_page().told(PageFormat::Text)
    }

    /// The same before it is told.
    pub(crate) fn metrics_page(&self) -> Page {
        let conditions = self.health_book.conditions(Instant::now()).into_iter();
        crate::metrics::page(&Sources {
            shards: self.performance.counters(),
            http_refusals: &|code| self.status_pages.refusals.of(code),
            http: &self.status_pages.http,
            door: &self.door,
            uptime_s: self.uptime_s(),
            is_draining: self.drain.report().is_some(),
            storage: self.storage(),
            work: self.log.work(),
            canary: &self.canary,
            back_ends: BackEndCounts {
                webhooks: self.webhooks.counts(),
                emitters: self.emitters.counts(),
                upstream: self.upstream.as_deref(),
                issuer_keys: self.issuer_keys.counts(),
                spans: self.telemetry.counts(),
            },
            cluster: self.cluster.counts(),
            conditions: conditions.map(|report| report.condition).collect(),
            audit: self.audit.state(),
            tallies: self.tallies.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            certificate_seconds: self.certificate.as_ref().map(|it| it.seconds_left()),
        })
    }

    /// Looks once a second at what the largest tenants did, where they are to be told. A shard that does not answer leaves nothing to
    /// tell, and keeps nobody else waiting. Needs a tokio runtime with a clock.
    pub(crate) async fn tally_tenants(&self) {
        let most = usize::try_from(self.config.said().metrics.tenants_max).unwrap_or(0);
        if most == 0 {
            return;
        }
        let mut looks = tokio::time::interval(SAMPLE_INTERVAL);
        loop {
            looks.tick().await;
            let tallies = tokio::time::timeout(COUNT_TIMEOUT, self.connections.tallies(most)).await;
            *self.tallies.lock().unwrap_or_else(PoisonError::into_inner) = tallies.ok();
        }
    }

    /// Which lines are written. Where the program that runs the hub has logging of its own, it is that which counts.
    pub(crate) fn log_levels(&self) -> Arc<Levels> {
        Arc::clone(&self.log_levels)
    }

    /// How the disk of the log is doing.
    pub(crate) fn storage(&self) -> StorageStatus {
        self.log.storage()
    }

    /// The node's health. `connections` is what [`Hub::count`] gave.
    pub(crate) fn health(&self, connections: Option<usize>) -> HealthStatus {
        self.look();
        HealthStatus::of(Signs {
            uptime_s: self.uptime_s(),
            connections,
            conditions: self.health_book.conditions(Instant::now()),
            last_error: logging::last_error().or_else(|| self.health_book.last_error()),
            drain: self.drain.report(),
            certificate_days_left: self.certificate.as_ref().map(|it| it.days_left()),
            nodes: self.cluster_nodes(),
            redis: self.cluster.redis().map(RedisWatch::report),
        })
    }

    /// The nodes of the cluster, without their addresses; none where there is no cluster.
    fn cluster_nodes(&self) -> Vec<NodeInfo> {
        if self.cluster.is_alone() {
            return Vec::new();
        }
        let nodes = self.cluster.book.nodes().into_iter();
        nodes.map(|node| NodeInfo { address: None, ..node }).collect()
    }

    /// Looks at all that others count or tell, and writes in the health book what is wrong. Once a second.
    pub(crate) fn look(&self) {
        use HealthCondition as Condition;
        let (book, now) = (&self.health_book, Instant::now());
        let sum = |read: fn(&Counters) -> u64| -> u64 {
            self.performance.counters().iter().map(|shard| read(shard)).sum()
        };
        let is_away = sum(|shard| shard.logs_away.get()) > 0;
        book.set(
            Condition::LogAway,
            is_away,
            "a tenant goes on without its log; see the log lines about it",
        );
        let storage = self.storage();
        let is_full = storage.state == StorageState::Full;
        let sentence = "the disk of the log is full: durable events are refused; make room or shorten the retention";
        book.set(Condition::StorageFull, is_full, sentence);
        let sentence = "the disk's budget for the log is nearly used: the oldest events of the largest tenants' logs go before their time; make room, raise log.diskBytesMax or shorten the retention";
        book.set(Condition::StorageYielding, storage.is_yielding, sentence);
        let has_failed =
            storage.state == StorageState::Failed || sum(|shard| shard.log_failed.get()) > 0;
        let sentence =
            "the disk of the log failed: durable events are refused; mend the disk and start anew";
        book.set(Condition::StorageFailed, has_failed, sentence);
        self.note_redis_state(&storage);
        let is_mixed = self.cluster.book.trouble().is_mixed;
        let sentence = "nodes with another secret are in Redis under the same redis.prefix: give each cluster a prefix of its own, or, where Redis forgot the secret, start the nodes anew one by one";
        book.set(Condition::ClusterMixed, is_mixed, sentence);
        let missing = self.issuer_keys.missing();
        let sentence = format!(
            "keys of issuers cannot be fetched, or not be used: {}; those that are known stay in force, and tokens that are signed with newer ones are refused; see the log lines about it",
            missing.join(", ")
        );
        book.set(Condition::IssuerKeysMissing, !missing.is_empty(), &sentence);
        if grew(&self.panics_seen, logging::panics()) {
            book.happened(Condition::Panic, "a panic was caught; report it with its log line", now);
        }
        if grew(&self.log_lines_dropped_seen, logging::lines_dropped()) {
            let sentence = "log lines were dropped: what reads stderr is stuck or too slow";
            book.happened(Condition::LogLinesDropped, sentence, now);
        }
        self.note_log_wait(&storage);
        let sentence = "nearly all file descriptors are open that sockets may take: raise the limit (LimitNOFILE, ulimit -n), or spread clients over more nodes";
        book.set(Condition::DescriptorsShort, descriptors::are_short(), sentence);
        if self.log_levels.end_what_is_over(now) {
            tracing::warn!(target: logging::AUDIT, "a change of the log level is over");
        }
        let audit = self.audit.state();
        let sentence = "the audit log cannot be written: see the log line about it; what happens waits, and is lost when too much does";
        book.set(Condition::AuditFailed, audit.is_failing, sentence);
        if grew(&self.audit_lost_seen, audit.lost) {
            let sentence = "records of the audit log are lost: its disk did not take them in time";
            book.happened(Condition::AuditLost, sentence, now);
        }
        self.look_at_certificate();
        book.look_at_clocks(now, SystemTime::now());
    }

    /// Whether the log waits, for its disk or for another program.
    fn note_log_wait(&self, storage: &StorageStatus) {
        // Of a log in Redis that is another condition.
        let is_locked = storage.state == StorageState::Away && self.cluster.redis().is_none();
        let is_late = is_locked || self.log.work().writing_for > DISK_LATE;
        let sentence = if is_locked {
            "another program has locked the log's file: durable events are refused until it lets go; end what else has log.db open"
        } else {
            "the log has waited for more than 2 s, for its disk or for another program that has locked its file: durable events wait; see whether the disk is overloaded or failing"
        };
        self.health_book.set(HealthCondition::LogLate, is_late, sentence);
    }

    /// Looks how the node stands towards its Redis; a change is told to this node's clients, and to those who come before the next one.
    fn note_redis_state(&self, storage: &StorageStatus) {
        let Some(redis) = self.cluster.redis() else { return };
        let signs = self.cluster.redis_signs(storage);
        for (condition, holds, sentence) in signs.conditions() {
            self.health_book.set(condition, holds, sentence);
        }
        if let Some(report) = redis.observe(signs) {
            let status = match report.state {
                RedisState::Healthy => HealthState::Healthy,
                RedisState::Degraded | RedisState::Fenced => HealthState::Degraded,
            };
            let is_well = report.state == RedisState::Healthy;
            let told = json!({ "status": status, "redis": report }).to_string();
            if !self.shards.tell_node_state(&told, is_well) {
                tracing::warn!("a shard has no room to tell its clients of a change of the node");
                redis.tell_again();
            }
            self.status_pages.forget();
        }
    }

    /// Whether the certificate, where there is one, and its files are well.
    fn look_at_certificate(&self) {
        use HealthCondition as Condition;
        let Some(certificate) = &self.certificate else { return };
        let fault = certificate.fault();
        let sentence = match &fault {
            Some(fault) => format!("{fault}; the certificate from before stays in use"),
            None => String::new(),
        };
        self.health_book.set(Condition::CertificateInvalid, fault.is_some(), &sentence);
        let sentence = match certificate.days_left() {
            0 => "the certificate ends today, or has ended: renew it".into(),
            days => format!("the certificate ends in {days} days: renew it"),
        };
        let ends_soon = certificate.ends_soon();
        self.health_book.set(Condition::CertificateExpiresSoon, ends_soon, &sentence);
    }

    /// Authenticated connections; `None` when a shard is stuck. Needs a tokio runtime with a clock.
    pub(crate) async fn count(&self) -> Option<usize> {
        let totals = tokio::time::timeout(COUNT_TIMEOUT, self.connections.totals()).await;
        totals.ok().map(|totals| totals.total)
    }
}

/// Whether the number is larger than at the last look, which is now.
fn grew(seen: &AtomicU64, number: u64) -> bool {
    seen.swap(number, Ordering::Relaxed) < number
}
