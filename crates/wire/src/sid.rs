//! Engine.IO's session ids.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A session id: who knows it can speak for the session while it polls.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sid([u8; Self::CHARACTERS]);

impl Sid {
    /// 120 random bits.
    const CHARACTERS: usize = 20;
    /// How many random bytes an id is made of.
    pub const RANDOM_BYTES: usize = Self::CHARACTERS / 4 * 3;

    /// The id that these bytes make. All of them together must be unguessable.
    pub fn from_random(bytes: [u8; Self::RANDOM_BYTES]) -> Self {
        let mut sid = [b'A'; Self::CHARACTERS];
        // Fifteen bytes are exactly twenty characters.
        let _ = URL_SAFE_NO_PAD.encode_slice(bytes, &mut sid);
        Self(sid)
    }

    /// The bytes that make the id.
    pub fn bytes(&self) -> [u8; Self::RANDOM_BYTES] {
        let mut bytes = [0; Self::RANDOM_BYTES];
        // Twenty characters of base64 are exactly fifteen bytes.
        let _ = URL_SAFE_NO_PAD.decode_slice(self.0, &mut bytes);
        bytes
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        // Made of base64 alone.
        std::str::from_utf8(&self.0).unwrap_or("")
    }

    /// Reads what [`Sid::as_str`] shows; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        text.as_bytes().iter().all(allowed).then_some(())?;
        text.as_bytes().try_into().ok().map(Self)
    }
}

impl fmt::Debug for Sid {
    /// Shows only the start: the whole id is a key to the session.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", &self.as_str()[..6])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_parses_back_and_garbage_does_not() {
        let sid = Sid::from_random([251; Sid::RANDOM_BYTES]);
        assert_eq!(Sid::parse(sid.as_str()), Some(sid));
        assert_eq!(sid.bytes(), [251; Sid::RANDOM_BYTES]);
        ["", "abc", "ééééé"].iter().for_each(|text| assert_eq!(Sid::parse(text), None));
    }

    #[test]
    fn the_debug_form_does_not_give_the_session_away() {
        let sid = Sid::from_random([7; Sid::RANDOM_BYTES]);
        assert!(!format!("{sid:?}").contains(sid.as_str()));
    }
}
