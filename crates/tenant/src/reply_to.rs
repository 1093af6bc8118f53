//! Whom to tell what became of a message; it travels with the message.

use crate::connection_slot::ConnectionSlot;
use crate::request::RequestId;

/// Whom to tell what became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplyTo {
    /// A client that asked for an acknowledgement.
    Client { client: ConnectionSlot, ack_id: u64 },
    /// A client that did not: only a refusal is told.
    Silent(ConnectionSlot),
    /// Who made a request.
    Request(RequestId),
    /// Nobody: the server published it by itself.
    Nobody,
}

impl ReplyTo {
    /// The client that sent something, with the number of the acknowledgement where it asked for one.
    pub(crate) fn sender(client: ConnectionSlot, ack_id: Option<u64>) -> Self {
        match ack_id {
            Some(ack_id) => Self::Client { client, ack_id },
            None => Self::Silent(client),
        }
    }
}
