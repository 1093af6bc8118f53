//! Who asks on a socket: the page, and whom a trusted proxy names.

use std::net::SocketAddr;

use foodtrack_session::LinkId;

use crate::door::DoorRefusal;
use crate::http::{Head, header_of_unsound};
use crate::network::network;
use crate::origin_policy::KeptAccess;
use crate::proxy_header::Header;
use crate::trusted_proxies::names_others;
use crate::turned_away::TurnedAway;

use super::Reactor;
use super::application::HttpTicket;

/// What a head says of who asks, whatever comes of the body.
pub(super) struct Asker {
    pub(crate) access: KeptAccess,
    /// Whom a proxy asks for; the outer `None` where no proxy asks.
    pub(crate) forwarded: Option<Option<SocketAddr>>,
}

impl Reactor {
    /// Takes note of who asks; `None` where no head was read. Returns whether there is room for them; otherwise they are told
    /// so, and the connection closes.
    pub(super) fn note_asker(&mut self, link: LinkId, asker: Option<Asker>) -> bool {
        let Some(asker) = asker else { return true };
        let Some(state) = self.links.get_mut(link) else { return false };
        state.set_access(asker.access);
        let mut turned_away = state.standing.turned_away();
        if turned_away.is_none() && !self.note_forwarded(link, asker.forwarded) {
            turned_away = Some(TurnedAway::AddressFull);
        }
        if let Some(why) = turned_away {
            self.turn_away(link, why);
        }
        turned_away.is_none()
    }

    /// Takes note of the page that asks by bytes that are no sound request.
    pub(super) fn note_page(&mut self, link: LinkId, bytes: &[u8]) {
        let (origin, host) = (header_of_unsound(bytes, "origin"), header_of_unsound(bytes, "host"));
        let access = self.config.origins.access(origin, host).keep();
        if let Some(state) = self.links.get_mut(link) {
            state.set_access(access);
        }
    }

    /// As [`Self::note_refused`], of whoever asked what the application answers.
    pub fn note_refused_request(&self, ticket: HttpTicket, code: DoorRefusal) {
        self.note_refused(ticket.link, code);
    }

    /// Takes the word of a trusted proxy for who a request comes from. Returns whether that one may have one more connection.
    fn note_forwarded(&mut self, link: LinkId, client: Option<Option<SocketAddr>>) -> bool {
        let Some(client) = client else { return true };
        let Some(state) = self.links.get(link) else { return false };
        // A proxy keeps its connections, for whoever comes next; what it asks for itself comes from itself.
        let Some(client) = client.or_else(|| state.remote_addr().ok()) else { return true };
        if network(client.ip()) != network(state.peer().ip()) {
            self.unlist_stranger(link);
        }
        if let Some(state) = self.links.get_mut(link) {
            state.set_peer(client);
        }
        self.list_stranger(link)
    }

    /// Takes the word of a trusted proxy, before all else, for who is on a connection. Returns whether that was said.
    pub(super) fn note_proxied(&mut self, link: LinkId, hung_up: bool) -> bool {
        let Some(state) = self.links.get_mut(link) else { return false };
        match state.read_proxy_header() {
            Ok(None) if !hung_up => false,
            Ok(Some(Header { client: Some(client), .. })) => {
                // What is said on it is the client's own from here on, and not the proxy's.
                state.set_proxied(self.config.proxies.trusts(client.ip()));
                if self.note_forwarded(link, Some(Some(client))) {
                    return true;
                }
                self.turn_away(link, TurnedAway::AddressFull);
                false
            }
            Ok(Some(Header { client: None, .. })) => true,
            Ok(None) | Err(_) => {
                self.note_refused(link, DoorRefusal::ProxyHeaderMalformed);
                self.drop_link(link);
                false
            }
        }
    }

    /// Says, now and then, that an address which is refused for its many handshakes may be a proxy nobody named.
    pub(super) fn warn_of_proxy(&self, link: LinkId, head: &Head<'_>) {
        let Some(state) = self.links.get(link) else { return };
        if !state.is_proxied()
            && names_others(head)
            && self.admission.proxy_warning.is_due(self.deadlines.now_ms())
        {
            tracing::warn!(
                address = %state.peer().ip(),
                "an address that opens connections too fast sends X-Forwarded-For or Forwarded: if it is your proxy, name it in \
                 security.trustedProxies, and each of its clients has a limit of its own"
            );
        }
    }
}
