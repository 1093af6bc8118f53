//! In which order somebody who was away gets what they missed: urgent first, then the log's order; and what they no
//! longer need.

use std::collections::VecDeque;

use ahash::{AHashMap, AHashSet};
use foodtrack_contract::{Cursor, EventName, Offset, Priority};
use foodtrack_tenant_log::Outline;
use uuid::Uuid;

use crate::audience_filter::AudienceFilter;

/// How to look at a stretch of the log.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    /// Entries looked at together: urgent ones overtake within them, later ones take the place of earlier ones.
    pub(crate) entries_max: usize,
    /// What the recipient has already.
    pub(crate) had: Cursor,
    /// What it has besides, ascending: it acknowledged that.
    pub(crate) acknowledged: Vec<Offset>,
    /// What of it is sent again all the same, since it waits for an acknowledgement.
    pub(crate) owed: Owed,
    /// How many may overtake: as many as the recipient's cursor can still list.
    pub(crate) overtaking_max: usize,
    /// Whether the recipient was away for long: then a last state stands for those before it, and old entries are left out.
    pub(crate) was_away: bool,
    /// Entries before this are too old to be replayed, in milliseconds since the Unix epoch.
    pub(crate) oldest_ms: u64,
    pub(crate) now_ms: u64,
}

/// Events that a recipient got and did not acknowledge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Owed {
    /// These.
    These(Vec<Offset>),
    /// It is not known any more: all of these types, by name.
    AllOf(Vec<Box<str>>),
}

impl Owed {
    fn has(&self, entry: &Outline) -> bool {
        match self {
            Self::These(offsets) => offsets.binary_search(&entry.offset).is_ok(),
            Self::AllOf(names) => names.iter().any(|name| **name == *entry.event.as_str()),
        }
    }
}

/// What to send, and in which order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// These overtake: urgent ones, each behind earlier ones about the same order.
    pub(crate) urgent: VecDeque<Offset>,
    /// The rest, ascending.
    pub(crate) rest: VecDeque<Offset>,
    /// Where the recipient stands when all of it was sent.
    pub(crate) through: Offset,
    /// Past their time.
    pub(crate) expired: Vec<Expired>,
    /// A later one says it all.
    pub(crate) compacted: usize,
}

/// An entry that is of no use any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expired {
    pub(crate) offset: Offset,
    pub(crate) id: Uuid,
    pub(crate) event: EventName,
}

impl Plan {
    /// What is sent next, and whether it overtakes.
    pub(crate) fn next(&self) -> Option<(Offset, bool)> {
        let urgent = self.urgent.front().map(|offset| (*offset, true));
        urgent.or_else(|| self.rest.front().map(|offset| (*offset, false)))
    }

    /// Takes off what [`Plan::next`] said.
    pub(crate) fn advance(&mut self) {
        if self.urgent.pop_front().is_none() {
            self.rest.pop_front();
        }
    }

    /// The next places, at most `max`, in the order in which they are sent.
    pub(crate) fn ahead(&self, max: usize) -> Vec<Offset> {
        self.urgent.iter().chain(&self.rest).take(max).copied().collect()
    }

    /// Of the first `places`, keeps those that are still there.
    pub(crate) fn keep_of_first(&mut self, places: usize, there: &[Offset]) {
        let there: AHashSet<Offset> = there.iter().copied().collect();
        let mut left = places;
        for queue in [&mut self.urgent, &mut self.rest] {
            queue.retain(|offset| {
                let is_asked = left > 0;
                left = left.saturating_sub(1);
                !is_asked || there.contains(offset)
            });
        }
    }

    /// Plans for the entries of one window, ascending; `through` is where the next window starts.
    pub(crate) fn new(
        entries: &[Outline],
        through: Offset,
        window: &Window,
        filter: &AudienceFilter,
    ) -> Self {
        let mut plan = Self { through, ..Self::default() };
        let overtaken = overtaken(entries, window);
        let is_new = |entry: &&Outline| {
            let has_later = entry.entity.as_deref().and_then(|entity| overtaken.get(entity));
            has_later.is_none_or(|later| *later < entry.offset) || window.owed.has(entry)
        };
        let seen: Vec<&Outline> =
            entries.iter().filter(|it| is_due(it, window, filter) && is_new(it)).collect();
        let superseded = if window.was_away { superseded(&seen) } else { AHashSet::new() };
        let mut due: Vec<&Outline> = Vec::with_capacity(seen.len());
        for entry in seen {
            let is_old = window.was_away && entry.at_ms < window.oldest_ms;
            if is_old || entry.expires_at_ms.is_some_and(|end_ms| end_ms <= window.now_ms) {
                let (offset, id, event) = (entry.offset, entry.id, entry.event.clone());
                plan.expired.push(Expired { offset, id, event });
            } else if superseded.contains(&entry.offset) {
                plan.compacted += 1;
            } else {
                due.push(entry);
            }
        }
        let urgent = urgent(&due, window.overtaking_max);
        let overtakes: AHashSet<Offset> = urgent.iter().copied().collect();
        plan.rest =
            due.iter().map(|it| it.offset).filter(|offset| !overtakes.contains(offset)).collect();
        // With nothing to overtake, the log's order is the order.
        if plan.rest.front().is_none_or(|first| urgent.iter().all(|offset| offset < first)) {
            let mut urgent = urgent;
            urgent.sort_unstable();
            for offset in urgent.into_iter().rev() {
                plan.rest.push_front(offset);
            }
        } else {
            plan.urgent = urgent.into();
        }
        plan
    }
}

fn is_due(entry: &Outline, window: &Window, filter: &AudienceFilter) -> bool {
    let is_new = !window.had.covers(entry.offset) || window.owed.has(entry);
    let is_acknowledged = window.acknowledged.binary_search(&entry.offset).is_ok();
    is_new && !is_acknowledged && filter.sees(entry.offset, &entry.audience)
}

/// For each order the last entry that the recipient has beyond what it has all of. Such an entry took with it what came before
/// it of its order: what is not there was not for the recipient then, and must not come behind it.
fn overtaken<'e>(entries: &'e [Outline], window: &Window) -> AHashMap<&'e str, Offset> {
    if window.had.beyond().is_empty() {
        return AHashMap::new();
    }
    let had = entries.iter().filter(|it| it.offset > window.had.through());
    let had = had.filter(|it| window.had.covers(it.offset));
    had.filter_map(|entry| Some((entry.entity.as_deref()?, entry.offset))).collect()
}

/// Entries of which a later one of the same event and order is among those seen.
fn superseded(seen: &[&Outline]) -> AHashSet<Offset> {
    let mut last: AHashMap<(&EventName, &str), Offset> = AHashMap::new();
    let mut superseded = AHashSet::new();
    for entry in seen.iter().filter(|entry| entry.compacts) {
        let Some(entity) = entry.entity.as_deref() else { continue };
        if let Some(earlier) = last.insert((&entry.event, entity), entry.offset) {
            superseded.insert(earlier);
        }
    }
    superseded
}

/// Urgent entries with the earlier ones of their own orders, as many as may overtake; each order's ascending.
fn urgent(due: &[&Outline], places: usize) -> Vec<Offset> {
    let mut first: Vec<Offset> = Vec::new();
    let mut taken: AHashSet<Offset> = AHashSet::new();
    for (at, entry) in due.iter().enumerate().filter(|(_, it)| it.priority == Priority::Urgent) {
        let own = |other: &&&Outline| entry.entity.is_some() && other.entity == entry.entity;
        let group: Vec<Offset> = due[..at]
            .iter()
            .filter(own)
            .map(|it| it.offset)
            .chain([entry.offset])
            .filter(|offset| !taken.contains(offset))
            .collect();
        if first.len() + group.len() > places {
            break;
        }
        taken.extend(&group);
        first.extend(group);
    }
    first
}

#[cfg(test)]
mod tests {
    use foodtrack_contract::{
        ApplicationSet, ApplicationType, CURSOR_BEYOND_MAX, Epoch, EventType, Permission,
        PermissionSet, ReadPermission, RoomName,
    };
    use foodtrack_tenant_log::{LoggedAudience, LoggedRoom};

    use super::*;

    const HOUR_MS: u64 = 3_600_000;
    const NOW_MS: u64 = 100 * HOUR_MS;

    fn offset(n: u64) -> Offset {
        Offset::new(n).unwrap()
    }

    /// An entry about an order, for the kitchen.
    fn entry(n: u64, order: &str, priority: Priority) -> Outline {
        Outline {
            offset: offset(n),
            id: Uuid::from_u128(n.into()),
            at_ms: NOW_MS - HOUR_MS,
            event: EventType::OrderStatusChanged.into(),
            priority,
            entity: Some(order.into()),
            compacts: false,
            expires_at_ms: None,
            audience: LoggedAudience {
                applications: ApplicationSet::of(&[ApplicationType::KitchenApp]),
                rooms: Vec::new(),
                only: ApplicationSet::ALL,
                read: Some(ReadPermission::Orders),
            },
        }
    }

    fn chef() -> AudienceFilter {
        AudienceFilter {
            application: ApplicationSet::of(&[ApplicationType::KitchenApp]),
            permissions: PermissionSet::of(&[Permission::ReadOrders]),
            rooms: vec![RoomName::Application(ApplicationType::KitchenApp).into()],
            left: Vec::new(),
        }
    }

    /// Of somebody who had nothing, was away for long, and may get what is a day old.
    fn window() -> Window {
        Window {
            entries_max: 100,
            had: Cursor::new(Epoch::new(1), Offset::ZERO),
            acknowledged: Vec::new(),
            owed: Owed::These(Vec::new()),
            was_away: true,
            oldest_ms: NOW_MS - 24 * HOUR_MS,
            now_ms: NOW_MS,
            overtaking_max: CURSOR_BEYOND_MAX,
        }
    }

    /// What is sent, in its order.
    fn sent(entries: &[Outline], window: &Window, filter: &AudienceFilter) -> Vec<u64> {
        let mut plan = Plan::new(entries, offset(1_000), window, filter);
        let mut sent = Vec::new();
        while let Some((offset, _)) = plan.next() {
            sent.push(offset.get());
            plan.advance();
        }
        sent
    }

    #[track_caller]
    fn check(entries: &[Outline], window: &Window, expected: &[u64]) {
        assert_eq!(sent(entries, window, &chef()), expected);
    }

    const ALL: [Priority; 4] = [Priority::Low, Priority::Medium, Priority::High, Priority::Urgent];

    #[test]
    fn an_entry_past_its_time_is_given_up_and_told() {
        let at = |expires_at_ms| Outline { expires_at_ms, ..entry(2, "a", Priority::Medium) };
        let entries = |expires_at_ms| [entry(1, "a", Priority::Medium), at(expires_at_ms)];
        check(&entries(None), &window(), &[1, 2]);
        check(&entries(Some(NOW_MS + 1)), &window(), &[1, 2]);
        check(&entries(Some(NOW_MS)), &window(), &[1]);
        let plan = Plan::new(&entries(Some(NOW_MS)), offset(2), &window(), &chef());
        assert_eq!(plan.expired.iter().map(|it| it.offset).collect::<Vec<_>>(), [offset(2)]);
        // Also to somebody who was away for a moment.
        let moment = Window { was_away: false, ..window() };
        check(&entries(Some(NOW_MS)), &moment, &[1]);
    }

    #[test]
    fn what_is_older_than_the_offline_queue_is_left_out_but_not_for_a_session_that_is_back() {
        let hours_ago = |n: u64, hours: u64| Outline {
            at_ms: NOW_MS - hours * HOUR_MS,
            ..entry(n, "a", Priority::Medium)
        };
        let entries = [hours_ago(1, 48), hours_ago(2, 25), hours_ago(3, 24), hours_ago(4, 1)];
        check(&entries, &window(), &[3, 4]);
        check(&entries, &Window { was_away: false, ..window() }, &[1, 2, 3, 4]);
    }

    #[test]
    fn the_last_state_of_each_order_stays_and_what_does_not_compact_stays_whole() {
        let state = |n, order| Outline { compacts: true, ..entry(n, order, Priority::Medium) };
        let other = |n| Outline { event: EventType::OrderUpdated.into(), ..state(n, "a") };
        // A cancel does not compact: it is not left out, whatever follows it.
        let cancel = entry(4, "a", Priority::Medium);
        let entries = [state(1, "a"), state(2, "b"), other(3), cancel, state(5, "a"), other(6)];
        check(&entries, &window(), &[2, 4, 5, 6]);
        check(&entries, &Window { was_away: false, ..window() }, &[1, 2, 3, 4, 5, 6]);
        let without = |n| Outline { entity: None, ..state(n, "a") };
        check(&[without(1), without(2)], &window(), &[1, 2]);
        // One that is not for the recipient takes nobody's place.
        let foreign = Outline {
            audience: LoggedAudience {
                applications: ApplicationSet::EMPTY,
                ..state(2, "a").audience
            },
            ..state(2, "a")
        };
        check(&[state(1, "a"), foreign], &window(), &[1]);
    }

    #[test]
    fn urgent_goes_first_behind_what_came_before_it_of_its_own_order() {
        use Priority::{High, Low, Medium, Urgent};
        let entries = [
            entry(1, "a", Medium),
            entry(2, "b", Low),
            entry(3, "a", High),
            entry(4, "c", High),
            entry(5, "a", Urgent),
            entry(6, "b", Medium),
            entry(7, "d", Urgent),
        ];
        check(&entries, &window(), &[1, 3, 5, 7, 2, 4, 6]);
        // An event about nothing in particular takes nobody along.
        let alone = Outline { entity: None, ..entry(3, "", Urgent) };
        let before = Outline { entity: None, ..entry(2, "", Low) };
        check(&[entry(1, "a", Medium), before, alone], &window(), &[3, 1, 2]);
    }

    #[test]
    fn no_more_overtakes_than_a_cursor_can_list() {
        let mut entries: Vec<Outline> = vec![entry(1, "z", Priority::Low)];
        entries.extend((2..=200).map(|n| entry(n, &n.to_string(), Priority::Urgent)));

        let plan = Plan::new(&entries, offset(200), &window(), &chef());
        assert_eq!(plan.urgent.len(), CURSOR_BEYOND_MAX);
        let few = Window { overtaking_max: 3, ..window() };
        check(&entries[..6], &few, &[2, 3, 4, 1, 5, 6]);
    }

    #[test]
    fn what_the_recipient_has_is_not_sent_unless_it_owes_an_acknowledgement() {
        let entries: Vec<Outline> =
            (1..=8).map(|n| entry(n, &n.to_string(), Priority::Medium)).collect();
        let had = Cursor::parse("1-3+5,7").unwrap();
        check(&entries, &Window { had: had.clone(), ..window() }, &[4, 6, 8]);
        let owed = Owed::These(vec![offset(2), offset(7)]);
        check(&entries, &Window { had: had.clone(), owed, ..window() }, &[2, 4, 6, 7, 8]);
        let owed = Owed::AllOf(vec!["order:status_changed".into()]);
        check(&entries, &Window { had, owed, ..window() }, &[1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn what_was_not_for_the_recipient_when_its_order_overtook_does_not_come_behind_that() {
        let entries = [
            entry(3, "b", Priority::Medium),
            // It entered the order's room when this was past, and then got the urgent one.
            entry(4, "a", Priority::Medium),
            entry(5, "a", Priority::Urgent),
            entry(6, "a", Priority::Medium),
        ];
        let had = Cursor::parse("1-2+5").unwrap();
        check(&entries, &Window { had: had.clone(), ..window() }, &[3, 6]);
        let owed = Owed::These(vec![offset(4)]);
        check(&entries, &Window { had, owed, ..window() }, &[3, 4, 6]);
    }

    #[test]
    fn only_what_is_for_the_recipient_as_it_is_now_is_sent() {
        let room = LoggedRoom::from(RoomName::Order("a"));
        let in_room = Outline {
            audience: LoggedAudience {
                applications: ApplicationSet::EMPTY,
                rooms: vec![room.clone()],
                ..entry(2, "a", Priority::Medium).audience
            },
            ..entry(2, "a", Priority::Medium)
        };
        let for_couriers = Outline {
            audience: LoggedAudience {
                only: ApplicationSet::of(&[ApplicationType::DeliveryApp]),
                ..entry(3, "a", Priority::Medium).audience
            },
            ..entry(3, "a", Priority::Medium)
        };
        let entries = [entry(1, "a", Priority::Medium), in_room, for_couriers];
        assert_eq!(sent(&entries, &window(), &chef()), [1]);
        let mut inside = chef();
        inside.rooms.push(room);
        assert_eq!(sent(&entries, &window(), &inside), [1, 2]);
        inside.permissions = PermissionSet::NONE;
        assert_eq!(sent(&entries, &window(), &inside), [0; 0]);
        assert_eq!(sent(&entries, &window(), &AudienceFilter::nobody()), [0; 0]);
    }

    /// Whatever is missed: all of it once, each order's in the log's order, and the cursor true all along.
    #[test]
    fn a_plan_is_whole_in_order_and_true_wherever_it_ends() {
        let mut seed = 20_261_126_u64;
        let mut below = |end: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % end
        };
        for _ in 0..300 {
            let entries: Vec<Outline> = (1..=40)
                .map(|n| {
                    let priority = ALL[usize::try_from(below(4)).unwrap()];
                    entry(n, &below(6).to_string(), priority)
                })
                .collect();
            let mut cursor = Cursor::new(Epoch::new(1), Offset::ZERO);
            let mut got: Vec<u64> = Vec::new();
            // Torn after a few, and planned anew from the cursor.
            while got.len() < entries.len() {
                let overtaking_max = CURSOR_BEYOND_MAX - cursor.beyond().len();
                let window = Window { had: cursor.clone(), overtaking_max, ..window() };
                let mut plan = Plan::new(&entries, offset(40), &window, &chef());
                for _ in 0..=below(12) {
                    let Some((next, overtakes)) = plan.next() else { break };
                    plan.advance();
                    if overtakes {
                        assert!(cursor.add(next));
                    } else {
                        cursor.advance(next);
                    }
                    got.push(next.get());
                    let has = (1..=40).filter(|n| cursor.covers(offset(*n))).count();
                    assert_eq!(has, got.len(), "{cursor}");
                    assert!(got.iter().all(|n| cursor.covers(offset(*n))), "{cursor}");
                }
            }
            for order in 0..6_u64 {
                let own = |n: &&u64| {
                    entries[usize::try_from(**n - 1).unwrap()].entity.as_deref()
                        == Some(&*order.to_string())
                };
                let own: Vec<u64> = got.iter().filter(own).copied().collect();
                assert!(own.is_sorted(), "{own:?}");
            }
        }
    }
}
