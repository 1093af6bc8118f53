//! What moves from shard to shard: a client with its socket, or a request with its socket.

use foodtrack_session::NamespaceId;

use crate::client::{Client, Packets};
use crate::link::Link;
use crate::sid::SidClaim;

/// Something on its way to another shard of the same server. Dropping it closes its sockets.
pub struct Handover<T>(pub(crate) Moved<T>);

impl<T> Handover<T> {
    /// What goes with the client; `None` for a request.
    pub fn transfer(&self) -> Option<&T> {
        match &self.0 {
            Moved::Client(moved) => Some(&moved.transfer),
            Moved::Request(_) => None,
        }
    }

    /// As [`Handover::transfer`], to be changed.
    pub fn transfer_mut(&mut self) -> Option<&mut T> {
        match &mut self.0 {
            Moved::Client(moved) => Some(&mut moved.transfer),
            Moved::Request(_) => None,
        }
    }
}

pub(crate) enum Moved<T> {
    Client(Box<MovedClient<T>>),
    Request(Box<Link>),
}

pub(crate) struct MovedClient<T> {
    pub(crate) client: Client,
    /// Its WebSocket, or the poll that waits.
    pub(crate) link: Option<Link>,
    /// The socket of the upgrade that is under way: the client may count on it already.
    pub(crate) probed: Option<Link>,
    pub(crate) namespace: NamespaceId,
    pub(crate) transfer: T,
    /// Its id in the directory, where requests may name it: it polls, or polled once.
    pub(crate) claim: Option<SidClaim>,
    /// Packets that came behind its CONNECT in the same body.
    pub(crate) packets: Packets,
}
