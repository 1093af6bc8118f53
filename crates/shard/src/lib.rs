//! One core each: tenants, their connections, and the fan-out.
//!
//! A tenant lives on one shard, a single thread that owns everything the tenant has; no locks, and no way from one
//! tenant to another's connections. The outside talks to shards by message, through [`ConnectionManager`] and
//! [`EventBroadcaster`].

mod acknowledgements;
mod appending;
mod broadcasting;
mod catch_up;
mod client_events;
mod clock;
mod confirming;
mod connection_lines;
mod connection_manager;
mod control_events;
mod counters;
mod cursor_suffix;
mod dead_letters;
mod delivery;
mod described_rooms;
mod effects;
mod entrance;
mod event_broadcaster;
mod event_frame;
mod handshake;
mod http_service;
mod intake;
mod ledger;
mod log_link;
mod mailbox;
mod members;
mod model;
mod owner_lookups;
mod page_limits;
mod policies;
mod publishing;
mod quota;
mod redelivery;
mod reliability;
mod replay;
mod replay_plan;
mod reply_to;
mod retry_policy;
mod room_notes;
#[cfg(test)]
mod samples;
mod session_keeping;
mod session_key;
mod sessions;
mod shard;
mod shard_config;
mod shards;
mod shared_rate;
mod start;
mod tag;
mod tenant;
mod turn;
mod undeliverable;
mod viewer;
mod watchdog;

// The integration tests' server and client, for tests that plant a panic: only a build of the crate's own tests can.
#[cfg(test)]
extern crate self as foodtrack_shard;
#[cfg(test)]
#[path = "../tests/it/poller.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "a part of the harness is enough here")]
mod poller;
#[cfg(test)]
#[path = "../tests/it/server.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "a part of the harness is enough here")]
mod server;

pub use clock::{Clock, TimeSource};
pub use connection_manager::ConnectionManager;
pub use counters::{Counter, Counters};
pub use dead_letters::DeadLetters;
pub use event_broadcaster::EventBroadcaster;
pub use http_service::{HttpService, Responder};
pub use intake::CHECKS_US_PER_SECOND;
pub use model::{
    Accepted, Broadcast, ConnectionCounts, ConnectionFilter, ConnectionInfo, DisconnectTarget,
    Page, PageQuery, Recipients, RoomInfo, RoomMetadata,
};
pub use policies::Policies;
pub use quota::Rate;
pub use retry_policy::RetryPolicy;
pub use session_key::SessionKey;
pub use shard_config::{RecoveryConfig, ShardsConfig, TenantLimits};
pub use shards::Shards;
pub use start::{OpensLog, Running, StartError, start};
