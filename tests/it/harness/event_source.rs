//! A reader of `/events`, with blocking calls.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use serde_json::Value;
use socket2::{Domain, Socket, Type};

use test_support::ClientStream;

use super::encryption::{connect, speak};
use super::{Address, PATIENCE, Who};

/// One event of a stream.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) event: String,
    pub(crate) id: Option<String>,
    pub(crate) data: Value,
}

impl Sent {
    /// Its place among what a test publishes.
    #[track_caller]
    pub(crate) fn number(&self) -> u64 {
        self.data["payload"]["number"].as_u64().unwrap_or_else(|| panic!("no number: {self:?}"))
    }
}

/// Reads a stream as `EventSource` does.
pub(crate) struct EventSource {
    stream: ClientStream,
    read: Vec<u8>,
    /// The answer's head, in lower case.
    pub(crate) head: String,
    /// The id of the last event that had one.
    pub(crate) last_id: Option<String>,
    /// When it is to come again after a lost connection.
    pub(crate) retry_ms: Option<u64>,
    /// How many comments came.
    pub(crate) heartbeats: usize,
}

impl EventSource {
    /// Asks for events; `query` begins with `?` or is empty.
    #[track_caller]
    pub(crate) fn ask(server: &impl Address, query: &str, headers: &[(&str, &str)]) -> Self {
        Self::try_ask(server, query, headers).expect("an answer")
    }

    /// As [`Self::ask`]; `None` where nobody answers.
    fn try_ask(server: &impl Address, query: &str, headers: &[(&str, &str)]) -> Option<Self> {
        Self::ask_on(connect(server.address()).ok()?, query, headers)
    }

    fn ask_on(mut stream: ClientStream, query: &str, headers: &[(&str, &str)]) -> Option<Self> {
        let mut request = format!("GET /events{query} HTTP/1.1\r\nHost: hub\r\n");
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        stream.write_all(format!("{request}\r\n").as_bytes()).ok()?;
        let (read, head) = (Vec::new(), String::new());
        let mut source = Self { stream, read, head, last_id: None, retry_ms: None, heartbeats: 0 };
        let head = source.until(b"\r\n\r\n")?;
        source.head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        Some(source)
    }

    /// A stream of somebody; its greeting is read.
    #[track_caller]
    pub(crate) fn open(
        server: &impl Address,
        who: &Who,
        query: &str,
        last_id: Option<&str>,
    ) -> Self {
        let mut source = Self::try_open(server, who, query, last_id).expect("an answer");
        source.expect("system:connection_established");
        source
    }

    /// As [`Self::open`], with the greeting to come; `None` where nobody answers.
    #[track_caller]
    pub(crate) fn try_open(
        server: &impl Address,
        who: &Who,
        query: &str,
        last_id: Option<&str>,
    ) -> Option<Self> {
        let bearer = format!("Bearer {}", who.token());
        let mut headers = vec![("Authorization", &*bearer)];
        headers.extend(last_id.map(|id| ("Last-Event-ID", id)));
        let source = Self::try_ask(server, query, &headers)?;
        assert!(source.head.starts_with("http/1.1 200"), "{}", source.head);
        Some(Self { last_id: last_id.map(str::to_owned), ..source })
    }

    /// As [`Self::open`], of somebody whose kernel takes little in while nobody reads.
    #[track_caller]
    pub(crate) fn open_slow(server: &impl Address, who: &Who, query: &str) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        socket.connect(&server.address().into()).unwrap();
        let bearer = format!("Bearer {}", who.token());
        let headers = [("Authorization", &*bearer)];
        let stream = speak(socket.into(), server.address()).unwrap();
        let mut source = Self::ask_on(stream, query, &headers).expect("an answer");
        source.expect("system:connection_established");
        source
    }

    /// Says something on the connection, as no reader does.
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// What comes up to `end`, which is taken off; `None` where the server closes or nothing comes.
    fn until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        let deadline = Instant::now() + PATIENCE;
        let mut chunk = [0; 65_536];
        loop {
            if let Some(at) = self.read.windows(end.len()).position(|window| window == end) {
                let rest = self.read.split_off(at + end.len());
                let mut taken = std::mem::replace(&mut self.read, rest);
                taken.truncate(at);
                return Some(taken);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            self.stream
                .socket()
                .set_read_timeout(Some(left.max(Duration::from_millis(1))))
                .unwrap();
            match self.stream.read(&mut chunk) {
                Ok(0) => return None,
                Ok(read) => self.read.extend_from_slice(&chunk[..read]),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    assert!(Instant::now() < deadline, "nothing came");
                }
                Err(_) => return None,
            }
        }
    }

    /// The next event; `None` where the server has closed.
    pub(crate) fn next(&mut self) -> Option<Sent> {
        loop {
            let block = String::from_utf8(self.until(b"\n\n")?).unwrap();
            let field = |name: &str| {
                block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned)
            };
            self.heartbeats += usize::from(block == ":");
            self.retry_ms = field("retry: ").map_or(self.retry_ms, |ms| ms.parse().ok());
            let (Some(event), Some(data)) = (field("event: "), field("data: ")) else { continue };
            let id = field("id: ");
            self.last_id = id.clone().or_else(|| self.last_id.take());
            return Some(Sent { event, id, data: serde_json::from_str(&data).unwrap() });
        }
    }

    #[track_caller]
    pub(crate) fn expect(&mut self, event: &str) -> Sent {
        let sent = self.next().expect("an event");
        assert_eq!(sent.event, event, "{sent:?}");
        sent
    }

    #[track_caller]
    pub(crate) fn numbers(&mut self, count: usize) -> Vec<u64> {
        (0..count).map(|_| self.expect("order:updated").number()).collect()
    }
}
