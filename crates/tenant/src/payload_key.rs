//! A key that clients encrypt payloads with.

use std::fmt;

use crate::quota::{Bucket, Rate};

/// How often all connections of a tenant together may ask: each device once after a restart, and some more.
const RATE: Rate = Rate { per_second: 100, burst: 1_000 };

/// A key of payloads, for clients that encrypt or decrypt.
#[derive(Clone, PartialEq, Eq)]
pub struct PayloadKey {
    /// What it is called on the wire.
    pub kid: Box<str>,
    /// The key itself, as base64url.
    pub key: Box<str>,
}

/// Says nothing of the key.
impl fmt::Debug for PayloadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PayloadKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// How often it was asked for lately.
#[derive(Debug, Default)]
pub(crate) struct KeyRequests(Bucket);

impl KeyRequests {
    /// One more, or after how many milliseconds there may be one.
    ///
    /// # Errors
    /// The milliseconds.
    pub(crate) fn take(&mut self, now_ms: u64) -> Result<(), u32> {
        self.0.spend(RATE, 1, now_ms)
    }
}
