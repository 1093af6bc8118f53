//! Configuration: first what was said ([`crate::WebSocketConfig`]), then what it means ([`CheckedConfig`]).

mod checked;
pub mod keys;
mod layers;
mod problems;
mod secret;
mod sections;

pub use checked::CheckedConfig;
pub(crate) use checked::{check, policies};
pub use layers::{Layers, load};
pub use problems::{ConfigErrors, ConfigProblem};
pub use secret::Secret;
pub use sections::{
    CorsConfig, DeliveryConfig, EventConfig, HeartbeatConfig, LimitsConfig, LogConfig, LogFormat,
    LoggingConfig, RateLimitingConfig, RetryConfig, SecurityConfig, ShutdownConfig, Unavailable,
};
