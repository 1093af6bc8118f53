//! Taking sockets in, and what is done where there is no room for them.

use std::io;
use std::time::Instant;

use foodtrack_session::LinkId;

use crate::deadlines::Timer;
use crate::door::DoorRefusal;
use crate::limits::ACCEPTS_PER_TURN;
use crate::link::Link;
use crate::reactor::Reactor;
use crate::stranger_turns::Waits;
use crate::turned_away::TurnedAway;

/// How long to wait before accepting again where it fails, and there is nobody to let go of.
pub(crate) const ACCEPT_RETRY_MS: u64 = 100;
/// The longest such wait: each is twice as long as the one before, until a connection is accepted.
const ACCEPT_RETRY_MS_MAX: u64 = 1_600;

/// Whether the process, or the system, has no descriptor left.
fn is_out_of_descriptors(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|code| matches!(code, libc::EMFILE | libc::ENFILE))
}

impl Reactor {
    /// Takes in who has come, and goes on next turn once it is `until`.
    pub(crate) fn accept(&mut self, until: Instant) {
        if self.is_accept_timed {
            return;
        }
        let mut place = 0;
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(listener) = self.listeners.get(place) else { return };
            match Link::accept(listener) {
                Ok(link) => {
                    self.accept_retry_ms = ACCEPT_RETRY_MS;
                    self.take_in(link);
                    if Instant::now() >= until {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => place += 1,
                // The peer was gone before it was accepted.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) if is_out_of_descriptors(&error) => {
                    if !self.make_room_for_descriptor() {
                        return self.accept_later();
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    return self.accept_later();
                }
            }
        }
        self.accept_pending = true;
    }

    /// Accepts nothing for a while: longer each time, until it succeeds.
    fn accept_later(&mut self) {
        let wait_ms = self.accept_retry_ms;
        self.accept_retry_ms = (wait_ms * 2).min(ACCEPT_RETRY_MS_MAX);
        self.is_accept_timed = true;
        self.deadlines.schedule(self.deadlines.now_ms() + wait_ms, Timer::Accept);
    }

    fn take_in(&mut self, mut link: Link) {
        let peer = link.peer;
        let has_room = self.has_room_for_socket();
        if !has_room {
            self.door.note(peer.ip(), DoorRefusal::TooManyConnections);
            if !self.strangers.has_room_to_tell() {
                return TurnedAway::ServerFull.tell(&mut link);
            }
        }
        link.is_proxied = self.config.proxies.trusts(peer.ip());
        let Some(link) = self.add_link(link) else { return };
        if !has_room {
            self.turn_away_when_asked(link, TurnedAway::ServerFull);
        } else if !self.lodge(link) {
            self.turn_away_when_asked(link, TurnedAway::AddressFull);
        }
    }

    /// Takes a socket in and starts its patience.
    pub(crate) fn add_link(&mut self, mut link: Link) -> Option<LinkId> {
        link.timer_ms = u64::MAX;
        (link.is_output_timed, link.is_resume_timed) = (false, false);
        (link.lodges, link.waits) = (false, Waits::default());
        let link = match self.links.insert(self.poll.registry(), link) {
            Ok(link) => link,
            Err(error) => {
                tracing::warn!(%error, "cannot watch a connection");
                return None;
            }
        };
        self.count_socket(link);
        self.watch_link(link, self.handshake_deadline_ms());
        self.watch_output(link);
        Some(link)
    }
}
