//! WebSocket frames and messages (RFC 6455): a server's side, and client frames for tests.

mod frame_header;
mod handshake;
mod mask;
mod message;
mod message_decoder;
mod opcode;
mod protocol_error;
mod writer;

pub use handshake::{accept_key, is_valid_key};
pub use message::{CloseFrame, Message};
pub use message_decoder::{Decoded, Limits, MessageDecoder};
pub use opcode::Opcode;
pub use protocol_error::ProtocolError;
pub use writer::{HEADER_BYTES_MAX, write_client_frame, write_close, write_frame, write_header};
