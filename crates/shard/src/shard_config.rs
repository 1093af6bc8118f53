//! What the shards of a server are told once, at the start.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use foodtrack_tenant::{RecoveryConfig, RetryPolicy, SessionKey, TenantLimits};
use foodtrack_transport::ReactorConfig;

use crate::clock::Clock;

/// What a server's shards are told.
#[derive(Clone)]
pub struct ShardsConfig {
    /// Where to listen.
    pub address: SocketAddr,
    /// What to listen on in the place of `address`: somebody else has bound it.
    pub listener: Option<Arc<TcpListener>>,
    /// How many shards; 0 for one a core.
    pub shards: usize,
    /// Sockets, heartbeats, limits on strangers.
    pub reactor: ReactorConfig,
    /// Limits on those the server knows.
    pub limits: TenantLimits,
    /// How unacknowledged events are sent again.
    pub retry: RetryPolicy,
    /// What is replayed.
    pub recovery: RecoveryConfig,
    /// What private ids of sessions are made with.
    pub session_key: SessionKey,
    /// The cookie that may carry a token.
    pub cookie_name: String,
    /// What they measure time with.
    pub clock: Clock,
}
