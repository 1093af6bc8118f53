//! `{"_placeholder":true,"num":n}`: where an attachment belongs in a binary packet's data.

use super::packet_error::PacketError;
use crate::json::{READ_DEPTH_MAX, Reader, unescape};

/// Checks that `data` is JSON and that each placeholder in it points to one of `attachments`.
///
/// What nests deeper than [`READ_DEPTH_MAX`] is not looked at: [`split_arguments`](super::split_arguments) refuses it, and
/// its sender can then be told instead of closed.
pub(crate) fn check_placeholders(data: &str, attachments: usize) -> Result<(), PacketError> {
    let mut reader = Reader::new(data);
    match check_value(&mut reader, 0, attachments) {
        Err(PacketError::TooDeep) => Ok(()),
        Err(error) => Err(error),
        Ok(()) => Ok(reader.end()?),
    }
}

fn check_value(reader: &mut Reader<'_>, depth: u32, attachments: usize) -> Result<(), PacketError> {
    match reader.peek() {
        Some(b'[') => {
            reader.open(depth, READ_DEPTH_MAX)?;
            if reader.take_if(b']') {
                return Ok(());
            }
            loop {
                check_value(reader, depth + 1, attachments)?;
                if !reader.take_if(b',') {
                    return Ok(reader.take(b']')?);
                }
            }
        }
        Some(b'{') => {
            reader.open(depth, READ_DEPTH_MAX)?;
            if reader.take_if(b'}') {
                return Ok(());
            }
            let mut members = Members::default();
            loop {
                let key = unescape(reader.key()?);
                match reader.peek() {
                    Some(b'[' | b'{') => {
                        members.note(&key, "");
                        check_value(reader, depth + 1, attachments)?;
                    }
                    _ => members.note(&key, reader.scalar()?),
                }
                if !reader.take_if(b',') {
                    reader.take(b'}')?;
                    members.attachment(attachments)?;
                    return Ok(());
                }
            }
        }
        _ => {
            reader.scalar()?;
            Ok(())
        }
    }
}

/// The attachment that the checked JSON object `object` stands for, if it is a placeholder.
pub(crate) fn placeholder(object: &str, attachments: usize) -> Result<Option<usize>, PacketError> {
    let mut reader = Reader::new(object);
    let mut members = Members::default();
    reader.take(b'{')?;
    if reader.take_if(b'}') {
        return Ok(None);
    }
    loop {
        let key = unescape(reader.key()?);
        members.note(&key, reader.value(0)?);
        if !reader.take_if(b',') {
            return members.attachment(attachments);
        }
    }
}

/// What of an object makes it a placeholder. As in JavaScript, the last of equal keys counts.
#[derive(Default)]
struct Members<'a> {
    is_placeholder: bool,
    number: &'a str,
}

impl<'a> Members<'a> {
    fn note(&mut self, key: &str, value: &'a str) {
        match key {
            "_placeholder" => self.is_placeholder = value == "true",
            "num" => self.number = value,
            _ => {}
        }
    }

    fn attachment(&self, attachments: usize) -> Result<Option<usize>, PacketError> {
        if !self.is_placeholder {
            return Ok(None);
        }
        match self.number.parse() {
            Ok(number) if number < attachments => Ok(Some(number)),
            _ => Err(PacketError::UnknownAttachment),
        }
    }
}
