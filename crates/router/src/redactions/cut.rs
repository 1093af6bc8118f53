//! Leaves fields out of a JSON text without making a tree of it: what stays is copied byte for byte, from one field that is left
//! out to the next.

use std::borrow::Cow;

use memchr::memchr2;
use smallvec::SmallVec;

use super::field_path::FieldPath;

/// The text is no JSON, as far as it was looked at.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotJson;

/// The paths that may still lead to a field, and how far each has come.
type Under<'p> = SmallVec<[(&'p FieldPath, usize); 4]>;

/// A JSON text that is read once, from its beginning to its end.
struct Reader<'t> {
    text: &'t [u8],
    at: usize,
    /// What stays of the text before `copied`.
    kept: Vec<u8>,
    copied: usize,
}

/// The JSON value at the beginning of `text` without the fields; `None` where all of `text` stays. A member that is there twice is
/// left out twice, however its name is escaped.
pub(super) fn cut(text: &[u8], paths: &[&FieldPath]) -> Result<Option<Vec<u8>>, NotJson> {
    let mut reader = Reader { text, at: 0, kept: Vec::new(), copied: 0 };
    let under: Under<'_> = paths.iter().map(|path| (*path, 0)).collect();
    reader.value(&under)?;
    // What follows the value was not looked at, and so it goes.
    let rest = text.get(reader.at..).unwrap_or_default();
    if reader.copied == 0 && rest.trim_ascii().is_empty() {
        return Ok(None);
    }
    reader.keep_to(reader.at);
    Ok(Some(reader.kept))
}

/// What becomes of a member or an element.
enum Fate<'p> {
    LeftOut,
    Looked(Under<'p>),
}

fn fate<'p>(under: &Under<'p>, is_named: impl Fn(&FieldPath, usize) -> bool) -> Fate<'p> {
    let mut further = Under::new();
    for (path, depth) in under {
        if is_named(path, *depth) {
            if depth + 1 == path.len() {
                return Fate::LeftOut;
            }
            further.push((*path, depth + 1));
        }
    }
    Fate::Looked(further)
}

/// How far an object or a list was read.
struct Inside {
    /// Where the last of what stays in it ends; where it begins, as long as nothing does.
    stays_to: usize,
    has_kept: bool,
    has_cut: bool,
}

impl<'t> Reader<'t> {
    /// Takes the next value, and leaves out what the paths lead to. Recursion ends with the paths.
    fn value(&mut self, under: &Under<'_>) -> Result<(), NotJson> {
        match self.peek()? {
            b'{' if !under.is_empty() => self.object(under),
            b'[' if !under.is_empty() => self.list(under),
            _ => self.skip_value(),
        }
    }

    fn object(&mut self, under: &Under<'_>) -> Result<(), NotJson> {
        let mut inside = self.begin();
        let mut comma = false;
        while !self.ends(b'}', &mut comma)? {
            self.peek()?;
            let start = self.at;
            let name = self.skip_string()?;
            self.take(b':')?;
            let plain = plain_name(name);
            let fate = fate(under, |path, depth| path.names_member(depth, &plain));
            self.part(fate, start, &mut inside)?;
        }
        Ok(())
    }

    fn list(&mut self, under: &Under<'_>) -> Result<(), NotJson> {
        let mut inside = self.begin();
        let mut comma = false;
        for index in 0.. {
            if self.ends(b']', &mut comma)? {
                break;
            }
            self.peek()?;
            let fate = fate(under, |path, depth| path.names_element(depth, index));
            self.part(fate, self.at, &mut inside)?;
        }
        Ok(())
    }

    /// Takes the bracket that is next.
    fn begin(&mut self) -> Inside {
        self.at += 1;
        Inside { stays_to: self.at, has_kept: false, has_cut: false }
    }

    /// Takes the value of a member or an element that begins at `start`.
    fn part(&mut self, fate: Fate<'_>, start: usize, inside: &mut Inside) -> Result<(), NotJson> {
        match fate {
            Fate::LeftOut => {
                self.skip_value()?;
                // The comma before it goes with it.
                self.keep_to(inside.stays_to);
                self.copied = self.at;
                inside.has_cut = true;
            }
            Fate::Looked(further) => {
                if inside.has_cut && !inside.has_kept {
                    // So does the comma behind it, where nothing stays before it.
                    self.copied = start;
                }
                self.value(&further)?;
                inside.has_kept = true;
                inside.stays_to = self.at;
            }
        }
        Ok(())
    }

    /// Copies what stays up to `end`, where that was not done before.
    fn keep_to(&mut self, end: usize) {
        if let Some(stays) = self.text.get(self.copied..end) {
            if self.kept.capacity() == 0 {
                self.kept.reserve(self.text.len());
            }
            self.kept.extend_from_slice(stays);
        }
    }

    /// Whether the object or list ends here; the comma before what follows is taken, but for the first time.
    fn ends(&mut self, end: u8, comma: &mut bool) -> Result<bool, NotJson> {
        if self.peek()? == end {
            self.at += 1;
            return Ok(true);
        }
        if std::mem::replace(comma, true) {
            self.take(b',')?;
        }
        Ok(false)
    }

    /// The next byte that is no whitespace.
    #[inline]
    fn peek(&mut self) -> Result<u8, NotJson> {
        loop {
            match self.text.get(self.at) {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                Some(byte) => return Ok(*byte),
                None => return Err(NotJson),
            }
        }
    }

    fn take(&mut self, byte: u8) -> Result<(), NotJson> {
        if self.peek()? != byte {
            return Err(NotJson);
        }
        self.at += 1;
        Ok(())
    }

    /// The string that comes next, with its quotes.
    fn skip_string(&mut self) -> Result<&'t [u8], NotJson> {
        self.take(b'"')?;
        let start = self.at - 1;
        loop {
            let rest = self.text.get(self.at..).ok_or(NotJson)?;
            let length = memchr2(b'"', b'\\', rest).ok_or(NotJson)?;
            if rest[length] == b'"' {
                self.at += length + 1;
                return self.text.get(start..self.at).ok_or(NotJson);
            }
            self.at += length + 2;
        }
    }

    /// Takes the value that comes next, whatever it is. Nesting costs no recursion.
    fn skip_value(&mut self) -> Result<(), NotJson> {
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => drop(self.skip_string()?),
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                    continue;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1).ok_or(NotJson)?;
                    self.at += 1;
                }
                b',' | b':' if depth > 0 => {
                    self.at += 1;
                    continue;
                }
                b',' | b':' => return Err(NotJson),
                _ => self.skip_scalar(),
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }

    /// A number, `true`, `false` or `null`.
    fn skip_scalar(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|byte| ENDS_SCALAR[usize::from(*byte)]);
        self.at += length.unwrap_or(rest.len());
    }
}

/// Whether a byte is no part of a number, `true`, `false` or `null`.
const ENDS_SCALAR: [bool; 256] = {
    let (mut ends, bytes) = ([false; 256], b",:]} \t\n\r\"[{");
    let mut at = 0;
    while at < bytes.len() {
        ends[bytes[at] as usize] = true;
        at += 1;
    }
    ends
};

/// A member's name as it is meant. One that is no text, such as half of a pair of surrogates, is no field's.
fn plain_name(quoted: &[u8]) -> Cow<'_, str> {
    let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    if inner.contains(&b'\\') {
        return Cow::Owned(serde_json::from_slice(quoted).unwrap_or_default());
    }
    // The same, which looks at valid text many bytes at once.
    std::str::from_utf8(inner).map_or_else(|_| String::from_utf8_lossy(inner), Cow::Borrowed)
}

#[cfg(test)]
mod tests;
