//! What the largest tenants do, and all others together.

use std::cmp::Reverse;

use foodtrack_contract::TenantId;
use foodtrack_tenant::TenantTally;

/// The tenants with the most connections, and what all others together do. It has so many as were asked for, however many there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tallies {
    /// Most connections first.
    pub largest: Vec<(TenantId, TenantTally)>,
    /// Of all others.
    pub others: TenantTally,
}

impl Tallies {
    /// Of these tenants, `most` by themselves.
    pub(crate) fn of<'a>(
        tenants: impl Iterator<Item = (&'a TenantId, TenantTally)>,
        most: usize,
    ) -> Self {
        let mut all: Vec<(&TenantId, TenantTally)> = tenants.collect();
        let size = |(id, tally): &(&'a TenantId, TenantTally)| {
            (Reverse((tally.connections, tally.deliveries)), *id)
        };
        let mut others = TenantTally::default();
        if all.len() > most {
            all.select_nth_unstable_by_key(most, size);
            all.drain(most..).for_each(|(_, tally)| others.add(&tally));
        }
        all.sort_unstable_by_key(size);
        Self { largest: all.into_iter().map(|(id, tally)| (id.clone(), tally)).collect(), others }
    }

    /// Of several shards', `most` by themselves.
    pub(crate) fn merged(shards: &[Self], most: usize) -> Self {
        let largest = shards.iter().flat_map(|it| &it.largest);
        let mut merged = Self::of(largest.map(|(id, tally)| (id, *tally)), most);
        shards.iter().for_each(|it| merged.others.add(&it.others));
        merged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(connections: usize) -> TenantTally {
        TenantTally { connections, ..TenantTally::default() }
    }

    #[test]
    fn the_largest_of_ten_thousand_are_named_and_all_others_are_one() {
        let ids: Vec<TenantId> =
            (0..10_000).map(|n| TenantId::parse(&format!("t{n}")).unwrap()).collect();
        let of = |from: usize, to: usize| Tallies::of((from..to).map(|n| (&ids[n], tally(n))), 3);
        let merged = Tallies::merged(&[of(0, 5_000), of(5_000, 10_000), Tallies::default()], 3);
        let named: Vec<(&str, usize)> =
            merged.largest.iter().map(|(id, it)| (id.as_str(), it.connections)).collect();
        assert_eq!(named, [("t9999", 9_999), ("t9998", 9_998), ("t9997", 9_997)]);
        let all: usize = (0..10_000).sum();
        assert_eq!(merged.others.connections, all - 9_999 - 9_998 - 9_997);
        assert_eq!(Tallies::of([(&ids[1], tally(1))].into_iter(), 3).largest.len(), 1);
        assert_eq!(Tallies::of([(&ids[1], tally(1))].into_iter(), 0).others, tally(1));
    }
}
