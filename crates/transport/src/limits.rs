//! What a stranger may push, and how the limits relate.

use std::time::Duration;

/// The largest request head.
pub(crate) const HTTP_HEAD_BYTES_MAX: usize = 16 * 1024;
/// Headers of a request.
pub(crate) const HTTP_HEADERS_MAX: usize = 64;
/// Bytes read from one socket before the others have their turn.
pub(crate) const READ_BYTES_PER_TURN: usize = 64 * 1024;
/// Bytes of further requests that are read while one waits for its answer.
pub(crate) const READ_AHEAD_BYTES_MAX: usize = 64 * 1024;
/// Sockets accepted before those already here have their turn.
pub(crate) const ACCEPTS_PER_TURN: usize = 64;
/// Packets in the body of one poll: python-engineio gives a longer body up as an attack.
pub(crate) const POLL_PACKETS_MAX: usize = 16;
/// CONNECT packets of one transport. Each costs the check of a token, and starts the limits of a connection anew; a
/// client that needs more opens another transport, and the rate of those is limited.
pub(crate) const CONNECTS_MAX: u8 = 32;
/// Frames gathered in a turn before they are flushed: they should not leave the processor's cache in between.
pub(crate) const TURN_BYTES_MAX: usize = 256 * 1024;
/// Bytes taken from a client's queue for one write.
pub(crate) const DRAIN_BYTES_MAX: usize = 64 * 1024;

/// Limits that configuration sets.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest message: a WebSocket message, a polling body, or a binary packet with all its attachments.
    pub payload_bytes_max: usize,
    /// The largest message at an endpoint of [`Protocol::WebSocket`](crate::Protocol::WebSocket).
    pub websocket_message_bytes_max: usize,
    /// Fragments of one WebSocket message.
    pub fragments_max: u32,
    /// Frames waiting for one slow reader.
    pub queue_messages_max: usize,
    /// Bytes waiting for one slow reader. A client that polls may hold a payload more: its last answer, until its next poll.
    pub queue_bytes_max: usize,
    /// How long a socket may take to say what it wants, or stay idle between two HTTP requests.
    pub handshake_timeout: Duration,
    /// How long a client may be in no namespace.
    pub connect_timeout: Duration,
    /// How long an upgrade from polling may take.
    pub upgrade_timeout: Duration,
    /// Sockets of the shard, authenticated or not; more are closed as they come.
    pub sockets_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            payload_bytes_max: 1_000_000,
            websocket_message_bytes_max: 1_000_000,
            fragments_max: 16_384,
            queue_messages_max: 1_024,
            queue_bytes_max: 4 << 20,
            handshake_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(45),
            upgrade_timeout: Duration::from_secs(10),
            sockets_max: 1_000_000,
        }
    }
}
