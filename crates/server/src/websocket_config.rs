//! What was said: defaults, file, environment, flags. What it means is a [`CheckedConfig`].

use std::time::Duration;

use foodtrack_router::{Redaction, Rule};
use serde::{Deserialize, Serialize};

use crate::config::{
    AdminUiConfig, AuditConfig, CertificateConfig, CheckedConfig, ConfigErrors, CorsConfig,
    DashboardConfig, DeliveryConfig, EmitterConfig, EventConfig, HeartbeatConfig, IssuerConfig,
    LimitsConfig, LogConfig, LogFormat, LoggingConfig, MetricsConfig, ProfileChoice, RedisConfig,
    RetryConfig, Secret, SecurityConfig, ShutdownConfig, TlsConfig, TracingConfig, UpstreamConfig,
    WebhookConfig, check,
};

/// The server's configuration as it was said, in code or in a file. Every default is documented on its setter.
///
/// ```
/// use foodtrack_server::WebSocketConfig;
///
/// let config = WebSocketConfig::default()
///     .jwt_secret("no secret at all: for examples and tests alone")
///     .payload_bytes_max(250_000)
///     .check()?;
/// assert_eq!(config.address().port(), 4001);
/// # Ok::<(), foodtrack_server::ConfigErrors>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WebSocketConfig {
    /// The address to listen on.
    pub host: String,
    /// The port to listen on.
    pub port: u16,
    /// Where Socket.IO clients connect.
    pub path: String,
    /// Threads that own tenants; 0 is one per core.
    pub shards: u16,
    /// Whether a turn's sends go to the kernel as one io_uring submission, where it allows that.
    pub io_uring: bool,
    /// A directory for what must survive a restart.
    pub data_dir: Option<String>,
    /// Which pages of other origins may call.
    pub cors: CorsConfig,
    /// How the server finds out that a client is gone.
    pub heartbeat: HeartbeatConfig,
    /// Whose tokens are good.
    pub security: SecurityConfig,
    /// Who signs tokens, where there are several.
    pub issuers: Vec<IssuerConfig>,
    /// How much of everything there may be.
    pub limits: LimitsConfig,
    /// How connections are spoken to whose handshake names no profile.
    pub profile: ProfileChoice,
    /// A file with tables of the profile `foodtrack`.
    pub profile_tables: Option<String>,
    /// Event types that tenants declare.
    pub events: Vec<EventConfig>,
    /// Routing rules beside the default ones.
    pub rules: Vec<Rule>,
    /// Fields of payloads that some of an event's recipients do not get.
    pub redactions: Vec<Redaction>,
    /// What is logged.
    pub logging: LoggingConfig,
    /// What the page of metrics has of tenants.
    pub metrics: MetricsConfig,
    /// Where spans are sent.
    pub tracing: TracingConfig,
    /// How the server stops.
    pub shutdown: ShutdownConfig,
    /// How unacknowledged events are sent again.
    pub retry: RetryConfig,
    /// What is kept.
    pub log: LogConfig,
    /// What the audit log has.
    pub audit: AuditConfig,
    /// What is promised of each event type, where it is not what the type says.
    pub delivery: Vec<DeliveryConfig>,
    /// The business back end that answers clients' requests.
    pub upstream: UpstreamConfig,
    /// Back ends that are told of events.
    pub webhooks: Vec<WebhookConfig>,
    /// The hub's own pages.
    pub dashboard: DashboardConfig,
    /// The namespace of Socket.IO's admin UI.
    pub admin_ui: AdminUiConfig,
    /// Redis servers through which back ends publish.
    pub emitters: Vec<EmitterConfig>,
    /// The cluster's Redis.
    pub redis: RedisConfig,
    /// What connections are encrypted with.
    pub tls: TlsConfig,
    /// Further certificates, for clients that ask for their names.
    pub certificates: Vec<CertificateConfig>,
}

impl Default for WebSocketConfig {
    fn default() -> Self {
        Self {
            host: "0.0.0.0".into(),
            port: 4001,
            path: "/socket.io/".into(),
            shards: 0,
            io_uring: true,
            data_dir: None,
            cors: CorsConfig::default(),
            heartbeat: HeartbeatConfig::default(),
            security: SecurityConfig::default(),
            issuers: Vec::new(),
            limits: LimitsConfig::default(),
            profile: ProfileChoice::Canonical,
            profile_tables: None,
            events: Vec::new(),
            rules: Vec::new(),
            redactions: Vec::new(),
            logging: LoggingConfig::default(),
            metrics: MetricsConfig::default(),
            tracing: TracingConfig::default(),
            shutdown: ShutdownConfig::default(),
            retry: RetryConfig::default(),
            log: LogConfig::default(),
            audit: AuditConfig::default(),
            delivery: Vec::new(),
            upstream: UpstreamConfig::default(),
            webhooks: Vec::new(),
            dashboard: DashboardConfig::default(),
            admin_ui: AdminUiConfig::default(),
            emitters: Vec::new(),
            redis: RedisConfig::default(),
            tls: TlsConfig::default(),
            certificates: Vec::new(),
        }
    }
}

impl WebSocketConfig {
    /// The address to listen on. Default: `0.0.0.0`, every IPv4 interface, as a container needs it.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = host.into();
        self
    }

    /// The port to listen on; 0 takes a free one. Default: 4001.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// How long `/ready` and `/health` say that the node is about to stop before it does, at most ten minutes. Default: 0.
    #[must_use]
    pub fn drain_delay(mut self, delay: Duration) -> Self {
        self.shutdown.drain_delay_ms = whole_ms(delay);
        self
    }

    /// The token of who runs the hub: it may administer every tenant. At least 32 visible ASCII characters. Default: none.
    #[must_use]
    pub fn operator_token(mut self, token: impl Into<String>) -> Self {
        self.dashboard.operator_token = Some(Secret::new(token));
        self
    }

    /// Whether the dashboard is served at `/dashboard`. Default: yes.
    #[must_use]
    pub fn dashboard(mut self, is_served: bool) -> Self {
        self.dashboard.enabled = is_served;
        self
    }

    /// How long it then takes to send clients elsewhere, at most ten minutes. Default: five seconds in a cluster, and 0 elsewhere.
    #[must_use]
    pub fn spread(mut self, within: Duration) -> Self {
        self.shutdown.spread_ms = Some(whole_ms(within));
        self
    }

    /// Threads that own tenants and their connections; 0 is one per core. Default: 0.
    #[must_use]
    pub fn shards(mut self, shards: u16) -> Self {
        self.shards = shards;
        self
    }

    /// Whether a turn's sends go to the kernel as one io_uring submission. Where the kernel has none or forbids it, every
    /// send is a call of its own, whatever this says. Default: true.
    #[must_use]
    pub fn io_uring(mut self, io_uring: bool) -> Self {
        self.io_uring = io_uring;
        self
    }

    /// A directory for what must survive a restart: every tenant's log, and the event types that tenants declare over
    /// HTTP. It is made (mode 0700) where it is not there, in a directory that is; one server at a time has it. Default:
    /// none, and everything ends with the process.
    #[must_use]
    pub fn data_dir(mut self, path: impl Into<String>) -> Self {
        self.data_dir = Some(path.into());
        self
    }

    /// The HMAC secret that tokens are signed with, at least 32 bytes. Default: none.
    #[must_use]
    pub fn jwt_secret(mut self, secret: impl Into<String>) -> Self {
        self.security.jwt_secret = Some(Secret::new(secret));
        self
    }

    /// The origins whose pages may call. Default: the four applications on their ports of localhost.
    #[must_use]
    pub fn allowed_origins<O: Into<String>>(
        mut self,
        origins: impl IntoIterator<Item = O>,
    ) -> Self {
        self.cors.origin = origins.into_iter().map(Into::into).collect();
        self
    }

    /// Engine.IO's pingInterval; whole milliseconds, at most 49 days. Default: 30 s.
    #[must_use]
    pub fn heartbeat_interval(mut self, interval: Duration) -> Self {
        self.heartbeat.interval_ms = whole_ms(interval);
        self
    }

    /// Engine.IO's pingTimeout; whole milliseconds, at most 49 days. Default: 10 s.
    #[must_use]
    pub fn heartbeat_timeout(mut self, timeout: Duration) -> Self {
        self.heartbeat.timeout_ms = whole_ms(timeout);
        self
    }

    /// The largest message. Default: 1 000 000 bytes.
    #[must_use]
    pub fn payload_bytes_max(mut self, bytes: u32) -> Self {
        self.limits.payload_bytes_max = bytes;
        self
    }

    /// Handshakes per minute and address; 0 lifts the limit. Default: 100.
    #[must_use]
    pub fn handshakes_per_minute(mut self, handshakes: u32) -> Self {
        self.security.rate_limiting.handshakes_per_minute = handshakes;
        self
    }

    /// Proxies whose `X-Forwarded-For` or `Forwarded` is believed: addresses, and networks such as `10.0.0.0/8`. Default: none.
    #[must_use]
    pub fn trusted_proxies<P: Into<String>>(
        mut self,
        proxies: impl IntoIterator<Item = P>,
    ) -> Self {
        self.security.trusted_proxies = proxies.into_iter().map(Into::into).collect();
        self
    }

    /// Every limit at once. Default: [`LimitsConfig::default`].
    #[must_use]
    pub fn limits(mut self, limits: LimitsConfig) -> Self {
        self.limits = limits;
        self
    }

    /// How connections are spoken to whose handshake names no profile. Default: canonical.
    #[must_use]
    pub fn profile(mut self, profile: ProfileChoice) -> Self {
        self.profile = profile;
        self
    }

    /// A TOML file with tables of the profile `foodtrack`, over the built-in ones. Default: none.
    #[must_use]
    pub fn profile_tables(mut self, path: impl Into<String>) -> Self {
        self.profile_tables = Some(path.into());
        self
    }

    /// Declares an event type of a tenant's own. Default: none.
    #[must_use]
    pub fn declare_event(mut self, event: EventConfig) -> Self {
        self.events.push(event);
        self
    }

    /// Adds a routing rule to the default ones. Default: none.
    #[must_use]
    pub fn add_rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Hides fields of some events from some of those who get them. Default: nothing is hidden.
    #[must_use]
    pub fn add_redaction(mut self, redaction: Redaction) -> Self {
        self.redactions.push(redaction);
        self
    }

    /// How unacknowledged events are sent again. Default: [`RetryConfig::default`].
    #[must_use]
    pub fn retry(mut self, retry: RetryConfig) -> Self {
        self.retry = retry;
        self
    }

    /// The cluster's Redis. Default: [`RedisConfig::default`], which is none: the node is alone.
    #[must_use]
    pub fn redis(mut self, redis: RedisConfig) -> Self {
        self.redis = redis;
        self
    }

    /// What connections are encrypted with. Default: [`TlsConfig::default`], which is nothing: they are plain.
    #[must_use]
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.tls = tls;
        self
    }

    /// The business back end that answers clients' requests. Default: [`UpstreamConfig::default`], which is none.
    #[must_use]
    pub fn upstream(mut self, upstream: UpstreamConfig) -> Self {
        self.upstream = upstream;
        self
    }

    /// Trusts another issuer of tokens. Default: the one of `security` alone.
    #[must_use]
    pub fn issuer(mut self, issuer: IssuerConfig) -> Self {
        self.issuers.push(issuer);
        self
    }

    /// Tells a back end of events. Default: none.
    #[must_use]
    pub fn webhook(mut self, webhook: WebhookConfig) -> Self {
        self.webhooks.push(webhook);
        self
    }

    /// Shows a further certificate to who asks for one of its names. Default: none.
    #[must_use]
    pub fn certificate(mut self, certificate: CertificateConfig) -> Self {
        self.certificates.push(certificate);
        self
    }

    /// Hears back ends that publish through Redis. Default: none.
    #[must_use]
    pub fn emitter(mut self, emitter: EmitterConfig) -> Self {
        self.emitters.push(emitter);
        self
    }

    /// What each tenant's log keeps. Default: [`LogConfig::default`].
    #[must_use]
    pub fn log(mut self, log: LogConfig) -> Self {
        self.log = log;
        self
    }

    /// Says what is promised of an event type. Default: what the type says.
    #[must_use]
    pub fn deliver(mut self, delivery: DeliveryConfig) -> Self {
        self.delivery.push(delivery);
        self
    }

    /// How log lines look. Default: human on a terminal, JSON elsewhere.
    #[must_use]
    pub fn log_format(mut self, format: LogFormat) -> Self {
        self.logging.format = format;
        self
    }

    /// Says what the configuration means; reads the key and schema files that it names.
    ///
    /// # Errors
    /// [`ConfigErrors`] lists every problem at once, each with what to do.
    pub fn check(self) -> Result<CheckedConfig, ConfigErrors> {
        check(self)
    }
}

/// Whole milliseconds; what does not fit is as long as can be.
fn whole_ms(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}
