//! Where a field lies in a payload.

use crate::redaction::{REDACTION_DEPTH_MAX, REDACTION_POINTER_BYTES_MAX};

/// Stands for each element or member.
const EACH: &str = "*";

/// Where the payload is in a message.
const PAYLOAD: &str = "payload";

/// The names on the way to a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldPath(Box<[Box<str>]>);

impl FieldPath {
    /// Reads a JSON pointer (RFC 6901); `None` where it is none, names the payload as a whole, or is over the limits.
    pub(crate) fn parse(pointer: &str) -> Option<Self> {
        let names = pointer.strip_prefix('/')?;
        if pointer.len() > REDACTION_POINTER_BYTES_MAX {
            return None;
        }
        let names: Option<Box<[_]>> = names.split('/').map(unescaped).collect();
        names.filter(|names| names.len() <= REDACTION_DEPTH_MAX).map(Self)
    }

    /// As [`FieldPath::parse`], from the message on that has the payload in it.
    pub(crate) fn in_payload(pointer: &str) -> Option<Self> {
        let Self(names) = Self::parse(pointer)?;
        Some(Self(std::iter::once(PAYLOAD.into()).chain(names).collect()))
    }

    /// The longest of the names that only a member can have, and that stand in a text as they are where nothing in it is escaped by its
    /// number; `None` where there is none.
    pub(crate) fn telling_name(&self) -> Option<&str> {
        let names = self.0.get(1..).unwrap_or_default().iter().map(|name| &**name);
        let is_telling = |name: &&str| {
            let is_index = name.bytes().all(|it| it.is_ascii_digit());
            // The last is how bytes are read that are no text.
            let is_disguised =
                |it: char| it.is_control() || matches!(it, '"' | '\\' | '/' | '\u{fffd}');
            *name != EACH && !is_index && !name.contains(is_disguised)
        };
        names.filter(is_telling).max_by_key(|name| name.len())
    }

    /// How many names there are: at least one.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the name at this depth is that of this member.
    pub(crate) fn names_member(&self, depth: usize, name: &str) -> bool {
        self.0.get(depth).is_some_and(|own| **own == *EACH || **own == *name)
    }

    /// Whether the name at this depth is that of the element of this index.
    pub(crate) fn names_element(&self, depth: usize, index: usize) -> bool {
        self.0.get(depth).is_some_and(|own| {
            **own == *EACH || (own.parse() == Ok(index) && own.len() == decimal_digits(index))
        })
    }
}

/// A name of a pointer as it is meant; `None` where `~` escapes nothing.
fn unescaped(name: &str) -> Option<Box<str>> {
    let mut plain = String::with_capacity(name.len());
    let mut characters = name.chars();
    while let Some(character) = characters.next() {
        plain.push(match (character, character == '~') {
            (_, true) => match characters.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            (character, false) => character,
        });
    }
    Some(plain.into())
}

/// Or else `01` would name the element 1, as no pointer does.
fn decimal_digits(index: usize) -> usize {
    index.checked_ilog10().map_or(1, |digits| digits as usize + 1)
}
