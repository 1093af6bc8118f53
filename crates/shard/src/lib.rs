//! One core each: tenants, their connections, and the fan-out.
//!
//! A tenant lives on one shard, a single thread that owns everything the tenant has; no locks, and no way from one
//! tenant to another's connections. The outside talks to shards by message, through [`ConnectionManager`] and
//! [`EventBroadcaster`].

mod clock;
mod connection_audit;
mod connection_manager;
mod dead_letters;
mod delivery_tracer;
mod entrant;
mod event_broadcaster;
mod handshake;
mod hook_answer;
mod hook_book;
mod http_service;
mod log_link;
mod mailbox;
mod observer;
mod payload_keys;
mod shard;
mod shard_config;
mod shards;
mod start;
mod tag;
mod tallies;
mod upstream;

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
pub use connection_audit::ConnectionAudit;
pub use connection_manager::ConnectionManager;
pub use dead_letters::DeadLetters;
pub use delivery_tracer::DeliveryTracer;
pub use event_broadcaster::{EventBroadcaster, NewEvent};
pub use foodtrack_tenant::PayloadKey;
pub use foodtrack_tenant::{
    Accepted, Broadcast, CHECKS_US_PER_SECOND, ConnectionChange, ConnectionCounts,
    ConnectionFilter, ConnectionInfo, ConnectionNews, Counters, Crowd, Crowds, DeliveryNews,
    DeviceNews, DeviceTrace, DeviceTurn, DirectEvent, DisconnectTarget, EntryTrace, EventCounts,
    Forwarded, Hook, HookQuestion, Page, PageQuery, Policies, PresenceInfo, PresenceQuery,
    Profiles, Rate, Recipients, RecoveryConfig, RequestNames, RetryPolicy, RoomInfo, RoomMetadata,
    Sent, SessionKey, TenantLimits, TenantTally, Times, TracedEntry, UpstreamAnswer,
    WantedHubEvents, page_limit, read_subscriber_key,
};
pub use hook_answer::HookAnswer;
pub use http_service::{HttpService, PeerCertificate, Responder};
pub use mailbox::MAILBOX_MESSAGES_MAX;
pub use observer::{OBSERVERS_NAMESPACE, ObserverDesk, ObserverId, Observers};
pub use payload_keys::PayloadKeys;
pub use shard_config::ShardsConfig;
pub use shards::Shards;
pub use start::{OpensLog, Running, Services, StartError, start};
pub use tallies::Tallies;
pub use upstream::{HookRelay, Hooks, Relay, Upstream};
