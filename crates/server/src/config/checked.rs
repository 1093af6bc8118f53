//! What the configuration means: parsed, related limits compared, keys and schemas read.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use foodtrack_auth::Authenticator;
use foodtrack_contract::LoginRole;
use foodtrack_keyring::MasterKey;
use foodtrack_profile::Profile;
use foodtrack_shard::Policies;
use foodtrack_tenant_log::{RedisOptions, RedisTls, Retention};
use foodtrack_transport::{OriginPolicy, TrustedProxies};

use super::authenticator::{KeyFeed, TrustedIssuers, trusted_issuers};
use super::emitter;
use super::limits::LimitsConfig;
use super::log_level;
use super::master_key::master_key;
use super::policies::policies;
use super::problems::ConfigErrors;
use super::proxies::check_proxies;
use super::said_keys::{SaidKey, Sayers};
use super::sections::{CorsConfig, HeartbeatConfig, LogConfig, RetryConfig};
use super::tls::{CheckedTls, Tls};
use super::webhook;
use crate::WebSocketConfig;
use crate::operator_token::OperatorToken;
use crate::public_targets::AllowedNetworks;

/// No message is larger, whatever the configuration says.
const PAYLOAD_BYTES_LIMIT: u32 = 64 * 1_024 * 1_024;
/// More threads than any machine of this purpose has.
const SHARDS_LIMIT: u16 = 256;

/// Below it there would be no room to work in.
const DISK_BYTES_LEAST: u64 = 16 * 1_024 * 1_024;

/// A node that is asked to stop does it some time.
pub(crate) const DRAIN_DELAY_MS_LIMIT: u32 = 600_000;
/// How long a node of a cluster takes to send its clients elsewhere, where nobody says.
const CLUSTER_SPREAD_MS: u32 = 5_000;

/// A configuration without problems: `WebSocketServer::bind` takes this type and re-checks nothing.
#[derive(Clone)]
pub struct CheckedConfig {
    address: SocketAddr,
    proxies: TrustedProxies,
    issuers: TrustedIssuers,
    policies: Arc<Policies>,
    redis_files: RedisTls,
    tls: CheckedTls,
    master_key: Option<MasterKey>,
    sayers: Sayers,
    said: WebSocketConfig,
}

impl CheckedConfig {
    /// Where to listen.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whose word is believed about who a request comes from.
    pub(crate) fn proxies(&self) -> TrustedProxies {
        self.proxies.clone()
    }

    /// How long a node that stops takes to send its clients elsewhere.
    pub(crate) fn spread(&self) -> Duration {
        if self.said.redis.is_on() { self.drain_spread() } else { self.spread_or(0) }
    }

    /// How long a node takes for that which drains as it was asked over the API.
    pub(crate) fn drain_spread(&self) -> Duration {
        self.spread_or(CLUSTER_SPREAD_MS)
    }

    fn spread_or(&self, default_ms: u32) -> Duration {
        Duration::from_millis(self.said.shutdown.spread_ms.unwrap_or(default_ms).into())
    }

    /// What was said; every value in it holds.
    pub fn said(&self) -> &WebSocketConfig {
        &self.said
    }

    /// Remembers who said what.
    pub(super) fn said_by(self, sayers: Sayers) -> Self {
        Self { sayers, ..self }
    }

    /// Every key with its value in `in_force`, and who said it.
    pub(crate) fn said_keys(&self, in_force: &WebSocketConfig) -> Vec<SaidKey> {
        self.sayers.keys(in_force)
    }

    /// Who runs the hub; `None` where nobody sees all tenants.
    pub(crate) fn operator_token(&self) -> Option<OperatorToken> {
        let token = self.said.dashboard.operator_token.as_ref()?;
        Some(OperatorToken::new(token.reveal()))
    }

    /// Who may enter.
    pub(crate) fn authenticator(&self) -> Arc<Authenticator> {
        Arc::clone(&self.issuers.authenticator)
    }

    /// Whose keys may change while the server runs, and where they may be fetched from.
    pub(crate) fn key_feeds(&self) -> (&[KeyFeed], &AllowedNetworks) {
        (&self.issuers.feeds, &self.issuers.networks)
    }

    /// How the cluster's Redis is used; `None` where the node is alone.
    pub(crate) fn redis(&self, retention: Retention) -> Option<RedisOptions> {
        let options = self.said.redis.options(retention, &self.redis_files)?;
        let spool = self.said.data_dir.as_deref().map(|it| self.said.redis.spool_in(it));
        Some(RedisOptions { spool, ..options })
    }

    /// What connections are encrypted with; `None` where they are plain.
    pub(crate) fn tls(&self) -> Option<&Tls> {
        self.tls.own.as_ref()
    }

    /// Who signs the certificates of the other nodes, as PEM; `None`: the authorities of the system.
    pub(crate) fn node_authorities(&self) -> Option<&[u8]> {
        self.tls.node_authorities.as_deref()
    }

    /// What tenants' keys are wrapped by; `None` where nothing is sealed.
    pub(crate) fn master_key(&self) -> Option<&MasterKey> {
        self.master_key.as_ref()
    }

    /// The rules and schemas to start with.
    pub(crate) fn policies(&self) -> Arc<Policies> {
        Arc::clone(&self.policies)
    }

    /// Which pages of other origins may connect and call.
    pub(crate) fn origins(&self) -> OriginPolicy {
        OriginPolicy::new(&self.said.cors.origin, self.said.cors.credentials)
    }

    /// How many shards to start.
    pub fn shards(&self) -> u16 {
        match self.said.shards {
            0 => std::thread::available_parallelism()
                .map_or(1, |cores| u16::try_from(cores.get()).unwrap_or(SHARDS_LIMIT))
                .min(SHARDS_LIMIT),
            shards => shards,
        }
    }
}

impl std::fmt::Debug for CheckedConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("CheckedConfig").field(&self.said).finish()
    }
}

pub(crate) fn check(mut said: WebSocketConfig) -> Result<CheckedConfig, ConfigErrors> {
    let mut errors = ConfigErrors::default();
    let ip = check_host(&said.host, &mut errors);
    check_path(&said.path, &mut errors);
    if said.shards > SHARDS_LIMIT {
        errors.add("shards", format!("at most {SHARDS_LIMIT}; 0 is one per core"));
    }
    check_cors(&said.cors, &mut errors);
    check_cookie_name(&said.security.cookie_name, &mut errors);
    let proxies = check_proxies(&said.security, &mut errors);
    check_heartbeat(&said.heartbeat, &mut errors);
    check_limits(&said.limits, &mut errors);
    if said.data_dir.as_deref() == Some("") {
        errors.add("dataDir", "names no directory; give one, or take the key out");
    }
    let master_key = master_key(&said.security, &mut errors);
    if master_key.is_some() && said.redis.is_on() {
        errors.add("security.encryptionKey", "this version seals the log in a data directory alone, and not in Redis; take the master key out (its file and its command too), or use a data directory");
    }
    let redis_files = said.redis.check(&mut errors);
    let tls = said.tls.check(&said.certificates, &mut errors);
    said.redis.check_spool(said.data_dir.as_deref(), &mut errors);
    check_retry(&said.retry, &mut errors);
    check_log(&said.log, &mut errors);
    said.audit.check(&mut errors);
    said.upstream.check(&mut errors);
    said.dashboard.check(&mut errors);
    webhook::check(&mut said, &mut errors);
    emitter::check(&said, &mut errors);
    if said.shutdown.drain_delay_ms > DRAIN_DELAY_MS_LIMIT {
        errors.add("shutdown.drainDelayMs", format!("at most {DRAIN_DELAY_MS_LIMIT} (10 minutes)"));
    }
    if said.shutdown.spread_ms.is_some_and(|it| it > DRAIN_DELAY_MS_LIMIT) {
        errors.add("shutdown.spreadMs", format!("at most {DRAIN_DELAY_MS_LIMIT} (10 minutes)"));
    }
    log_level::check(&said.logging, &mut errors);
    said.tracing.check(&mut errors);
    said.metrics.check(&mut errors);
    let policies = policies(&said, &mut errors);
    let tables = &policies.profiles.tables;
    let logins = policies.profiles.is_default.then(|| logins(tables));
    let issuers = trusted_issuers(&said, logins, &mut errors);
    let address = SocketAddr::new(ip, said.port);
    match issuers {
        Some(issuers) => {
            let policies = Arc::new(policies);
            errors.or(CheckedConfig {
                address,
                proxies,
                issuers,
                policies,
                redis_files,
                tls,
                master_key,
                sayers: Sayers::default(),
                said,
            })
        }
        None => Err(errors),
    }
}

fn check_host(host: &str, errors: &mut ConfigErrors) -> IpAddr {
    if host == "localhost" {
        return Ipv4Addr::LOCALHOST.into();
    }
    host.parse().unwrap_or_else(|_| {
        errors.add("host", "not an IP address; give one such as 127.0.0.1, 0.0.0.0 or ::");
        Ipv4Addr::LOCALHOST.into()
    })
}

fn check_path(path: &str, errors: &mut ConfigErrors) {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.~".contains(c);
    let shaped = path.len() > 2
        && path.starts_with('/')
        && path.ends_with('/')
        && !path.contains("//")
        && path.chars().all(plain);
    if !shaped {
        errors.add("path", "not a path; begin and end it with /, such as /socket.io/");
    } else if ["/api/", "/cluster/", "/health/", "/ready/", "/live/", "/metrics/", "/demo/"]
        .iter()
        .any(|own| path.starts_with(own))
    {
        errors.add("path", "this path is the HTTP API's; choose another, such as /socket.io/");
    }
}

fn check_cookie_name(name: &str, errors: &mut ConfigErrors) {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if name.is_empty() || !name.chars().all(plain) {
        errors.add("security.cookieName", "a cookie's name is of A-Z, a-z, 0-9, '_', '-' and '.'");
    }
}

fn check_cors(cors: &CorsConfig, errors: &mut ConfigErrors) {
    for origin in &cors.origin {
        if origin == "*" {
            if cors.credentials {
                errors.add(
                    "cors.origin",
                    "* with credentials would let every page act for its visitor; name the origins or set cors.credentials = false",
                );
            }
        } else if origin != "null" && !is_origin(origin) {
            errors.add(
                "cors.origin",
                format!("{origin:?} is no origin; write scheme://host or scheme://host:port, without a path, or null for pages without one"),
            );
        }
    }
    for method in &cors.methods {
        if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
            errors.add(
                "cors.methods",
                format!("{method:?} is no method; write GET, POST, PUT or DELETE"),
            );
        }
    }
}

fn is_origin(origin: &str) -> bool {
    let Some((scheme, host)) = origin.split_once("://") else { return false };
    let Ok(uri) = origin.parse::<http::Uri>() else { return false };
    !scheme.is_empty()
        && !host.contains(['/', '?', '#', '@', '*'])
        && uri.host().is_some_and(|host| !host.is_empty())
}

fn check_heartbeat(heartbeat: &HeartbeatConfig, errors: &mut ConfigErrors) {
    for (key, value) in [
        ("heartbeat.intervalMs", heartbeat.interval_ms),
        ("heartbeat.timeoutMs", heartbeat.timeout_ms),
        ("heartbeat.maxMissed", heartbeat.max_missed),
    ] {
        if value == 0 {
            errors.add(key, "at least 1");
        }
    }
    if heartbeat.max_missed > 100 {
        errors.add("heartbeat.maxMissed", "at most 100: a client that is gone must be noticed");
    }
}

fn check_retry(retry: &RetryConfig, errors: &mut ConfigErrors) {
    if retry.max_attempts == 0 {
        errors.add("retry.maxAttempts", "0 would send nothing; at least 1");
    }
    if retry.base_delay_ms == 0 {
        errors.add("retry.baseDelayMs", "at least 1");
    }
    if retry.max_delay_ms < retry.base_delay_ms {
        errors.add("retry.maxDelayMs", "at least retry.baseDelayMs; raise one or lower the other");
    }
    if !(1.0..=10.0).contains(&retry.backoff_multiplier) {
        errors.add("retry.backoffMultiplier", "from 1 to 10");
    }
    if retry.jitter_percent > 100 {
        errors.add("retry.jitterPercent", "at most 100");
    }
}

fn check_log(log: &LogConfig, errors: &mut ConfigErrors) {
    for (key, is_nothing) in [
        ("log.ageHoursMax", log.age_hours_max == 0),
        ("log.eraseAfterHours", log.erase_after_hours == Some(0)),
        ("log.entriesMax", log.entries_max == 0),
        ("log.bytesMax", log.bytes_max == 0),
        ("log.offlineHoursMax", log.offline_hours_max == 0),
    ] {
        if is_nothing {
            errors.add(key, "0 would keep nothing; at least 1");
        }
    }
    if (1..DISK_BYTES_LEAST).contains(&log.disk_bytes_max) {
        errors.add(
            "log.diskBytesMax",
            format!("at least {DISK_BYTES_LEAST} (16 MiB), or 0 for no limit"),
        );
    }
    // Or else somebody could be promised what is gone.
    if log.offline_hours_max > log.age_hours_max {
        errors.add(
            "log.offlineHoursMax",
            format!(
                "what is replayed must be kept: at most log.ageHoursMax ({}); raise one or lower the other",
                log.age_hours_max
            ),
        );
    }
}

fn check_limits(limits: &LimitsConfig, errors: &mut ConfigErrors) {
    for (key, _) in limits.unliftable().into_iter().filter(|(_, limit)| *limit == 0) {
        errors.add(key, "0 would let nothing through; at least 1");
    }
    for (key, per_second, burst) in limits.rates() {
        if per_second > 0 && burst == 0 {
            errors.add(
                key,
                "0 would let nothing through; at least 1, or lift the rate with 0 per second",
            );
        }
    }
    // Or else a message of the largest size could never be sent.
    if limits.bytes_per_second_per_connection > 0
        && limits.bytes_burst_per_connection < limits.payload_bytes_max
    {
        errors.add(
            "limits.bytesBurstPerConnection",
            format!(
                "a connection must be able to send one message of limits.payloadBytesMax ({}); raise one or lower the other",
                limits.payload_bytes_max
            ),
        );
    }
    // Or else a back end could not post one: nobody knows it before its request is whole.
    if limits.strangers_bytes_max / 4 < limits.payload_bytes_max {
        errors.add(
            "limits.strangersBytesMax",
            format!(
                "it must hold four messages of limits.payloadBytesMax ({}); raise one or lower the other",
                limits.payload_bytes_max
            ),
        );
    }
    if limits.payload_bytes_max > PAYLOAD_BYTES_LIMIT {
        errors.add("limits.payloadBytesMax", format!("at most {PAYLOAD_BYTES_LIMIT} (64 MiB)"));
    }
    // Or else one message of the largest size would close its reader.
    if limits.queue_bytes_max < limits.payload_bytes_max {
        errors.add(
            "limits.queueBytesMax",
            format!(
                "a queue must hold at least one message of limits.payloadBytesMax ({}); raise one or lower the other",
                limits.payload_bytes_max
            ),
        );
    }
}

/// What the roles of today's login mean.
fn logins(tables: &Profile) -> BTreeMap<String, LoginRole> {
    tables.roles().map(|(name, role)| (name.to_owned(), role)).collect()
}
