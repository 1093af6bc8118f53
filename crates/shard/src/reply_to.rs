//! Whom to tell what became of a message; it travels with the message.

use foodtrack_contract::Refusal;
use foodtrack_transport::{ClientKey, Sid};

use crate::mailbox::Reply;
use crate::model::Accepted;

/// Whom to tell what became of a message.
#[derive(Debug)]
pub(crate) enum ReplyTo {
    /// A client that asked for an acknowledgement.
    Client { client: Addressee, ack_id: u64 },
    /// A client that did not: only a refusal is told.
    Silent(Addressee),
    /// A handle.
    Handle(Reply<Result<Accepted, Refusal>>),
    /// Nobody: the server published it by itself.
    Nobody,
}

/// A connection that may be gone by the time it is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Addressee {
    pub(crate) client: ClientKey,
    pub(crate) place: u32,
    pub(crate) sid: Sid,
}

impl ReplyTo {
    /// The client that sent something, with the number of the acknowledgement where it asked for one.
    pub(crate) fn sender(client: Addressee, ack_id: Option<u64>) -> Self {
        match ack_id {
            Some(ack_id) => Self::Client { client, ack_id },
            None => Self::Silent(client),
        }
    }
}
