//! The front door of the hub: [`WebSocketConfig`] says what is wanted, [`WebSocketServer`] runs it, and its handles
//! ([`ConnectionManager`], [`EventBroadcaster`], [`RoutingRules`]) look into it and speak through it.
//!
//! ```
//! use foodtrack_server::{ErrorCode, Priority, Recipients, TenantId, WebSocketConfig, WebSocketServer};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let config = WebSocketConfig::default()
//!     .jwt_secret("no secret at all: for examples and tests alone")
//!     .host("127.0.0.1")
//!     .port(0) // any free one; applications expect the default, 4001
//!     .check()?;
//! let server = WebSocketServer::bind(config)?;
//!
//! // An event of the server's own, to everyone of one tenant.
//! let tenant = TenantId::parse("pizza-roma")?;
//! let event = foodtrack_server::Broadcast {
//!     event: "notification:info".into(),
//!     payload: r#"{ "message": "The oven is hot." }"#.into(),
//!     priority: Priority::High,
//!     to: Recipients { everyone: true, ..Recipients::default() },
//!     except: Vec::new(),
//! };
//! server.broadcaster().broadcast(&tenant, event).await?;
//! assert_eq!(server.connections().counts(&tenant).await?.total, 0);
//! assert_eq!(server.health().await.connections, 0);
//!
//! server.stop();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod admin_ui;
mod api_keys;
mod api_quota;
mod audit;
mod canary;
pub mod cli;
mod cluster;
pub mod config;
mod dashboard;
mod data;
pub mod demo;
mod descriptors;
mod drain;
mod emitters;
mod explain;
mod health;
mod health_book;
mod hex;
mod http;
mod hub;
mod hub_reload;
mod issuer_keys;
mod kept_of_tenants;
mod last_error;
mod log_report;
mod logging;
mod metrics;
mod operator_token;
mod performance;
mod policy_book;
mod posting;
mod process;
mod public_targets;
mod refusal_counts;
mod reload;
mod revocations;
mod room_names;
mod server_parts;
mod shards_config;
mod signature;
mod start_error;
mod telemetry;
mod tenant_places;
mod tls;
mod upstream;
mod webhooks;
mod websocket_config;
mod websocket_server;

pub use cluster::{
    ClusterConnections, CountedConnections, Gathered, NodeInfo, RedisReport, RedisState,
};
pub use config::{
    AdminUiConfig, AuditConfig, CertificateConfig, CheckedConfig, ConfigErrors, ConfigProblem,
    DashboardConfig, DeliveryConfig, EmitterConfig, EmitterKind, HooksConfig, IssuerConfig,
    LimitsConfig, LogConfig, MetricsConfig, ProfileChoice, RedisConfig, RetryConfig, Secret,
    TlsConfig, TracingConfig, UpstreamConfig, WebhookConfig,
};
pub use data::{DataDirError, KeysError};
pub use drain::{AfterDrain, DrainPhase, DrainReport};
pub use explain::{ExplainError, Question};
pub use foodtrack_auth::{TokenClaims, TokenSigner};
pub use foodtrack_contract::{
    ApplicationSet, ApplicationType, DeliveryClass, ErrorCode, EventDeclaration, Priority, Refusal,
    RoomName, TenantId,
};
pub use foodtrack_router::{Destination, Explanation, HideFrom, Redaction, Rule, RuleError};
pub use foodtrack_shard::{
    Accepted, Broadcast, ConnectionCounts, ConnectionFilter, ConnectionInfo, ConnectionManager,
    DisconnectTarget, EventBroadcaster, Page, PageQuery, PresenceInfo, PresenceQuery, Recipients,
    RoomInfo, RoomMetadata,
};
pub use health::{HealthState, HealthStatus, MemoryUsage};
pub use health_book::{ConditionReport, HealthCondition};
pub use last_error::LastError;
pub use performance::PerformanceMetrics;
pub use policy_book::RoutingRules;
pub use reload::{ReloadError, ReloadReport};
pub use start_error::StartError;
pub use tls::TlsVersion;
pub use websocket_config::WebSocketConfig;
pub use websocket_server::WebSocketServer;
