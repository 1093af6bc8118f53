//! Bodies that never end, or are made to cost much.

use std::time::{Duration, Instant};

use crate::attack::{Attack, Hostile};
use crate::request::{HANDSHAKE, post_head, sid_in};

const BATCH_BYTES: usize = 16 * 1024;
const CHUNKED: &str = "Transfer-Encoding: chunked";

pub(super) fn all() -> Vec<Attack> {
    vec![
        Attack::new("tiny-chunks", "bodies in chunks of one byte", 60, |number| {
            Box::new(Body::new(number, CHUNKED, b"", b"1\r\nx\r\n"))
        }),
        Attack::new("endless-extension", "a chunk extension without an end", 60, |number| {
            Box::new(Body::new(number, CHUNKED, b"1;", b"aaaaaaaaaaaaaaaa"))
        }),
        Attack::new("endless-trailers", "trailers without an end", 60, |number| {
            Box::new(Body::new(number, CHUNKED, b"0\r\n", b"x: yyyyyyyyyyyy\r\n"))
        }),
        Attack::new("half-bodies", "999 000 bytes of a body of 1 000 000", 600, |number| {
            let mut body = Body::new(number, "Content-Length: 1000000", b"", b"xxxxxxxxxxxxxxxx");
            body.bytes_max = 999_000;
            Box::new(body)
        }),
    ]
}

/// A request with a body: of a session, or without a token for the API.
struct Body {
    framing: &'static str,
    first: &'static [u8],
    repeated: Vec<u8>,
    bytes_max: usize,
    has_session: bool,
    is_busy: bool,
    written_bytes: usize,
}

impl Body {
    fn new(
        number: usize,
        framing: &'static str,
        first: &'static [u8],
        repeated: &'static [u8],
    ) -> Self {
        Self {
            framing,
            first,
            repeated: repeated.repeat(BATCH_BYTES / repeated.len()),
            bytes_max: usize::MAX,
            has_session: number.is_multiple_of(2),
            is_busy: false,
            written_bytes: 0,
        }
    }

    fn begin(&mut self, head: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(self.first);
        self.is_busy = true;
    }
}

impl Hostile for Body {
    fn opened(&mut self, out: &mut Vec<u8>) {
        self.is_busy = false;
        self.written_bytes = 0;
        if self.has_session {
            return out.extend_from_slice(HANDSHAKE.as_bytes());
        }
        let head = format!(
            "POST /api/v1/publish HTTP/1.1\r\nHost: hub\r\nContent-Type: application/json\r\n\
             {}\r\n\r\n",
            self.framing
        );
        self.begin(&head, out);
    }

    fn received(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if !self.is_busy
            && let Some(sid) = sid_in(bytes)
        {
            let head = post_head(&sid, self.framing);
            self.begin(&head, out);
        }
    }

    fn more(&mut self, _now: Instant, out: &mut Vec<u8>) {
        if self.is_busy && self.written_bytes < self.bytes_max {
            let bytes = self.repeated.len().min(self.bytes_max - self.written_bytes);
            out.extend_from_slice(&self.repeated[..bytes]);
            self.written_bytes += bytes;
        }
    }

    fn comes_again_after(&self) -> Duration {
        Duration::from_millis(200)
    }
}
