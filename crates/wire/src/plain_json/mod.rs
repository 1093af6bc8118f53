//! One JSON object a message, for clients without a Socket.IO library: `docs/reference/ws.md` has the fields.

mod client_message;
mod writer;

pub use client_message::{ClientMessage, ID_MAX, PlainJsonError, decode};
pub(crate) use writer::write_attachments;
pub use writer::write_packet;

/// The hub's ping.
pub const PING: &str = r#"{"type":"ping"}"#;
/// The answer to a client's ping.
pub const PONG: &str = r#"{"type":"pong"}"#;
