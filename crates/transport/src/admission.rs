//! Limits before a token is known: how fast one address may open sessions.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use ahash::HashMap;

use crate::network::network;
use crate::seldom::Seldom;

/// How many addresses are remembered; beyond that those that have their whole allowance again are forgotten.
const ADDRESSES_MAX: usize = 65_536;

/// How often a proxy that nobody named is warned of.
const WARN_INTERVAL_MS: u64 = 60_000;

/// A token bucket for each address, shared by the shards.
pub(crate) struct Admission {
    per_minute: u32,
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
    /// Warnings of a proxy that nobody named.
    pub(crate) proxy_warning: Seldom,
}

#[derive(Clone, Copy)]
struct Bucket {
    /// Thousandths of a handshake.
    left: u64,
    at_ms: u64,
}

impl Admission {
    /// `per_minute` handshakes an address, also as a burst. 0 lifts the limit.
    pub(crate) fn new(per_minute: u32) -> Self {
        let proxy_warning = Seldom::every(WARN_INTERVAL_MS);
        Self { per_minute, buckets: Mutex::default(), proxy_warning }
    }

    /// Takes one handshake of `address`'s allowance, or says after how many milliseconds one is there.
    pub(crate) fn admit(&self, address: IpAddr, now_ms: u64) -> Result<(), u64> {
        if self.per_minute == 0 {
            return Ok(());
        }
        let full = u64::from(self.per_minute) * 1_000;
        let address = network(address);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= ADDRESSES_MAX && !buckets.contains_key(&address) {
            buckets.retain(|_, bucket| bucket.refilled(full, now_ms).left < full);
            if buckets.len() >= ADDRESSES_MAX {
                return Err(60_000);
            }
        }
        let bucket = buckets.entry(address).or_insert(Bucket { left: full, at_ms: now_ms });
        *bucket = bucket.refilled(full, now_ms);
        if bucket.left >= 1_000 {
            bucket.left -= 1_000;
            return Ok(());
        }
        Err(((1_000 - bucket.left) * 60_000).div_ceil(full))
    }
}

impl Bucket {
    fn refilled(self, full: u64, now_ms: u64) -> Self {
        let gained = now_ms.saturating_sub(self.at_ms).saturating_mul(full) / 60_000;
        // Less than a thousandth: keep the old time, or a stream of questions would never gain any.
        if gained == 0 {
            return self;
        }
        Self { left: (self.left + gained).min(full), at_ms: now_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn a_burst_is_admitted_and_then_a_steady_rate() {
        let admission = Admission::new(60);
        assert_eq!((0..100).filter(|_| admission.admit(HERE, 0).is_ok()).count(), 60);
        assert_eq!(admission.admit(HERE, 0), Err(1_000));
        assert_eq!((0..100).filter(|n| admission.admit(HERE, n * 100).is_ok()).count(), 9);
    }

    #[test]
    fn one_address_does_not_spend_anothers_allowance() {
        let admission = Admission::new(1);
        assert!(admission.admit(HERE, 0).is_ok());
        assert!(admission.admit(HERE, 0).is_err());
        assert!(admission.admit(IpAddr::V4([127, 0, 0, 2].into()), 0).is_ok());
    }

    #[test]
    fn addresses_are_forgotten_before_memory_grows_without_bound() {
        let admission = Admission::new(100);
        for n in 0..u32::try_from(ADDRESSES_MAX * 2).unwrap() {
            let _ = admission.admit(IpAddr::V4(n.into()), u64::from(n) * 100);
        }
        assert!(admission.buckets.lock().unwrap().len() <= ADDRESSES_MAX);
    }
}
