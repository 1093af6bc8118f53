//! What waits in a tenant for an answer from elsewhere, as it came.

use std::sync::Arc;

use foodtrack_contract::{PermissionSet, Principal, Source, UserId, UserRole};
use uuid::Uuid;

use crate::connection_slot::ConnectionSlot;
use crate::hook::HookQuestion;
use crate::members::Connection;
use crate::reply_to::ReplyTo;
use crate::request::{OwnedRoom, RequestId};

/// Who sent something, when it came.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    pub(crate) user: UserId,
    pub(crate) sender: u64,
    pub(crate) role: UserRole,
    pub(crate) source: Source,
    pub(crate) permissions: PermissionSet,
}

impl Sender {
    pub(crate) fn of(connection: &Connection) -> Self {
        Self {
            user: connection.principal.user().clone(),
            sender: connection.sender,
            role: connection.principal.role(),
            source: connection.source,
            permissions: connection.principal.permissions(),
        }
    }
}

/// An event of a client's that waits.
pub(crate) struct WaitingEvent {
    pub(crate) to: ConnectionSlot,
    pub(crate) sender: Sender,
    pub(crate) data: String,
    pub(crate) attachments: Vec<Vec<u8>>,
    pub(crate) ack_id: Option<u64>,
    /// What the back end was asked about it, and allowed.
    pub(crate) permit: Option<Arc<HookQuestion>>,
}

/// An event that a back end publishes over HTTP.
pub(crate) struct Publication {
    pub(crate) principal: Principal,
    pub(crate) event: String,
    pub(crate) argument: String,
    /// Its id where it says none.
    pub(crate) spare_id: Option<Uuid>,
    pub(crate) reply: ReplyTo,
}

/// A grant that is to be taken back.
pub(crate) struct Revocation {
    pub(crate) room: OwnedRoom,
    pub(crate) user: String,
    pub(crate) id: RequestId,
}

/// What waits.
pub(crate) enum Work {
    Event(Box<WaitingEvent>),
    Publish(Box<Publication>),
    Revoke(Box<Revocation>),
}

impl Work {
    pub(crate) fn bytes(&self) -> usize {
        let held = match self {
            Self::Event(event) => {
                event.data.len() + event.attachments.iter().map(Vec::len).sum::<usize>()
            }
            Self::Publish(publication) => publication.event.len() + publication.argument.len(),
            Self::Revoke(_) => 0,
        };
        held + size_of::<WaitingEvent>()
    }
}
