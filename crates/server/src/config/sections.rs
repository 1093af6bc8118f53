//! The sections of the configuration as they are said; [`crate::WebSocketConfig::check`] says what they mean.

use std::io::IsTerminal;

use foodtrack_auth::Algorithm;
use foodtrack_contract::{ApplicationType, DeliveryClass};
use serde::{Deserialize, Serialize};

use super::secret::Secret;

/// Which pages of other origins may call.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CorsConfig {
    /// Origins such as `http://localhost:3000`; `*` is any. Default: the four applications on their ports.
    pub origin: Vec<String>,
    /// Default: GET and POST.
    pub methods: Vec<String>,
    /// Whether cookies count that browsers send along by themselves. Default: yes.
    pub credentials: bool,
}

impl Default for CorsConfig {
    fn default() -> Self {
        Self {
            origin: (3000..3004).map(|port| format!("http://localhost:{port}")).collect(),
            methods: vec!["GET".into(), "POST".into()],
            credentials: true,
        }
    }
}

/// How the server finds out that a client is gone.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HeartbeatConfig {
    /// Engine.IO's pingInterval. Default: 30 000 ms.
    pub interval_ms: u32,
    /// Engine.IO's pingTimeout. Default: 10 000 ms.
    pub timeout_ms: u32,
    /// Pings without an answer after which a connection is given up; 1 is Engine.IO's own behaviour. Default: 3.
    pub max_missed: u32,
}

impl Default for HeartbeatConfig {
    fn default() -> Self {
        Self { interval_ms: 30_000, timeout_ms: 10_000, max_missed: 3 }
    }
}

/// Whose tokens are good, and how fast strangers may knock.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SecurityConfig {
    /// The HMAC secret that tokens are signed with. Default: none.
    pub jwt_secret: Option<Secret>,
    /// A file with a public key as PEM. Default: none.
    pub public_key: Option<String>,
    /// A file with public keys as JWKS. Default: none.
    pub jwks: Option<String>,
    /// Where public keys are fetched from as JWKS. Default: none.
    pub jwks_url: Option<String>,
    /// How often keys are fetched anew. Default: 300 s.
    pub jwks_refresh_seconds: u32,
    /// Private and local networks that keys may be fetched from. Default: none.
    pub issuer_networks: Vec<String>,
    /// The longest time from a token's `iat` to its `exp`. Default: any.
    pub token_lifetime_seconds_max: Option<u32>,
    /// What a token may be signed with. Default: HS256 with a secret; RS256, ES256 and EdDSA with a JWKS.
    pub algorithms: Vec<Algorithm>,
    /// The `iss` a token must have. Default: any.
    pub issuer: Option<String>,
    /// The `aud` values of which a token must have one. Default: any.
    pub audience: Vec<String>,
    /// How far the clocks may differ. Default: 5 s.
    pub leeway_seconds: u32,
    /// The cookie that may carry the token. Default: `token`.
    pub cookie_name: String,
    /// The master key of encryption: 32 random bytes, as hexadecimal or base64. Default: none, and nothing is sealed.
    pub encryption_key: Option<Secret>,
    /// A file with it. Default: none.
    pub encryption_key_file: Option<String>,
    /// A program that prints it, and its arguments. Default: none.
    pub encryption_key_command: Vec<String>,
    /// Whether senders may encrypt payloads. Default: where there is a master key.
    pub encrypted_payloads: Option<bool>,
    /// Which applications may have their tenant's key of payloads. Default: all but the customers'.
    pub payload_key_applications: Vec<ApplicationType>,
    /// Limits on strangers.
    pub rate_limiting: RateLimitingConfig,
    /// Proxies whose `X-Forwarded-For` or `Forwarded` is believed: addresses or networks. Default: none.
    pub trusted_proxies: Vec<String>,
    /// Whether those begin each connection with a header of the PROXY protocol. Default: no.
    pub proxy_protocol: bool,
    /// Private and local networks that webhooks may go to. Default: none.
    pub webhook_networks: Vec<String>,
}

impl SecurityConfig {
    /// Whether senders may encrypt payloads: where nobody says, where there is a master key.
    pub(crate) fn takes_encrypted_payloads(&self) -> bool {
        let has_key = self.encryption_key.is_some()
            || self.encryption_key_file.is_some()
            || !self.encryption_key_command.is_empty();
        self.encrypted_payloads.unwrap_or(has_key)
    }
}

impl Default for SecurityConfig {
    fn default() -> Self {
        Self {
            jwt_secret: None,
            public_key: None,
            jwks: None,
            jwks_url: None,
            jwks_refresh_seconds: 300,
            issuer_networks: Vec::new(),
            token_lifetime_seconds_max: None,
            algorithms: Vec::new(),
            issuer: None,
            audience: Vec::new(),
            leeway_seconds: 5,
            cookie_name: "token".into(),
            encryption_key: None,
            encryption_key_file: None,
            encryption_key_command: Vec::new(),
            encrypted_payloads: None,
            payload_key_applications: vec![
                ApplicationType::TenantDashboard,
                ApplicationType::KitchenApp,
                ApplicationType::DeliveryApp,
            ],
            rate_limiting: RateLimitingConfig::default(),
            trusted_proxies: Vec::new(),
            proxy_protocol: false,
            webhook_networks: Vec::new(),
        }
    }
}

/// How fast strangers may knock.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RateLimitingConfig {
    /// Handshakes per minute and address; 0 lifts the limit. Default: 100.
    pub handshakes_per_minute: u32,
}

impl Default for RateLimitingConfig {
    fn default() -> Self {
        Self { handshakes_per_minute: 100 }
    }
}

/// An event type of a tenant's own.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventConfig {
    /// Whose it is.
    pub tenant: String,
    /// Its name, such as `loyalty:points_earned`.
    pub name: String,
    /// The payload's JSON Schema, in place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<serde_json::Value>,
    /// Or a file that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema_file: Option<String>,
    /// How it travels. Default: recoverable.
    #[serde(default = "recoverable")]
    pub delivery_class: DeliveryClass,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

fn recoverable() -> DeliveryClass {
    DeliveryClass::Recoverable
}

/// How events that ask for an acknowledgement are sent again until it comes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RetryConfig {
    /// How often an event is sent in all. Default: 5.
    pub max_attempts: u32,
    /// Before it is sent the second time. Default: 1 000 ms.
    pub base_delay_ms: u32,
    /// No longer than this between two. Default: 30 000 ms.
    pub max_delay_ms: u32,
    /// How many times longer each wait is than the one before. Default: 2.
    pub backoff_multiplier: f64,
    /// Each wait is longer or shorter by up to so much. Default: 25 %.
    pub jitter_percent: u32,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            max_attempts: 5,
            base_delay_ms: 1_000,
            max_delay_ms: 30_000,
            backoff_multiplier: 2.0,
            jitter_percent: 25,
        }
    }
}

/// What each tenant's log keeps: an event goes when any limit says so, oldest first; the newest
/// 65 536 stay, within the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LogConfig {
    /// No event older than this. Default: 168 hours, a week.
    pub age_hours_max: u32,
    /// No event older than this stays, whatever is kept otherwise, and its bytes are overwritten. Default: none.
    pub erase_after_hours: Option<u32>,
    /// No more events than this. Default: 1 000 000.
    pub entries_max: u64,
    /// No more bytes than this. Default: 1 GiB.
    pub bytes_max: u64,
    /// All tenants' logs together take no more bytes of the disk than this; 0 is no limit. Default: 0.
    pub disk_bytes_max: u64,
    /// So many bytes of the disk stay free, or a tenth of it where that is less. Default: 256 MiB.
    pub free_bytes_min: u64,
    /// Events older than this are not replayed to somebody whose session is gone. Default: 24 hours.
    pub offline_hours_max: u32,
    /// Back ends are told that a device is offline when it has not come back for so long. Default: 120 s.
    pub offline_after_seconds: u32,
    /// A tenant's log is closed, and what memory has of the tenant goes, when nobody has been there for so long; 0 for never.
    /// Default: 900 s, a quarter of an hour.
    pub close_after_seconds: u32,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            age_hours_max: 168,
            erase_after_hours: None,
            entries_max: 1_000_000,
            bytes_max: 1 << 30,
            disk_bytes_max: 0,
            free_bytes_min: 256 << 20,
            offline_hours_max: 24,
            offline_after_seconds: 120,
            close_after_seconds: 900,
        }
    }
}

/// What is promised of one event type, for every tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeliveryConfig {
    /// The event's name, such as `kitchen:order_received`.
    pub event: String,
    /// durable, recoverable or volatile. Default: what the type says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<DeliveryClass>,
    /// After how many seconds it is of no use any more. Default: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_to_live_seconds: Option<u64>,
    /// Whether, of several about one order that somebody missed while offline, the last says it all. Default: no.
    #[serde(default)]
    pub compact: bool,
    /// Whether clients must acknowledge it. Default: no.
    #[serde(default)]
    pub acknowledge: bool,
    /// Within how many seconds a device of `confirmBy` must have it. Default: nobody looks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirm_within_seconds: Option<u32>,
    /// The application that must have it. Default: `kitchen_app`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirm_by: Option<ApplicationType>,
}

/// How the server stops.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ShutdownConfig {
    /// How long `/ready` and `/health` say that the node is about to stop before it does. Default: 0.
    pub drain_delay_ms: u32,
    /// How long it then takes to send its clients elsewhere. Default: 5 000 in a cluster, and 0 elsewhere: nobody else takes them.
    pub spread_ms: Option<u32>,
}

/// What is logged, and how.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LoggingConfig {
    /// A level, or a filter such as `info,foodtrack_shard=debug`; `RUST_LOG` goes before it. Default: info.
    pub level: String,
    /// Default: human on a terminal, JSON elsewhere.
    pub format: LogFormat,
}

impl Default for LoggingConfig {
    fn default() -> Self {
        Self { level: "info".into(), format: LogFormat::Auto }
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Human on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Human,
    /// One JSON object per line.
    Json,
    /// `key=value` pairs, a line each.
    Logfmt,
}

impl LogFormat {
    /// The format itself, where it says to choose.
    pub(crate) fn shown(self) -> &'static str {
        match self {
            Self::Auto if std::io::stderr().is_terminal() => "human",
            Self::Auto | Self::Json => "json",
            Self::Human => "human",
            Self::Logfmt => "logfmt",
        }
    }
}
