//! What moves from shard to shard: a client with its socket, or a request with its socket.

use foodtrack_session::NamespaceId;

use crate::client::{Client, Packets};
use crate::link::Link;

/// Something on its way to another shard of the same server. Dropping it closes its sockets.
#[derive(Debug)]
pub struct Handover<T>(pub(crate) Moved<T>);

#[derive(Debug)]
pub(crate) enum Moved<T> {
    Client(Box<MovedClient<T>>),
    Request(Box<Link>),
}

#[derive(Debug)]
pub(crate) struct MovedClient<T> {
    pub(crate) client: Client,
    /// Its WebSocket, or the poll that waits.
    pub(crate) link: Option<Link>,
    pub(crate) namespace: NamespaceId,
    pub(crate) transfer: T,
    /// Packets that came behind its CONNECT in the same body.
    pub(crate) packets: Packets,
}
