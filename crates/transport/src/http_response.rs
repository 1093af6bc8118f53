//! HTTP/1.1 responses as bytes.

use std::io::Write as _;
use std::time::Duration;

use crate::origin_policy::PageAccess;

/// The type of a body that is JSON.
pub(crate) const JSON: &[u8] = b"application/json";
/// The type of a body that is text.
pub(crate) const TEXT: &[u8] = b"text/plain; charset=UTF-8";

/// A response but for its body.
pub(crate) struct ResponseHead<'a> {
    pub(crate) status: u16,
    /// Without those that frame the body. A line break in a value is left out.
    pub(crate) headers: &'a [(&'a str, &'a [u8])],
    /// What the page may do that asked: the headers for that are no caller's matter.
    pub(crate) page: PageAccess<'a>,
    /// How long the connection stays for another request; `None` closes it.
    pub(crate) keep_alive: Option<Duration>,
}

impl ResponseHead<'_> {
    /// Appends the head for a body of so many bytes.
    pub(crate) fn write(&self, out: &mut Vec<u8>, body_bytes: usize) {
        let mut length = itoa::Buffer::new();
        let length = ("content-length", length.format(body_bytes).as_bytes());
        // These have no body, and a length would say otherwise.
        self.write_framed(out, Some(length).filter(|_| !matches!(self.status, 204 | 304)));
    }

    /// Appends the head for a body that comes in chunks, or until the connection closes.
    pub(crate) fn write_for_stream(&self, out: &mut Vec<u8>, is_chunked: bool) {
        self.write_framed(out, is_chunked.then_some(("transfer-encoding", b"chunked")));
    }

    fn write_framed(&self, out: &mut Vec<u8>, framing: Option<(&str, &[u8])>) {
        write_status(out, self.status);
        for (name, value) in self.headers {
            write_header(out, name, value);
        }
        for (name, value) in self.page.headers() {
            write_header(out, name, value);
        }
        write_header(out, "vary", b"origin");
        if let Some((name, value)) = framing {
            write_header(out, name, value);
        }
        match self.keep_alive {
            Some(timeout) => {
                write_header(out, "connection", b"keep-alive");
                if timeout.as_secs() > 0 {
                    let value = format!("timeout={}", timeout.as_secs());
                    write_header(out, "keep-alive", value.as_bytes());
                }
            }
            None => write_header(out, "connection", b"close"),
        }
        out.extend_from_slice(b"\r\n");
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
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Status",
    }
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

    #[test]
    fn a_header_value_cannot_start_another_header() {
        let mut out = Vec::new();
        write_header(&mut out, "x", b"a\r\nset-cookie: b");
        assert_eq!(out, b"x: aset-cookie: b\r\n");
    }

    #[test]
    fn a_connection_that_stays_says_for_how_long() {
        let head = |keep_alive| {
            let mut out = Vec::new();
            ResponseHead { status: 200, headers: &[], page: PageAccess::Own, keep_alive }
                .write(&mut out, 3);
            String::from_utf8(out).unwrap()
        };
        let stays = head(Some(Duration::from_secs(75)));
        assert!(stays.contains("connection: keep-alive\r\nkeep-alive: timeout=75\r\n"), "{stays}");
        assert!(!head(Some(Duration::from_millis(900))).contains("timeout"));
        assert!(head(None).contains("connection: close\r\n"));
        assert!(!head(None).contains("keep-alive"));
    }

    #[test]
    fn an_answer_that_has_no_body_says_no_length() {
        let mut out = Vec::new();
        ResponseHead { status: 204, headers: &[], page: PageAccess::Own, keep_alive: None }
            .write(&mut out, 0);
        assert!(!String::from_utf8(out).unwrap().contains("content-length"));
    }
}
