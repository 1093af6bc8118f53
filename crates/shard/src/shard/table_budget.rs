//! What tenants remember in memory of what their logs know is bounded for all of them together: the least recently used
//! give way.

use super::Shard;
use super::resident::Resident;

/// Of what the tables may take, so much is freed at once: looking at every tenant costs time.
const FREED_SHARE: usize = 16;
/// A tenant that could give back less keeps it.
const WORTH_BYTES: usize = 1_024;

/// What the tables of a shard's tenants take.
#[derive(Debug, Default)]
pub(super) struct TableBudget {
    bytes_max: usize,
    bytes: usize,
    /// By the tenant's place among the tenants, as it was counted last.
    counted: Vec<usize>,
    /// What was left when tenants gave way last: it pays to look again when there is more.
    left: usize,
    /// Tenants that were at work since they were counted.
    at_work: Vec<u32>,
}

impl TableBudget {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, ..Self::default() }
    }

    /// A tenant's tables may have changed.
    pub(super) fn touched(&mut self, tenant: u32) {
        self.at_work.push(tenant);
    }

    fn count(&mut self, tenant: u32, bytes: usize) {
        let place = tenant as usize;
        if self.counted.len() <= place {
            self.counted.resize(place + 1, 0);
        }
        self.bytes = self.bytes - self.counted[place] + bytes;
        self.counted[place] = bytes;
    }

    /// Whether tenants have to give way, as far as they have not just done so.
    fn is_over(&self) -> bool {
        self.bytes > self.bytes_max && self.bytes > self.left + self.bytes_max / FREED_SHARE
    }
}

impl Shard {
    /// Counts the tables of the tenants that were at work, and has the least recently used give way where it is too much.
    pub(super) fn keep_tables_within_budget(&mut self) {
        for tenant in std::mem::take(&mut self.tables.at_work) {
            let bytes = self.tenants.get(tenant as usize).map_or(0, |it| it.tenant.table_bytes().0);
            self.tables.count(tenant, bytes);
        }
        self.tables.left = self.tables.left.min(self.tables.bytes);
        if self.tables.is_over() {
            self.give_tables_up();
        }
        self.parts.settings.counters.table_bytes.set(self.tables.bytes as u64);
    }

    fn give_tables_up(&mut self) {
        let may_give = |(place, Resident { tenant, held, .. }): (usize, &Resident)| {
            let (place, to_give) = (u32::try_from(place).ok()?, tenant.table_bytes().1);
            let is_worth = to_give >= WORTH_BYTES.min(self.tables.bytes_max);
            let giver = Giver { used_ms: held.used_ms, place, to_give };
            (is_worth && tenant.may_forget_tables()).then_some(giver)
        };
        let givers = self.tenants.iter().filter_map(may_give).collect();
        let enough = self.tables.bytes_max - self.tables.bytes_max / FREED_SHARE;
        let steady_ms = self.clock.steady_ms();
        for place in who_gives(givers, self.tables.bytes.saturating_sub(enough)) {
            if let Some(Resident { tenant, .. }) = self.tenants.get_mut(place as usize) {
                tenant.forget_tables(steady_ms);
                let bytes = tenant.table_bytes().0;
                self.tables.count(place, bytes);
                self.parts.settings.counters.tables_given_up.add(1);
            }
        }
        self.tables.left = self.tables.bytes;
    }
}

/// A tenant that can forget something.
struct Giver {
    /// When it was heard of last.
    used_ms: u64,
    place: u32,
    to_give: usize,
}

/// Who forgets, so that so many bytes come back: those not heard of for longest.
fn who_gives(mut givers: Vec<Giver>, bytes: usize) -> impl Iterator<Item = u32> {
    givers.sort_unstable_by_key(|giver| giver.used_ms);
    let mut given = 0;
    givers.into_iter().map_while(move |giver| {
        let is_needed = given < bytes;
        given += giver.to_give;
        is_needed.then_some(giver.place)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_not_heard_of_for_longest_forget_and_no_more_than_must() {
        let givers = || {
            [(30, 0, 500), (10, 1, 100), (20, 2, 100), (40, 3, 100)]
                .map(|(used_ms, place, to_give)| Giver { used_ms, place, to_give })
                .into()
        };
        let who = |bytes| who_gives(givers(), bytes).collect::<Vec<_>>();
        assert_eq!(who(0), [0; 0]);
        assert_eq!(who(100), [1]);
        assert_eq!(who(101), [1, 2]);
        assert_eq!(who(700), [1, 2, 0]);
        assert_eq!(who(usize::MAX), [1, 2, 0, 3]);
    }

    #[test]
    fn tenants_are_looked_at_again_once_there_is_a_share_more_than_was_left() {
        let mut tables = TableBudget::new(1_600);
        tables.count(0, 1_600);
        assert!(!tables.is_over());
        tables.count(1, 1);
        assert!(tables.is_over());
        // None of them could give anything.
        tables.left = tables.bytes;
        tables.count(1, 101);
        assert!(!tables.is_over());
        tables.count(1, 102);
        assert!(tables.is_over());
        tables.count(0, 0);
        assert_eq!(tables.bytes, 102);
    }
}
