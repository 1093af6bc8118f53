//! The same token by token, and so slower: what the faster way is held against.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::super::{FieldPath, NotJson};

/// The paths that may still lead to a field, and how far each has come.
type Under<'p> = SmallVec<[(&'p FieldPath, usize); 4]>;

/// A JSON text that is read once, from its beginning to its end.
struct Reader<'t> {
    text: &'t [u8],
    at: usize,
}

/// Appends the JSON value at the beginning of `text` without the fields, whitespace outside of what stays among them. A member that
/// is there twice is left out twice, however its name is escaped. Returns whether anything was left out.
pub(super) fn cut(text: &[u8], paths: &[&FieldPath], out: &mut Vec<u8>) -> Result<bool, NotJson> {
    let mut reader = Reader { text, at: 0 };
    let under: Under<'_> = paths.iter().map(|path| (*path, 0)).collect();
    reader.value(&under, out)
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

impl<'t> Reader<'t> {
    /// Copies the next value without what the paths lead to. Recursion ends with the paths.
    fn value(&mut self, under: &Under<'_>, out: &mut Vec<u8>) -> Result<bool, NotJson> {
        match self.peek()? {
            b'{' if !under.is_empty() => self.object(under, out),
            b'[' if !under.is_empty() => self.list(under, out),
            _ => {
                out.extend_from_slice(self.skip_value()?);
                Ok(false)
            }
        }
    }

    fn object(&mut self, under: &Under<'_>, out: &mut Vec<u8>) -> Result<bool, NotJson> {
        let (mut has_cut, mut is_first, mut comma) = (false, true, false);
        self.take(b'{')?;
        out.push(b'{');
        while !self.ends(b'}', &mut comma)? {
            let name = self.skip_string()?;
            self.take(b':')?;
            let plain = plain_name(name);
            match fate(under, |path, depth| path.names_member(depth, &plain)) {
                Fate::LeftOut => {
                    self.skip_value()?;
                    has_cut = true;
                }
                Fate::Looked(further) => {
                    if !std::mem::take(&mut is_first) {
                        out.push(b',');
                    }
                    out.extend_from_slice(name);
                    out.push(b':');
                    has_cut |= self.value(&further, out)?;
                }
            }
        }
        out.push(b'}');
        Ok(has_cut)
    }

    fn list(&mut self, under: &Under<'_>, out: &mut Vec<u8>) -> Result<bool, NotJson> {
        let (mut has_cut, mut is_first, mut comma) = (false, true, false);
        self.take(b'[')?;
        out.push(b'[');
        for index in 0.. {
            if self.ends(b']', &mut comma)? {
                break;
            }
            match fate(under, |path, depth| path.names_element(depth, index)) {
                Fate::LeftOut => {
                    self.skip_value()?;
                    has_cut = true;
                }
                Fate::Looked(further) => {
                    if !std::mem::take(&mut is_first) {
                        out.push(b',');
                    }
                    has_cut |= self.value(&further, out)?;
                }
            }
        }
        out.push(b']');
        Ok(has_cut)
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
            match self.text.get(self.at).ok_or(NotJson)? {
                b'"' => {
                    self.at += 1;
                    return self.text.get(start..self.at).ok_or(NotJson);
                }
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
    }

    /// The value that comes next, whatever it is. Nesting costs no recursion.
    fn skip_value(&mut self) -> Result<&'t [u8], NotJson> {
        self.peek()?;
        let start = self.at;
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
                return self.text.get(start..self.at).ok_or(NotJson);
            }
        }
    }

    /// A number, `true`, `false` or `null`.
    fn skip_scalar(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let ends = |byte: &u8| b",:]} \t\n\r\"[{".contains(byte);
        self.at += rest.iter().position(ends).unwrap_or(rest.len());
    }
}

/// A member's name as it is meant. One that is no text, such as half of a pair of surrogates, is no field's.
fn plain_name(quoted: &[u8]) -> Cow<'_, str> {
    let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    if inner.contains(&b'\\') {
        return Cow::Owned(serde_json::from_slice(quoted).unwrap_or_default());
    }
    String::from_utf8_lossy(inner)
}
