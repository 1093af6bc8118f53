//! What a tenant's writer starts from, in memory and SQLite.

use foodtrack_contract::{EventName, EventType};
use foodtrack_tenant_log::{
    Assignment, Durability, HEAD_EMISSIONS_AGE_MS_MAX, HEAD_TAIL_BYTES_MAX, HEAD_TAIL_ENTRIES_MAX,
    LogEntry, OrderOwner, RECENT_IDS_MAX, Retention,
};

use crate::support::{KEEPS_ALL, Store, entry, id, offset, suite, tenant, wait_for};

suite! {
    whose_an_order_is_outlives_the_log_that_said_so
    the_last_entry_that_assigns_an_order_says_to_whom_for_good
    a_head_knows_what_may_be_sent_again
    a_head_looks_no_further_for_what_may_be_sent_again_than_for_ids
    a_head_brings_the_newest_entries_along
}

fn creating(n: u64, order: &str, customer: Option<&str>) -> LogEntry {
    LogEntry {
        entity: Some(order.into()),
        creates_order: Some(OrderOwner { customer: customer.map(Into::into) }),
        at_ms: n,
        ..entry(offset(n), id(n))
    }
}

fn whose_an_order_is_outlives_the_log_that_said_so<S: Store>() {
    let store = S::new();
    let retention = Retention { age_ms_max: 10, entries_min: 2, ..KEEPS_ALL };
    let orders = |open: &crate::support::OpenLog| {
        let head = open.head(&tenant("t"));
        let orders = head.orders.into_iter();
        let orders = orders.map(|(id, customer)| (id.into_string(), customer.map(String::from)));
        (head.trimmed_through, orders.collect::<Vec<_>>())
    };
    let named = |id: &str, customer: Option<&str>| (id.to_owned(), customer.map(str::to_owned));
    {
        let open = store.open(retention);
        let mut writer = open.writer("t");
        let plain = LogEntry { creates_order: None, ..creating(4, "3", None) };
        // An order is whose it was first.
        let again = creating(3, "1", Some("other"));
        for it in [creating(1, "1", Some("c")), creating(2, "2", None), again, plain] {
            writer.submit_entry(&it);
        }
        writer.settle();
        assert_eq!(orders(&open), (offset(0), vec![named("1", Some("c")), named("2", None)]));
    }
    let open = store.open(retention);
    open.log.trim(1_000).unwrap();
    wait_for(|| open.log.stats(&tenant("t")).unwrap().entries == 2);
    let known = (offset(2), vec![named("1", Some("c")), named("2", None)]);
    assert_eq!(orders(&open), known);
    drop(open);
    let open = store.open(retention);
    assert_eq!(orders(&open), known);
    let owner = |order| open.log.order_owner(&tenant("t"), order).unwrap().map(|it| it.customer);
    assert_eq!(owner("1"), Some(Some("c".into())));
    assert_eq!((owner("2"), owner("3")), (Some(None), None));
    assert!(open.log.has_room_for_orders(&tenant("t")));
}

fn assigning(n: u64, order: &str, user: &str) -> LogEntry {
    let message =
        format!(r#"{{"id":"{}","payload":{{"note":"\ud800","assigneeId":"{user}"}}}}"#, id(n));
    LogEntry {
        event: EventName::Builtin(EventType::DeliveryAssigned),
        entity: Some(order.into()),
        message: message.into(),
        at_ms: n,
        ..entry(offset(n), id(n))
    }
}

fn the_last_entry_that_assigns_an_order_says_to_whom_for_good<S: Store>() {
    let store = S::new();
    let retention = Retention { age_ms_max: 10, entries_min: 2, ..KEEPS_ALL };
    let last = |user: &str, n| Some(Assignment { user: user.into(), id: id(n), offset: offset(n) });
    {
        let open = store.open(retention);
        let mut writer = open.writer("t");
        assert!(!open.head(&tenant("t")).has_assignments);
        let other = EventName::Builtin(EventType::DeliveryPickedUp);
        let no_assignment = LogEntry { event: other, ..assigning(4, "1", "eve") };
        let plain = [entry(offset(5), id(5)), entry(offset(6), id(6))];
        let first =
            [assigning(1, "1", "dora"), assigning(2, "2", "dino"), assigning(3, "1", "dino")];
        for it in first.into_iter().chain([no_assignment]).chain(plain) {
            writer.submit_entry(&it);
        }
        writer.settle();
        assert_eq!(open.log.assignment(&tenant("t"), "1").unwrap(), last("dino", 3));
    }
    let open = store.open(retention);
    open.log.trim(1_000).unwrap();
    wait_for(|| open.log.stats(&tenant("t")).unwrap().entries == 2);
    drop(open);
    let open = store.open(retention);
    assert!(open.head(&tenant("t")).has_assignments);
    let assignment = |order| open.log.assignment(&tenant("t"), order).unwrap();
    assert_eq!(assignment("1"), last("dino", 3));
    assert_eq!(assignment("2"), last("dino", 2));
    assert_eq!(assignment("3"), None);
}

fn a_head_knows_what_may_be_sent_again<S: Store>() {
    let store = S::new();
    let emission = |n: u64, order: &str, fingerprint, at_ms| LogEntry {
        entity: Some(order.into()),
        fingerprint,
        at_ms,
        ..entry(offset(n), id(n))
    };
    const LATE: u64 = HEAD_EMISSIONS_AGE_MS_MAX + 1;
    {
        let open = store.open(KEEPS_ALL);
        let mut writer = open.writer("t");
        for it in [
            emission(1, "long ago", Some(1), 0),
            emission(2, "1", Some(2), LATE),
            emission(3, "2", Some(3), LATE),
            emission(4, "1", Some(4), LATE + 1),
            // Says nothing that could be sent again, and so does not come between.
            emission(5, "2", None, LATE + 1),
        ] {
            writer.submit_entry(&it);
        }
        writer.settle();
    }
    let open = store.open(KEEPS_ALL);
    let known = || -> Vec<_> {
        let emissions = open.head_at(&tenant("t"), LATE).emissions.into_iter();
        emissions.map(|it| (it.order.into_string(), it.fingerprint, it.id, it.offset)).collect()
    };
    let last = |order: &str, n| (order.to_owned(), n, id(n), offset(n));
    assert_eq!(known(), [last("2", 3), last("1", 4)]);
}

fn a_head_looks_no_further_for_what_may_be_sent_again_than_for_ids<S: Store>() {
    let store = S::new();
    let open = store.open(KEEPS_ALL);
    let mut writer = open.writer("t");
    let last = RECENT_IDS_MAX as u64;
    for n in 1..=last {
        writer.submit_entry(&LogEntry {
            entity: Some("1".into()),
            fingerprint: (n == 1).then_some(7),
            durability: Durability::Recoverable,
            ..entry(offset(n), id(n))
        });
        if n % 8_192 == 0 {
            writer.settle_by_reading();
        }
    }
    let known = || open.head(&tenant("t")).emissions.len();
    assert_eq!(known(), 1);
    writer.submit_entry(&LogEntry { fingerprint: None, ..entry(offset(last + 1), id(last + 1)) });
    writer.settle_by_reading();
    assert_eq!(known(), 0);
}

fn a_head_brings_the_newest_entries_along<S: Store>() {
    let store = S::new();
    let open = store.open(KEEPS_ALL);
    let mut writer = open.writer("t");
    let tail =
        || -> Vec<u64> { open.head(&tenant("t")).tail.iter().map(|it| it.offset.get()).collect() };
    assert!(tail().is_empty());
    writer.append_all(1..=1_000);
    let newest = tail();
    assert!(newest.len() <= HEAD_TAIL_ENTRIES_MAX && newest.len() > 100);
    assert!(newest.iter().copied().eq(1_001 - newest.len() as u64..=1_000));
    let large = LogEntry {
        message: vec![b'x'; HEAD_TAIL_BYTES_MAX as usize].into(),
        ..entry(offset(1_001), id(1_001))
    };
    writer.submit_entry(&large);
    writer.settle();
    assert!(tail().is_empty());
}
