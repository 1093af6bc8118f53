//! Engine.IO over WebSocket.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use foodtrack_wire::rfc6455::{Opcode, write_client_frame};
use socket2::{Domain, Socket, Type};

use test_support::ClientStream;

use super::PATIENCE;
use super::encryption::speak;
use super::link::{Link, Outgoing, Received};

const MASK: [u8; 4] = [0x1b, 0x2d, 0x3f, 0x41];

/// A WebSocket, upgraded.
pub(crate) struct WebSocketLink {
    stream: ClientStream,
    read: Vec<u8>,
    frames: VecDeque<Received>,
}

/// The status and body of a handshake that was refused.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) String);

impl WebSocketLink {
    /// `receive_bytes` bounds what the kernel takes in while nobody reads.
    pub(crate) fn open(
        address: SocketAddr,
        headers: &[(String, String)],
        receive_bytes: Option<usize>,
    ) -> Result<Self, Refused> {
        let path = "/socket.io/?EIO=4&transport=websocket";
        Self::open_at(address, path, headers, receive_bytes)
    }

    /// As [`Self::open`], at another path.
    pub(crate) fn open_at(
        address: SocketAddr,
        path: &str,
        headers: &[(String, String)],
        receive_bytes: Option<usize>,
    ) -> Result<Self, Refused> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        if let Some(bytes) = receive_bytes {
            socket.set_recv_buffer_size(bytes).unwrap();
        }
        socket.connect(&address.into()).unwrap();
        let mut stream = speak(TcpStream::from(socket), address).unwrap();
        let mut request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\n\
             Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        );
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        request += "\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        let mut link = Self { stream, read: Vec::new(), frames: VecDeque::new() };
        let deadline = Instant::now() + PATIENCE;
        let head_end = loop {
            let end = link.read.windows(4).position(|window| window == b"\r\n\r\n");
            if let Some(end) = end {
                break end + 4;
            }
            if !matches!(link.fill(deadline), Ok(true)) {
                return Err(Refused(String::from_utf8_lossy(&link.read).into_owned()));
            }
        };
        let head = String::from_utf8_lossy(&link.read[..head_end]).into_owned();
        if !head.starts_with("HTTP/1.1 101") {
            while matches!(link.fill(deadline), Ok(true)) {}
            return Err(Refused(String::from_utf8_lossy(&link.read).into_owned()));
        }
        link.read.drain(..head_end);
        link.take_frames();
        Ok(link)
    }

    /// Reads once; `Ok(false)`: the deadline has come. An error: the server has closed.
    fn fill(&mut self, deadline: Instant) -> std::io::Result<bool> {
        let mut chunk = [0; 65_536];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            self.stream.socket().set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    self.read.extend_from_slice(&chunk[..read]);
                    return Ok(true);
                }
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    if Instant::now() >= deadline {
                        return Ok(false);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn take_frames(&mut self) {
        let mut used = 0;
        while let Some((frame, bytes)) = server_frame(&self.read[used..]) {
            used += bytes;
            self.frames.extend(frame);
        }
        self.read.drain(..used);
    }
}

/// The unmasked, unfragmented frame at the front, and its length; a ping or pong of the WebSocket is nothing.
fn server_frame(bytes: &[u8]) -> Option<(Option<Received>, usize)> {
    let (&first, &second) = (bytes.first()?, bytes.get(1)?);
    assert_eq!(first & 0xf0, 0x80, "a server frame is whole and without reserved bits");
    assert_eq!(second & 0x80, 0, "a server frame is not masked");
    let (header, length) = match second {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().unwrap()))),
        127 => {
            let length = u64::from_be_bytes(bytes.get(2..10)?.try_into().unwrap());
            (10, usize::try_from(length).unwrap())
        }
        short => (2, usize::from(short)),
    };
    let payload = bytes.get(header..header + length)?;
    let frame = match first & 0x0f {
        1 => Some(Received::Text(String::from_utf8(payload.to_vec()).unwrap())),
        2 => Some(Received::Binary(payload.to_vec())),
        8 => Some(Received::Closed(
            payload.get(..2).map(|code| u16::from_be_bytes(code.try_into().unwrap())),
        )),
        _ => None,
    };
    Some((frame, header + length))
}

impl Link for WebSocketLink {
    fn send(&mut self, packets: &[Outgoing]) -> bool {
        let mut frames = Vec::new();
        for packet in packets {
            match packet {
                Outgoing::Text(text) => {
                    write_client_frame(&mut frames, Opcode::Text, text.as_bytes(), MASK);
                }
                Outgoing::Binary(bytes) => {
                    write_client_frame(&mut frames, Opcode::Binary, bytes, MASK);
                }
            }
        }
        self.stream.write_all(&frames).is_ok()
    }

    fn receive(&mut self, deadline: Instant) -> Received {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                return frame;
            }
            match self.fill(deadline) {
                Ok(true) => self.take_frames(),
                Ok(false) => return Received::Nothing,
                Err(_) => return Received::Closed(None),
            }
        }
    }

    fn tear(&mut self) {
        super::tear(self.stream.socket());
    }
}
