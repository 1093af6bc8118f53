use std::ops::Deref;

use smallvec::SmallVec;

use super::packet_error::PacketError;
use crate::json::Reader;

/// Arguments of one event or acknowledgement, the event's name included.
pub const ARGUMENTS_MAX: usize = 1024;

/// The elements of a packet's JSON array: raw JSON texts, without white space around them. Up to
/// four take no heap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arguments<'a> {
    raw: SmallVec<[&'a str; 4]>,
}

impl<'a> Deref for Arguments<'a> {
    type Target = [&'a str];

    fn deref(&self) -> &Self::Target {
        &self.raw
    }
}

/// Splits the JSON array of an EVENT or ACK without building a tree, and checks all of it.
///
/// Half a surrogate pair in an escape is let through, as JavaScript does.
///
/// # Errors
/// [`PacketError::InvalidJson`], [`PacketError::TooDeep`], [`PacketError::TooManyArguments`].
pub fn split_arguments(data: &str) -> Result<Arguments<'_>, PacketError> {
    let mut reader = Reader::new(data);
    let mut raw = SmallVec::new();
    reader.take(b'[')?;
    if !reader.take_if(b']') {
        loop {
            if raw.len() == ARGUMENTS_MAX {
                return Err(PacketError::TooManyArguments);
            }
            raw.push(reader.value(1)?);
            if !reader.take_if(b',') {
                break;
            }
        }
        reader.take(b']')?;
    }
    reader.end()?;
    Ok(Arguments { raw })
}
