//! Clients written by hand, so that a test says what goes out in which write.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use foodtrack_wire::rfc6455::{Opcode, write_client_frame};

const PATIENCE: Duration = Duration::from_secs(10);
const MASK: [u8; 4] = [1, 2, 3, 4];

/// A socket and what was read from it but not looked at yet.
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    unread: Vec<u8>,
}

pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Wire {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, unread: Vec::new() }
    }

    /// From one of loopback's other addresses.
    pub(crate) fn connect_from(address: SocketAddr, source: std::net::Ipv4Addr) -> Self {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
        socket.connect(&address.into()).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, unread: Vec::new() }
    }

    /// Whether something has come that was not read.
    pub(crate) fn has_answer(&self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let has = self.stream.peek(&mut [0]).is_ok();
        self.stream.set_nonblocking(false).unwrap();
        has
    }

    /// Whether the kernel took it.
    pub(crate) fn try_write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// The status of an answer without a body, or with one that comes with it; `None` at the end.
    pub(crate) fn try_response(&mut self) -> Option<u16> {
        let mut buffer = [0; 4 * 1024];
        let read = self.stream.read(&mut buffer).ok()?;
        std::str::from_utf8(&buffer[..read]).ok()?.split(' ').nth(1)?.parse().ok()
    }

    /// Lets the kernel keep little of what this client does not read.
    pub(crate) fn shrink(&self) {
        socket2::SockRef::from(&self.stream).set_recv_buffer_size(64 * 1024).unwrap();
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Reads more; false at the end.
    fn read_more(&mut self) -> bool {
        let mut buffer = [0; 64 * 1024];
        let read = self.stream.read(&mut buffer).unwrap();
        self.unread.extend_from_slice(&buffer[..read]);
        read > 0
    }

    /// Takes everything up to `end`, which is taken too.
    fn read_until(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self.unread.windows(end.len()).position(|window| window == end) {
                return self.unread.drain(..at + end.len()).collect();
            }
            assert!(self.read_more(), "ended within a head: {:?}", self.unread);
        }
    }

    fn read_exactly(&mut self, count: usize) -> Vec<u8> {
        while self.unread.len() < count {
            assert!(self.read_more(), "ended within {count} bytes");
        }
        self.unread.drain(..count).collect()
    }

    /// The head of an answer that has no body behind it.
    pub(crate) fn head(&mut self) -> String {
        String::from_utf8(self.read_until(b"\r\n\r\n")).unwrap()
    }

    /// The next chunk of a body that comes in chunks; `None` for the last one.
    pub(crate) fn chunk(&mut self) -> Option<Vec<u8>> {
        let length = String::from_utf8(self.read_until(b"\r\n")).unwrap();
        let length = usize::from_str_radix(length.trim_end(), 16).unwrap();
        let mut chunk = self.read_exactly(length + 2);
        assert!(chunk.ends_with(b"\r\n"));
        chunk.truncate(length);
        (length > 0).then_some(chunk)
    }

    /// Everything until the end of the connection.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.read_more() {}
        std::mem::take(&mut self.unread)
    }

    pub(crate) fn response(&mut self) -> Response {
        let head = self.head();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().unwrap());
        let body = String::from_utf8(self.read_exactly(length)).unwrap();
        Response { status, head, body }
    }

    pub(crate) fn send_text(&mut self, texts: &[String]) {
        self.try_send_text(texts).unwrap();
    }

    pub(crate) fn try_send_text(&mut self, texts: &[String]) -> std::io::Result<()> {
        let mut bytes = Vec::new();
        for text in texts {
            write_client_frame(&mut bytes, Opcode::Text, text.as_bytes(), MASK);
        }
        self.stream.write_all(&bytes)
    }

    /// The next message, if it begins to come in time.
    pub(crate) fn message_within(&mut self, patience: Duration) -> Option<String> {
        if self.unread.is_empty() {
            let usual = self.stream.read_timeout().unwrap();
            // Zero would mean for ever.
            let patience = patience.max(Duration::from_millis(1));
            self.stream.set_read_timeout(Some(patience)).unwrap();
            let is_there = self.stream.peek(&mut [0]).is_ok();
            self.stream.set_read_timeout(usual).unwrap();
            if !is_there {
                return None;
            }
        }
        Some(self.message())
    }

    /// The next WebSocket message, text or not.
    pub(crate) fn message(&mut self) -> String {
        let head = self.read_exactly(2);
        let length = match head[1] {
            126 => {
                let bytes = self.read_exactly(2);
                usize::from(u16::from_be_bytes([bytes[0], bytes[1]]))
            }
            127 => {
                let bytes = self.read_exactly(8);
                usize::try_from(u64::from_be_bytes(bytes.try_into().unwrap())).unwrap()
            }
            short => usize::from(short),
        };
        String::from_utf8(self.read_exactly(length)).unwrap()
    }

    /// Reads on to the close frame: its code and reason.
    pub(crate) fn close_frame(&mut self) -> (u16, String) {
        loop {
            let head = self.read_exactly(2);
            let length = match head[1] {
                126 => {
                    let bytes = self.read_exactly(2);
                    usize::from(u16::from_be_bytes([bytes[0], bytes[1]]))
                }
                short => usize::from(short),
            };
            let payload = self.read_exactly(length);
            if head[0] == 0x88 {
                let code = u16::from_be_bytes([payload[0], payload[1]]);
                return (code, String::from_utf8(payload[2..].to_vec()).unwrap());
            }
        }
    }

    /// Writes the same again and again, and reads nothing. Returns how many bytes the server took before it took no more,
    /// and gives up at `bytes_max`.
    pub(crate) fn push(&mut self, bytes: &[u8], bytes_max: usize) -> usize {
        self.stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        let mut taken = 0;
        while taken < bytes_max {
            match self.stream.write(bytes) {
                Ok(written) if written == bytes.len() => taken += written,
                _ => break,
            }
        }
        taken
    }

    /// Waits for an answer and resets the connection without reading any of it.
    pub(crate) fn lose_answer(self) {
        assert!(self.stream.peek(&mut [0]).unwrap() > 0, "ended without an answer");
    }

    /// Whether the server ends the connection (in whatever way) before long.
    pub(crate) fn ends(&mut self) -> bool {
        let mut buffer = [0; 64 * 1024];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
            }
        }
    }

    /// Expects `4` and the event `["echo",n]` for each of `numbers`, in order.
    pub(crate) fn expect_echoes(&mut self, numbers: std::ops::Range<usize>) {
        for number in numbers {
            assert_eq!(self.message(), format!("42[\"echo\",{number}]"));
        }
    }
}

pub(crate) fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nhost: hub\r\n\r\n")
}

pub(crate) fn post(target: &str, body: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nhost: hub\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

pub(crate) fn upgrade(target: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nhost: hub\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// The event `[name, number]` as an Engine.IO message.
pub(crate) fn event(name: &str, number: usize) -> String {
    format!("42[\"{name}\",{number}]")
}

pub(crate) fn events(name: &str, numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| event(name, number)).collect()
}

/// A WebSocket that has its open packet; the session is in no namespace yet.
pub(crate) fn open_websocket(address: SocketAddr) -> Wire {
    let mut wire = Wire::connect(address);
    wire.write(upgrade("/socket.io/?EIO=4&transport=websocket").as_bytes());
    assert_eq!(wire.response().status, 101);
    assert!(wire.message().starts_with("0{"));
    wire
}

/// A WebSocket in `/`.
pub(crate) fn join_by_websocket(address: SocketAddr) -> Wire {
    let mut wire = open_websocket(address);
    wire.send_text(&["40".to_owned()]);
    assert!(wire.message().starts_with("40{"));
    wire
}

/// A polling session; every request of it may use a connection of its own.
pub(crate) struct Poller {
    pub(crate) address: SocketAddr,
    pub(crate) target: String,
    pub(crate) sid: String,
}

impl Poller {
    /// Opens a session; it is in no namespace yet.
    pub(crate) fn open(address: SocketAddr) -> Self {
        let mut wire = Wire::connect(address);
        wire.write(get("/socket.io/?EIO=4&transport=polling").as_bytes());
        let open = wire.response().body;
        let sid = open.strip_prefix("0{\"sid\":\"").unwrap()[..20].to_owned();
        let target = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
        Self { address, target, sid }
    }

    pub(crate) fn request(&self, request: &str) -> Response {
        let mut wire = Wire::connect(self.address);
        wire.write(request.as_bytes());
        wire.response()
    }

    pub(crate) fn post(&self, packets: &[String]) {
        let response = self.request(&post(&self.target, &packets.join("\u{1e}")));
        assert_eq!((response.status, &*response.body), (200, "ok"));
    }

    /// The packets of one poll.
    pub(crate) fn poll(&self) -> Vec<String> {
        packets(&self.request(&get(&self.target)))
    }

    /// The target of a request that tells its `t`.
    pub(crate) fn target_as(&self, t: &str) -> String {
        format!("{}&t={t}", self.target)
    }

    /// The packets of a poll with this `t`.
    pub(crate) fn poll_as(&self, t: &str) -> Vec<String> {
        packets(&self.request(&get(&self.target_as(t))))
    }

    /// Posts with this `t`.
    pub(crate) fn post_as(&self, t: &str, packets: &[String]) {
        let response = self.request(&post(&self.target_as(t), &packets.join("\u{1e}")));
        assert_eq!((response.status, &*response.body), (200, "ok"));
    }

    /// A poll with this `t` that may wait for its answer.
    pub(crate) fn start_poll_as(&self, t: &str) -> Wire {
        let mut wire = Wire::connect(self.address);
        wire.write(get(&self.target_as(t)).as_bytes());
        wire
    }

    /// Polls until so many packets came.
    pub(crate) fn poll_until(&self, count: usize) -> Vec<String> {
        let mut packets = Vec::new();
        while packets.len() < count {
            packets.extend(self.poll());
        }
        packets
    }
}

/// What a poll brought.
pub(crate) fn packets(response: &Response) -> Vec<String> {
    assert_eq!(response.status, 200, "{}", response.body);
    response.body.split('\u{1e}').map(str::to_owned).collect()
}
