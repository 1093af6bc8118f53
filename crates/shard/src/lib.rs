//! One core each: tenants, their connections, and the fan-out.
//!
//! A tenant lives on one shard, a single thread that owns everything the tenant has; no locks, and no way from one
//! tenant to another's connections. The outside talks to shards by message, through [`ConnectionManager`] and
//! [`EventBroadcaster`].

mod clock;
mod connections;
mod control_events;
mod counters;
mod handles;
mod handshake;
mod http_service;
mod mailbox;
mod model;
mod order_book;
mod policies;
mod publishing;
mod quota;
mod recent_ids;
mod rooms;
mod shard;
mod shard_config;
mod start;
mod tenant;

pub use counters::{Counter, Counters};
pub use handles::{ConnectionManager, EventBroadcaster, Shards};
pub use http_service::{HttpService, Responder};
pub use model::{
    Accepted, Broadcast, ConnectionCounts, ConnectionFilter, ConnectionInfo, DisconnectTarget,
    Recipients, RoomInfo, RoomMetadata,
};
pub use policies::Policies;
pub use quota::Rate;
pub use shard_config::{ShardsConfig, TenantLimits};
pub use start::{Running, start};
