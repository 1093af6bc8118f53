//! Sockets for whom there is no room. They are told so once they have asked, so that a page can read the answer.

use foodtrack_session::LinkId;

use crate::http_response::ResponseHead;
use crate::link::Link;
use crate::origin_policy::PageAccess;
use crate::reactor::Reactor;
use crate::requests::JSON;

/// How long such a socket may take to ask before it is told all the same.
const ASK_MS: u64 = 1_000;

/// Why there is no room.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TurnedAway {
    /// The server has too many sockets.
    ServerFull,
    /// Its address has too many that have not joined.
    AddressFull,
}

impl TurnedAway {
    fn answer(self) -> (u16, &'static str) {
        match self {
            Self::ServerFull => (
                503,
                "{\"code\":\"too_many_connections\",\"message\":\"the server has too many connections; try again shortly\"}",
            ),
            Self::AddressFull => (
                429,
                "{\"code\":\"too_many_connections\",\"message\":\"this address has too many connections that have not joined; try again shortly\"}",
            ),
        }
    }

    /// Says it at once on a link that is not kept: nobody knows which page asks.
    pub(crate) fn tell(self, link: &mut Link) {
        let (status, body) = self.answer();
        let page = PageAccess::Own;
        let mut answer = Vec::with_capacity(256);
        ResponseHead { status, headers: &HEADERS, page, keep_alive: None }
            .write(&mut answer, body.len());
        answer.extend_from_slice(body.as_bytes());
        // Nothing comes of it where the socket does not take it.
        let _ = link.write(&answer);
    }
}

const HEADERS: [(&str, &[u8]); 2] = [("content-type", JSON), ("retry-after", b"1")];

impl Reactor {
    /// Tells a link that there is no room, and closes it.
    pub(crate) fn turn_away(&mut self, link: LinkId, why: TurnedAway) {
        let (status, body) = why.answer();
        self.respond_link(link, status, &HEADERS, body.as_bytes(), false);
        self.drain_link(link);
    }

    /// As [`Self::turn_away`], once the link has asked for something.
    pub(crate) fn turn_away_when_asked(&mut self, link: LinkId, why: TurnedAway) {
        let Some(state) = self.links.get_mut(link) else { return };
        state.turned_away = Some(why);
        self.watch_link(link, self.deadlines.now_ms() + ASK_MS);
    }
}
