//! What a stranger may push, and how the limits relate.

use std::time::Duration;

/// The largest request head.
pub(crate) const HTTP_HEAD_BYTES_MAX: usize = 16 * 1024;
/// Headers of a request.
pub(crate) const HTTP_HEADERS_MAX: usize = 64;
/// Bytes read from one socket before the others have their turn.
pub(crate) const READ_BYTES_PER_TURN: usize = 64 * 1024;
/// The same of a socket that nobody known has.
pub(crate) const STRANGER_BYTES_PER_TURN: usize = 16 * 1024;
/// Bytes of further requests that are read while one waits for its answer.
pub(crate) const READ_AHEAD_BYTES_MAX: usize = 64 * 1024;
/// Bytes a second, from its first byte on, that a request must bring to take longer than a stranger's may.
pub(crate) const REQUEST_BYTES_PER_SECOND_MIN: u64 = 4 * 1024;
/// Sockets accepted before those already here have their turn.
pub(crate) const ACCEPTS_PER_TURN: usize = 64;
/// CONNECT packets of one transport. Each costs the check of a token, and starts the limits of a connection anew; a
/// client that needs more opens another transport, and the rate of those is limited.
pub(crate) const CONNECTS_MAX: u8 = 32;
/// Frames gathered in a turn before they are flushed: they should not leave the processor's cache in between.
pub(crate) const TURN_BYTES_MAX: usize = 256 * 1024;
/// Bytes of a body that comes in pieces that wait for its peer.
pub(crate) const STREAM_BYTES_MAX: usize = 256 * 1024;
/// Bytes taken from a client's queue for one write.
pub(crate) const DRAIN_BYTES_MAX: usize = 64 * 1024;

/// Packets taken from one client before the others have their turn.
pub(crate) const PACKETS_PER_TURN: u32 = 128;
/// Packets that a control frame of the WebSocket protocol counts for: a ping asks for an answer.
pub(crate) const CONTROL_FRAME_PACKETS: u32 = 4;
/// Packets in the body of one post.
pub(crate) const POSTED_PACKETS_MAX: usize = 16_384;
/// Packets a second of a client that has not joined yet, and as many at once. A client of the library sends a handful.
pub(crate) const STRANGER_PACKETS_PER_SECOND: u32 = 50;
/// A client joins within so many times the time for one try.
pub(crate) const CONNECT_TRIES: u64 = 2;
/// Packets in the body of one post of a client that has not joined yet: CONNECT, and what it says behind it.
pub(crate) const STRANGER_POSTED_PACKETS_MAX: usize = 1_024;
/// Sockets of one address that a shard allows at least, however small its part of the limit is.
pub(crate) const STRANGERS_PER_SHARD_MIN: usize = 32;
/// The longest name of an unknown namespace that a refusal says again.
pub(crate) const ECHOED_NAMESPACE_BYTES_MAX: usize = 128;

/// Limits that configuration sets.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest message: a WebSocket message, a polling body, or a binary packet with all its attachments.
    pub payload_bytes_max: usize,
    /// The largest message or polling body of a client that has not joined yet; no more than `payload_bytes_max`.
    pub stranger_bytes_max: usize,
    /// Packets a second of one client, and as many at once: frames of whatever kind, packets of polling bodies, requests.
    /// Reading waits then. 0 lifts the limit.
    pub packets_per_second: u32,
    /// Bytes a second of one client, and as many at once, as [`Self::packets_per_second`]. 0 lifts the limit.
    pub bytes_per_second: u32,
    /// The largest message at an endpoint of [`Protocol::WebSocket`](crate::Protocol::WebSocket).
    pub websocket_message_bytes_max: usize,
    /// Fragments of one WebSocket message.
    pub fragments_max: u32,
    /// Frames waiting for one slow reader.
    pub queue_messages_max: usize,
    /// Bytes waiting for one slow reader. A client that polls may hold a payload more: its last answer, until its next poll.
    pub queue_bytes_max: usize,
    /// How long a socket may take to say what it wants: for its first request from the start, for a later one from its
    /// first byte, each with its body. A body with an `Authorization`, or of a session that has joined, may take longer while
    /// the request brings 4 KiB a second.
    pub handshake_timeout: Duration,
    /// How long a socket may stay idle between two HTTP requests. Its answers say so.
    pub keep_alive_timeout: Duration,
    /// How long what was written to a socket may wait without a single byte of it being taken.
    pub write_timeout: Duration,
    /// After how long without anything else a body that comes in pieces sends its heartbeat, where it has one.
    pub stream_heartbeat_interval: Duration,
    /// How long the producer of such a body without a heartbeat may give nothing, before the connection closes.
    pub stream_idle_timeout: Duration,
    /// How long a client may take for a try to join. It may try again, and has twice as long for all tries together.
    pub connect_timeout: Duration,
    /// How long an upgrade from polling may take.
    pub upgrade_timeout: Duration,
    /// What sockets and sessions of nobody who has joined may hold, of all shards together; beyond it the oldest of them go.
    pub strangers_bytes_max: usize,
    /// Sockets of nobody who has joined, of one address (IPv6: one /64); beyond it the oldest of them go. Each shard has its
    /// part. 0 lifts the limit.
    pub strangers_per_address_max: usize,
    /// Sockets of all shards together, of whomever. Beyond it the oldest that nobody known has go, of the address that has
    /// most of them; where there are none, newcomers are refused.
    pub sockets_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            payload_bytes_max: 1_000_000,
            stranger_bytes_max: 16 * 1024,
            packets_per_second: 4_096,
            bytes_per_second: 8 << 20,
            websocket_message_bytes_max: 1_000_000,
            fragments_max: 131_072,
            queue_messages_max: 1_024,
            queue_bytes_max: 4 << 20,
            handshake_timeout: Duration::from_secs(10),
            keep_alive_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(30),
            stream_heartbeat_interval: Duration::from_secs(15),
            stream_idle_timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(45),
            upgrade_timeout: Duration::from_secs(10),
            strangers_bytes_max: 64 << 20,
            strangers_per_address_max: 0,
            sockets_max: 1_000_000,
        }
    }
}
