//! What a tenant works with and does not own: rules, limits, keys and counters, the same for all tenants of a shard.

use std::sync::Arc;

use foodtrack_contract::Authenticate;

use crate::counters::Counters;
use crate::crowds::Crowds;
use crate::intake::{EmissionKey, ORDERS_IN_MEMORY_MAX};
use crate::page_limits::PageLimits;
use crate::policies::Policies;
use crate::quota::Rate;
use crate::retry_policy::RetryPolicy;
use crate::session_key::SessionKey;

/// What a tenant works with and does not own.
pub struct Settings {
    /// Rules and schemas in force.
    pub policies: Arc<Policies>,
    /// Limits on clients that the server knows.
    pub limits: TenantLimits,
    /// How unacknowledged events are sent again.
    pub retry: RetryPolicy,
    /// What is replayed.
    pub recovery: RecoveryConfig,
    /// How much of a replay is sent at once.
    pub page: PageLimits,
    /// What private ids of sessions are made with.
    pub session_key: SessionKey,
    /// What emissions are told by: [`SessionKey::emission_key`].
    pub emission_key: EmissionKey,
    /// Who a fresh token speaks for.
    pub authenticator: Arc<dyn Authenticate>,
    /// What is counted.
    pub counters: Arc<Counters>,
    /// What other nodes have of tenants; `None` where there are no others.
    pub crowds: Option<Arc<Crowds>>,
    /// What is wrong with the node, as clients are told of it: JSON. `None` while all is well.
    pub node_trouble: Option<Arc<str>>,
}

/// Limits on what clients that the server knows may do.
#[derive(Clone, Copy, Debug)]
pub struct TenantLimits {
    /// Connections of one tenant; 0 for no limit.
    pub connections_max: usize,
    /// Connections of one user of it; 0 for no limit.
    pub connections_per_user_max: usize,
    /// Rooms of one connection, those it is in from the start among them.
    pub rooms_per_connection_max: usize,
    /// Rooms of one tenant.
    pub rooms_max: usize,
    /// Rooms of one tenant of which something is kept: metadata or grants.
    pub described_rooms_max: usize,
    /// Grants of one room.
    pub grants_per_room_max: usize,
    /// Orders of one tenant of which it is in memory whose they are; of others the log is asked.
    pub orders_in_memory_max: usize,
    /// What the tables of ids seen, of orders' owners and of what was emitted last may take, of all tenants of all shards
    /// together, in bytes: beyond it the least recently used tenants' are given up, and their logs are asked instead.
    pub table_bytes_max: usize,
    /// Messages of one connection.
    pub messages_per_connection: Rate,
    /// Bytes of one connection.
    pub bytes_per_connection: Rate,
    /// Messages of one user, over all connections; back ends have no such limit.
    pub messages_per_user: Rate,
    /// Bytes of one user, over all connections; back ends have no such limit.
    pub bytes_per_user: Rate,
    /// Messages of one tenant, from clients and back ends; customers, and staff with them, may use only a part of it.
    pub messages_per_tenant: Rate,
    /// Sessions that begin, of one tenant; those that come back are not counted.
    pub arrivals_per_tenant: Rate,
    /// Sessions that begin, of all tenants of a shard.
    pub arrivals: Rate,
}

impl Default for TenantLimits {
    fn default() -> Self {
        Self {
            connections_max: 50_000,
            connections_per_user_max: 100,
            rooms_per_connection_max: 256,
            rooms_max: 200_000,
            described_rooms_max: 10_000,
            grants_per_room_max: 1_000,
            orders_in_memory_max: ORDERS_IN_MEMORY_MAX,
            table_bytes_max: 512 << 20,
            messages_per_connection: Rate { per_second: 100, burst: 200 },
            bytes_per_connection: Rate { per_second: 1_000_000, burst: 4_000_000 },
            messages_per_user: Rate { per_second: 200, burst: 400 },
            bytes_per_user: Rate { per_second: 2_000_000, burst: 8_000_000 },
            messages_per_tenant: Rate { per_second: 5_000, burst: 10_000 },
            arrivals_per_tenant: Rate { per_second: 1_000, burst: 2_000 },
            arrivals: Rate { per_second: 5_000, burst: 5_000 },
        }
    }
}

/// How long somebody may be away.
#[derive(Clone, Copy, Debug)]
pub struct RecoveryConfig {
    /// Events older than this are not replayed to somebody whose session is gone, in milliseconds.
    pub offline_age_ms_max: u64,
    /// How often what has expired is let go, and what is still in use is kept for longer, in milliseconds.
    pub sweep_ms: u64,
    /// A device that has gone is away when it has not come back for so long, in milliseconds.
    pub offline_after_ms: u64,
    /// A tenant where nobody has been for so long is dropped from memory, and its log is closed, in milliseconds; 0 for
    /// never. Whoever comes next has it opened again.
    pub close_after_ms: u64,
}

impl Default for RecoveryConfig {
    fn default() -> Self {
        Self {
            offline_age_ms_max: 24 * 60 * 60 * 1_000,
            sweep_ms: 60_000,
            offline_after_ms: 120_000,
            close_after_ms: 15 * 60_000,
        }
    }
}
