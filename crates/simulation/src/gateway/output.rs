//! What a gateway has done on its links, and what the application above it is to be told.

use foodtrack_session::CloseReason;

use crate::{ClientIndex, LinkIndex, Packet, Ticket};

/// What goes out on a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A packet.
    Send(LinkIndex, Packet),
    /// The node closes the link.
    Close(LinkIndex),
}

/// What the application is to be told, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// A client asks to join.
    Connect(ClientIndex, Option<String>),
    /// A client sent an event.
    Event {
        /// Who.
        client: ClientIndex,
        /// The acknowledgement that it asks for.
        id: Option<u64>,
        /// The arguments.
        data: String,
    },
    /// A client acknowledged an event.
    Acknowledged(ClientIndex, u64),
    /// A client answered the ping of this mark.
    Ponged(ClientIndex, u64),
    /// A client has taken everything.
    Drained(ClientIndex),
    /// A client has changed from polling to a WebSocket.
    Upgraded(ClientIndex),
    /// A client is gone.
    Closed(ClientIndex, CloseReason),
    /// A back end publishes.
    Publish(Ticket, Packet),
    /// The gateway's own: a client's packets go out.
    Flush(ClientIndex),
}
