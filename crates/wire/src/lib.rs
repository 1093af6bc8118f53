//! Bytes to packets and back, without I/O: no clock, no sockets, nothing of ours underneath.
//!
//! - [`rfc6455`]: WebSocket frames and messages, the server's side.
//! - [`engine_io`]: Engine.IO 4 packets, in WebSocket messages and in polling bodies.
//! - [`socket_io`]: Socket.IO 5 packets as text, their arguments as raw JSON, their attachments.
//! - [`msgpack`]: the same packets as `socket.io-msgpack-parser` writes them.
//! - [`plain_json`]: one JSON object a WebSocket message, for clients without a Socket.IO library.
//! - [`event_stream`]: server-sent events.
//! - [`NamespaceId`]: which of a server's namespaces a packet is of.
//! - [`FrameMeta`]: what travels with an encoded packet to a client's queue.
//!
//! Decoders borrow from their input. Incomplete input is an answer, not an error; malformed input
//! is an error and never a panic, and no decoder allocates more than a small multiple of what it
//! was given.

pub mod engine_io;
pub mod event_stream;
mod frame_meta;
mod json;
pub mod msgpack;
mod namespace_id;
pub mod plain_json;
pub mod rfc6455;
mod sid;
pub mod socket_io;

pub use frame_meta::{FrameMeta, LogPlace, Urgency};
pub use json::{DEPTH_MAX, READ_DEPTH_MAX};
pub use namespace_id::NamespaceId;
pub use sid::Sid;
