//! Sockets for whom there is no room. They are told so once they have asked, so that a page can read the answer.

/// Why there is no room.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TurnedAway {
    /// The server has too many sockets.
    ServerFull,
    /// Its address has too many that have not joined.
    AddressFull,
}

impl TurnedAway {
    /// The headers of the answer.
    pub(crate) const HEADERS: [(&str, &[u8]); 2] =
        [("content-type", b"application/json"), ("retry-after", b"1")];

    /// The answer: its status and its body.
    pub(crate) fn answer(self) -> (u16, &'static str) {
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
}
