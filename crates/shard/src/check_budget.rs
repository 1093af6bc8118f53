//! How much of a shard's time a tenant's own schemas may take.

use foodtrack_contract::{Entities, ErrorCode, EventName, Refusal, Schemas};

use crate::quota::Rate;
use crate::shared_rate::Party;
use crate::tenant::Tenant;

/// Of each second, how much may go into checks of a tenant's declared event types by their estimates, in microseconds; what
/// is not used adds up to 50 ms.
pub const CHECKS_US_PER_SECOND: Rate = Rate { per_second: 100_000, burst: 50_000 };

impl Tenant {
    /// Checks a payload against its schema, if the tenant has time left for it.
    ///
    /// # Errors
    /// As [`Schemas::validate`], and [`ErrorCode::TenantRateLimited`].
    pub(crate) fn validate<'a>(
        &mut self,
        schemas: &Schemas,
        event: &EventName,
        payload: &'a str,
        party: Party,
        now_ms: u64,
    ) -> Result<Entities<'a>, Refusal> {
        let cost_us = schemas.check_us(&self.id, event, payload.len());
        if cost_us > 0
            && let Err(wait_ms) =
                self.check_budget.spend(party, CHECKS_US_PER_SECOND, cost_us, now_ms)
        {
            let message = "the tenant's declared event types are dear to check, and it sends too many of them at once";
            return Err(Refusal::new(ErrorCode::TenantRateLimited, message)
                .of_event(event.as_str())
                .retry_after_ms(wait_ms.into()));
        }
        schemas.validate(&self.id, event, payload)
    }

    /// Gives back what a check took that is done once more later.
    pub(crate) fn give_back_check(
        &mut self,
        schemas: &Schemas,
        event: &EventName,
        payload: &str,
        party: Party,
    ) {
        self.check_budget.give_back(party, schemas.check_us(&self.id, event, payload.len()));
    }
}
