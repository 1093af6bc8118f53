//! The key that wraps all others.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use crate::{KEY_BYTES, KeyError, SecretBytes};

const WRAPPING: &[u8] = b"foodtrack-websocket wrapping 1";
const CHECKING: &[u8] = b"foodtrack-websocket master key check 1";
/// How many different bytes a key has at least: 32 random ones have fewer once in 10^14 keys, a word or a pattern always.
const DIFFERENT_BYTES_MIN: usize = 16;

/// The key that wraps every tenant's.
#[derive(Clone)]
pub struct MasterKey {
    wrapping: SecretBytes,
    id: MasterKeyId,
}

/// Why a text is no master key. It never says the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MasterKeyError {
    /// Neither hexadecimal nor base64.
    #[error(
        "not a key: give 32 random bytes as 64 hexadecimal digits or as base64, such as `openssl rand -hex 32` prints"
    )]
    Malformed,
    /// Some other number of bytes.
    #[error("a key of {0} bytes; give 32 random bytes, such as `openssl rand -hex 32` prints")]
    Length(usize),
    /// A pattern, or an example.
    #[error(
        "a pattern and not a random key; give 32 random bytes, such as `openssl rand -hex 32` prints"
    )]
    Weak,
    /// See there.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// What says which master key it is, and nothing of what it is. It stands beside what was wrapped by it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MasterKeyId([u8; 8]);

impl MasterKeyId {
    /// Reads what `Display` writes: 16 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = from_hex(text)?;
        bytes.as_slice().try_into().ok().map(Self)
    }
}

impl fmt::Display for MasterKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for MasterKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl MasterKey {
    /// The key that a text is: 64 hexadecimal digits, or base64 of either alphabet. White space around it does not count.
    ///
    /// # Errors
    /// [`MasterKeyError`]
    pub fn parse(text: &str) -> Result<Self, MasterKeyError> {
        let text = text.trim();
        let bytes = Zeroizing::new(
            from_hex(text).or_else(|| from_base64(text)).ok_or(MasterKeyError::Malformed)?,
        );
        let key: [u8; KEY_BYTES] =
            bytes.as_slice().try_into().map_err(|_| MasterKeyError::Length(bytes.len()))?;
        let mut seen = [false; 256];
        key.iter().for_each(|byte| seen[usize::from(*byte)] = true);
        let is_text = key.iter().all(|byte| (b' '..=b'~').contains(byte));
        if is_text || seen.iter().filter(|it| **it).count() < DIFFERENT_BYTES_MIN {
            return Err(MasterKeyError::Weak);
        }
        Ok(Self::new(&SecretBytes::new(key))?)
    }

    /// Of these bytes.
    ///
    /// # Errors
    /// [`KeyError`]
    pub fn new(secret: &SecretBytes) -> Result<Self, KeyError> {
        let mut id = [0; 8];
        id.copy_from_slice(&secret.derive(CHECKING)?.reveal()[..8]);
        Ok(Self { wrapping: secret.derive(WRAPPING)?, id: MasterKeyId(id) })
    }

    /// Which one it is.
    pub fn id(&self) -> MasterKeyId {
        self.id
    }

    /// What wraps.
    pub(crate) fn wrapping(&self) -> &SecretBytes {
        &self.wrapping
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey").field("id", &self.id).finish_non_exhaustive()
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [alphabet::STANDARD, alphabet::URL_SAFE]
        .iter()
        .find_map(|alphabet| GeneralPurpose::new(alphabet, config).decode(text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210";

    #[test]
    fn a_key_is_the_same_in_every_form_it_is_written_in() {
        let id = MasterKey::parse(HEX).unwrap().id();
        let base64 = "ABEiM0RVZneImaq7zN3u/wEjRWeJq83v/ty6mHZUMhA=";
        let bare = base64.trim_end_matches('=');
        let url = base64.replace('/', "_");
        for text in [HEX.to_uppercase(), format!(" {HEX}\n"), base64.into(), bare.into(), url] {
            assert_eq!(MasterKey::parse(&text).unwrap().id(), id);
        }
        assert_eq!(MasterKeyId::parse(&id.to_string()), Some(id));
    }

    #[test]
    fn what_is_short_long_a_word_or_a_pattern_is_no_key() {
        use MasterKeyError as E;
        let check = |text: &str, expected: E| {
            assert_eq!(MasterKey::parse(text).unwrap_err(), expected, "{text}");
        };
        check("", E::Length(0));
        check("secret!", E::Malformed);
        check(&HEX[2..], E::Length(31));
        check(&format!("{HEX}00"), E::Length(33));
        check(&"00".repeat(32), E::Weak);
        check(&"0123".repeat(16), E::Weak);
        // A sentence of 32 characters, as base64.
        check("Y2hhbmdlLW1lLWluLXByb2R1Y3Rpb24tcGxlYXNlLSE=", E::Weak);
    }

    #[test]
    fn a_key_says_nothing_of_itself() {
        let key = MasterKey::parse(HEX).unwrap();
        let shown = format!("{key:?} {:?}", key.wrapping());
        assert!(shown.contains("(redacted)") && !shown.contains("0011"), "{shown}");
    }
}
