use std::io::Write as _;

use super::date::iso_8601;
use super::msgpack_error::MsgpackError;
use super::reader::{Reader, Token};
use crate::json::{DEPTH_MAX, write_string};
use crate::socket_io::ATTACHMENTS_MAX;

/// JSON text under construction, and the binary values taken out of it.
///
/// Nothing is reserved for what a head announces: every value costs a byte of input at least, and
/// its JSON text at most a few bytes more than that.
#[derive(Default)]
pub(super) struct ToJson {
    /// UTF-8 if the strings were; the caller checks all of them at once.
    pub(super) json: Vec<u8>,
    pub(super) attachments: Vec<Vec<u8>>,
}

impl ToJson {
    /// Converts the value that `token` begins, inside `depth` open containers.
    pub(super) fn value(
        &mut self,
        reader: &mut Reader<'_>,
        token: Token<'_>,
        depth: u32,
    ) -> Result<(), MsgpackError> {
        match token {
            Token::Nil => self.push(b"null"),
            Token::Bool(true) => self.push(b"true"),
            Token::Bool(false) => self.push(b"false"),
            Token::Unsigned(number) => self.push(itoa::Buffer::new().format(number).as_bytes()),
            Token::Negative(number) => self.push(itoa::Buffer::new().format(number).as_bytes()),
            Token::Float(number) => self.float(number),
            Token::Str(text) => write_string(&mut self.json, text),
            Token::Bin(bytes) => self.placeholder(bytes, depth)?,
            Token::Date(ms) => match ms.and_then(iso_8601) {
                Some(text) => write_string(&mut self.json, text.as_bytes()),
                None => self.push(b"null"),
            },
            Token::Array(length) => self.array(reader, length, depth)?,
            Token::Map(length) => self.map(reader, length, depth)?,
        }
        Ok(())
    }

    fn array(
        &mut self,
        reader: &mut Reader<'_>,
        length: u32,
        depth: u32,
    ) -> Result<(), MsgpackError> {
        check_depth(depth)?;
        self.push(b"[");
        for index in 0..length {
            if index > 0 {
                self.push(b",");
            }
            let token = reader.token()?;
            self.value(reader, token, depth + 1)?;
        }
        self.push(b"]");
        Ok(())
    }

    fn map(
        &mut self,
        reader: &mut Reader<'_>,
        length: u32,
        depth: u32,
    ) -> Result<(), MsgpackError> {
        check_depth(depth)?;
        self.push(b"{");
        for index in 0..length {
            if index > 0 {
                self.push(b",");
            }
            match reader.token()? {
                Token::Str(key) => write_string(&mut self.json, key),
                Token::Unsigned(key) => {
                    write_string(&mut self.json, itoa::Buffer::new().format(key).as_bytes());
                }
                Token::Negative(key) => {
                    write_string(&mut self.json, itoa::Buffer::new().format(key).as_bytes());
                }
                _ => return Err(MsgpackError::InvalidKey),
            }
            self.push(b":");
            let token = reader.token()?;
            self.value(reader, token, depth + 1)?;
        }
        self.push(b"}");
        Ok(())
    }

    fn placeholder(&mut self, bytes: &[u8], depth: u32) -> Result<(), MsgpackError> {
        check_depth(depth)?;
        if self.attachments.len() >= usize::from(ATTACHMENTS_MAX) {
            return Err(MsgpackError::TooManyAttachments);
        }
        self.push(br#"{"_placeholder":true,"num":"#);
        self.push(itoa::Buffer::new().format(self.attachments.len()).as_bytes());
        self.push(b"}");
        self.attachments.push(bytes.to_vec());
        Ok(())
    }

    fn float(&mut self, number: f64) {
        if number.is_finite() {
            // `Debug` writes the shortest digits that read back the same, with an exponent where
            // `Display` would write hundreds of zeros. Writing into a `Vec` cannot fail.
            let _ = write!(self.json, "{number:?}");
        } else {
            self.push(b"null");
        }
    }

    fn push(&mut self, text: &[u8]) {
        self.json.extend_from_slice(text);
    }
}

/// Reads past the value that `token` begins.
pub(super) fn skip(
    reader: &mut Reader<'_>,
    token: Token<'_>,
    depth: u32,
) -> Result<(), MsgpackError> {
    let values = match token {
        Token::Array(length) => u64::from(length),
        Token::Map(length) => u64::from(length) * 2,
        _ => return Ok(()),
    };
    check_depth(depth)?;
    for _ in 0..values {
        let token = reader.token()?;
        skip(reader, token, depth + 1)?;
    }
    Ok(())
}

fn check_depth(depth: u32) -> Result<(), MsgpackError> {
    if depth < DEPTH_MAX { Ok(()) } else { Err(MsgpackError::TooDeep) }
}
