//! One request of Engine.IO's, and what may be wrong with it.

use std::collections::VecDeque;

use foodtrack_session::RequestId;
use foodtrack_wire::engine_io::{self, Packet};
use foodtrack_wire::rfc6455;

use crate::client::{OwnedPacket, Packets};
use crate::http::{self, Head, is_token};
use crate::http_response::{write_header, write_status};

/// The refusals of Engine.IO: code, status, message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EngineError {
    UnknownTransport,
    UnknownSid,
    BadHandshakeMethod,
    BadRequest,
    /// A WebSocket handshake in another version than RFC 6455's, which the answer names.
    WebSocketVersion,
    Forbidden,
    UnsupportedVersion,
}

impl EngineError {
    pub(crate) fn parts(self) -> (u8, u16, &'static str) {
        match self {
            Self::UnknownTransport => (0, 400, "Transport unknown"),
            Self::UnknownSid => (1, 400, "Session ID unknown"),
            Self::BadHandshakeMethod => (2, 400, "Bad handshake method"),
            Self::BadRequest | Self::WebSocketVersion => (3, 400, "Bad request"),
            Self::Forbidden => (4, 403, "Forbidden"),
            Self::UnsupportedVersion => (5, 400, "Unsupported protocol version"),
        }
    }
}

/// An Engine.IO request with its body; `whole` is everything from its first byte on, `used` its own length.
pub(crate) struct EngineRequest<'a> {
    pub(crate) head: &'a Head<'a>,
    pub(crate) body: &'a [u8],
    pub(crate) whole: &'a [u8],
    pub(crate) used: usize,
}

/// What a WebSocket handshake is accepted with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Accept<'a> {
    key: String,
    /// The subprotocol. What is spoken is the same whichever it is; browsers that offer some end without an answer.
    protocol: Option<&'a str>,
}

impl Accept<'_> {
    /// Appends the answer that the socket speaks WebSocket from now on.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        write_status(out, 101);
        write_header(out, "upgrade", b"websocket");
        write_header(out, "connection", b"Upgrade");
        write_header(out, "sec-websocket-accept", self.key.as_bytes());
        if let Some(protocol) = self.protocol {
            write_header(out, "sec-websocket-protocol", protocol.as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    }
}

impl<'a> EngineRequest<'a> {
    /// What the client calls the request.
    pub(crate) fn id(&self) -> Option<RequestId> {
        http::query_value(self.head.query(), "t").and_then(RequestId::parse)
    }

    pub(crate) fn is_upgrade(&self) -> bool {
        self.head.header_has("upgrade", "websocket")
    }

    /// What the WebSocket handshake is accepted with.
    pub(crate) fn accept(&self) -> Result<Accept<'a>, EngineError> {
        let head = self.head;
        if head.header("sec-websocket-version") != Some("13") {
            return Err(EngineError::WebSocketVersion);
        }
        let key = head
            .header("sec-websocket-key")
            .filter(|key| rfc6455::is_valid_key(key))
            .filter(|_| head.method == "GET" && head.header_has("connection", "upgrade"))
            .ok_or(EngineError::BadRequest)?;
        Ok(Accept { key: rfc6455::accept_key(key), protocol: self.first_protocol()? })
    }

    /// The first subprotocol that the client offers, as the servers of the library on Node choose.
    fn first_protocol(&self) -> Result<Option<&'a str>, EngineError> {
        let mut first = None;
        for offer in
            self.head.values("sec-websocket-protocol").flat_map(|it| it.split(|b| *b == b','))
        {
            let offer = offer.trim_ascii();
            let name = std::str::from_utf8(offer).ok().filter(|_| is_token(offer));
            first = first.or(Some(name.ok_or(EngineError::BadRequest)?));
        }
        Ok(first)
    }
}

pub(crate) fn read_packets(body: &str, packets_max: usize) -> Option<Packets> {
    // Each is some bytes more in memory than in the body.
    if memchr::memchr_iter(engine_io::SEPARATOR, body.as_bytes()).count() >= packets_max {
        return None;
    }
    let mut packets = VecDeque::new();
    let read = engine_io::decode_payload(body, |packet| {
        packets.push_back(match packet {
            Packet::Text(text) => OwnedPacket::Text(text.to_owned()),
            Packet::Binary(bytes) => OwnedPacket::Binary(bytes.to_vec()),
            Packet::Pong(_) => OwnedPacket::Pong,
            Packet::Close => OwnedPacket::Close,
            _ => OwnedPacket::Other,
        });
    });
    read.ok().map(|()| packets)
}
