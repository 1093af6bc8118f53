//! A rate that a whole tenant shares, of which nobody can take all.

use foodtrack_contract::{ApplicationType, Source, UserRole};

use crate::quota::{Bucket, Rate};

/// In ten, what all customers together may use: anybody can be one.
const CUSTOMERS_IN_TEN: u32 = 7;
/// In ten, what customers and staff together may use: the rest is the back ends'.
const PEOPLE_IN_TEN: u32 = 9;
const _: () = assert!(CUSTOMERS_IN_TEN < PEOPLE_IN_TEN && PEOPLE_IN_TEN < 10);

/// On whose account something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// Customers, who may be anybody.
    Customers,
    /// A restaurant's own people.
    Staff,
    /// Back ends.
    BackEnds,
}

impl Party {
    /// Whose account a role and a source stand for.
    pub fn of(role: UserRole, source: Source) -> Self {
        match (role, source) {
            (UserRole::System, _) => Self::BackEnds,
            (_, Source::Application(ApplicationType::ClientApp)) => Self::Customers,
            _ => Self::Staff,
        }
    }

    /// For people.
    pub(crate) fn whose(self) -> &'static str {
        match self {
            Self::Customers => "tenant, or all customers of it,",
            Self::Staff => "tenant, or its customers and staff,",
            Self::BackEnds => "tenant",
        }
    }
}

/// What is left of a tenant's rate, for all and for each party.
#[derive(Clone, Copy, Debug, Default)]
pub struct SharedBucket {
    all: Bucket,
    people: Bucket,
    customers: Bucket,
}

impl SharedBucket {
    /// Spends `cost`, or says after how many milliseconds it can be spent.
    ///
    /// # Errors
    /// The milliseconds.
    pub fn spend(&mut self, party: Party, rate: Rate, cost: u32, now_ms: u64) -> Result<(), u32> {
        let is_customers = party == Party::Customers;
        let is_peoples = party != Party::BackEnds;
        if is_customers {
            self.customers.spend(rate.tenths(CUSTOMERS_IN_TEN), cost, now_ms)?;
        }
        if is_peoples
            && let Err(after_ms) = self.people.spend(rate.tenths(PEOPLE_IN_TEN), cost, now_ms)
        {
            self.customers.give_back(if is_customers { cost } else { 0 });
            return Err(after_ms);
        }
        self.all.spend(rate, cost, now_ms).inspect_err(|_| {
            self.customers.give_back(if is_customers { cost } else { 0 });
            self.people.give_back(if is_peoples { cost } else { 0 });
        })
    }

    /// Whether all that was spent is back: it is as good as a new one.
    pub fn is_full(&self, rate: Rate, now_ms: u64) -> bool {
        self.all.is_full(rate, now_ms)
            && self.people.is_full(rate.tenths(PEOPLE_IN_TEN), now_ms)
            && self.customers.is_full(rate.tenths(CUSTOMERS_IN_TEN), now_ms)
    }

    /// Takes back what was spent in vain.
    pub fn give_back(&mut self, party: Party, cost: u32) {
        self.all.give_back(cost);
        if party != Party::BackEnds {
            self.people.give_back(cost);
        }
        if party == Party::Customers {
            self.customers.give_back(cost);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_second: 1_000, burst: 2_000 };

    fn flood(bucket: &mut SharedBucket, party: Party, now_ms: u64) -> usize {
        (0..10_000).filter(|_| bucket.spend(party, RATE, 1, now_ms).is_ok()).count()
    }

    #[test]
    fn whatever_customers_send_staff_and_back_ends_have_their_share() {
        let mut bucket = SharedBucket::default();
        // At once, and second for second.
        assert_eq!(flood(&mut bucket, Party::Customers, 0), 1_400);
        assert_eq!(flood(&mut bucket, Party::Staff, 0), 400);
        assert_eq!(flood(&mut bucket, Party::BackEnds, 0), 200);
        for second in 1..10 {
            let now_ms = second * 1_000;
            assert_eq!(flood(&mut bucket, Party::Customers, now_ms), 700);
            assert_eq!(flood(&mut bucket, Party::Staff, now_ms), 200);
            assert_eq!(flood(&mut bucket, Party::BackEnds, now_ms), 100);
        }
    }

    #[test]
    fn what_others_leave_may_be_used_and_a_refusal_costs_nothing() {
        let mut bucket = SharedBucket::default();
        assert_eq!(flood(&mut bucket, Party::BackEnds, 0), 2_000);
        assert_eq!(flood(&mut bucket, Party::Customers, 0), 0);
        assert_eq!(flood(&mut bucket, Party::Customers, 1_000), 1_000);
        assert!(!bucket.is_full(RATE, 2_999) && bucket.is_full(RATE, 3_000));
        let mut bucket = SharedBucket::default();
        assert_eq!(flood(&mut bucket, Party::Staff, 0), 1_800);
        bucket.give_back(Party::Staff, 100);
        assert_eq!(flood(&mut bucket, Party::Staff, 0), 100);
    }

    #[test]
    fn no_rate_is_no_limit() {
        let mut bucket = SharedBucket::default();
        let passes = |_| bucket.spend(Party::Customers, Rate::UNLIMITED, 1, 0).is_ok();
        assert!((0..1_000).all(passes));
    }
}
