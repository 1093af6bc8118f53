//! Where new sockets come from, and when to look for them.

use std::io;
use std::net::SocketAddr;

use mio::net::TcpListener;
use mio::{Interest, Registry, Token};

use crate::deadlines::{Deadlines, Timer};
use crate::link::Link;

/// The token of the first listener; those of the others count down from it.
const FIRST_TOKEN: usize = usize::MAX - 1;
/// Listeners of a shard: far fewer than would meet the sockets' tokens.
const LISTENERS_MAX: usize = 64;
/// How long to wait before accepting again where it fails, and there is nobody to let go of.
const RETRY_MS: u64 = 100;
/// The longest such wait: each is twice as long as the one before, until a connection is accepted.
const RETRY_MS_MAX: u64 = 1_600;

/// What came of a try to accept a connection.
pub(crate) enum Accepted {
    Link(Box<Link>),
    /// The peer was gone before it was accepted.
    Gone,
    /// Nobody waits at any listener.
    Nobody,
    /// The process, or the system, has no descriptor left.
    OutOfDescriptors,
    Failed(io::Error),
}

/// A shard's listeners.
pub(crate) struct Acceptor {
    listeners: Vec<TcpListener>,
    /// The listener that is asked next.
    next: usize,
    /// Somebody may wait at a listener.
    is_pending: bool,
    /// The wheel will end a wait for descriptors: nothing is accepted before, and there is one timer.
    is_timed: bool,
    /// How long the next such wait is.
    retry_ms: u64,
}

impl Acceptor {
    /// Watches listeners, which do not block and may be shared with other shards.
    ///
    /// # Errors
    /// There are more than 64, or the system does not watch them.
    pub(crate) fn new(
        registry: &Registry,
        listeners: impl IntoIterator<Item = std::net::TcpListener>,
    ) -> io::Result<Self> {
        let mut listeners: Vec<_> = listeners.into_iter().map(TcpListener::from_std).collect();
        if listeners.len() > LISTENERS_MAX {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        for (place, listener) in listeners.iter_mut().enumerate() {
            registry.register(listener, Token(FIRST_TOKEN - place), Interest::READABLE)?;
        }
        Ok(Self { listeners, next: 0, is_pending: false, is_timed: false, retry_ms: RETRY_MS })
    }

    /// Whether an event is a listener's.
    pub(crate) fn owns(token: Token) -> bool {
        token.0 > FIRST_TOKEN - LISTENERS_MAX && token.0 <= FIRST_TOKEN
    }

    /// Somebody waits at a listener, or may.
    pub(crate) fn announce(&mut self) {
        self.is_pending = true;
    }

    /// Whether somebody may wait at a listener.
    pub(crate) fn is_pending(&self) -> bool {
        self.is_pending
    }

    /// Begins a turn's accepting. Returns whether somebody may be there to accept.
    pub(crate) fn begin(&mut self) -> bool {
        self.next = 0;
        std::mem::take(&mut self.is_pending) && !self.is_timed
    }

    /// Accepts one connection.
    pub(crate) fn accept(&mut self) -> Accepted {
        while let Some(listener) = self.listeners.get(self.next) {
            match Link::accept(listener) {
                Ok(link) => {
                    self.retry_ms = RETRY_MS;
                    return Accepted::Link(Box::new(link));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.next += 1,
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {
                    return Accepted::Gone;
                }
                Err(error) if is_out_of_descriptors(&error) => return Accepted::OutOfDescriptors,
                Err(error) => return Accepted::Failed(error),
            }
        }
        Accepted::Nobody
    }

    /// Accepts nothing for a while: longer each time, until it succeeds.
    pub(crate) fn wait(&mut self, deadlines: &mut Deadlines) {
        let wait_ms = self.retry_ms;
        self.retry_ms = (wait_ms * 2).min(RETRY_MS_MAX);
        self.is_timed = true;
        deadlines.schedule(deadlines.now_ms() + wait_ms, Timer::Accept);
    }

    /// The wait is over.
    pub(crate) fn end_wait(&mut self) {
        self.is_timed = false;
        self.is_pending = true;
    }

    /// Accepts nobody any more.
    pub(crate) fn stop(&mut self) {
        self.listeners.clear();
    }

    /// The address that the first listener is bound to.
    ///
    /// # Errors
    /// The system does not tell, or there is no listener.
    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listeners
            .first()
            .map_or(Err(io::ErrorKind::NotConnected.into()), TcpListener::local_addr)
    }
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|code| matches!(code, libc::EMFILE | libc::ENFILE))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpStream};
    use std::time::Instant;

    use super::*;

    fn listener() -> std::net::TcpListener {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        listener
    }

    #[test]
    fn whoever_waits_at_any_listener_is_accepted_and_then_there_is_nobody() {
        let poll = mio::Poll::new().unwrap();
        let listeners = [listener(), listener()];
        let addresses = listeners.each_ref().map(|listener| listener.local_addr().unwrap());
        let mut acceptor = Acceptor::new(poll.registry(), listeners).unwrap();
        assert!(!acceptor.begin(), "nobody was announced");
        let _waiting = addresses.map(|address| TcpStream::connect(address).unwrap());
        acceptor.announce();
        assert!(acceptor.begin());
        assert!((0..2).all(|_| matches!(acceptor.accept(), Accepted::Link(_))));
        assert!(matches!(acceptor.accept(), Accepted::Nobody));
    }

    #[test]
    fn waits_for_a_descriptor_become_longer_up_to_a_limit() {
        let poll = mio::Poll::new().unwrap();
        let mut acceptor = Acceptor::new(poll.registry(), [listener()]).unwrap();
        let mut deadlines = Deadlines::new(Instant::now());
        let mut waits_ms = Vec::new();
        for _ in 0..6 {
            waits_ms.push(acceptor.retry_ms);
            acceptor.wait(&mut deadlines);
            acceptor.announce();
            assert!(!acceptor.begin(), "it waits");
            acceptor.end_wait();
            assert!(acceptor.begin());
        }
        assert_eq!(waits_ms, [100, 200, 400, 800, 1_600, 1_600]);
    }
}
