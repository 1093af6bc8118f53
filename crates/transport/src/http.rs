//! HTTP/1.1 request heads as far as the hub's one port needs them. No I/O.

use std::borrow::Cow;

use crate::limits::{HTTP_HEAD_BYTES_MAX, HTTP_HEADERS_MAX};

/// The headers of one request, in the reader's own memory.
pub(crate) type HeaderBuffer<'a> = [httparse::Header<'a>; HTTP_HEADERS_MAX];

/// A request's head, borrowed from the bytes it came in.
pub(crate) struct Head<'a> {
    pub(crate) method: &'a str,
    /// Path and query as they were sent; the path is empty where a proxy's client left it out.
    target: &'a str,
    /// Whom the target of a request names that is made as to a proxy: `http://hub:4001/x`. It counts before the header.
    authority: Option<&'a str>,
    /// Whether the client may send another request behind this one.
    pub(crate) keep_alive: bool,
    /// HTTP/1.1, not 1.0.
    is_1_1: bool,
    pub(crate) headers: &'a [httparse::Header<'a>],
}

impl<'a> Head<'a> {
    /// Whether it is HTTP/1.1, whose bodies may come in chunks.
    pub(crate) fn is_1_1(&self) -> bool {
        self.is_1_1
    }

    /// Reads a head that is all of `bytes`. Who it is for must be said, once.
    ///
    /// # Errors
    /// 400 for what is no request, 505 for another version than 1.0 and 1.1.
    pub(crate) fn parse(
        bytes: &'a [u8],
        headers: &'a mut HeaderBuffer<'a>,
    ) -> Result<Self, HttpError> {
        let mut request = httparse::Request::new(headers);
        match request.parse(bytes) {
            Ok(httparse::Status::Complete(head_bytes)) if head_bytes == bytes.len() => {}
            Ok(_) => return Err(MALFORMED),
            Err(error) => return Err(error.into()),
        }
        let mut head = Self {
            method: request.method.unwrap_or(""),
            target: request.path.unwrap_or(""),
            authority: None,
            keep_alive: request.version == Some(1),
            is_1_1: request.version == Some(1),
            headers: request.headers,
        };
        if head.header_has("connection", "close") {
            head.keep_alive = false;
        } else if head.header_has("connection", "keep-alive") {
            head.keep_alive = true;
        }
        head.check_host()?;
        head.check_target()?;
        Ok(head)
    }

    /// Reads a target in absolute form into its parts (RFC 9112, section 3.2.2), and refuses what is none of a server's.
    fn check_target(&mut self) -> Result<(), HttpError> {
        if self.target.starts_with('/') || (self.target == "*" && self.method == "OPTIONS") {
            return Ok(());
        }
        let (scheme, rest) = self.target.split_once("://").ok_or(MALFORMED)?;
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return Err(MALFORMED);
        }
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let is_sound = !authority.is_empty()
            && !authority.starts_with(':')
            && authority.bytes().all(is_of_authority);
        (self.authority, self.target) = (Some(authority), target);
        if is_sound { Ok(()) } else { Err(MALFORMED) }
    }

    /// Path and query: the target in origin form.
    pub(crate) fn target(&self) -> Cow<'a, str> {
        match self.target.starts_with(['/', '*']) {
            true => Cow::Borrowed(self.target),
            false => Cow::Owned(format!("/{}", self.target)),
        }
    }

    /// Whom the request is for: a host, perhaps with a port.
    pub(crate) fn host(&self) -> Option<&'a str> {
        self.authority.or_else(|| self.header("host"))
    }

    /// Names and values of all headers, in their order; `Host` says whom the request is for.
    pub(crate) fn owned_headers(&self) -> Vec<(String, Vec<u8>)> {
        let value = |header: &httparse::Header<'a>| match self.authority {
            Some(authority) if header.name.eq_ignore_ascii_case("host") => authority.as_bytes(),
            _ => header.value,
        };
        let owned =
            |header: &httparse::Header<'a>| (header.name.to_owned(), value(header).to_vec());
        self.headers.iter().map(owned).collect()
    }

    /// The value of the first header of this name, if it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&'a str> {
        std::str::from_utf8(self.values(name).next()?).ok().map(trim)
    }

    /// The values of all headers of this name.
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let named =
            self.headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
        named.map(|header| header.value)
    }

    /// The page that asks, if one does. What is no text is no page's origin that could be allowed.
    pub(crate) fn origin(&self) -> Option<&'a str> {
        self.values("origin").next().map(|value| std::str::from_utf8(value).map_or("?", trim))
    }

    /// The cookies of all `Cookie` headers (HTTP/2 splits them, and proxies pass them on so), as one would have them. What is
    /// no text does not hide the others.
    pub(crate) fn cookies(&self) -> Option<Box<str>> {
        let cookies: Vec<_> = self.values("cookie").map(String::from_utf8_lossy).collect();
        (!cookies.is_empty()).then(|| cookies.join("; ").into())
    }

    /// Whether a comma-separated header holds `token`, in any case.
    pub(crate) fn header_has(&self, name: &str, token: &str) -> bool {
        self.values(name)
            .filter_map(|value| std::str::from_utf8(value).ok())
            .flat_map(|value| value.split(','))
            .any(|value| trim(value).eq_ignore_ascii_case(token))
    }

    pub(crate) fn path(&self) -> &'a str {
        let path = self.target.split_once('?').map_or(self.target, |(path, _)| path);
        if path.is_empty() { "/" } else { path }
    }

    pub(crate) fn query(&self) -> &'a str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// Whether the client waits for `100 Continue` before it sends the body.
    pub(crate) fn expects_invitation(&self) -> bool {
        self.is_1_1 && self.header_has("expect", "100-continue")
    }

    /// RFC 9112, section 3.2: a proxy in front may have gone by another `Host` than the one that is read here.
    fn check_host(&self) -> Result<(), HttpError> {
        let mut hosts = self.values("host");
        match (hosts.next(), hosts.next()) {
            (_, Some(_)) => Err(error(400, "more than one Host header")),
            (Some(host), None) if !host.iter().all(|byte| is_of_authority(*byte)) => {
                Err(error(400, "malformed Host header"))
            }
            (None, None) if self.is_1_1 => Err(error(400, "HTTP/1.1 takes a Host header")),
            _ => Ok(()),
        }
    }

    /// Where the body ends, as RFC 9112, section 6.3 has it.
    ///
    /// # Errors
    /// 400 where two readers could disagree, 501 for an encoding other than `chunked`.
    pub(crate) fn body_length(&self) -> Result<BodyLength, HttpError> {
        let mut lengths = self.values("content-length");
        let length = lengths.next();
        let is_encoded = self.values("transfer-encoding").next().is_some();
        // Two lengths, or a length and an encoding, are how requests are smuggled past proxies.
        if lengths.next().is_some() || (length.is_some() && is_encoded) {
            return Err(error(400, "ambiguous body length"));
        }
        match length {
            None if is_encoded => self.check_encoding().map(|()| BodyLength::Chunked),
            None => Ok(BodyLength::Known(0)),
            Some(length) => std::str::from_utf8(length)
                .ok()
                .map(trim)
                .filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|text| text.parse().ok())
                .map(BodyLength::Known)
                .ok_or(error(400, "malformed content length")),
        }
    }

    /// Accepts `chunked`, said once and by an HTTP/1.1 client, and nothing else.
    fn check_encoding(&self) -> Result<(), HttpError> {
        if !self.is_1_1 {
            return Err(error(400, "HTTP/1.0 has no transfer encodings"));
        }
        let codings: Vec<&[u8]> = self
            .values("transfer-encoding")
            .flat_map(|value| value.split(|byte| *byte == b','))
            .map(|coding| coding.trim_ascii())
            .collect();
        let is_chunked = |coding: &&[u8]| coding.eq_ignore_ascii_case(b"chunked");
        if !codings.iter().all(|coding| is_coding(coding)) {
            return Err(error(400, "malformed transfer encoding"));
        }
        // Where another coding is the last, nobody can tell where the body ends.
        if codings.last().is_none_or(|last| !is_chunked(last)) {
            return Err(error(400, "the last transfer encoding must be chunked"));
        }
        match &codings[..] {
            [_] => Ok(()),
            [before @ .., _] if before.iter().any(is_chunked) => Err(error(400, "chunked twice")),
            _ => Err(error(501, "no transfer encoding but chunked is supported")),
        }
    }
}

/// The value of the first header of this name at the front of bytes that need be no sound request, nor a whole one.
pub(crate) fn header_of_unsound<'a>(bytes: &'a [u8], name: &str) -> Option<&'a str> {
    let head = &bytes[..bytes.len().min(HTTP_HEAD_BYTES_MAX)];
    let lines =
        head.split_inclusive(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\n"));
    let lines = lines.skip(1).map(<[u8]>::trim_ascii_end).take_while(|line| !line.is_empty());
    let named = lines.filter_map(|line| {
        let (found, value) = line.split_at_checked(name.len())?;
        found.eq_ignore_ascii_case(name.as_bytes()).then_some(value)?.strip_prefix(b":")
    });
    named.map(|value| std::str::from_utf8(value).map_or("?", trim)).next()
}

/// The optional white space of HTTP around a value: spaces and tabs alone.
fn trim(value: &str) -> &str {
    value.trim_matches([' ', '\t'])
}

/// Whether a byte may stand in a host with its port.
fn is_of_authority(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=:[]".contains(&byte)
}

/// Whether this is a transfer coding, perhaps with parameters.
fn is_coding(coding: &[u8]) -> bool {
    let name = coding.split(|byte| *byte == b';').next().unwrap_or_default();
    let is_text = coding.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
    is_text && is_token(name.trim_ascii_end())
}

/// Whether this is a token of RFC 9110, section 5.6.2.
pub(crate) fn is_token(text: &[u8]) -> bool {
    let of_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(of_token)
}

/// The value of a query parameter, as it was sent. The parameters that Engine.IO reads need no unescaping.
pub(crate) fn query_value<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then_some(value)
    })
}

/// As [`query_value`], without its percent-encoding; what is no UTF-8 is replaced.
pub(crate) fn decoded_query_value<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let value = query_value(query, name)?;
    if !value.contains('%') {
        return Some(Cow::Borrowed(value));
    }
    let (mut bytes, mut rest) = (Vec::with_capacity(value.len()), value.as_bytes());
    while let Some((&byte, behind)) = rest.split_first() {
        let digit = |at: usize| char::from(*behind.get(at)?).to_digit(16);
        let decoded = || u8::try_from(digit(0)? * 16 + digit(1)?).ok();
        let decoded = if byte == b'%' { decoded() } else { None };
        bytes.push(decoded.unwrap_or(byte));
        rest = if decoded.is_some() { &behind[2..] } else { behind };
    }
    Some(Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Where a request's body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyLength {
    Known(usize),
    Chunked,
}

/// What cannot be answered as HTTP: the status to close with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HttpError {
    pub(crate) status: u16,
    pub(crate) message: Cow<'static, str>,
}

/// What is no request at all.
pub(crate) const MALFORMED: HttpError = error(400, "malformed request");

pub(crate) const fn error(status: u16, message: &'static str) -> HttpError {
    HttpError { status, message: Cow::Borrowed(message) }
}

impl From<httparse::Error> for HttpError {
    fn from(parsing: httparse::Error) -> Self {
        match parsing {
            httparse::Error::Version => error(505, "HTTP/1.1 is spoken here"),
            httparse::Error::TooManyHeaders => error(431, "too many headers"),
            _ => MALFORMED,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POST: &str = "POST / HTTP/1.1\r\nHost: x\r\n";

    fn length_of(text: &str) -> Result<BodyLength, u16> {
        length_of_bytes(text.as_bytes())
    }

    fn length_of_bytes(bytes: &[u8]) -> Result<BodyLength, u16> {
        let mut headers = [httparse::EMPTY_HEADER; HTTP_HEADERS_MAX];
        let head = Head::parse(bytes, &mut headers).map_err(|error| error.status)?;
        head.body_length().map_err(|error| error.status)
    }

    #[test]
    fn requests_that_proxies_read_differently_are_refused() {
        for (headers, status) in [
            ("Content-Length: 3\r\nTransfer-Encoding: chunked", 400),
            ("Content-Length: 3\r\nContent-Length: 4", 400),
            ("Content-Length: 3\r\nContent-Length: 3", 400),
            ("Content-Length: 3, 3", 400),
            ("Content-Length: +3", 400),
            ("Content-Length: 0x3", 400),
            ("Content-Length:", 400),
            ("Content-Length: \u{a0}3", 400),
            ("Transfer-Encoding:", 400),
            ("Transfer-Encoding: chunked,", 400),
            ("Transfer-Encoding: chunked\u{b}", 400),
            ("Transfer-Encoding: chunked, chunked", 400),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400),
            ("Transfer-Encoding: chunked, gzip", 400),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", 400),
            ("Transfer-Encoding: identity", 400),
            ("Transfer-Encoding: chunkedx", 400),
            ("Transfer-Encoding: chunked;q=1", 400),
            ("Transfer-Encoding: gzip, chunked", 501),
            ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", 501),
            (" Transfer-Encoding: chunked", 400),
            ("Transfer-Encoding : chunked", 400),
            ("X: y\r\n Transfer-Encoding: chunked", 400),
        ] {
            assert_eq!(length_of(&format!("{POST}{headers}\r\n\r\n")), Err(status), "{headers:?}");
        }
        let odd = [POST.as_bytes(), b"Transfer-Encoding: chunked\xff\r\n\r\n"].concat();
        assert_eq!(length_of_bytes(&odd), Err(400));
        let old = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(length_of(old), Err(400));
    }

    #[test]
    fn one_length_or_chunked_says_where_the_body_ends() {
        for (headers, length) in [
            ("Content-Length: 3\t", BodyLength::Known(3)),
            ("Transfer-Encoding:  CHUNKED ", BodyLength::Chunked),
            ("X: y", BodyLength::Known(0)),
        ] {
            assert_eq!(length_of(&format!("{POST}{headers}\r\n\r\n")), Ok(length), "{headers:?}");
        }
    }

    #[test]
    fn a_request_says_once_whom_it_is_for() {
        for (request, expected) in [
            ("GET / HTTP/1.1\r\n\r\n", Err(400)),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", Err(400)),
            ("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", Err(400)),
            ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", Err(400)),
            ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", Err(400)),
            ("GET / HTTP/1.1\r\nHost: user@a\r\n\r\n", Err(400)),
            ("GET / HTTP/1.1\r\nHost: [::1]:4001\r\n\r\n", Ok(BodyLength::Known(0))),
            ("GET / HTTP/1.1\r\nHost:\r\n\r\n", Ok(BodyLength::Known(0))),
            ("GET / HTTP/1.0\r\n\r\n", Ok(BodyLength::Known(0))),
        ] {
            assert_eq!(length_of(request), expected, "{request:?}");
        }
    }

    #[test]
    fn an_absolute_target_says_what_is_asked_of_whom() {
        let read = |target: &str| {
            let text = format!("GET {target} HTTP/1.1\r\nHost: proxy\r\n\r\n");
            let mut headers = [httparse::EMPTY_HEADER; HTTP_HEADERS_MAX];
            let head = Head::parse(text.as_bytes(), &mut headers).map_err(|error| error.status)?;
            let host = head.host().unwrap().to_owned();
            Ok((host, head.target().into_owned(), head.path().to_owned(), head.query().to_owned()))
        };
        for (target, host, origin_form, path, query) in [
            (
                "http://hub:4001/socket.io/?EIO=4",
                "hub:4001",
                "/socket.io/?EIO=4",
                "/socket.io/",
                "EIO=4",
            ),
            ("HTTPS://[::1]/x", "[::1]", "/x", "/x", ""),
            ("http://hub", "hub", "/", "/", ""),
            ("http://hub?a=b", "hub", "/?a=b", "/", "a=b"),
            // No scheme: nothing but a path.
            ("/http://hub/x", "proxy", "/http://hub/x", "/http://hub/x", ""),
        ] {
            let expected = [host, origin_form, path, query].map(str::to_owned).into();
            assert_eq!(read(target), Ok(expected), "{target}");
        }
        for target in [
            "http:///x",
            "http://a@hub/x",
            "http://a,b/x",
            "ftp://hub/x",
            "hub:443",
            "x",
            "http://:80/",
        ] {
            assert_eq!(read(target), Err(400), "{target}");
        }
    }

    #[test]
    fn another_version_is_told_which_is_spoken() {
        assert_eq!(length_of("GET / HTTP/2.0\r\nHost: x\r\n\r\n"), Err(505));
        assert_eq!(length_of("PRI * HTTP/2.0\r\n\r\n"), Err(505));
    }
}
