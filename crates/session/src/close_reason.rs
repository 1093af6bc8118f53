//! Why a session ends, and what its client is told.

/// Why a client is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The client closed its transport.
    TransportClosed,
    /// The transport failed.
    TransportError,
    /// It answered no ping.
    PingTimeout,
    /// It joined no namespace in time.
    ConnectTimeout,
    /// It broke the protocol.
    ProtocolError,
    /// It read too slowly; it recovers by connecting again.
    SlowReader,
    /// It was disconnected for good.
    Disconnected,
    /// The server is stopping, or wants the client to connect again.
    ServerClosed,
}

impl CloseReason {
    /// The reason as metrics and logs name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TransportClosed => "transport_closed",
            Self::TransportError => "transport_error",
            Self::PingTimeout => "ping_timeout",
            Self::ConnectTimeout => "connect_timeout",
            Self::ProtocolError => "protocol_error",
            Self::SlowReader => "slow_reader",
            Self::Disconnected => "disconnected",
            Self::ServerClosed => "server_closed",
        }
    }

    /// What a WebSocket is closed with; `None` where nobody reads it any more.
    pub(crate) const fn websocket_code(self) -> Option<u16> {
        match self {
            Self::TransportClosed | Self::TransportError | Self::PingTimeout | Self::SlowReader => {
                None
            }
            Self::ProtocolError => Some(1_002),
            Self::Disconnected | Self::ConnectTimeout => Some(1_000),
            Self::ServerClosed => Some(1_001),
        }
    }

    /// Whether a client that polls is told of its end by its next polls.
    pub(crate) const fn is_told_to_polls(self) -> bool {
        matches!(self, Self::Disconnected | Self::ServerClosed)
    }
}
