//! Socket.IO packets as `socket.io-msgpack-parser` writes them: one binary message each.
//!
//! They are read into, and written from, the JSON form of [`socket_io`](crate::socket_io), so that
//! the rest of the server knows one form only.

mod date;
mod msgpack_error;
mod msgpack_packet;
mod reader;
mod to_json;
mod writer;

pub use msgpack_error::MsgpackError;
pub use msgpack_packet::{MsgpackPacket, decode};
pub use writer::write_packet;
