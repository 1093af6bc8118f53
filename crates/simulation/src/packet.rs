//! What travels on the links between clients, publishers and a node.

use foodtrack_contract::TenantId;
use foodtrack_session::RequestId;

/// A packet of a link, in either direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// A client opens a session by polling.
    Handshake,
    /// A client opens a WebSocket: alone, or to leave the polling session of this id.
    OpenWebSocket(Option<String>),
    /// A client asks for what has come.
    Poll {
        /// The session's id.
        sid: String,
        /// The request's `t`.
        request: Option<RequestId>,
    },
    /// A client posts packets.
    Post {
        /// The session's id.
        sid: String,
        /// The request's `t`.
        request: Option<RequestId>,
        /// The payload.
        body: String,
    },
    /// A message of a WebSocket, either way.
    Text(String),
    /// The answer to a request; `None` for one that says that there is no such session.
    Answer(Option<String>),
    /// A back end publishes.
    Publish {
        /// Its tenant.
        tenant: TenantId,
        /// The event's name.
        event: String,
        /// The message.
        argument: String,
    },
}
