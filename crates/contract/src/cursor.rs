//! A place in one tenant's log, as clients carry it from connection to connection.

use std::fmt;

/// How many offsets beyond its place a cursor may name.
pub const CURSOR_BEYOND_MAX: usize = 64;

// An epoch is 13 characters at most, an offset 19; each has one separator.
const CURSOR_BYTES_MAX: usize = 14 + 20 * (1 + CURSOR_BEYOND_MAX);

const EPOCH_RADIX: u32 = 36;

/// One incarnation of a tenant's log. Offsets of different epochs have nothing to do with each other.
///
/// Shown in base 36: digits and lower-case letters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch(u64);

impl Epoch {
    /// The epoch of this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Reads what `Display` writes, and nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase();
        if !is_canonical(text) || !text.bytes().all(plain) {
            return None;
        }
        u64::from_str_radix(text, EPOCH_RADIX).ok().map(Self)
    }

    /// What `Display` writes.
    pub fn digits(self) -> EpochDigits {
        let mut digits = [0; 13];
        let (mut start, mut rest) = (digits.len(), self.0);
        loop {
            start -= 1;
            // The remainder is below 36: its lowest byte is all of it.
            let digit = (rest % u64::from(EPOCH_RADIX)).to_le_bytes()[0];
            digits[start] = b"0123456789abcdefghijklmnopqrstuvwxyz"[usize::from(digit)];
            rest /= u64::from(EPOCH_RADIX);
            if rest == 0 {
                return EpochDigits { digits, start };
            }
        }
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(self.digits().as_bytes()).unwrap_or_default())
    }
}

/// An epoch as text.
pub struct EpochDigits {
    digits: [u8; 13],
    start: usize,
}

impl EpochDigits {
    /// In ASCII.
    pub fn as_bytes(&self) -> &[u8] {
        &self.digits[self.start..]
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Epoch({self})")
    }
}

/// A message's place in its tenant's log. The first message's is 1; zero is before everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Offset(u64);

impl Offset {
    /// Before everything.
    pub const ZERO: Self = Self(0);
    /// The last offset there can be: stores know no larger number.
    pub const MAX: Self = Self(i64::MAX as u64);

    /// The offset of this number; `None` beyond [`Offset::MAX`].
    pub const fn new(number: u64) -> Option<Self> {
        if number <= Self::MAX.0 { Some(Self(number)) } else { None }
    }

    /// Its number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The one after it; the last one is its own next.
    #[must_use]
    pub const fn next(self) -> Self {
        self.plus(1)
    }

    /// The one `count` after it; never beyond [`Offset::MAX`].
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        let sum = self.0.saturating_add(count);
        if sum <= Self::MAX.0 { Self(sum) } else { Self::MAX }
    }

    fn parse(text: &str) -> Option<Self> {
        if !is_canonical(text) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        text.parse().ok().and_then(Self::new)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Not empty, and without leading zeros: a place has one spelling.
fn is_canonical(text: &str) -> bool {
    text == "0" || !(text.is_empty() || text.starts_with('0'))
}

/// A place in one tenant's log: everything up to an offset, and a few single ones beyond it that overtook.
///
/// As text `epoch-4`, or `epoch-4+9,12`: all up to 4, and 9 and 12. Clients return the string unread.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    epoch: Epoch,
    through: Offset,
    /// Ascending, each above `through`.
    beyond: Vec<Offset>,
}

impl Cursor {
    /// Everything up to `through`, and nothing beyond.
    pub const fn new(epoch: Epoch, through: Offset) -> Self {
        Self { epoch, through, beyond: Vec::new() }
    }

    /// The log's incarnation.
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Everything up to here was received.
    pub const fn through(&self) -> Offset {
        self.through
    }

    /// What was received besides; ascending.
    pub fn beyond(&self) -> &[Offset] {
        &self.beyond
    }

    /// Whether the message at `offset` was received.
    pub fn covers(&self, offset: Offset) -> bool {
        offset <= self.through || self.beyond.binary_search(&offset).is_ok()
    }

    /// Whether everything up to the place of `other` was received, in the same log.
    pub fn has(&self, other: &Self) -> bool {
        self.epoch == other.epoch && self.covers(other.through)
    }

    /// Moves on to `through`; never back.
    pub fn advance(&mut self, through: Offset) {
        if through > self.through {
            self.through = through;
            self.beyond.retain(|offset| *offset > through);
        }
    }

    /// Adds one that overtook. Returns false, and changes nothing, when the list is full.
    #[must_use]
    pub fn add(&mut self, offset: Offset) -> bool {
        if offset <= self.through {
            return true;
        }
        match self.beyond.binary_search(&offset) {
            Ok(_) => true,
            Err(_) if self.beyond.len() == CURSOR_BEYOND_MAX => false,
            Err(place) => {
                self.beyond.insert(place, offset);
                true
            }
        }
    }

    /// Reads what `Display` writes; `None` for anything else, however long or strange.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > CURSOR_BYTES_MAX {
            return None;
        }
        let (epoch, place) = text.split_once('-')?;
        let (through, beyond) = match place.split_once('+') {
            Some((through, beyond)) => (through, Some(beyond)),
            None => (place, None),
        };
        let mut cursor = Self::new(Epoch::parse(epoch)?, Offset::parse(through)?);
        let mut last = cursor.through;
        for offset in beyond.into_iter().flat_map(|list| list.split(',')) {
            let offset = Offset::parse(offset)?;
            if offset <= last || cursor.beyond.len() == CURSOR_BEYOND_MAX {
                return None;
            }
            cursor.beyond.push(offset);
            last = offset;
        }
        Some(cursor)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.through)?;
        for (i, offset) in self.beyond.iter().enumerate() {
            write!(f, "{}{offset}", if i == 0 { '+' } else { ',' })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn offset() -> impl Strategy<Value = Offset> {
        prop_oneof![0..20_u64, 0..=Offset::MAX.get()].prop_map(|n| Offset::new(n).unwrap())
    }

    fn cursor() -> impl Strategy<Value = Cursor> {
        let beyond = prop::collection::vec(offset(), 0..=CURSOR_BEYOND_MAX);
        (any::<u64>(), offset(), beyond).prop_map(|(epoch, through, beyond)| {
            let mut cursor = Cursor::new(Epoch::new(epoch), through);
            assert!(beyond.into_iter().all(|offset| cursor.add(offset)));
            cursor
        })
    }

    fn check_refused(text: &str) {
        assert_eq!(Cursor::parse(text), None, "{text:?}");
    }

    proptest! {
        #[test]
        fn a_cursor_comes_back_as_it_was_shown(cursor in cursor()) {
            let text = cursor.to_string();
            prop_assert!(text.len() <= CURSOR_BYTES_MAX);
            prop_assert_eq!(Cursor::parse(&text), Some(cursor));
        }

        #[test]
        fn no_text_makes_the_parser_panic_and_a_place_has_one_spelling(text in ".{0,40}") {
            if let Some(cursor) = Cursor::parse(&text) {
                prop_assert_eq!(cursor.to_string(), text);
            }
        }

        #[test]
        fn text_that_looks_like_a_cursor_is_one_or_none(text in "[0-9a-zA-Z]{0,3}-[0-9+,-]{0,12}") {
            if let Some(cursor) = Cursor::parse(&text) {
                prop_assert_eq!(cursor.to_string(), text);
            }
        }

        #[test]
        fn a_cursor_covers_what_was_put_into_it(
            mut cursor in cursor(), to in offset(), probe in offset()
        ) {
            let covered = cursor.covers(probe);
            cursor.advance(to);
            prop_assert_eq!(cursor.covers(probe), covered || probe <= to);
            prop_assert!(cursor.beyond().iter().all(|offset| *offset > cursor.through()));
        }
    }

    #[test]
    fn what_overtook_stands_behind_a_plus() {
        let cursor = Cursor::parse("k3-4+9,12").unwrap();
        assert_eq!((cursor.epoch(), cursor.through().get()), (Epoch::new(20 * 36 + 3), 4));
        let covered: Vec<u64> =
            (1..14).filter(|n| cursor.covers(Offset::new(*n).unwrap())).collect();
        assert_eq!(covered, [1, 2, 3, 4, 9, 12]);
    }

    #[test]
    fn garbage_is_no_cursor() {
        for text in [
            "",
            "-",
            "a",
            "a-",
            "-1",
            "a-1+",
            "a-1+2,",
            "a-1+,2",
            "a-1+2+3",
            "a-+2",
            "A-1",
            "a-01",
            "0a-1",
            "a- 1",
            "a-1+1",
            "a-4+3",
            "a-4+9,9",
            "a-4+9,8",
            "a-+1",
            "a-1-2",
            "é-1",
            "a-9223372036854775808",
            "zzzzzzzzzzzzzz-1",
            "a-\u{0661}",
        ] {
            check_refused(text);
        }
    }

    #[test]
    fn the_list_of_what_overtook_is_bounded() {
        let mut cursor = Cursor::new(Epoch::new(1), Offset::ZERO);
        let count = CURSOR_BEYOND_MAX as u64;
        assert!((0..count).all(|n| cursor.add(Offset::ZERO.plus(2 + n))));
        let last = Offset::ZERO.plus(2 + count);
        assert!(!cursor.add(last));
        check_refused(&format!("{cursor},{last}"));
        cursor.advance(Offset::ZERO.plus(2));
        assert!(cursor.add(last));
    }
}
