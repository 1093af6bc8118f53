//! Which requests of other nodes came already.

use std::collections::HashSet;

use super::node_signature::Nonce;

/// By how much a request may be older or newer than the cluster's clock.
pub(crate) const WINDOW_MS: u64 = 15_000;
/// So many requests are remembered, of each half minute. Further ones are told to come again.
const NONCES_MAX: usize = 262_144;

/// The nonces of requests that would be good once more.
#[derive(Default)]
pub(super) struct ReplayGuard {
    young: HashSet<Nonce>,
    old: HashSet<Nonce>,
    /// When the young ones became so, by the cluster's clock.
    since_ms: u64,
}

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotFresh {
    /// Too old, or of a time to come.
    Late,
    /// It was here.
    Replayed,
    /// More cannot be remembered.
    Full,
}

impl ReplayGuard {
    /// Lets a request in that was made at `at_ms`, once. Only what is proven may come here: nobody else fills it.
    ///
    /// # Errors
    /// [`NotFresh`]
    pub(super) fn admit(&mut self, nonce: Nonce, at_ms: u64, now_ms: u64) -> Result<(), NotFresh> {
        if at_ms.abs_diff(now_ms) > WINDOW_MS {
            return Err(NotFresh::Late);
        }
        // What came is good for two windows more at most: so long it is among the old ones.
        if now_ms.abs_diff(self.since_ms) > 2 * WINDOW_MS {
            self.old = std::mem::take(&mut self.young);
            self.since_ms = now_ms;
        }
        if self.old.contains(&nonce) || self.young.contains(&nonce) {
            return Err(NotFresh::Replayed);
        }
        if self.young.len() >= NONCES_MAX {
            return Err(NotFresh::Full);
        }
        self.young.insert(nonce);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nonce(number: u64) -> Nonce {
        u128::from(number).to_le_bytes()
    }

    #[test]
    fn each_request_is_let_in_once_while_it_would_be_good() {
        let mut guard = ReplayGuard::default();
        let start = 1_000_000;
        // Made by a node whose clock is as far ahead as may be.
        assert_eq!(guard.admit(nonce(1), start + WINDOW_MS, start), Ok(()));
        for later in (0..=2 * WINDOW_MS).step_by(500) {
            let again = guard.admit(nonce(1), start + WINDOW_MS, start + later);
            assert_eq!(again, Err(NotFresh::Replayed), "{later}");
            assert_eq!(guard.admit(nonce(100 + later), start + later, start + later), Ok(()));
        }
        let too_late = guard.admit(nonce(1), start + WINDOW_MS, start + 2 * WINDOW_MS + 1);
        assert_eq!(too_late, Err(NotFresh::Late));
    }

    #[test]
    fn what_is_old_or_of_a_time_to_come_is_late() {
        let mut guard = ReplayGuard::default();
        for (at_ms, expected) in [
            (85_000, Ok(())),
            (84_999, Err(NotFresh::Late)),
            (115_000, Ok(())),
            (115_001, Err(NotFresh::Late)),
        ] {
            assert_eq!(guard.admit(nonce(at_ms), at_ms, 100_000), expected, "{at_ms}");
        }
    }

    #[test]
    fn what_is_remembered_is_bounded_and_let_go_of() {
        let mut guard = ReplayGuard::default();
        let mut now_ms = 1_000_000;
        for number in 0..NONCES_MAX as u64 {
            assert_eq!(guard.admit(nonce(number), now_ms, now_ms), Ok(()));
        }
        let one_more =
            |guard: &mut ReplayGuard, now_ms| guard.admit(nonce(u64::MAX), now_ms, now_ms);
        assert_eq!(one_more(&mut guard, now_ms), Err(NotFresh::Full));
        now_ms += 2 * WINDOW_MS + 1;
        assert_eq!(one_more(&mut guard, now_ms), Ok(()));
        now_ms += 2 * WINDOW_MS + 1;
        assert_eq!(guard.admit(nonce(1), now_ms, now_ms), Ok(()));
        assert!(guard.old.len() + guard.young.len() <= 2);
    }
}
