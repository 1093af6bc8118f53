//! Engine.IO 4 packets: one per WebSocket message, or several in the body of a polling request.

mod handshake;
mod packet;
mod payload;

pub use handshake::{Handshake, write_open};
pub use packet::{Packet, PacketError, decode_text};
pub use payload::{SEPARATOR, append_to_payload, decode_payload};
