//! Socket.IO 5 packets as text, without the Engine.IO `4` in front.

mod arguments;
mod decoder;
mod event_name;
mod packet;
mod packet_error;
mod placeholder;
mod reassembly;

pub use arguments::{ARGUMENTS_MAX, Arguments, split_arguments};
pub use decoder::decode;
pub(crate) use decoder::without_query;
pub use event_name::event_name;
pub use packet::{ATTACHMENTS_MAX, Packet, PacketType, write_packet};
pub use packet_error::PacketError;
pub(crate) use placeholder::{check_placeholders, placeholder};
pub use reassembly::Reassembly;

/// Appends `text` as a JSON string literal, with escapes where JSON asks for them.
pub fn write_json_string(out: &mut Vec<u8>, text: &str) {
    crate::json::write_string(out, text.as_bytes());
}
