//! Who watches a swarm.

use std::time::Instant;

use foodtrack_simulation::Event;

/// How a CONNECT was answered.
#[derive(Clone, Copy, Debug)]
pub struct Opened<'a> {
    /// The library's `socket.recovered`.
    pub recovered: bool,
    /// The offset that CONNECT carried.
    pub brought: Option<&'a str>,
    /// When CONNECT was sent.
    pub sent: Instant,
}

/// Hears what happens to the clients of a swarm, each by its number.
pub trait Observer {
    /// The client is in.
    fn opened(&mut self, client: usize, opened: Opened<'_>);
    /// The application's listeners get an event.
    fn event(&mut self, client: usize, event: &Event<'_>);
    /// An acknowledgement came; `answer` is its first argument, as JSON text.
    fn acknowledged(&mut self, _client: usize, _id: u64, _answer: &str) {}
    /// A connection that was open is no more.
    fn torn(&mut self, client: usize);
    /// The handshake was refused; the application tries again.
    fn turned_away(&mut self, _client: usize, _code: &str) {}
    /// The server sent the client away for good.
    fn dismissed(&mut self, _client: usize) {}
}
