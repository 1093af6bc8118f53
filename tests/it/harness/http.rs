//! HTTP/1.1 on one kept connection: as much as polling and the API need.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;

use test_support::ClientStream;

use super::PATIENCE;
use super::encryption::connect;

/// An answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

/// A kept connection.
pub(crate) struct HttpConnection {
    address: SocketAddr,
    stream: ClientStream,
    read: Vec<u8>,
}

impl HttpConnection {
    pub(crate) fn open(address: SocketAddr) -> Self {
        Self::over(address, connect(address).unwrap())
    }

    /// On a connection that is there.
    pub(crate) fn over(address: SocketAddr, stream: ClientStream) -> Self {
        Self { address, stream, read: Vec::new() }
    }

    /// Cuts the connection without a word.
    pub(crate) fn tear(&mut self) {
        super::tear(self.stream.socket());
    }

    /// Sends a request without waiting for its answer. An error means that the server has closed.
    pub(crate) fn send(
        &mut self,
        line: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> std::io::Result<()> {
        let mut request = format!("{line} HTTP/1.1\r\nHost: {}\r\n", self.address);
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        match line.starts_with("GET ") {
            true => request += "\r\n",
            false => request += &format!("Content-Length: {}\r\n\r\n{body}", body.len()),
        }
        self.stream.write_all(request.as_bytes())
    }

    /// The next answer; `Ok(None)`: not until `deadline`. An error means that the server has closed.
    pub(crate) fn receive(&mut self, deadline: Instant) -> std::io::Result<Option<Response>> {
        let mut chunk = [0; 65_536];
        loop {
            if let Some(response) = self.take_response() {
                return Ok(Some(response));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            self.stream.socket().set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => self.read.extend_from_slice(&chunk[..read]),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    if Instant::now() >= deadline {
                        return Ok(None);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn take_response(&mut self) -> Option<Response> {
        let head_end = self.read.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8(self.read[..head_end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut response = Response { status, head, body: String::new() };
        let length: usize =
            response.header("content-length").map_or(0, |length| length.parse().unwrap());
        let whole = head_end + 4 + length;
        let body = self.read.get(head_end + 4..whole)?;
        response.body = String::from_utf8(body.to_vec()).unwrap();
        self.read.drain(..whole);
        Some(response)
    }

    /// A request and its answer.
    #[track_caller]
    pub(crate) fn request(&mut self, line: &str, headers: &[(&str, &str)], body: &str) -> Response {
        self.send(line, headers, body).unwrap();
        self.receive(Instant::now() + PATIENCE).unwrap().expect("an answer in time")
    }

    #[track_caller]
    pub(crate) fn get(&mut self, path: &str) -> Response {
        self.request(&format!("GET {path}"), &[], "")
    }

    /// A request with a token.
    #[track_caller]
    pub(crate) fn call(&mut self, line: &str, token: &str, body: &Value) -> Response {
        let bearer = format!("Bearer {token}");
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        self.request(line, &headers, &body.to_string())
    }
}
