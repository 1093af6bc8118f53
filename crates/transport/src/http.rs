//! HTTP/1.1 as far as the hub's one port needs it: request heads, bodies of known or chunked length, whole responses.
//! No I/O: bytes in, requests out.

use std::io::Write as _;

use crate::limits::{HTTP_HEAD_BYTES_MAX, HTTP_HEADERS_MAX};

/// A request's head, borrowed from the bytes it came in.
pub(crate) struct Head<'a> {
    pub(crate) method: &'a str,
    /// Path and query as they were sent.
    pub(crate) target: &'a str,
    pub(crate) keep_alive: bool,
    pub(crate) headers: &'a [httparse::Header<'a>],
}

impl<'a> Head<'a> {
    /// The value of the first header of this name, if it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&'a str> {
        let header = self.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(header.value).ok().map(str::trim)
    }

    /// Whether a comma-separated header holds `token`, in any case.
    pub(crate) fn header_has(&self, name: &str, token: &str) -> bool {
        self.headers
            .iter()
            .filter(|header| header.name.eq_ignore_ascii_case(name))
            .filter_map(|header| std::str::from_utf8(header.value).ok())
            .flat_map(|value| value.split(','))
            .any(|value| value.trim().eq_ignore_ascii_case(token))
    }

    pub(crate) fn path(&self) -> &'a str {
        self.target.split_once('?').map_or(self.target, |(path, _)| path)
    }

    pub(crate) fn query(&self) -> &'a str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }
}

/// The value of a query parameter, as it was sent. The parameters that Engine.IO reads need no unescaping.
pub(crate) fn query_value<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then_some(value)
    })
}

/// Where a request's body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyLength {
    Known(usize),
    Chunked,
}

/// What cannot be answered as HTTP: the status to close with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HttpError {
    pub(crate) status: u16,
    pub(crate) message: &'static str,
}

pub(crate) const fn error(status: u16, message: &'static str) -> HttpError {
    HttpError { status, message }
}

/// Parses a head off the front of `input` and hands it, its length in bytes, and its body's length to `use_head`.
/// `Ok(None)`: not all here yet.
pub(crate) fn parse_head<T>(
    input: &[u8],
    use_head: impl FnOnce(&Head<'_>, usize, BodyLength) -> T,
) -> Result<Option<T>, HttpError> {
    let mut headers = [httparse::EMPTY_HEADER; HTTP_HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let head_bytes = match request.parse(input) {
        Ok(httparse::Status::Complete(head_bytes)) => head_bytes,
        Ok(httparse::Status::Partial) if input.len() > HTTP_HEAD_BYTES_MAX => {
            return Err(error(431, "request head too large"));
        }
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(error(431, "too many headers")),
        Err(_) => return Err(error(400, "malformed request")),
    };
    if head_bytes > HTTP_HEAD_BYTES_MAX {
        return Err(error(431, "request head too large"));
    }
    let (method, target) = (request.method.unwrap_or(""), request.path.unwrap_or(""));
    let mut head =
        Head { method, target, keep_alive: request.version == Some(1), headers: request.headers };
    if head.header_has("connection", "close") {
        head.keep_alive = false;
    } else if head.header_has("connection", "keep-alive") {
        head.keep_alive = true;
    }
    let body = body_length(&head)?;
    Ok(Some(use_head(&head, head_bytes, body)))
}

fn body_length(head: &Head<'_>) -> Result<BodyLength, HttpError> {
    let mut lengths =
        head.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = lengths.next();
    let encoding = head.header("transfer-encoding");
    // Two lengths, or a length and an encoding, are how requests are smuggled past proxies.
    if lengths.next().is_some() || (length.is_some() && encoding.is_some()) {
        return Err(error(400, "ambiguous body length"));
    }
    match (length, encoding) {
        (None, None) => Ok(BodyLength::Known(0)),
        (None, Some(encoding)) if encoding.eq_ignore_ascii_case("chunked") => {
            Ok(BodyLength::Chunked)
        }
        (None, Some(_)) => Err(error(501, "transfer encoding not supported")),
        (Some(length), _) => std::str::from_utf8(length.value)
            .ok()
            .map(str::trim)
            .filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|text| text.parse().ok())
            .map(BodyLength::Known)
            .ok_or(error(400, "malformed content length")),
    }
}

/// The reason phrase of a status.
fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        _ => "Status",
    }
}

/// Appends a whole response. Headers that would break the framing are the caller's to avoid.
pub(crate) fn write_response<'h>(
    out: &mut Vec<u8>,
    status: u16,
    headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
    body: &[u8],
    keep_alive: bool,
) {
    write_status(out, status);
    for (name, value) in headers {
        write_header(out, name, value);
    }
    let mut length = itoa::Buffer::new();
    write_header(out, "content-length", length.format(body.len()).as_bytes());
    write_header(out, "connection", if keep_alive { b"keep-alive" } else { b"close" });
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
}

pub(crate) fn write_status(out: &mut Vec<u8>, status: u16) {
    // Writing into a vector does not fail.
    let _ = write!(out, "HTTP/1.1 {status} {}\r\n", reason(status));
}

pub(crate) fn write_header(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    // A line break in a value would start another header.
    out.extend(value.iter().filter(|byte| !matches!(byte, b'\r' | b'\n')));
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Result<Option<(String, BodyLength, bool)>, HttpError> {
        parse_head(text.as_bytes(), |head, _, body| (head.target.to_owned(), body, head.keep_alive))
    }

    #[test]
    fn a_torn_head_is_incomplete_not_an_error() {
        let text = "GET /socket.io/?EIO=4 HTTP/1.1\r\nHost: x\r\n\r\n";
        (0..text.len()).for_each(|end| assert_eq!(head(&text[..end]), Ok(None), "{end}"));
        assert_eq!(
            head(text),
            Ok(Some(("/socket.io/?EIO=4".to_owned(), BodyLength::Known(0), true)))
        );
    }

    #[test]
    fn requests_that_proxies_read_differently_are_refused() {
        let both = "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n";
        let twice = "POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n";
        let signed = "POST / HTTP/1.1\r\nContent-Length: +3\r\n\r\n";
        [both, twice, signed]
            .iter()
            .for_each(|text| assert_eq!(head(text).unwrap_err().status, 400));
    }

    #[test]
    fn an_endless_head_is_refused() {
        let text = format!("GET /{} HTTP/1.1\r\n", "a".repeat(HTTP_HEAD_BYTES_MAX));
        assert_eq!(head(&text).unwrap_err().status, 431);
    }

    #[test]
    fn a_header_value_cannot_start_another_header() {
        let mut out = Vec::new();
        write_header(&mut out, "x", b"a\r\nset-cookie: b");
        assert_eq!(out, b"x: aset-cookie: b\r\n");
    }
}
