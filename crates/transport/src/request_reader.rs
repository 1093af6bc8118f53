//! Requests off the front of a connection's bytes, as they come. Whatever the pieces in which they come, each byte of a
//! head is looked at a bounded number of times, and the outcome is the same.

use std::borrow::Cow;

use crate::chunked::ChunkedDecoder;
use crate::http::{self, BodyLength, Head, HttpError, MALFORMED};
use crate::limits::{HTTP_HEAD_BYTES_MAX, HTTP_HEADERS_MAX};

/// What is no HTTP shows within so many bytes: they are parsed before the head has ended.
const PROBED_BYTES: usize = 1_024;

/// How large a body may be.
pub(crate) struct BodyLimit {
    pub(crate) bytes_max: usize,
    /// Whether it may take long, as long as it comes.
    pub(crate) may_take_long: bool,
    /// What a larger one is answered.
    pub(crate) refusal: HttpError,
}

/// What became of the front of the bytes.
pub(crate) enum Reading<T> {
    /// A request is here with its body; what was made of it.
    Whole(T),
    /// The rest is still to come. `invite`: the client waits to be told that its body is welcome.
    NeedMore { invite: bool },
}

/// How far the request at the front of a connection's bytes was read.
#[derive(Default)]
pub(crate) struct RequestReader {
    search: HeadSearch,
    /// The length of the head, once all of it is here.
    head_bytes: Option<usize>,
    body: Body,
    may_take_long: bool,
}

enum Body {
    Known(usize),
    Chunked(ChunkedDecoder, BodyLimit),
}

impl Default for Body {
    fn default() -> Self {
        Self::Known(0)
    }
}

impl RequestReader {
    /// Goes on with `input`, which begins where the request does each time. `limit` is asked once, when the head is here;
    /// `use_request` is given a whole request: its head, its body, and how many bytes it took. The reader is as new then.
    ///
    /// # Errors
    /// What to answer before the connection closes.
    pub(crate) fn read<'a, T>(
        &mut self,
        input: &'a [u8],
        limit: impl FnOnce(&Head<'_>, BodyLength) -> BodyLimit,
        use_request: impl FnOnce(&Head<'_>, Cow<'a, [u8]>, usize) -> T,
    ) -> Result<Reading<T>, HttpError> {
        let is_new = self.head_bytes.is_none();
        let head_bytes = match self.head_bytes {
            Some(head_bytes) => head_bytes,
            None => match self.search.end(input)? {
                Some(end) => end,
                None => return Ok(Reading::NeedMore { invite: false }),
            },
        };
        let (head, rest) = input.split_at_checked(head_bytes).ok_or(MALFORMED)?;
        // While the body comes, the head is not read again.
        let body_bytes = if is_new { None } else { self.body.read(rest)? };
        if !is_new && body_bytes.is_none() {
            return Ok(Reading::NeedMore { invite: false });
        }
        let mut headers = [httparse::EMPTY_HEADER; HTTP_HEADERS_MAX];
        let head = Head::parse(head, &mut headers)?;
        if is_new {
            let length = head.body_length()?;
            let limit = limit(&head, length);
            self.may_take_long = limit.may_take_long;
            self.body = Body::new(length, limit)?;
            self.head_bytes = Some(head_bytes);
        }
        let body_bytes = if is_new { self.body.read(rest)? } else { body_bytes };
        let Some(body_bytes) = body_bytes else {
            return Ok(Reading::NeedMore { invite: head.expects_invitation() });
        };
        let body = match std::mem::take(self).body {
            Body::Known(length) => Cow::Borrowed(&rest[..length]),
            Body::Chunked(decoder, _) => Cow::Owned(decoder.into_body()),
        };
        Ok(Reading::Whole(use_request(&head, body, head_bytes + body_bytes)))
    }

    /// Whether the rest of the body that it waits for may take long, as long as it comes.
    pub(crate) fn may_take_long(&self) -> bool {
        self.may_take_long
    }

    /// Bytes of memory that it holds beside the input.
    pub(crate) fn capacity(&self) -> usize {
        match &self.body {
            Body::Known(_) => 0,
            Body::Chunked(decoder, _) => decoder.capacity(),
        }
    }
}

impl Body {
    fn new(length: BodyLength, limit: BodyLimit) -> Result<Self, HttpError> {
        match length {
            BodyLength::Known(length) if length > limit.bytes_max => Err(limit.refusal),
            BodyLength::Known(length) => Ok(Self::Known(length)),
            BodyLength::Chunked => Ok(Self::Chunked(ChunkedDecoder::default(), limit)),
        }
    }

    /// How many bytes of `rest` are the body, once it is all here.
    fn read(&mut self, rest: &[u8]) -> Result<Option<usize>, HttpError> {
        match self {
            Self::Known(length) => Ok((rest.len() >= *length).then_some(*length)),
            Self::Chunked(decoder, limit) => {
                decoder.decode(rest, limit.bytes_max).map_err(|error| match error.status {
                    413 => limit.refusal.clone(),
                    _ => error,
                })
            }
        }
    }
}

/// Where a head ends: looked for line by line, each byte once.
#[derive(Default)]
struct HeadSearch {
    /// Where the search goes on.
    at: usize,
    /// Where the line begins that is searched.
    line_start: usize,
    /// Lines before it that were not empty.
    lines: usize,
}

impl HeadSearch {
    /// The length of the head at the front of `input`, once all of it is here.
    ///
    /// What is wrong is said for the first byte that shows it, so that it does not depend on where `input` was cut.
    fn end(&mut self, input: &[u8]) -> Result<Option<usize>, HttpError> {
        let is_probed = self.at >= PROBED_BYTES;
        let input = &input[..input.len().min(HTTP_HEAD_BYTES_MAX)];
        let found = self.next_empty_line(input);
        let sound = match &found {
            // All of it is parsed then.
            Ok(Some(_)) => 0,
            Ok(None) => input.len(),
            Err((at, _)) => *at,
        };
        if !is_probed {
            let mut headers = [httparse::EMPTY_HEADER; HTTP_HEADERS_MAX];
            httparse::Request::new(&mut headers).parse(&input[..sound.min(PROBED_BYTES)])?;
        }
        match found {
            Ok(None) if input.len() == HTTP_HEAD_BYTES_MAX => {
                Err(http::error(431, "request head too large"))
            }
            Ok(end) => Ok(end),
            Err((_, error)) => Err(error),
        }
    }

    /// Goes on to the end of the empty line, or to the byte where something is wrong.
    fn next_empty_line(&mut self, input: &[u8]) -> Result<Option<usize>, (usize, HttpError)> {
        while let Some(more) = memchr::memchr(b'\n', &input[self.at..]) {
            let end = self.at + more;
            // A line feed alone ends a line for some readers only.
            if end == 0 || input[end - 1] != b'\r' {
                return Err((end, MALFORMED));
            }
            let is_empty = end - self.line_start == 1;
            if is_empty && self.lines > 0 {
                return Ok(Some(end + 1));
            }
            // One empty line before a request is passed over (RFC 9112, section 2.2).
            if is_empty && self.line_start > 0 {
                return Err((end, MALFORMED));
            }
            if !is_empty {
                self.lines += 1;
            }
            if self.lines > 1 + HTTP_HEADERS_MAX {
                return Err((end, http::error(431, "too many headers")));
            }
            self.at = end + 1;
            self.line_start = self.at;
        }
        self.at = input.len();
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any(_head: &Head<'_>, _length: BodyLength) -> BodyLimit {
        BodyLimit { bytes_max: 1_000, may_take_long: false, refusal: http::error(413, "too large") }
    }

    fn read(reader: &mut RequestReader, input: &[u8]) -> Result<Option<(String, usize)>, u16> {
        let use_request =
            |head: &Head<'_>, _body: Cow<'_, [u8]>, used| (head.target().into_owned(), used);
        match reader.read(input, any, use_request) {
            Ok(Reading::Whole(read)) => Ok(Some(read)),
            Ok(Reading::NeedMore { .. }) => Ok(None),
            Err(error) => Err(error.status),
        }
    }

    #[test]
    fn a_torn_head_is_incomplete_not_an_error() {
        let text = b"GET /socket.io/?EIO=4 HTTP/1.1\r\nHost: x\r\n\r\n";
        let mut reader = RequestReader::default();
        (0..text.len())
            .for_each(|end| assert_eq!(read(&mut reader, &text[..end]), Ok(None), "{end}"));
        let whole = ("/socket.io/?EIO=4".to_owned(), text.len());
        assert_eq!(read(&mut reader, text), Ok(Some(whole)));
    }

    #[test]
    fn a_head_that_comes_byte_by_byte_is_searched_once() {
        let text = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(15_000));
        let mut reader = RequestReader::default();
        for end in 1..text.len() {
            assert_eq!(read(&mut reader, &text.as_bytes()[..end]), Ok(None));
            // The next piece is searched from here on.
            assert_eq!(reader.search.at, end);
        }
        assert_eq!(read(&mut reader, text.as_bytes()), Ok(Some(("/".to_owned(), text.len()))));
    }

    #[test]
    fn a_body_that_comes_byte_by_byte_does_not_have_its_head_read_again() {
        let text = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde";
        let head_bytes = text.len() - 5;
        let mut reader = RequestReader::default();
        assert_eq!(read(&mut reader, &text[..head_bytes]), Ok(None));
        let mut garbled = text.to_vec();
        garbled[..head_bytes].fill(b'?');
        for end in head_bytes..text.len() {
            assert_eq!(read(&mut reader, &garbled[..end]), Ok(None));
        }
        assert_eq!(read(&mut reader, text), Ok(Some(("/".to_owned(), text.len()))));
    }

    #[test]
    fn an_endless_head_is_refused() {
        let text = format!("GET /{} HTTP/1.1\r\n", "a".repeat(HTTP_HEAD_BYTES_MAX));
        assert_eq!(read(&mut RequestReader::default(), text.as_bytes()), Err(431));
        let text = format!("GET / HTTP/1.1\r\nHost: x\r\n{}", "X: y\r\n".repeat(64));
        assert_eq!(read(&mut RequestReader::default(), text.as_bytes()), Err(431));
    }

    #[test]
    fn who_waits_to_be_invited_is_invited_once() {
        let text =
            b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nab";
        let mut reader = RequestReader::default();
        let mut invited = Vec::new();
        for end in text.len() - 2..=text.len() {
            match reader.read(&text[..end], any, |_, _, _| ()) {
                Ok(Reading::NeedMore { invite }) => invited.push(invite),
                _ => panic!("the body is not here"),
            }
        }
        assert_eq!(invited, [true, false, false]);
    }
}
