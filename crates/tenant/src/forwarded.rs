//! A client's request to the business back end, and who is to be answered.

use foodtrack_contract::{ApplicationType, Principal, Refusal};
use foodtrack_wire::Sid;

use crate::connection_slot::ConnectionSlot;

/// Who is to be answered: a client's request, by the number of its acknowledgement.
///
/// The Socket.IO id is there because a tenant that was opened again gives its slots out anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requester {
    /// The connection.
    pub slot: ConnectionSlot,
    /// Its Socket.IO id.
    pub id: Sid,
    /// `None` where the client asked for no answer.
    pub ack_id: Option<u64>,
}

/// A request on its way to the back end.
#[derive(Debug)]
pub struct Forwarded {
    /// Who is to be answered.
    pub requester: Requester,
    /// Who asks.
    pub principal: Principal,
    /// With which application; back ends have none.
    pub application: Option<ApplicationType>,
    /// The event's name.
    pub event: String,
    /// Its first argument, as JSON text.
    pub payload: String,
}

/// What a back end answered: JSON as the client is told it, or why there is none.
pub type UpstreamAnswer = Result<Box<[u8]>, Refusal>;
