//! A whole connection's HTTP without its socket: what the reactor would read of the bytes that come. For tests and fuzzing:
//! however the bytes are cut, the same requests come out.

use crate::http::{self, BodyLength, Head, HttpError};
use crate::request_reader::{BodyLimit, Reading, RequestReader};

/// The largest body of a request with an `Authorization`.
const BODY_BYTES_MAX: usize = 4_096;
/// The largest body of another.
const STRANGER_BYTES_MAX: usize = 256;

/// What came out of a connection's bytes, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A request was read.
    Request {
        /// Such as `GET`.
        method: String,
        /// Path and query.
        target: String,
        /// Names and values, in their order.
        headers: Vec<(String, Vec<u8>)>,
        /// Whole, without its framing.
        body: Vec<u8>,
    },
    /// The connection ended with an answer of this status.
    Refused(u16),
    /// The client, or the server after an answer, wanted no further request.
    Closed,
    /// So many bytes were left that are no whole request.
    Unfinished(usize),
}

/// One connection.
#[derive(Default)]
pub struct HttpConnection {
    unread: Vec<u8>,
    reader: RequestReader,
    outcomes: Vec<Outcome>,
    has_ended: bool,
}

impl HttpConnection {
    /// What becomes of the bytes that come in these pieces.
    pub fn outcomes<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Outcome> {
        let mut connection = Self::default();
        for piece in pieces {
            connection.receive(piece);
        }
        if !connection.has_ended {
            connection.outcomes.push(Outcome::Unfinished(connection.unread.len()));
        }
        connection.outcomes
    }

    fn receive(&mut self, piece: &[u8]) {
        self.unread.extend_from_slice(piece);
        let mut used = 0;
        while !self.has_ended && used < self.unread.len() {
            match self.next_request(used) {
                Ok(Some((request, keep_alive, more))) => {
                    used += more;
                    self.outcomes.push(request);
                    if !keep_alive {
                        self.end(Outcome::Closed);
                    }
                }
                Ok(None) => break,
                Err(error) => self.end(Outcome::Refused(error.status)),
            }
        }
        self.unread.drain(..used);
    }

    fn end(&mut self, outcome: Outcome) {
        self.has_ended = true;
        self.outcomes.push(outcome);
    }

    fn next_request(&mut self, from: usize) -> Result<Option<(Outcome, bool, usize)>, HttpError> {
        let reading = self.reader.read(&self.unread[from..], limit, |head, body, used| {
            let request = Outcome::Request {
                method: head.method.to_owned(),
                target: head.target().into_owned(),
                headers: head.owned_headers(),
                body: body.into_owned(),
            };
            (request, head.keep_alive, used)
        })?;
        Ok(match reading {
            Reading::Whole(request) => Some(request),
            Reading::NeedMore { .. } => None,
        })
    }
}

fn limit(head: &Head<'_>, _length: BodyLength) -> BodyLimit {
    match head.header("authorization") {
        Some(_) => BodyLimit {
            bytes_max: BODY_BYTES_MAX,
            may_take_long: true,
            refusal: http::error(413, "body too large"),
        },
        None => BodyLimit {
            bytes_max: STRANGER_BYTES_MAX,
            may_take_long: false,
            refusal: http::error(401, "a body this large takes an authorization"),
        },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The seeds of the fuzz target, by their names.
    fn seeds() -> Vec<(String, Vec<u8>)> {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds/http_connection");
        let mut seeds: Vec<_> = std::fs::read_dir(directory)
            .unwrap()
            .map(|file| file.unwrap().path())
            .map(|path| {
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                (name, std::fs::read(&path).unwrap())
            })
            .collect();
        seeds.sort();
        seeds
    }

    /// The stream in pieces, cut at these places.
    fn cut(stream: &[u8], mut cuts: Vec<usize>) -> Vec<&[u8]> {
        cuts.push(stream.len());
        cuts.sort_unstable();
        let mut from = 0;
        let piece = |to: usize| {
            let piece = &stream[from..to];
            from = to;
            piece
        };
        cuts.into_iter().map(piece).collect()
    }

    #[test]
    fn each_seed_comes_to_what_its_name_says() {
        for (name, stream) in seeds() {
            let outcomes = HttpConnection::outcomes([&stream[..]]);
            let is_refused = outcomes.iter().any(|it| matches!(it, Outcome::Refused(_)));
            assert_eq!(is_refused, name.starts_with("refused_"), "{name}: {outcomes:?}");
            let reads_all = matches!(outcomes.last(), Some(Outcome::Unfinished(0)));
            let ends_early = ["old_", "connection_", "unfinished_", "upgrade", "refused_"];
            let may_leave = ends_early.iter().any(|start| name.starts_with(start));
            assert!(reads_all || may_leave, "{name}: {outcomes:?}");
        }
    }

    #[test]
    fn a_stream_in_single_bytes_comes_to_the_same() {
        for (name, stream) in seeds() {
            let whole = HttpConnection::outcomes([&stream[..]]);
            assert_eq!(HttpConnection::outcomes(stream.chunks(1)), whole, "{name}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        #[test]
        fn how_a_stream_is_cut_never_changes_the_outcome(
            chosen in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let seeds = seeds();
            let mut stream: Vec<u8> =
                chosen.iter().flat_map(|index| index.get(&seeds).1.clone()).collect();
            for (place, byte) in edits {
                *place.get_mut(&mut stream) = byte;
            }
            let cuts = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            let whole = HttpConnection::outcomes([&stream[..]]);
            prop_assert_eq!(HttpConnection::outcomes(cut(&stream, cuts)), whole.clone());
            prop_assert_eq!(HttpConnection::outcomes(stream.chunks(1)), whole);
        }
    }
}
