//! Requests about sessions of other nodes, which those are to answer.

use std::io;

use crate::link::{Link, TlsLayer};
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
    link: Box<Link>,
    /// What was read behind the request.
    unread: Vec<u8>,
}

/// A socket that is passed on, taken apart.
pub struct PassedParts {
    /// The socket, which does not block.
    pub stream: std::net::TcpStream,
    /// What is said on it is encrypted by this, where it is.
    pub seal: Option<Seal>,
    /// What was read of it behind the request.
    pub unread: Vec<u8>,
    /// What is still to be written to it before all else, as it is.
    pub unsent: Vec<u8>,
}

/// The encryption of a socket that is passed on.
pub struct Seal(Box<TlsLayer>);

impl PassedSocket {
    pub(crate) fn new(link: Link, unread: Vec<u8>) -> Self {
        Self { link: Box::new(link), unread }
    }

    /// The socket, and what belongs to it.
    pub fn into_parts(self) -> PassedParts {
        let (stream, layer, unsent) = self.link.into_parts();
        PassedParts { stream: stream.into(), seal: layer.map(Seal), unread: self.unread, unsent }
    }
}

impl Seal {
    /// Reads once from `source`, which says `None` where nothing is there, and decrypts. What the peer is to be told goes to
    /// `outgoing`. `Ok(None)`: nothing to read now; `Ok(Some(0))`: the peer has ended its side.
    ///
    /// # Errors
    /// The source's, or what is wrong with what comes.
    pub fn read(
        &mut self,
        source: impl FnMut(&mut [u8]) -> io::Result<Option<usize>>,
        buffer: &mut [u8],
        outgoing: &mut Vec<u8>,
    ) -> io::Result<Option<usize>> {
        self.0.read(source, buffer, outgoing)
    }

    /// Whether a read may give more at once.
    pub fn has_more(&self) -> bool {
        self.0.has_more()
    }

    /// Appends bytes to `outgoing`, encrypted.
    ///
    /// # Errors
    /// The keys are used up.
    pub fn write(&mut self, bytes: &[u8], outgoing: &mut Vec<u8>) -> io::Result<()> {
        Ok(self.0.seal(std::iter::once(bytes), outgoing)?)
    }

    /// Appends to `outgoing` that nothing more comes. What is read from then on is as it comes, and means nothing.
    pub fn end(&mut self, outgoing: &mut Vec<u8>) {
        self.0.say_farewell(outgoing);
    }
}
