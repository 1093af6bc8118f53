//! What carries Engine.IO packets.

use std::time::Instant;

/// What came over a link.
#[derive(Debug)]
pub(crate) enum Received {
    /// An Engine.IO packet with its type in front.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
    /// Nothing until the deadline.
    Nothing,
    /// The transport is closed; with WebSocket's code where there is one.
    Closed(Option<u16>),
}

/// One packet that goes out.
#[derive(Clone, Debug)]
pub(crate) enum Outgoing {
    Text(String),
    Binary(Vec<u8>),
}

/// A transport of one session.
pub(crate) trait Link {
    /// Sends packets in order, together where the transport can. False: the server has closed.
    fn send(&mut self, packets: &[Outgoing]) -> bool;

    /// The next packet.
    fn receive(&mut self, deadline: Instant) -> Received;

    /// Cuts the TCP connections, as a lost network or a killed client does: nothing is said, and what is under way is lost.
    fn tear(&mut self);

    /// How many HTTP requests it took.
    fn requests(&self) -> u64 {
        0
    }
}
