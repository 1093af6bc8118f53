use crate::json::{DEPTH_MAX, JsonError};
use crate::socket_io::{ATTACHMENTS_MAX, PacketError};

/// Why bytes are no packet, or a packet cannot be written as msgpack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MsgpackError {
    /// The message ends inside a value.
    #[error("msgpack that ends inside a value")]
    Truncated,
    /// Something follows the packet.
    #[error("bytes behind the packet")]
    TrailingBytes,
    /// A byte or an extension type that no client writes.
    #[error("an unknown msgpack type at byte {at}")]
    UnknownType {
        /// Where in the message.
        at: usize,
    },
    /// A string is not UTF-8.
    #[error("a string that is not UTF-8")]
    InvalidUtf8,
    /// A map's key is neither a string nor an integer.
    #[error("a map key that is neither string nor integer")]
    InvalidKey,
    /// The data to write nests deeper than 64 levels.
    #[error("data nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// The packet is longer than it may be once it is JSON.
    #[error("data of more than {bytes_max} bytes as JSON, its binary values included")]
    TooLarge {
        /// The limit.
        bytes_max: usize,
    },
    /// More binary values than [`ATTACHMENTS_MAX`], so that no JSON client could read it.
    #[error("more than {ATTACHMENTS_MAX} binary values")]
    TooManyAttachments,
    /// Not a map with the `type`, `nsp`, `id` and `data` that this type of packet has.
    #[error("not a Socket.IO packet")]
    InvalidPacket,
    /// A placeholder in the data points to no attachment.
    #[error("a placeholder points to no attachment")]
    UnknownAttachment,
    /// The data to write is not JSON.
    #[error("data that is not JSON, at byte {at}")]
    InvalidJson {
        /// Where in the data.
        at: usize,
    },
    /// A string, array, map or attachment of 4 GiB or more.
    #[error("a value too long for msgpack")]
    TooLong,
}

impl From<JsonError> for MsgpackError {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::Syntax { at } => Self::InvalidJson { at },
            JsonError::TooDeep => Self::TooDeep,
        }
    }
}

/// Of what looking for placeholders can find.
impl From<PacketError> for MsgpackError {
    fn from(error: PacketError) -> Self {
        match error {
            PacketError::InvalidJson { at } => Self::InvalidJson { at },
            PacketError::TooDeep => Self::TooDeep,
            _ => Self::UnknownAttachment,
        }
    }
}
