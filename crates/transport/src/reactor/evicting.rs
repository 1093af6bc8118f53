//! Who has to go where strangers hold too much, of memory or of sockets.

use foodtrack_session::{CloseReason, LinkId};

use super::Reactor;
use crate::client::Client;
use crate::deadlines::millis;
use crate::door::DoorRefusal;
use crate::limits::CONNECT_TRIES;
use crate::stranger_ledger::Spent;

/// Sockets let go of at once where there are too many.
const EVICTED_AT_ONCE_MAX: usize = 64;
/// How long one shard spares a newcomer where another one needs room.
const NEWCOMER_MS: u64 = 500;
/// What a stranger's session counts for beside what it told.
const SESSION_BYTES: usize = 1_024;

/// Somebody who may have to go.
enum Stranger {
    Link(LinkId),
    /// A session without a socket.
    Client(u32),
}

impl Reactor {
    /// A socket is there, or is known to be of this address: it is listed under it until somebody known has it. Where the
    /// address has too many, the oldest of them goes. Returns whether it may stay; otherwise it is the caller's to tell why.
    pub(super) fn list_stranger(&mut self, link: LinkId) -> bool {
        let Some(state) = self.links.get_mut(link) else { return false };
        // A trusted proxy is nobody by itself: it is bounded by whom it names.
        let address = state.peer().ip();
        let is_proxy = state.is_proxied() && self.config.proxies.trusts(address);
        if state.standing.is_known() || state.standing.is_listed() || is_proxy {
            return true;
        }
        state.standing.set_listed();
        if self.strangers.enter(address, link) {
            return true;
        }
        let oldest = self.strangers.of(address).find(|other| *other != link && self.may_go(*other));
        if let Some(oldest) = oldest {
            self.evict(oldest);
            return true;
        }
        self.note_refused(link, DoorRefusal::TooManyConnections);
        false
    }

    /// A socket is another address's from now on, which is nobody known.
    pub(super) fn unlist_stranger(&mut self, link: LinkId) {
        let Some(state) = self.links.get_mut(link) else { return };
        state.standing.set_known(false);
        if state.standing.take_listed() {
            self.strangers.leave(state.peer().ip(), link);
        }
    }

    /// The socket of somebody who has joined.
    pub(super) fn make_known(&mut self, link: LinkId) {
        let Some(state) = self.links.get_mut(link) else { return };
        if !state.standing.set_known(true) {
            return;
        }
        if state.standing.take_listed() {
            self.strangers.leave(state.peer().ip(), link);
        }
        self.recount_link(link);
    }

    /// A client has joined: so its sockets are known.
    pub(super) fn make_client_known(&mut self, client: u32) {
        let Some(state) = self.clients.get(client as usize) else { return };
        let links = state.engine.links();
        self.sids.make_known(state.sid());
        links.into_iter().flatten().for_each(|link| self.make_known(link));
        self.recount_client(client);
    }

    /// Whether a stranger's socket may be let go of: not while it waits for an answer of the application's.
    fn may_go(&self, link: LinkId) -> bool {
        self.links.get(link).is_some_and(|link| !link.is_the_applications())
    }

    fn evict(&mut self, link: LinkId) {
        let Some(state) = self.links.get(link) else { return };
        if !state.is_draining() {
            self.note_refused(link, DoorRefusal::Evicted);
        }
        let client = state.client();
        self.drop_link(link);
        if let Some(client) = client {
            self.link_lost(client, link, CloseReason::TransportError);
        }
    }

    /// Lets go of the oldest strangers' sockets of the address that has most of them here, of those that are so old. Returns how
    /// many went.
    fn evict_busiest(&mut self, age_ms: u64) -> usize {
        let patience_ms = millis(self.config.limits.handshake_timeout);
        let latest_ms = (self.deadlines.now_ms() + patience_ms).saturating_sub(age_ms);
        let is_old = |link| {
            self.links.get(link).is_some_and(|link| link.patience.deadline_ms() <= latest_ms)
        };
        let mut oldest: Vec<LinkId> = (self.strangers.of_busiest())
            .filter(|link| self.may_go(*link) && is_old(*link))
            .collect();
        oldest.truncate(oldest.len().div_ceil(2).min(EVICTED_AT_ONCE_MAX));
        oldest.iter().for_each(|link| self.evict(*link));
        oldest.len()
    }

    /// Whether there is room for one more socket; makes some where there is none.
    pub(super) fn has_room_for_socket(&mut self) -> bool {
        if !self.strangers.budget().has_too_many_sockets() || self.evict_busiest(0) > 0 {
            return true;
        }
        self.strangers.call_others();
        self.strangers.budget().has_margin()
    }

    /// The process has no descriptor left. Returns whether somebody was let go of, so that there is one now.
    pub(super) fn make_room_for_descriptor(&mut self) -> bool {
        self.strangers.budget().note_no_descriptor(self.deadlines.now_ms());
        if self.evict_busiest(0) > 0 {
            return true;
        }
        self.strangers.budget().want_descriptor();
        self.strangers.call_others();
        false
    }

    /// Lets go of some where another shard asked for it; not of who has just come and may be about to join.
    pub(super) fn relieve(&mut self) {
        if !self.strangers.hear_call() {
            return;
        }
        if self.strangers.budget().wants_sockets() && self.evict_busiest(NEWCOMER_MS) > 0 {
            self.strangers.budget().give_descriptor();
        }
        self.evict_if_spent();
    }

    /// Counts what a socket holds after it was read or written. When all strangers hold too much, the oldest go.
    #[inline]
    pub(super) fn count_stranger(&mut self, link: LinkId) {
        let Some(state) = self.links.get(link) else { return };
        let standing = &state.standing;
        if standing.is_known() && standing.counted_bytes() == 0 && state.input.is_empty() {
            return;
        }
        self.recount_link(link);
        self.evict_if_spent();
    }

    /// Counts what a session holds that has not joined.
    pub(super) fn recount_client(&mut self, client: u32) {
        let Some(state) = self.clients.get_mut(client as usize) else { return };
        let now = match state.is_stranger() {
            true => SESSION_BYTES + state.handshake_bytes(),
            false => 0,
        };
        // No head is as long as that.
        let now = u32::try_from(now).unwrap_or(u32::MAX);
        self.strangers.replace_bytes(state.count(now) as usize, now as usize);
    }

    /// A session goes: what it was counted for is free.
    pub(super) fn discount_client(&mut self, state: &mut Client) {
        self.strangers.replace_bytes(state.count(0) as usize, 0);
    }

    /// Lets go of the oldest where strangers hold too much memory.
    pub(super) fn evict_if_spent(&mut self) {
        match self.strangers.spent() {
            Spent::No => {}
            Spent::Elsewhere => self.strangers.call_others(),
            Spent::Here { bytes_max } => {
                let evicted = self.evict_oldest(bytes_max);
                tracing::warn!(evicted, "strangers hold too much memory; the oldest were closed");
            }
        }
    }

    /// Lets go of the oldest until strangers hold no more than so much here.
    fn evict_oldest(&mut self, bytes_max: usize) -> usize {
        let mut oldest: Vec<_> = self.links_by_age().chain(self.clients_by_age()).collect();
        oldest.sort_by_key(|(since_ms, ..)| *since_ms);
        let (mut left, mut evicted) = (self.strangers.bytes(), 0);
        for (_, bytes, stranger) in oldest {
            if left <= bytes_max {
                break;
            }
            // A session is gone at the end of the turn.
            left = left.saturating_sub(bytes);
            evicted += 1;
            match stranger {
                Stranger::Link(link) => self.evict(link),
                Stranger::Client(client) => {
                    self.close(self.key(client), CloseReason::ConnectTimeout);
                }
            }
        }
        evicted
    }

    /// Strangers' sockets: since when each is here, and what it counts for.
    fn links_by_age(&self) -> impl Iterator<Item = (u64, usize, Stranger)> {
        let handshake_ms = millis(self.config.limits.handshake_timeout);
        let keep_alive_ms = millis(self.config.limits.keep_alive_timeout);
        let counted = self.links.iter().filter(|(_, link)| link.standing.counted_bytes() > 0);
        counted.map(move |(id, link)| {
            let is_resting = link.standing.is_resting();
            let patience_ms = if is_resting { keep_alive_ms } else { handshake_ms };
            let since_ms = link.patience.deadline_ms().saturating_sub(patience_ms);
            let session = link.client().and_then(|client| self.clients.get(client as usize));
            let session_bytes = session.map_or(0, |client| client.counted_bytes() as usize);
            (since_ms, link.standing.counted_bytes() + session_bytes, Stranger::Link(id))
        })
    }

    /// Strangers' sessions that have no socket now, as [`Self::links_by_age`].
    fn clients_by_age(&self) -> impl Iterator<Item = (u64, usize, Stranger)> {
        let connect_ms = CONNECT_TRIES * millis(self.config.limits.connect_timeout);
        let lonely = self.clients.iter().filter(|(_, client)| {
            client.counted_bytes() > 0
                && client.engine.is_polling()
                && client.engine.links() == [None, None]
        });
        lonely.map(move |(index, client)| {
            let since_ms = client.joining.last_deadline_ms().saturating_sub(connect_ms);
            (since_ms, client.counted_bytes() as usize, Stranger::Client(index))
        })
    }
}
