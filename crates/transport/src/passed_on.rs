//! Requests about sessions of other nodes, which those are to answer.
#![allow(
    clippy::disallowed_types,
    reason = "a socket that is passed on is not the reactor's any more"
)]

use crate::link::Link;
use crate::node_mark::NodeTag;

/// To which node a request is passed on, and in whose name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassOn {
    /// Whose session it is about.
    pub node: NodeTag,
    /// The value of the header [`PassOn::HEADER`].
    pub vouched: String,
}

impl PassOn {
    /// The header that says whose request it is. A value that comes with the request does not count.
    pub const HEADER: &str = crate::node_mark::PASSED_ON;
}

/// The socket of a request for a WebSocket, which goes with the request.
pub struct PassedSocket {
    pub(crate) link: Box<Link>,
    /// What was read behind the request.
    pub(crate) unread: Vec<u8>,
}

impl PassedSocket {
    /// The socket, which does not block, and what was read of it behind the request.
    pub fn into_parts(self) -> (std::net::TcpStream, Vec<u8>) {
        (self.link.into_stream().into(), self.unread)
    }
}
