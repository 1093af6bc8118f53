//! Nonces that do not repeat.
//!
//! A nonce is eight random bytes and a counter of four, as NIST SP 800-38D, 8.2.1 has it: a fixed field and an invocation field.
//! Who seals draws the random bytes when it begins, and again when the counter is used up: within one draw no nonce repeats,
//! and two draws of q are alike with a probability of less than q^2 / 2^65: of a million restarts and nodes with the same
//! key, 3 in 10^8. Random nonces alone would be safe for 2^32 rows, which a busy tenant writes within weeks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::aead::NONCE_LEN;

use crate::KeyError;

const PREFIX_BYTES: usize = 8;
/// How many nonces have the same random bytes.
const COUNT: u64 = 1 << 32;

/// The nonces of one key in one place that seals.
pub(crate) struct Nonces {
    count: AtomicU64,
    /// The random bytes, and of how many draws before them.
    prefix: Mutex<(u64, [u8; PREFIX_BYTES])>,
}

impl Nonces {
    pub(crate) fn new() -> Result<Self, KeyError> {
        Self::starting_at(0)
    }

    fn starting_at(count: u64) -> Result<Self, KeyError> {
        let prefix = Mutex::new((count / COUNT, drawn()?));
        Ok(Self { count: AtomicU64::new(count), prefix })
    }

    pub(crate) fn next(&self) -> Result<[u8; NONCE_LEN], KeyError> {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let draw = count / COUNT;
        let prefix = {
            let mut prefix = self.prefix.lock().unwrap_or_else(PoisonError::into_inner);
            if draw > prefix.0 {
                *prefix = (draw, drawn()?);
            }
            if draw < prefix.0 {
                // Another thread has gone on meanwhile: this count was used with bytes that are gone.
                drawn()?
            } else {
                prefix.1
            }
        };
        let mut nonce = [0; NONCE_LEN];
        nonce[..PREFIX_BYTES].copy_from_slice(&prefix);
        let [.., a, b, c, d] = count.to_be_bytes();
        nonce[PREFIX_BYTES..].copy_from_slice(&[a, b, c, d]);
        Ok(nonce)
    }
}

fn drawn() -> Result<[u8; PREFIX_BYTES], KeyError> {
    let mut prefix = [0; PREFIX_BYTES];
    aws_lc_rs::rand::fill(&mut prefix).map_err(|_| KeyError::NoRandomness)?;
    Ok(prefix)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_nonce_comes_twice_from_many_threads_at_once() {
        let nonces = Nonces::new().unwrap();
        let all: Vec<_> = std::thread::scope(|scope| {
            let one = || (0..20_000).map(|_| nonces.next().unwrap()).collect::<Vec<_>>();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
            threads.into_iter().flat_map(|it| it.join().unwrap()).collect()
        });
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 80_000);
        assert_eq!(all.iter().map(|it| &it[..8]).collect::<HashSet<_>>().len(), 1);
    }

    #[test]
    fn random_bytes_are_drawn_anew_when_the_counter_is_used_up() {
        let nonces = Nonces::starting_at(COUNT - 2).unwrap();
        let [a, b, c, d] = std::array::from_fn(|_| nonces.next().unwrap());
        assert_eq!(a[..8], b[..8]);
        assert_ne!(b[..8], c[..8]);
        assert_eq!(c[..8], d[..8]);
        assert_eq!([&a[8..], &b[8..], &c[8..], &d[8..]].map(|it| it[3]), [254, 255, 0, 1]);
        assert_eq!(Nonces::new().unwrap().next().unwrap()[8..], [0; 4]);
    }
}
