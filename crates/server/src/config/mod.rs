//! Configuration: first what was said ([`crate::WebSocketConfig`]), then what it means ([`CheckedConfig`]).

mod admin_ui;
mod audit;
mod authenticator;
mod certificate;
mod checked;
mod dashboard;
mod emitter;
mod event_names;
mod issuer;
pub mod keys;
mod layers;
mod limits;
mod lines;
mod log_level;
mod master_key;
mod metrics;
mod nearest_key;
mod places;
mod policies;
mod problems;
mod profile;
mod proxies;
mod redis;
mod said_keys;
mod secret;
mod sections;
mod tables;
mod tls;
mod tracing;
mod upstream;
mod webhook;

pub use self::tracing::TracingConfig;
pub use admin_ui::AdminUiConfig;
pub use audit::AuditConfig;
pub(crate) use authenticator::{KeyFeed, KeyPlace};
pub use certificate::CertificateConfig;
pub use checked::CheckedConfig;
pub(crate) use checked::{DRAIN_DELAY_MS_LIMIT, check};
pub use dashboard::DashboardConfig;
pub use emitter::{EmitterConfig, EmitterKind};
pub use issuer::IssuerConfig;
pub use layers::{Layers, load, load_checked};
pub use limits::LimitsConfig;
pub(crate) use log_level::check_level;
pub(crate) use master_key::master_key;
pub use metrics::MetricsConfig;
pub(crate) use policies::policies;
pub use problems::{ConfigErrors, ConfigProblem};
pub use profile::ProfileChoice;
pub use redis::RedisConfig;
pub(crate) use said_keys::SaidKey;
pub use secret::Secret;
pub use sections::{
    CorsConfig, DeliveryConfig, EventConfig, HeartbeatConfig, LogConfig, LogFormat, LoggingConfig,
    RateLimitingConfig, RetryConfig, SecurityConfig, ShutdownConfig,
};
pub(crate) use tls::Tls;
pub use tls::TlsConfig;
pub use upstream::{HooksConfig, UpstreamConfig};
pub use webhook::WebhookConfig;
