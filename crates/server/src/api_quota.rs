//! How much of the HTTP API a tenant and each of its tokens may use: one thread answers all of it.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use foodtrack_contract::{ErrorCode, Principal, Refusal};
use foodtrack_shard::Rate;

/// How many tenants and tokens are remembered. Beyond it those that have spent nothing lately are forgotten, or else all.
const SPENDERS_MAX: usize = 16_384;

/// The rates of the HTTP API, but for publishing, which counts among the tenant's messages.
pub(crate) struct ApiQuota {
    rates: Mutex<ApiRates>,
    hasher: RandomState,
    spent: Mutex<HashMap<u64, Spent>>,
}

/// The rates themselves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ApiRates {
    pub(crate) per_tenant: Rate,
    pub(crate) per_token: Rate,
}

#[derive(Clone, Copy)]
struct Spent {
    /// In requests, as of `at`.
    requests: f64,
    at: Instant,
}

impl ApiQuota {
    pub(crate) fn new(rates: ApiRates) -> Self {
        Self { rates: Mutex::new(rates), hasher: RandomState::new(), spent: Mutex::default() }
    }

    /// Other rates count from now on.
    pub(crate) fn set(&self, rates: ApiRates) {
        *self.rates.lock().unwrap_or_else(PoisonError::into_inner) = rates;
    }

    fn rates(&self) -> ApiRates {
        *self.rates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request.
    ///
    /// # Errors
    /// `rate_limited`, `tenant_rate_limited`, with when to try again.
    pub(crate) fn spend(&self, principal: &Principal, now: Instant) -> Result<(), Refusal> {
        let ApiRates { per_tenant, per_token } = self.rates();
        let tenant = principal.tenant().as_str();
        let token = (tenant, principal.user().as_str(), principal.token_id());
        // A token that is over its rate spends nothing of its tenant's.
        let over = |code, whose: &str, after_ms| {
            let message = format!("{whose} asks the HTTP API for more than its limit allows");
            Refusal::new(code, message).retry_after_ms(after_ms)
        };
        self.take(self.hasher.hash_one(token), per_token, now)
            .map_err(|after_ms| over(ErrorCode::RateLimited, "the token", after_ms))?;
        self.take(self.hasher.hash_one(tenant), per_tenant, now)
            .map_err(|after_ms| over(ErrorCode::TenantRateLimited, "the tenant", after_ms))
    }

    fn take(&self, spender: u64, rate: Rate, now: Instant) -> Result<(), u64> {
        if rate.per_second == 0 {
            return Ok(());
        }
        let mut all = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let left = |spent: &Spent, per_second: f64| {
            let back = now.saturating_duration_since(spent.at).as_secs_f64() * per_second;
            (spent.requests - back).max(0.0)
        };
        let per_second = f64::from(rate.per_second);
        if all.len() >= SPENDERS_MAX && !all.contains_key(&spender) {
            let slowest = per_second.min(f64::from(self.rates().per_token.per_second.max(1)));
            all.retain(|_, spent| left(spent, slowest) > 0.0);
            if all.len() >= SPENDERS_MAX {
                all.clear();
            }
        }
        let spent = all.entry(spender).or_insert(Spent { requests: 0.0, at: now });
        *spent = Spent { requests: left(spent, per_second), at: now };
        let over = spent.requests + 1.0 - f64::from(rate.burst.max(1));
        if over > 0.0 {
            let after_s = over / per_second;
            return Err(u64::try_from(std::time::Duration::from_secs_f64(after_s).as_millis() + 1)
                .unwrap_or(u64::MAX));
        }
        spent.requests += 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use foodtrack_contract::{
        ApplicationSet, PermissionSet, TenantId, UserId, UserRole, VerifiedClaims,
    };

    use super::*;

    fn who(tenant: &str, user: &str) -> Principal {
        Principal::from_verified_token(VerifiedClaims {
            tenant: TenantId::parse(tenant).unwrap(),
            user: UserId::parse(user).unwrap(),
            role: UserRole::Admin,
            applications: ApplicationSet::ALL,
            permissions: PermissionSet::ALL,
            device: None,
            token_id: None,
            issued_at_s: 0,
            expires_at_s: u64::MAX,
        })
    }

    #[test]
    fn a_token_and_a_tenant_that_ask_for_too_much_are_told_when_to_come_again() {
        let per = |per_second, burst| Rate { per_second, burst };
        let quota = ApiQuota::new(ApiRates { per_tenant: per(10, 5), per_token: per(2, 3) });
        let now = Instant::now();
        let code = |who: &Principal, now| quota.spend(who, now).map_err(|it| it.code());
        let (ada, bob, eve) = (who("t1", "ada"), who("t1", "bob"), who("t2", "ada"));
        (0..3).for_each(|_| assert_eq!(code(&ada, now), Ok(())));
        assert_eq!(code(&ada, now), Err(ErrorCode::RateLimited));
        let after_ms = quota.spend(&ada, now).unwrap_err().retry_after().unwrap();
        assert!((400..=600).contains(&after_ms), "{after_ms}");
        // What was refused took nothing of the tenant's.
        (0..2).for_each(|_| assert_eq!(code(&bob, now), Ok(())));
        assert_eq!(code(&bob, now), Err(ErrorCode::TenantRateLimited));
        assert_eq!(code(&eve, now), Ok(()), "another tenant");
        assert_eq!(code(&ada, now + Duration::from_millis(501)), Ok(()));
    }

    #[test]
    fn the_memory_is_bounded() {
        let rate = Rate { per_second: 1, burst: 9 };
        let quota = ApiQuota::new(ApiRates { per_tenant: rate, per_token: rate });
        let now = Instant::now();
        for n in 0..2 * SPENDERS_MAX {
            quota.spend(&who("t1", &n.to_string()), now + Duration::from_millis(n as u64)).ok();
        }
        assert!(quota.spent.lock().unwrap().len() <= SPENDERS_MAX);
    }
}
