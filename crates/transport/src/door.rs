//! Who was refused before anything was known of them: counted by code, and a line in the log each.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};

use foodtrack_session::LinkId;

use crate::application::HttpTicket;
use crate::engine_request::EngineError;
use crate::http::{Head, HttpError, header_of_unsound};
use crate::network::network;
use crate::origin_policy::KeptAccess;
use crate::reactor::Reactor;
use crate::trusted_proxies::names_others;
use crate::turned_away::TurnedAway;

macro_rules! codes {
    ($( $(#[$doc:meta])* $name:ident $code:literal; )*) => {
        /// Why a connection or request of somebody unknown was refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum DoorRefusal {
            $( $(#[$doc])* $name, )*
        }

        impl DoorRefusal {
            /// All of them.
            pub const ALL: &[Self] = &[$( Self::$name, )*];

            /// The code as metrics and logs name it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $( Self::$name => $code, )*
                }
            }
        }
    };
}

codes! {
    /// No HTTP/1.1, or no request that Engine.IO knows.
    BadRequest "bad_request";
    /// A head over its limit of bytes or headers.
    HeadTooLarge "head_too_large";
    /// A body over its limit.
    BodyTooLarge "payload_too_large";
    /// A large body, or a request to the API, without a good token.
    Unauthorized "unauthorized";
    /// Nothing is there.
    PathUnknown "path_unknown";
    /// A session that is not, or not any more.
    SessionUnknown "session_unknown";
    /// A page of an origin that may not connect.
    OriginForbidden "origin_forbidden";
    /// Its address opens sessions too fast.
    HandshakeRateLimited "handshake_rate_limited";
    /// Too many sockets: of its address, or in all.
    TooManyConnections "too_many_connections";
    /// It was here longest of too many who have not joined, or who hold too much memory.
    Evicted "evicted";
    /// Too many requests wait for the API.
    Overloaded "overloaded";
}

/// How often each code was the reason: a closed set, so it is bounded.
#[derive(Debug, Default)]
pub struct DoorRefusals([AtomicU64; DoorRefusal::ALL.len()]);

impl DoorRefusals {
    /// Counts one, and says so in the log, which counts what repeats.
    pub fn note(&self, address: IpAddr, code: DoorRefusal) {
        self.0[code as usize].fetch_add(1, Ordering::Relaxed);
        tracing::info!(%address, code = code.as_str(), "refused at the door");
    }

    /// Every code with its number.
    pub fn each(&self) -> impl Iterator<Item = (DoorRefusal, u64)> {
        DoorRefusal::ALL
            .iter()
            .copied()
            .zip(self.0.iter().map(|count| count.load(Ordering::Relaxed)))
    }
}

impl From<EngineError> for DoorRefusal {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::UnknownSid => Self::SessionUnknown,
            EngineError::Forbidden => Self::OriginForbidden,
            EngineError::UnknownTransport
            | EngineError::BadHandshakeMethod
            | EngineError::BadRequest
            | EngineError::WebSocketVersion
            | EngineError::UnsupportedVersion => Self::BadRequest,
        }
    }
}

impl From<&HttpError> for DoorRefusal {
    fn from(error: &HttpError) -> Self {
        match error.status {
            401 => Self::Unauthorized,
            413 => Self::BodyTooLarge,
            431 => Self::HeadTooLarge,
            _ => Self::BadRequest,
        }
    }
}

/// What a head says of who asks, whatever comes of the body.
pub(crate) struct Asker {
    pub(crate) access: KeptAccess,
    /// Whom a proxy asks for; the outer `None` where no proxy asks.
    pub(crate) forwarded: Option<Option<SocketAddr>>,
}

impl Reactor {
    /// Takes note of who asks; `None` where no head was read. Returns whether there is room for them; otherwise they are told
    /// so, and the connection closes.
    pub(crate) fn note_asker(&mut self, link: LinkId, asker: Option<Asker>) -> bool {
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
    pub(crate) fn note_page(&mut self, link: LinkId, bytes: &[u8]) {
        let (origin, host) = (header_of_unsound(bytes, "origin"), header_of_unsound(bytes, "host"));
        let access = self.config.origins.access(origin, host).keep();
        if let Some(state) = self.links.get_mut(link) {
            state.set_access(access);
        }
    }

    /// Counts and logs that whoever is on a link is refused.
    pub(crate) fn note_refused(&self, link: LinkId, code: DoorRefusal) {
        if let Some(link) = self.links.get(link) {
            self.door.note(link.peer().ip(), code);
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
            self.move_lodger(link);
        }
        if let Some(state) = self.links.get_mut(link) {
            state.set_peer(client);
        }
        self.lodge(link)
    }

    /// Says, now and then, that an address which is refused for its many handshakes may be a proxy nobody named.
    pub(crate) fn warn_of_proxy(&self, link: LinkId, head: &Head<'_>) {
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
