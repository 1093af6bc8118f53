use super::arguments::ARGUMENTS_MAX;
use super::packet::ATTACHMENTS_MAX;
use crate::json::{JsonError, READ_DEPTH_MAX};

/// Why text is no Socket.IO packet. The reference server closes the connection of its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// The first character is no packet type.
    #[error("an unknown packet type")]
    UnknownType,
    /// A binary packet announces at least one attachment: digits and a `-`.
    #[error("a binary packet without a count of attachments")]
    InvalidAttachments,
    /// More than [`ATTACHMENTS_MAX`].
    #[error("more than {ATTACHMENTS_MAX} attachments")]
    TooManyAttachments,
    /// A placeholder in the data points to no attachment.
    #[error("a placeholder points to no attachment")]
    UnknownAttachment,
    /// The id is no 64-bit number, is missing where one is needed, or stands where none may.
    #[error("an id that is out of range or out of place")]
    InvalidId,
    /// Data is missing, or not of the packet type's JSON kind.
    #[error("data that its packet type does not have")]
    InvalidData,
    /// The data is not JSON.
    #[error("data that is not JSON, at byte {at}")]
    InvalidJson {
        /// Where in the data.
        at: usize,
    },
    /// The data nests deeper than 128 levels.
    #[error("data nested deeper than {READ_DEPTH_MAX} levels")]
    TooDeep,
    /// More than [`ARGUMENTS_MAX`].
    #[error("more than {ARGUMENTS_MAX} arguments")]
    TooManyArguments,
    /// An event's name is neither a string nor a number.
    #[error("an event without a name")]
    InvalidEventName,
    /// The libraries keep this name for themselves.
    #[error("a reserved event name")]
    ReservedEventName,
}

impl From<JsonError> for PacketError {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::Syntax { at } => Self::InvalidJson { at },
            JsonError::TooDeep => Self::TooDeep,
        }
    }
}
