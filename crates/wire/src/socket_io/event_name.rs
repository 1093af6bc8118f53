use std::borrow::Cow;

use super::packet_error::PacketError;
use crate::json::{Reader, unescape};

/// Events that the libraries raise themselves, so that a peer may not.
const RESERVED: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// The event's name out of its first argument, raw JSON: a string without its escapes, or a number
/// as it is written.
///
/// # Errors
/// [`PacketError::InvalidEventName`], [`PacketError::ReservedEventName`], and
/// [`PacketError::InvalidJson`] for text that [`split_arguments`](super::split_arguments) did not
/// check.
pub fn event_name(raw: &str) -> Result<Cow<'_, str>, PacketError> {
    let mut reader = Reader::new(raw);
    let name = match reader.peek() {
        Some(b'"') => unescape(reader.scalar()?),
        Some(b'-' | b'0'..=b'9') => Cow::Borrowed(reader.scalar()?),
        _ => return Err(PacketError::InvalidEventName),
    };
    reader.end()?;
    if RESERVED.contains(&name.as_ref()) {
        return Err(PacketError::ReservedEventName);
    }
    Ok(name)
}
