use super::msgpack_error::MsgpackError;

/// Extension type 0 of the JavaScript library: undefined, dates and array buffers.
const EXTENSION_JAVASCRIPT: u8 = 0;
/// Extension type -1 of the msgpack specification.
const EXTENSION_TIMESTAMP: u8 = 0xff;

/// One msgpack value, or the head of an array or map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Token<'a> {
    /// Also JavaScript's `undefined`.
    Nil,
    Bool(bool),
    Unsigned(u64),
    /// Below 0.
    Negative(i64),
    Float(f64),
    /// Not checked to be UTF-8.
    Str(&'a [u8]),
    Bin(&'a [u8]),
    /// Milliseconds since 1970; `None` when that overflows.
    Date(Option<i64>),
    /// So many values follow.
    Array(u32),
    /// So many keys and values follow.
    Map(u32),
}

impl Token<'_> {
    /// How many bytes of text or binary it holds.
    pub(super) fn bytes(self) -> usize {
        match self {
            Token::Str(bytes) | Token::Bin(bytes) => bytes.len(),
            _ => 0,
        }
    }
}

/// A place in msgpack bytes.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    pub(super) fn token(&mut self) -> Result<Token<'a>, MsgpackError> {
        let at = self.at;
        let [first] = self.array()?;
        Ok(match first {
            0x00..=0x7f => Token::Unsigned(u64::from(first)),
            0x80..=0x8f => Token::Map(u32::from(first & 0x0f)),
            0x90..=0x9f => Token::Array(u32::from(first & 0x0f)),
            0xa0..=0xbf => Token::Str(self.take(u32::from(first & 0x1f))?),
            0xc0 => Token::Nil,
            0xc1 => return Err(MsgpackError::UnknownType { at }),
            0xc2 => Token::Bool(false),
            0xc3 => Token::Bool(true),
            0xc4 => self.length_8().and_then(|length| self.take(length)).map(Token::Bin)?,
            0xc5 => self.length_16().and_then(|length| self.take(length)).map(Token::Bin)?,
            0xc6 => self.length_32().and_then(|length| self.take(length)).map(Token::Bin)?,
            0xc7 => self.length_8().and_then(|length| self.extension(at, length))?,
            0xc8 => self.length_16().and_then(|length| self.extension(at, length))?,
            0xc9 => self.length_32().and_then(|length| self.extension(at, length))?,
            0xca => Token::Float(f64::from(f32::from_be_bytes(self.array()?))),
            0xcb => Token::Float(f64::from_be_bytes(self.array()?)),
            0xcc => Token::Unsigned(u64::from(u8::from_be_bytes(self.array()?))),
            0xcd => Token::Unsigned(u64::from(u16::from_be_bytes(self.array()?))),
            0xce => Token::Unsigned(u64::from(u32::from_be_bytes(self.array()?))),
            0xcf => Token::Unsigned(u64::from_be_bytes(self.array()?)),
            0xd0 => signed(i64::from(i8::from_be_bytes(self.array()?))),
            0xd1 => signed(i64::from(i16::from_be_bytes(self.array()?))),
            0xd2 => signed(i64::from(i32::from_be_bytes(self.array()?))),
            0xd3 => signed(i64::from_be_bytes(self.array()?)),
            0xd4..=0xd8 => self.fixed_extension(at, 1 << (first - 0xd4))?,
            0xd9 => self.length_8().and_then(|length| self.take(length)).map(Token::Str)?,
            0xda => self.length_16().and_then(|length| self.take(length)).map(Token::Str)?,
            0xdb => self.length_32().and_then(|length| self.take(length)).map(Token::Str)?,
            0xdc => Token::Array(self.length_16()?),
            0xdd => Token::Array(self.length_32()?),
            0xde => Token::Map(self.length_16()?),
            0xdf => Token::Map(self.length_32()?),
            0xe0..=0xff => signed(i64::from(i8::from_be_bytes([first]))),
        })
    }

    /// The JavaScript library writes `undefined` and dates in these forms only; an array buffer of
    /// the same length comes with its length in a byte of its own.
    fn fixed_extension(&mut self, at: usize, length: u32) -> Result<Token<'a>, MsgpackError> {
        let token = self.extension(at, length)?;
        Ok(match token {
            Token::Bin([0]) => Token::Nil,
            Token::Bin(bytes) => match bytes.try_into() {
                Ok(ms) => Token::Date(Some(i64::from_be_bytes(ms))),
                Err(_) => token,
            },
            _ => token,
        })
    }

    fn extension(&mut self, at: usize, length: u32) -> Result<Token<'a>, MsgpackError> {
        let [kind] = self.array()?;
        let data = self.take(length)?;
        match kind {
            EXTENSION_JAVASCRIPT => Ok(Token::Bin(data)),
            EXTENSION_TIMESTAMP => {
                timestamp(data).map(Token::Date).ok_or(MsgpackError::UnknownType { at })
            }
            _ => Err(MsgpackError::UnknownType { at }),
        }
    }

    fn length_8(&mut self) -> Result<u32, MsgpackError> {
        self.array().map(|bytes| u32::from(u8::from_be_bytes(bytes)))
    }

    fn length_16(&mut self) -> Result<u32, MsgpackError> {
        self.array().map(|bytes| u32::from(u16::from_be_bytes(bytes)))
    }

    fn length_32(&mut self) -> Result<u32, MsgpackError> {
        self.array().map(u32::from_be_bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], MsgpackError> {
        let bytes = self.bytes[self.at..].first_chunk().ok_or(MsgpackError::Truncated)?;
        self.at += N;
        Ok(*bytes)
    }

    fn take(&mut self, length: u32) -> Result<&'a [u8], MsgpackError> {
        let length = usize::try_from(length).map_err(|_| MsgpackError::TooLong)?;
        let bytes = self.bytes[self.at..].get(..length).ok_or(MsgpackError::Truncated)?;
        self.at += length;
        Ok(bytes)
    }
}

fn signed(number: i64) -> Token<'static> {
    u64::try_from(number).map_or(Token::Negative(number), Token::Unsigned)
}

/// The standard's timestamp as milliseconds; the outer `None` is a length it does not have.
fn timestamp(data: &[u8]) -> Option<Option<i64>> {
    let (seconds, nanoseconds) = match *data {
        [a, b, c, d] => (i64::from(u32::from_be_bytes([a, b, c, d])), 0),
        [a, b, c, d, e, f, g, h] => {
            let both = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
            (i64::try_from(both & 0x3_ffff_ffff).ok()?, i64::try_from(both >> 34).ok()?)
        }
        [a, b, c, d, ref seconds @ ..] => {
            let seconds = i64::from_be_bytes(*seconds.as_array()?);
            (seconds, i64::from(u32::from_be_bytes([a, b, c, d])))
        }
        _ => return None,
    };
    Some(seconds.checked_mul(1000).and_then(|ms| ms.checked_add(nanoseconds / 1_000_000)))
}
