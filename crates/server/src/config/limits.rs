//! The section `limits`.

use serde::{Deserialize, Serialize};

/// How much of everything there may be.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// The largest message. Default: 1 000 000.
    pub payload_bytes_max: u32,
    /// The largest payload of an event type that a tenant declared; one whose schema is dear to check has less. Default: 65 536.
    pub declared_payload_bytes_max: u32,
    /// Connections of one tenant at once; 0 lifts the limit. Default: 50 000.
    pub connections_per_tenant_max: u32,
    /// Connections of one user at once; 0 lifts the limit. Default: 100.
    pub connections_per_user_max: u32,
    /// Events a connection may send per second, steadily; 0 lifts the limit. Default: 100.
    pub messages_per_second_per_connection: u32,
    /// Events a connection may send at once. Default: 200.
    pub messages_burst_per_connection: u32,
    /// Events a user may send per second, steadily, over all connections; not less than of one connection, and lifted with
    /// that. 0 lifts the limit; back ends have none. Default: 200.
    pub messages_per_second_per_user: u32,
    /// Events a user may send at once. Default: 400.
    pub messages_burst_per_user: u32,
    /// Events a tenant may send per second, steadily: its customers seven tenths of it, they and its staff nine. 0 lifts the
    /// limit. Default: 5 000.
    pub messages_per_second_per_tenant: u32,
    /// Events a tenant may send at once. Default: 10 000.
    pub messages_burst_per_tenant: u32,
    /// Sessions of a tenant that may begin per second, steadily; more wait, those that come back do not. 0 lifts the limit.
    /// Default: 1 000.
    pub sessions_per_second_per_tenant: u32,
    /// Sessions of a tenant that may begin at once. Default: 2 000.
    pub sessions_burst_per_tenant: u32,
    /// Sessions of all tenants of a shard that may begin per second, steadily; 0 lifts the limit. Default: 5 000.
    pub sessions_per_second: u32,
    /// Sessions of all tenants of a shard that may begin at once. Default: 5 000.
    pub sessions_burst: u32,
    /// Bytes a connection may send per second, steadily; 0 lifts the limit. Default: 1 000 000.
    pub bytes_per_second_per_connection: u32,
    /// Bytes a connection may send at once. Default: 4 000 000.
    pub bytes_burst_per_connection: u32,
    /// Bytes a user may send per second, steadily, over all connections; not less than of one connection, and lifted with
    /// that. 0 lifts the limit; back ends have none. Default: 2 000 000.
    pub bytes_per_second_per_user: u32,
    /// Bytes a user may send at once. Default: 8 000 000.
    pub bytes_burst_per_user: u32,
    /// Packets of any kind that a connection may send per second, and at once; its reading waits then. 0 lifts the limit.
    /// Default: 4 096.
    pub packets_per_second_per_connection: u32,
    /// Requests of one tenant to the HTTP API per second, steadily, publishing not among them; 0 lifts the limit.
    /// Default: 50.
    pub api_requests_per_second_per_tenant: u32,
    /// Requests of one tenant to the HTTP API at once. Default: 200.
    pub api_requests_burst_per_tenant: u32,
    /// The same of one token, by its user and `jti`; 0 lifts the limit. Default: 20.
    pub api_requests_per_second_per_token: u32,
    /// Requests of one token to the HTTP API at once. Default: 100.
    pub api_requests_burst_per_token: u32,
    /// Connections that have not joined, of one address (IPv6: one /64): beyond it the oldest of them go; 0 lifts the limit, and
    /// so does a lifted limit of handshakes. Default: 256.
    pub strangers_per_address_max: u32,
    /// What all connections that have not joined may hold in memory: beyond it the oldest of them go. Default: 64 MiB.
    pub strangers_bytes_max: u32,
    /// What all tenants may remember in memory of what their logs know: ids seen, whose orders are, what was emitted last.
    /// Beyond it the least recently used tenants forget, and their logs are asked instead. Default: 512 MiB.
    pub table_bytes_max: u32,
    /// Rooms a connection may be in. Default: 256.
    pub rooms_per_connection_max: u32,
    /// Messages that wait for a slow reader before it is closed. Default: 1 024.
    pub queue_messages_max: u32,
    /// Bytes that wait for a slow reader before it is closed. Default: 4 MiB.
    pub queue_bytes_max: u32,
    /// How long a request may take, with its body; the first one of a connection from when it is open. Default: 10 000 ms.
    pub handshake_timeout_ms: u32,
    /// How long a connection may stay idle between two requests; a proxy in front should close its own earlier.
    /// Default: 75 000 ms.
    pub keep_alive_timeout_ms: u32,
    /// How long what was written to a connection may wait without a byte of it being taken. Default: 30 000 ms.
    pub write_timeout_ms: u32,
    /// How long a client may stay without a token. Default: 45 000 ms, as socket.io's connectTimeout.
    pub connect_timeout_ms: u32,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            payload_bytes_max: 1_000_000,
            declared_payload_bytes_max: 64 * 1_024,
            connections_per_tenant_max: 50_000,
            connections_per_user_max: 100,
            messages_per_second_per_connection: 100,
            messages_burst_per_connection: 200,
            messages_per_second_per_user: 200,
            messages_burst_per_user: 400,
            messages_per_second_per_tenant: 5_000,
            messages_burst_per_tenant: 10_000,
            sessions_per_second_per_tenant: 1_000,
            sessions_burst_per_tenant: 2_000,
            sessions_per_second: 5_000,
            sessions_burst: 5_000,
            bytes_per_second_per_connection: 1_000_000,
            bytes_burst_per_connection: 4_000_000,
            bytes_per_second_per_user: 2_000_000,
            bytes_burst_per_user: 8_000_000,
            packets_per_second_per_connection: 4_096,
            api_requests_per_second_per_tenant: 50,
            api_requests_burst_per_tenant: 200,
            api_requests_per_second_per_token: 20,
            api_requests_burst_per_token: 100,
            strangers_per_address_max: 256,
            strangers_bytes_max: 64 * 1_024 * 1_024,
            table_bytes_max: 512 * 1_024 * 1_024,
            rooms_per_connection_max: 256,
            queue_messages_max: 1_024,
            queue_bytes_max: 4 * 1_024 * 1_024,
            handshake_timeout_ms: 10_000,
            keep_alive_timeout_ms: 75_000,
            write_timeout_ms: 30_000,
            connect_timeout_ms: 45_000,
        }
    }
}

impl LimitsConfig {
    /// The limits that cannot be lifted, with their keys.
    pub(crate) fn unliftable(&self) -> [(&'static str, u32); 11] {
        [
            ("limits.tableBytesMax", self.table_bytes_max),
            ("limits.strangersBytesMax", self.strangers_bytes_max),
            ("limits.payloadBytesMax", self.payload_bytes_max),
            ("limits.declaredPayloadBytesMax", self.declared_payload_bytes_max),
            ("limits.roomsPerConnectionMax", self.rooms_per_connection_max),
            ("limits.queueMessagesMax", self.queue_messages_max),
            ("limits.queueBytesMax", self.queue_bytes_max),
            ("limits.handshakeTimeoutMs", self.handshake_timeout_ms),
            ("limits.keepAliveTimeoutMs", self.keep_alive_timeout_ms),
            ("limits.writeTimeoutMs", self.write_timeout_ms),
            ("limits.connectTimeoutMs", self.connect_timeout_ms),
        ]
    }

    /// The rates: the burst's key, what is allowed per second, and at once.
    pub(crate) fn rates(&self) -> [(&'static str, u32, u32); 9] {
        [
            (
                "limits.messagesBurstPerConnection",
                self.messages_per_second_per_connection,
                self.messages_burst_per_connection,
            ),
            (
                "limits.messagesBurstPerUser",
                self.messages_per_second_per_user,
                self.messages_burst_per_user,
            ),
            ("limits.bytesBurstPerUser", self.bytes_per_second_per_user, self.bytes_burst_per_user),
            (
                "limits.messagesBurstPerTenant",
                self.messages_per_second_per_tenant,
                self.messages_burst_per_tenant,
            ),
            (
                "limits.sessionsBurstPerTenant",
                self.sessions_per_second_per_tenant,
                self.sessions_burst_per_tenant,
            ),
            (
                "limits.apiRequestsBurstPerTenant",
                self.api_requests_per_second_per_tenant,
                self.api_requests_burst_per_tenant,
            ),
            (
                "limits.apiRequestsBurstPerToken",
                self.api_requests_per_second_per_token,
                self.api_requests_burst_per_token,
            ),
            ("limits.sessionsBurst", self.sessions_per_second, self.sessions_burst),
            (
                "limits.bytesBurstPerConnection",
                self.bytes_per_second_per_connection,
                self.bytes_burst_per_connection,
            ),
        ]
    }
}
