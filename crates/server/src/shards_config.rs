//! The configuration in the words of the shards.

use std::time::Duration;

use foodtrack_session::{HeartbeatConfig, Namespaces};
use foodtrack_shard::{Rate, ShardsConfig, TenantLimits};
use foodtrack_transport::{Endpoint, Limits, OriginPolicy, Protocol, ReactorConfig};

use crate::config::CheckedConfig;

/// What the shards are told of a checked configuration.
pub(crate) fn shards_config(config: &CheckedConfig) -> ShardsConfig {
    let said = config.said();
    let limits = &said.limits;
    let rate = |per_second, burst| Rate { per_second, burst };
    ShardsConfig {
        address: config.address(),
        shards: usize::from(config.shards()),
        reactor: ReactorConfig {
            endpoints: vec![Endpoint { path: said.path.clone(), protocol: Protocol::SocketIo }],
            namespaces: Namespaces::new(&["/"]),
            heartbeat: HeartbeatConfig {
                interval_ms: said.heartbeat.interval_ms.into(),
                timeout_ms: said.heartbeat.timeout_ms.into(),
                // Checked to be small.
                missed_max: u8::try_from(said.heartbeat.max_missed).unwrap_or(u8::MAX),
            },
            limits: Limits {
                payload_bytes_max: count(limits.payload_bytes_max),
                queue_messages_max: count(limits.queue_messages_max),
                queue_bytes_max: count(limits.queue_bytes_max),
                handshake_timeout: Duration::from_millis(limits.handshake_timeout_ms.into()),
                connect_timeout: Duration::from_millis(limits.connect_timeout_ms.into()),
                ..Limits::default()
            },
            origins: OriginPolicy::new(&said.cors.origin),
            handshakes_per_minute: said.security.rate_limiting.handshakes_per_minute,
            batched_sends: said.io_uring,
        },
        limits: TenantLimits {
            connections_max: count(limits.connections_per_tenant_max),
            connections_per_user_max: count(limits.connections_per_user_max),
            rooms_per_connection_max: count(limits.rooms_per_connection_max),
            messages_per_connection: rate(
                limits.messages_per_second_per_connection,
                limits.messages_burst_per_connection,
            ),
            bytes_per_connection: rate(
                limits.bytes_per_second_per_connection,
                limits.bytes_burst_per_connection,
            ),
            messages_per_tenant: rate(
                limits.messages_per_second_per_tenant,
                limits.messages_burst_per_tenant,
            ),
            ..TenantLimits::default()
        },
        cookie_name: said.security.cookie_name.clone(),
    }
}

fn count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
