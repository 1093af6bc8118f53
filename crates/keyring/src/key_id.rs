//! Which of a tenant's keys.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which of a tenant's keys: they are counted from 1, and a later one is newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(u32);

/// What the ids on the wire begin with that are the hub's to give; others are their owners'.
const ON_THE_WIRE: &str = "hub-";

impl KeyId {
    /// A tenant's first key.
    pub const FIRST: Self = Self(1);

    /// The key of this number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The id of the next one; `None` where numbers are used up.
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }

    /// As an encrypted payload names it: `hub-1`.
    pub fn on_the_wire(self) -> String {
        format!("{ON_THE_WIRE}{}", self.0)
    }

    /// Reads what [`KeyId::on_the_wire`] writes; `None` for a key that is not the hub's.
    pub fn from_the_wire(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(ON_THE_WIRE)?;
        let is_plain = digits.bytes().all(|it| it.is_ascii_digit()) && !digits.starts_with('0');
        is_plain.then(|| digits.parse().ok().map(Self)).flatten()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
