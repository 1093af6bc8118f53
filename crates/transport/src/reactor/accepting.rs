//! Taking sockets in, and what is done where there is no room for them.

use std::time::Instant;

use foodtrack_session::LinkId;

use super::Reactor;
use crate::acceptor::Accepted;
use crate::door::DoorRefusal;
use crate::http_response::ResponseHead;
use crate::limits::ACCEPTS_PER_TURN;
use crate::link::Link;
use crate::origin_policy::PageAccess;
use crate::turned_away::TurnedAway;

/// How long a socket for which there is no room may take to ask before it is told all the same.
const ASK_MS: u64 = 1_000;

impl Reactor {
    /// Takes in who has come, and goes on next turn once it is `until`.
    pub(super) fn accept(&mut self, until: Instant) {
        if !self.acceptor.begin() {
            return;
        }
        for _ in 0..ACCEPTS_PER_TURN {
            match self.acceptor.accept() {
                Accepted::Link(link) => {
                    self.take_in(*link);
                    if Instant::now() >= until {
                        break;
                    }
                }
                Accepted::Gone => {}
                Accepted::Nobody => return,
                Accepted::OutOfDescriptors => {
                    if !self.make_room_for_descriptor() {
                        return self.acceptor.wait(&mut self.deadlines);
                    }
                }
                Accepted::Failed(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    return self.acceptor.wait(&mut self.deadlines);
                }
            }
        }
        self.acceptor.announce();
    }

    fn take_in(&mut self, mut link: Link) {
        let address = link.peer().ip();
        if let Some(tls) = &self.config.tls {
            link.begin_tls(tls.config());
        }
        let has_room = self.has_room_for_socket();
        if !has_room {
            self.door.note(address, DoorRefusal::TooManyConnections);
            if !self.strangers.budget().has_room_to_tell() {
                return tell_at_once(&mut link, TurnedAway::ServerFull);
            }
        }
        let is_proxied = self.config.proxies.trusts(address);
        link.set_proxied(is_proxied);
        if is_proxied && self.config.proxy_protocol {
            link.expect_proxy_header();
        }
        let Some(link) = self.add_link(link) else { return };
        if !has_room {
            self.turn_away_when_asked(link, TurnedAway::ServerFull);
        } else if !self.list_stranger(link) {
            self.turn_away_when_asked(link, TurnedAway::AddressFull);
        }
    }

    /// As [`Self::turn_away`], once the link has asked for something.
    fn turn_away_when_asked(&mut self, link: LinkId, why: TurnedAway) {
        let Some(state) = self.links.get_mut(link) else { return };
        state.standing.turn_away(why);
        self.watch_link(link, self.deadlines.now_ms() + ASK_MS);
    }
}

/// Says that there is no room on a link that is not kept: nobody knows which page asks.
fn tell_at_once(link: &mut Link, why: TurnedAway) {
    let (status, body) = why.answer();
    let (headers, page) = (&TurnedAway::HEADERS[..], PageAccess::Own);
    let mut answer = Vec::with_capacity(256);
    ResponseHead { status, headers, page, keep_alive: None }.write(&mut answer, body.len());
    answer.extend_from_slice(body.as_bytes());
    // Nothing comes of it where the socket does not take it.
    let _ = link.write(&answer);
}
