use std::io::Write as _;

use super::date::iso_8601;
use super::msgpack_error::MsgpackError;
use super::reader::{Reader, Token};
use crate::json::{READ_DEPTH_MAX, string_bytes, write_string};
use crate::socket_io::ATTACHMENTS_MAX;

/// JSON text under construction, and the binary values taken out of it.
///
/// Nothing is reserved for what a head announces: every value costs a byte of input at least. Its JSON text may be
/// several times as long, so the text has a bound of its own, and nothing is converted beyond it.
pub(super) struct ToJson {
    /// UTF-8 if the strings were; the caller checks all of them at once.
    pub(super) json: Vec<u8>,
    pub(super) attachments: Vec<Vec<u8>>,
    attachment_bytes: usize,
    bytes_max: usize,
}

impl ToJson {
    /// For at most `bytes_max` bytes of JSON text and binary values together.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { json: Vec::new(), attachments: Vec::new(), attachment_bytes: 0, bytes_max }
    }

    /// Converts the value that `token` begins, inside `depth` open containers. What nests deeper than
    /// [`READ_DEPTH_MAX`] becomes null: it is still deeper than any event's payload may be, so that the event is
    /// refused, and its sender told instead of closed.
    pub(super) fn value(
        &mut self,
        reader: &mut Reader<'_>,
        token: Token<'_>,
        depth: u32,
    ) -> Result<(), MsgpackError> {
        self.check_room(token.bytes())?;
        match token {
            Token::Array(_) | Token::Map(_) | Token::Bin(_) if depth >= READ_DEPTH_MAX => {
                skip(reader, token)?;
                self.push(b"null");
            }
            Token::Nil => self.push(b"null"),
            Token::Bool(true) => self.push(b"true"),
            Token::Bool(false) => self.push(b"false"),
            Token::Unsigned(number) => self.push(itoa::Buffer::new().format(number).as_bytes()),
            Token::Negative(number) => self.push(itoa::Buffer::new().format(number).as_bytes()),
            Token::Float(number) => self.float(number),
            Token::Str(text) => self.string(text)?,
            Token::Bin(bytes) => self.placeholder(bytes)?,
            Token::Date(ms) => match ms.and_then(iso_8601) {
                Some(text) => write_string(&mut self.json, text.as_bytes()),
                None => self.push(b"null"),
            },
            Token::Array(length) => self.array(reader, length, depth)?,
            Token::Map(length) => self.map(reader, length, depth)?,
        }
        Ok(())
    }

    /// Whether `bytes` more may come.
    ///
    /// # Errors
    /// [`MsgpackError::TooLarge`]
    pub(super) fn check_room(&self, bytes: usize) -> Result<(), MsgpackError> {
        if self.json.len() + self.attachment_bytes + bytes > self.bytes_max {
            return Err(MsgpackError::TooLarge { bytes_max: self.bytes_max });
        }
        Ok(())
    }

    /// A string's escapes take up to six bytes for one, so they are counted first.
    fn string(&mut self, text: &[u8]) -> Result<(), MsgpackError> {
        self.check_room(string_bytes(text))?;
        write_string(&mut self.json, text);
        Ok(())
    }

    fn array(
        &mut self,
        reader: &mut Reader<'_>,
        length: u32,
        depth: u32,
    ) -> Result<(), MsgpackError> {
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
        self.push(b"{");
        for index in 0..length {
            if index > 0 {
                self.push(b",");
            }
            match reader.token()? {
                Token::Str(key) => self.string(key)?,
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

    fn placeholder(&mut self, bytes: &[u8]) -> Result<(), MsgpackError> {
        if self.attachments.len() >= usize::from(ATTACHMENTS_MAX) {
            return Err(MsgpackError::TooManyAttachments);
        }
        self.push(br#"{"_placeholder":true,"num":"#);
        self.push(itoa::Buffer::new().format(self.attachments.len()).as_bytes());
        self.push(b"}");
        self.attachment_bytes += bytes.len();
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

/// Reads past the value that `token` begins, however deep it nests.
pub(super) fn skip(reader: &mut Reader<'_>, token: Token<'_>) -> Result<(), MsgpackError> {
    let mut values = inside(token);
    while values > 0 {
        // Each takes a byte of input at least, so what is announced and not there ends this soon.
        values = values - 1 + inside(reader.token()?);
    }
    Ok(())
}

/// How many values follow a head.
fn inside(token: Token<'_>) -> u64 {
    match token {
        Token::Array(length) => u64::from(length),
        Token::Map(length) => u64::from(length) * 2,
        _ => 0,
    }
}
