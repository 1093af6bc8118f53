/// One Engine.IO packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// The server's handshake, as JSON text.
    Open(&'a str),
    /// The session ends.
    Close,
    /// The server's heartbeat; a client's probe before an upgrade carries `probe`.
    Ping(&'a str),
    /// Answers a ping, with the same data.
    Pong(&'a str),
    /// A message of text.
    Text(&'a str),
    /// A message of bytes.
    Binary(&'a [u8]),
    /// The client moves over to this transport.
    Upgrade,
    /// Nothing; it ends a waiting poll.
    Noop,
}

/// Why text is no Engine.IO packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// Not even a type.
    #[error("an empty packet")]
    Empty,
    /// The first character is no packet type (`b` is one in polling bodies only).
    #[error("an unknown packet type")]
    UnknownType,
    /// A close, upgrade or noop packet stands alone.
    #[error("data behind a packet that has none")]
    UnexpectedData,
    /// A binary packet's text is not base64.
    #[error("a binary packet is not base64")]
    InvalidBase64,
}

/// Reads one WebSocket text message. A WebSocket binary message is always a [`Packet::Binary`].
///
/// # Errors
/// See [`PacketError`].
pub fn decode_text(text: &str) -> Result<Packet<'_>, PacketError> {
    let kind = *text.as_bytes().first().ok_or(PacketError::Empty)?;
    let data = text.get(1..).ok_or(PacketError::UnknownType)?;
    let alone =
        |packet| if data.is_empty() { Ok(packet) } else { Err(PacketError::UnexpectedData) };
    match kind {
        b'0' => Ok(Packet::Open(data)),
        b'1' => alone(Packet::Close),
        b'2' => Ok(Packet::Ping(data)),
        b'3' => Ok(Packet::Pong(data)),
        b'4' => Ok(Packet::Text(data)),
        b'5' => alone(Packet::Upgrade),
        b'6' => alone(Packet::Noop),
        _ => Err(PacketError::UnknownType),
    }
}
