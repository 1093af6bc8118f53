//! A strict JSON reader (RFC 8259) that builds no tree: it checks, and hands out raw slices.

use std::borrow::Cow;

/// How deep arrays and objects may nest in a packet's data that is written as msgpack, the outermost one included.
pub const DEPTH_MAX: u32 = 64;
/// The same for what is read: more, so that whoever reads an event's payload can say what of it is too deep.
pub const READ_DEPTH_MAX: u32 = 128;

const HEX: &[u8; 16] = b"0123456789abcdef";

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JsonError {
    #[error("not JSON at byte {at}")]
    Syntax { at: usize },
    #[error("JSON nested too deep")]
    TooDeep,
}

/// A place in JSON text. Every method leaves it behind what it took.
#[derive(Clone)]
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next byte that is not white space.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    pub(crate) fn take(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.take_if(byte) { Ok(()) } else { Err(self.syntax()) }
    }

    pub(crate) fn take_if(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Nothing but white space is left.
    pub(crate) fn end(&mut self) -> Result<(), JsonError> {
        if self.peek().is_none() { Ok(()) } else { Err(self.syntax()) }
    }

    /// Takes the bracket or brace under [`peek`](Self::peek), inside `depth` open containers of at most `depth_max`.
    pub(crate) fn open(&mut self, depth: u32, depth_max: u32) -> Result<(), JsonError> {
        self.at += 1;
        if depth < depth_max { Ok(()) } else { Err(JsonError::TooDeep) }
    }

    /// A member's name and its colon; the name is the raw literal, quotes included.
    pub(crate) fn key(&mut self) -> Result<&'a str, JsonError> {
        if self.peek() != Some(b'"') {
            return Err(self.syntax());
        }
        let key = self.string()?;
        self.take(b':')?;
        Ok(key)
    }

    /// Checks one value of any kind, inside `depth` open containers, and returns its raw text.
    pub(crate) fn value(&mut self, depth: u32) -> Result<&'a str, JsonError> {
        // One bit per open container: 1 for an object. READ_DEPTH_MAX of them fit.
        let mut objects: u128 = 0;
        let mut open: u32 = 0;
        self.peek();
        let start = self.at;
        loop {
            match self.peek().ok_or_else(|| self.syntax())? {
                bracket @ (b'{' | b'[') => {
                    self.at += 1;
                    open += 1;
                    if depth + open > READ_DEPTH_MAX {
                        return Err(JsonError::TooDeep);
                    }
                    let is_object = bracket == b'{';
                    objects = objects << 1 | u128::from(is_object);
                    let closing = if is_object { b'}' } else { b']' };
                    if self.peek() != Some(closing) {
                        if is_object {
                            self.key()?;
                        }
                        continue;
                    }
                }
                _ => {
                    self.scalar()?;
                }
            }
            loop {
                if open == 0 {
                    return Ok(&self.text[start..self.at]);
                }
                let is_object = objects & 1 == 1;
                match self.peek() {
                    Some(b',') => {
                        self.at += 1;
                        if is_object {
                            self.key()?;
                        }
                        break;
                    }
                    Some(b'}') if is_object => {}
                    Some(b']') if !is_object => {}
                    _ => return Err(self.syntax()),
                }
                self.at += 1;
                objects >>= 1;
                open -= 1;
            }
        }
    }

    /// Checks a string, number, `true`, `false` or `null`, and returns its raw text.
    pub(crate) fn scalar(&mut self) -> Result<&'a str, JsonError> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal("true"),
            Some(b'f') => self.literal("false"),
            Some(b'n') => self.literal("null"),
            _ => Err(self.syntax()),
        }
    }

    fn literal(&mut self, word: &'static str) -> Result<&'a str, JsonError> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.syntax());
        }
        self.at += word.len();
        Ok(word)
    }

    fn number(&mut self) -> Result<&'a str, JsonError> {
        let start = self.at;
        self.at += usize::from(self.byte() == Some(b'-'));
        if self.byte() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.byte(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(&self.text[start..self.at])
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { Err(self.syntax()) } else { Ok(()) }
    }

    fn string(&mut self) -> Result<&'a str, JsonError> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        self.at += 1;
        loop {
            self.at += plain_bytes(&bytes[self.at..]);
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(&self.text[start..self.at]);
                }
                Some(b'\\') => self.escape()?,
                _ => return Err(self.syntax()),
            }
        }
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        match self.byte() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                let digits = self.text.as_bytes().get(self.at + 1..self.at + 5);
                if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                    return Err(self.syntax());
                }
                self.at += 5;
            }
            _ => return Err(self.syntax()),
        }
        Ok(())
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn syntax(&self) -> JsonError {
        JsonError::Syntax { at: self.at }
    }
}

/// How many bytes at the front of `bytes` stand for themselves inside a string literal.
fn plain_bytes(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    // A zero byte borrows from its high bit; bytes above 0x7f are masked out by `!word`.
    let has_zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let (chunks, _) = bytes.as_chunks::<8>();
    let mut at = 0;
    for chunk in chunks {
        let word = u64::from_le_bytes(*chunk);
        let below_space = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        let quote = has_zero(word ^ (ONES * u64::from(b'"')));
        let backslash = has_zero(word ^ (ONES * u64::from(b'\\')));
        // The lowest flagged byte is exact: a borrow only spoils the flags above it.
        let special = below_space | quote | backslash;
        if special != 0 {
            return at + special.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    at + bytes[at..].iter().take_while(|&&byte| is_plain(byte)).count()
}

fn is_plain(byte: u8) -> bool {
    byte >= 0x20 && byte != b'"' && byte != b'\\'
}

/// The text that a checked string literal stands for. Half a surrogate pair, which JavaScript
/// allows and UTF-8 cannot say, becomes U+FFFD.
pub(crate) fn unescape(literal: &str) -> Cow<'_, str> {
    let inner = &literal[1..literal.len() - 1];
    let Some(first) = inner.find('\\') else { return Cow::Borrowed(inner) };
    let mut text = String::with_capacity(inner.len());
    text.push_str(&inner[..first]);
    let mut rest = &inner[first..];
    while let Some(escaped) = rest.strip_prefix('\\') {
        let (character, bytes) = match escaped.as_bytes()[0] {
            b'u' => unescape_unicode(escaped),
            b'b' => ('\u{8}', 1),
            b'f' => ('\u{c}', 1),
            b'n' => ('\n', 1),
            b'r' => ('\r', 1),
            b't' => ('\t', 1),
            itself => (char::from(itself), 1),
        };
        text.push(character);
        rest = &escaped[bytes..];
        let plain = rest.find('\\').unwrap_or(rest.len());
        text.push_str(&rest[..plain]);
        rest = &rest[plain..];
    }
    Cow::Owned(text)
}

/// Reads `uXXXX`, and the low half `\uXXXX` behind it where the first is a high one.
fn unescape_unicode(escaped: &str) -> (char, usize) {
    let unit = |digits: Option<&str>| digits.and_then(|hex| u16::from_str_radix(hex, 16).ok());
    let high = unit(escaped.get(1..5)).unwrap_or(0xfffd);
    let low =
        escaped.get(5..7).filter(|&mark| mark == "\\u").and_then(|_| unit(escaped.get(7..11)));
    if let Some(low) = low
        && let Some(Ok(character)) = char::decode_utf16([high, low]).next()
        && character.len_utf16() == 2
    {
        return (character, 11);
    }
    (char::from_u32(u32::from(high)).unwrap_or(char::REPLACEMENT_CHARACTER), 5)
}

/// How many bytes [`write_string`] appends for `text`.
pub(crate) fn string_bytes(text: &[u8]) -> usize {
    let more = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 1,
        0..0x20 => 5,
        _ => 0,
    };
    text.iter().map(|&byte| 1 + more(byte)).sum::<usize>() + 2
}

/// Appends `text` as a JSON string literal. What is not UTF-8 passes through for the caller to find.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    let mut rest = text;
    loop {
        let (plain, special) = rest.split_at(plain_bytes(rest));
        out.extend_from_slice(plain);
        let Some((&byte, behind)) = special.split_first() else { break };
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&digits);
            }
        }
        rest = behind;
    }
    out.push(b'"');
}
