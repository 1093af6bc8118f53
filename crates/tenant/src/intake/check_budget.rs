//! How much of a shard's time a tenant's own schemas may take.

use foodtrack_contract::{Entities, ErrorCode, EventName, Refusal, Schemas, TenantId};

use super::Intake;
use crate::quota::Rate;
use crate::shared_rate::Party;

/// Of each second, how much may go into checks of a tenant's declared event types by their estimates, in microseconds; what
/// is not used adds up to 50 ms.
pub const CHECKS_US_PER_SECOND: Rate = Rate { per_second: 100_000, burst: 50_000 };

impl Intake {
    /// Checks a payload against its schema, if the tenant has time left for it.
    ///
    /// # Errors
    /// As [`Schemas::validate`], and [`ErrorCode::TenantRateLimited`].
    pub(super) fn validate<'a>(
        &mut self,
        tenant: &TenantId,
        schemas: &Schemas,
        event: &EventName,
        payload: &'a str,
        party: Party,
        now_ms: u64,
    ) -> Result<Entities<'a>, Refusal> {
        let cost_us = schemas.check_us(tenant, event, payload.len());
        if cost_us > 0
            && let Err(wait_ms) =
                self.check_budget.spend(party, CHECKS_US_PER_SECOND, cost_us, now_ms)
        {
            let message = "the tenant's declared event types are dear to check, and it sends too many of them at once";
            return Err(Refusal::new(ErrorCode::TenantRateLimited, message)
                .of_event(event.as_str())
                .retry_after_ms(wait_ms.into()));
        }
        schemas.validate(tenant, event, payload)
    }

    /// Gives back what a check took that is done once more later.
    pub(super) fn give_back_check(
        &mut self,
        tenant: &TenantId,
        schemas: &Schemas,
        event: &EventName,
        payload: &str,
        party: Party,
    ) {
        self.check_budget.give_back(party, schemas.check_us(tenant, event, payload.len()));
    }
}

#[cfg(test)]
mod tests {
    use foodtrack_contract::{DeliveryClass, EventDeclaration};

    use super::*;

    const NAME: &str = "loyalty:points";

    /// A tenant with an event type of its own that is dear to check, and a payload of it that takes this many microseconds.
    fn dear() -> (TenantId, Schemas, EventName, String, u32) {
        let (id, mut schemas) = (TenantId::parse("t1").unwrap(), Schemas::new());
        let either = |n: u32| serde_json::json!({ "minLength": n, "pattern": format!("^a*{n}$") });
        let parts: Vec<_> = (0..4).map(either).collect();
        let schema = serde_json::json!({ "type": "object", "properties": { "p": {
            "type": "array", "items": { "not": { "anyOf": parts } } } } });
        let (name, delivery_class) = (NAME.to_owned(), DeliveryClass::Recoverable);
        let declaration = EventDeclaration { name, schema, delivery_class, description: None };
        schemas.declare(&id, declaration).unwrap();
        let event = schemas.resolve(&id, NAME).unwrap();
        let payload = format!("{{\"p\":[{}]}}", vec!["\"b\""; 200].join(","));
        let cost_us = schemas.check_us(&id, &event, payload.len());
        assert!(cost_us > 100, "{cost_us}: it is cheap");
        (id, schemas, event, payload, cost_us)
    }

    #[test]
    fn checks_of_a_tenants_own_events_take_no_more_time_than_they_may() {
        let (tenant, schemas, event, payload, cost_us) = dear();
        let mut intake = Intake::default();
        let mut passed = |party, now_ms| {
            let check = |_: &u32| match intake
                .validate(&tenant, &schemas, &event, &payload, party, now_ms)
            {
                Ok(_) => true,
                Err(refusal) => {
                    assert_eq!(refusal.code(), ErrorCode::TenantRateLimited);
                    assert!(refusal.to_json().contains("retryAfterMs"), "{refusal}");
                    false
                }
            };
            u32::try_from((0..2_000).filter(check).count()).unwrap()
        };
        let Rate { per_second, burst } = CHECKS_US_PER_SECOND;
        // Customers leave the rest their share, at once and second for second.
        let customers = passed(Party::Customers, 0);
        assert_eq!(customers, burst / 10 * 7 / cost_us);
        let (staff, back_ends) = (passed(Party::Staff, 0), passed(Party::BackEnds, 0));
        assert!(staff > 0 && back_ends > 0, "{staff} {back_ends}");
        assert_eq!(customers + staff + back_ends, burst / cost_us);
        let a_second_later = passed(Party::BackEnds, 1_000);
        assert!(a_second_later.abs_diff(burst.min(per_second) / cost_us) <= 1, "{a_second_later}");
    }

    #[test]
    fn a_check_that_is_given_back_can_be_done_again_and_built_in_events_cost_nothing() {
        let (tenant, schemas, event, payload, cost_us) = dear();
        let mut intake = Intake::default();
        for _ in 0..2 * CHECKS_US_PER_SECOND.burst / cost_us {
            intake.validate(&tenant, &schemas, &event, &payload, Party::Staff, 0).unwrap();
            intake.give_back_check(&tenant, &schemas, &event, &payload, Party::Staff);
        }
        while intake.validate(&tenant, &schemas, &event, &payload, Party::BackEnds, 0).is_ok() {}
        let built_in = schemas.resolve(&tenant, "order:created").unwrap();
        let order = r#"{"orderId":"1"}"#;
        assert!(intake.validate(&tenant, &schemas, &built_in, order, Party::Customers, 0).is_ok());
    }
}
