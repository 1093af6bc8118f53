//! The configuration in the words of the shards.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use foodtrack_session::{HeartbeatConfig, Namespaces};
use foodtrack_shard::{
    Clock, OBSERVERS_NAMESPACE, Rate, RecoveryConfig, RetryPolicy, SessionKey, ShardsConfig,
    TenantLimits,
};
use foodtrack_tenant_log::{DiskBudget, Retention};
use foodtrack_transport::{Endpoint, Limits, Protocol, ReactorConfig};

use crate::WebSocketConfig;
use crate::api_quota::ApiRates;
use crate::config::{CheckedConfig, LimitsConfig, LogConfig};
use crate::descriptors;

/// What the shards are told of a checked configuration.
pub(crate) fn shards_config(
    config: &CheckedConfig,
    listener: Option<TcpListener>,
    session_key: SessionKey,
    clock: Clock,
) -> ShardsConfig {
    let said = config.said();
    ShardsConfig {
        address: config.address(),
        listener: listener.map(Arc::new),
        shards: usize::from(config.shards()),
        reactor: reactor_config(config),
        limits: tenant_limits(&said.limits),
        retry: retry_policy(config),
        recovery: recovery(&said.log),
        session_key,
        cookie_name: said.security.cookie_name.clone(),
        clock,
    }
}

/// How what is not taken is sent again.
pub(crate) fn retry_policy(config: &CheckedConfig) -> RetryPolicy {
    let retry = &config.said().retry;
    RetryPolicy {
        attempts_max: retry.max_attempts,
        base_delay_ms: retry.base_delay_ms,
        delay_ms_max: retry.max_delay_ms,
        backoff_percent: percent(retry.backoff_multiplier),
        jitter_percent: retry.jitter_percent,
    }
}

/// How long somebody may be away.
fn recovery(log: &LogConfig) -> RecoveryConfig {
    let (close_after_ms, default) =
        (u64::from(log.close_after_seconds) * 1_000, RecoveryConfig::default());
    RecoveryConfig {
        offline_age_ms_max: hours_ms(log.offline_hours_max),
        // Who is to be closed is looked for in sweeps.
        sweep_ms: match close_after_ms {
            0 => default.sweep_ms,
            after_ms => default.sweep_ms.min(after_ms),
        },
        offline_after_ms: u64::from(log.offline_after_seconds) * 1_000,
        close_after_ms,
    }
}

fn reactor_config(config: &CheckedConfig) -> ReactorConfig {
    let said = config.said();
    ReactorConfig {
        endpoints: [
            (said.path.as_str(), Protocol::SocketIo),
            ("/ws", Protocol::PlainJson),
            ("/events", Protocol::EventStream),
        ]
        .map(|(path, protocol)| Endpoint { path: path.to_owned(), protocol })
        .into(),
        namespaces: match said.admin_ui.enabled {
            true => Namespaces::new(&["/", OBSERVERS_NAMESPACE]),
            false => Namespaces::new(&["/"]),
        },
        heartbeat: HeartbeatConfig {
            interval_ms: said.heartbeat.interval_ms.into(),
            timeout_ms: said.heartbeat.timeout_ms.into(),
            // Checked to be small.
            missed_max: u8::try_from(said.heartbeat.max_missed).unwrap_or(u8::MAX),
        },
        limits: transport_limits(said),
        origins: config.origins(),
        handshakes_per_minute: said.security.rate_limiting.handshakes_per_minute,
        proxies: config.proxies(),
        proxy_protocol: said.security.proxy_protocol,
        batched_sends: said.io_uring,
        node: None,
        tls: None,
    }
}

/// What a socket may do.
fn transport_limits(said: &WebSocketConfig) -> Limits {
    let limits = &said.limits;
    Limits {
        payload_bytes_max: count(limits.payload_bytes_max),
        queue_messages_max: count(limits.queue_messages_max),
        queue_bytes_max: count(limits.queue_bytes_max),
        handshake_timeout: Duration::from_millis(limits.handshake_timeout_ms.into()),
        keep_alive_timeout: Duration::from_millis(limits.keep_alive_timeout_ms.into()),
        write_timeout: Duration::from_millis(limits.write_timeout_ms.into()),
        // Who may send more events than that may send them.
        packets_per_second: match limits.messages_per_second_per_connection {
            0 => 0,
            messages => match limits.packets_per_second_per_connection {
                0 => 0,
                packets => packets.max(messages.saturating_mul(4)),
            },
        },
        bytes_per_second: match limits.bytes_per_second_per_connection {
            0 => 0,
            bytes => Limits::default().bytes_per_second.max(bytes.saturating_mul(2)),
        },
        connect_timeout: Duration::from_millis(limits.connect_timeout_ms.into()),
        strangers_bytes_max: count(limits.strangers_bytes_max),
        // Where addresses may open sessions as they like, they tell nobody apart.
        strangers_per_address_max: match said.security.rate_limiting.handshakes_per_minute {
            0 => 0,
            _ => count(limits.strangers_per_address_max),
        },
        sockets_max: descriptors::sockets_max(),
        ..Limits::default()
    }
}

pub(crate) fn tenant_limits(limits: &LimitsConfig) -> TenantLimits {
    let rate = |per_second, burst| Rate { per_second, burst };
    TenantLimits {
        connections_max: count(limits.connections_per_tenant_max),
        connections_per_user_max: count(limits.connections_per_user_max),
        rooms_per_connection_max: count(limits.rooms_per_connection_max),
        table_bytes_max: count(limits.table_bytes_max),
        messages_per_connection: rate(
            limits.messages_per_second_per_connection,
            limits.messages_burst_per_connection,
        ),
        bytes_per_connection: rate(
            limits.bytes_per_second_per_connection,
            limits.bytes_burst_per_connection,
        ),
        messages_per_user: at_least(
            rate(limits.messages_per_second_per_user, limits.messages_burst_per_user),
            rate(limits.messages_per_second_per_connection, limits.messages_burst_per_connection),
        ),
        bytes_per_user: at_least(
            rate(limits.bytes_per_second_per_user, limits.bytes_burst_per_user),
            rate(limits.bytes_per_second_per_connection, limits.bytes_burst_per_connection),
        ),
        messages_per_tenant: rate(
            limits.messages_per_second_per_tenant,
            limits.messages_burst_per_tenant,
        ),
        arrivals_per_tenant: rate(
            limits.sessions_per_second_per_tenant,
            limits.sessions_burst_per_tenant,
        ),
        arrivals: rate(limits.sessions_per_second, limits.sessions_burst),
        ..TenantLimits::default()
    }
}

/// A rate that allows at least what another does; lifted where either is.
fn at_least(rate: Rate, other: Rate) -> Rate {
    if rate.per_second == 0 || other.per_second == 0 {
        return Rate::UNLIMITED;
    }
    Rate { per_second: rate.per_second.max(other.per_second), burst: rate.burst.max(other.burst) }
}

/// How much of the HTTP API a tenant and a token may use.
pub(crate) fn api_rates(limits: &LimitsConfig) -> ApiRates {
    let rate = |per_second, burst| Rate { per_second, burst };
    ApiRates {
        per_tenant: rate(
            limits.api_requests_per_second_per_tenant,
            limits.api_requests_burst_per_tenant,
        ),
        per_token: rate(
            limits.api_requests_per_second_per_token,
            limits.api_requests_burst_per_token,
        ),
    }
}

/// What all tenants' logs together may take of the disk.
pub(crate) fn disk_budget(config: &CheckedConfig) -> DiskBudget {
    let log = &config.said().log;
    DiskBudget {
        bytes_max: (log.disk_bytes_max > 0).then_some(log.disk_bytes_max),
        free_bytes_min: log.free_bytes_min,
    }
}

/// What each tenant's log keeps, in the words of the log.
pub(crate) fn retention(config: &CheckedConfig) -> Retention {
    let retention = usual_retention(config);
    let Some(hours) = config.said().log.erase_after_hours else { return retention };
    // Without the floor the number must not go below it either: repeats are known by what is kept.
    Retention {
        age_ms_max: hours_ms(hours).min(retention.age_ms_max),
        entries_max: retention.entries_max.max(retention.entries_min),
        entries_min: 0,
        ..retention
    }
}

fn usual_retention(config: &CheckedConfig) -> Retention {
    let log = &config.said().log;
    let limits = |retention: Retention| Retention {
        age_ms_max: hours_ms(log.age_hours_max).min(retention.age_ms_max),
        entries_max: log.entries_max.min(retention.entries_max),
        bytes_max: log.bytes_max.min(retention.bytes_max),
        ..retention
    };
    match &config.said().data_dir {
        Some(_) => Retention {
            age_ms_max: hours_ms(log.age_hours_max),
            entries_max: log.entries_max,
            bytes_max: log.bytes_max,
            ..Retention::default()
        },
        // Memory has bounds of its own, whatever the configuration allows a disk.
        None => limits(Retention::in_memory()),
    }
}

fn hours_ms(hours: u32) -> u64 {
    u64::from(hours) * 60 * 60 * 1_000
}

/// A factor that was checked to be from 1 to 10.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 100 to 1000")]
fn percent(factor: f64) -> u32 {
    (factor * 100.0).round() as u32
}

fn count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
