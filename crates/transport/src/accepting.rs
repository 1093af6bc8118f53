//! Taking sockets in, and what is done where there is no room for them.

use std::io;

use mio::{Interest, Token};

use crate::deadlines::Timer;
use crate::limits::ACCEPTS_PER_TURN;
use crate::link::Link;
use crate::reactor::{Reactor, key};

/// How long to wait before accepting again when the process has no descriptor left.
pub(crate) const ACCEPT_RETRY_MS: u64 = 100;
/// The longest such wait: each is twice as long as the one before, until a connection is accepted.
const ACCEPT_RETRY_MS_MAX: u64 = 1_600;

impl Reactor {
    pub(crate) fn accept(&mut self) {
        if self.is_accept_timed {
            return;
        }
        let mut place = 0;
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(listener) = self.listeners.get(place) else { return };
            match listener.accept() {
                Ok((stream, peer)) => {
                    self.accept_retry_ms = ACCEPT_RETRY_MS;
                    if self.links.len() < self.config.limits.sockets_max {
                        let serial = self.next_serial();
                        let is_proxied = self.config.proxies.trusts(peer.ip());
                        self.add_link(Link { is_proxied, ..Link::new(stream, peer, serial) });
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => place += 1,
                // The peer was gone before it was accepted.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    let wait_ms = self.accept_retry_ms;
                    tracing::warn!(%error, wait_ms, "cannot accept a connection; silent ones are closed");
                    self.accept_retry_ms = (wait_ms * 2).min(ACCEPT_RETRY_MS_MAX);
                    self.is_accept_timed = true;
                    self.wheel.schedule(self.now_ms + wait_ms, Timer::Accept);
                    self.drop_silent();
                    return;
                }
            }
        }
        self.accept_pending = true;
    }

    /// Takes a socket in and starts its patience.
    pub(crate) fn add_link(&mut self, link: Link) -> Option<u32> {
        let entry = self.links.vacant_entry();
        let index = entry.key();
        let link = entry.insert(link);
        link.timer_ms = u64::MAX;
        (link.is_output_timed, link.is_resume_timed) = (false, false);
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut link.stream, Token(index), interest)
        {
            tracing::warn!(%error, "cannot watch a connection");
            self.links.remove(index);
            return None;
        }
        let link = key(index);
        self.watch_link(link, self.handshake_deadline_ms());
        self.watch_output(link);
        Some(link)
    }
}
