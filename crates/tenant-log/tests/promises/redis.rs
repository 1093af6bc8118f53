//! What a log in Redis promises beyond the suite: several nodes beside each other, what they count and keep, and other things under the same
//! keys.

use std::sync::mpsc::channel;

use foodtrack_contract::{Cursor, Offset, TenantId};
use foodtrack_tenant_log::{
    Answer, Completion, Durability, LogAdmin, LogEntry, LogReader, OrderOwner, PageStart,
    ReadError, ReadRequest, RedisLog, RedisOptions, RefusedReason, Retention, SavedCursor,
    Submitted, SubscriberKey, SubscriberStore, TenantLog,
};
use test_support::{RedisServer, wait_until};

use crate::redis_node::{Node, next, options, server};
use crate::support::{KEEPS_ALL, entry, id, offset, request, tenant};

#[test]
fn nodes_append_beside_each_other_redis_counts_the_offsets_and_followers_are_told() {
    let Some(server) = server(&[]) else { return };
    let [mut one, mut other] = [(); 2].map(|()| Node::of(&server));
    one.log.follow(&tenant("t")).unwrap();
    one.hears_of(0);
    assert_eq!(one.append(1), Answer::Committed(offset(1)));
    assert_eq!(other.append(2), Answer::Committed(offset(2)));
    one.hears_of(2);
    assert_eq!(one.append(3), Answer::Committed(offset(3)));
    assert_eq!((one.ids(), other.ids()), (vec![1, 2, 3], vec![1, 2, 3]));
    // Followers have in memory what was published, and read the rest.
    let through = ReadRequest { through: offset(3), ..request(&tenant("t"), 1, 100) };
    let page = one.log.read(&through).unwrap();
    assert_eq!(page.entries, [entry(offset(2), id(2)), entry(offset(3), id(3))]);
    // One that goes leaves the other.
    other.log.close(&tenant("t")).unwrap();
    assert_eq!(one.append(4), Answer::Committed(offset(4)));
    assert_eq!(other.append(5), Answer::Refused(RefusedReason::OutOfSequence));
}

/// Makes what was said last about an order older, as if so much time had passed.
fn pass_time(server: &RedisServer, ms: u64) {
    let older = format!(
        "local key = 'foodtrack:{{t}}:emissions:0' \
         for _, order in ipairs(redis.call('HKEYS', key)) do \
         local said = redis.call('HGET', key, order) \
         local before, at, rest = string.match(said, '^(%d+ %d+ %d+) (%d+)(.*)$') \
         redis.call('HSET', key, order, before .. ' ' .. string.format('%.0f', at - {ms}) .. rest) end"
    );
    server.call(&[b"EVAL", older.as_bytes(), b"0"]);
}

#[test]
fn a_repeat_is_known_whoever_wrote_the_first_also_after_a_restart() {
    let Some(server) = server(&[]) else { return };
    let mut one = Node::of(&server);
    let emission = |n, fingerprint: u64, at_ms| LogEntry {
        entity: Some("order-1".into()),
        fingerprint: Some(fingerprint),
        at_ms,
        ..entry(offset(1), id(n))
    };
    assert_eq!(one.append(1), Answer::Committed(offset(1)));
    // The nodes' clocks are hours apart.
    let ticket = one.submit_entry(&emission(2, u64::MAX, 1_000));
    assert_eq!(one.answer(ticket), Answer::Committed(offset(2)));
    drop(one);
    let mut other = Node::of(&server);
    assert_eq!(other.append(1), Answer::Repeated(offset(1)));
    // What says the same as the last about its order, shortly after, is that again; later, or after another, it is not.
    let ticket = other.submit_entry(&emission(3, u64::MAX, 10_000_000));
    assert_eq!(other.answer(ticket), Answer::Repeated(offset(2)));
    pass_time(&server, 10_001);
    let ticket = other.submit_entry(&emission(4, u64::MAX, 11_001));
    assert_eq!(other.answer(ticket), Answer::Committed(offset(3)));
    let ticket = other.submit_entry(&emission(5, 7, 11_001));
    assert_eq!(other.answer(ticket), Answer::Committed(offset(4)));
    let ticket = other.submit_entry(&emission(6, u64::MAX, 11_001));
    assert_eq!(other.answer(ticket), Answer::Committed(offset(5)));
    assert_eq!(other.ids(), [1, 2, 4, 5, 6]);
}

#[test]
fn entries_that_are_appended_together_are_known_to_each_other() {
    let Some(server) = server(&[]) else { return };
    let mut node = Node::of(&server);
    let light = |n: u64, order: &str, fingerprint: Option<u64>| LogEntry {
        durability: Durability::Recoverable,
        entity: Some(order.into()),
        creates_order: (n > 10).then(|| OrderOwner { customer: Some(format!("c{n}").into()) }),
        fingerprint,
        at_ms: 1_000,
        ..entry(offset(1), id(n))
    };
    let together = [
        light(1, "a", Some(7)),
        light(2, "b", None),
        // The same id, and the same said again about one order; another thing, and the first one after that.
        light(1, "c", None),
        light(3, "a", Some(7)),
        light(4, "a", Some(8)),
        light(5, "a", Some(7)),
        // Two that make one order.
        light(11, "d", None),
        light(12, "d", None),
    ];
    let tickets = together.map(|entry| {
        let submitted = node.writer.submit(&tenant("t"), &entry.by_ref()).unwrap();
        let Submitted::Later(ticket) = submitted else { panic!("{submitted:?}") };
        ticket
    });
    node.writer.flush();
    let answers = tickets.map(|ticket| match node.answer(ticket) {
        Answer::Committed(offset) => offset.get().cast_signed(),
        Answer::Repeated(offset) => -offset.get().cast_signed(),
        other => panic!("{other:?}"),
    });
    assert_eq!(answers, [1, 2, -1, -1, 3, 4, 5, 6]);
    let owner = node.log.order_owner(&tenant("t"), "d").unwrap().unwrap();
    assert_eq!(owner.customer.as_deref(), Some("c11"));
    assert_eq!(Node::of(&server).append(5), Answer::Repeated(offset(4)));
}

#[test]
fn other_things_under_the_same_keys_are_refused_and_what_is_damaged_is_said() {
    let Some(server) = server(&[]) else { return };
    server.command("SET foodtrack:{t}:head nonsense");
    let (sender, completions) = channel();
    let log = RedisLog::open(&options(&server), Box::new(move |it| _ = sender.send(it))).unwrap();
    log.open(&tenant("t"), 0).unwrap();
    next(&completions, |it| {
        matches!(it, Completion::OpenFailed { reason: RefusedReason::Away, .. })
    });
    assert!(log.stats(&tenant("t")).is_err());
    server.command("DEL foodtrack:{t}:head");
    let mut node = Node::of(&server);
    assert_eq!(node.append(1), Answer::Committed(offset(1)));
    // News that are none, and an entry that no version wrote.
    for news in ["", "L", "Lxxxxxxxx", "N12345678room", "Lxxxxxxxxyyyyyyyyz zzz", "?what"] {
        server.command(&format!("PUBLISH foodtrack:{{t}}:news \"{news}\""));
    }
    server.command("XADD foodtrack:{t}:log 2-0 t 1 s 2 i 0123456789abcdef h x b y");
    server.command("HSET foodtrack:{t}:head last 2 entries 2");
    assert!(matches!(node.log.read_at(&tenant("t"), &[offset(2)]), Err(ReadError::Damaged { .. })));
    server.command("XADD foodtrack:{t}:log 3-0 what ever");
    server.command("HSET foodtrack:{t}:head last 3");
    // News of another log, which there is not: it is looked at anew.
    node.next(|it| matches!(it, Completion::Lost { .. }));
    node.open_again();
    assert_eq!(node.log.tenants().unwrap(), [tenant("t")]);
    assert_eq!(node.append(9), Answer::Committed(offset(4)));
}

#[test]
fn entries_that_cannot_be_read_are_a_gap_and_what_is_around_them_is_read() {
    let Some(server) = server(&[]) else { return };
    let mut node = Node::of(&server);
    assert_eq!(node.append(1), Answer::Committed(offset(1)));
    server.command("XADD foodtrack:{t}:log 2-0 t 1 s 2 i 0123456789abcdef h x b y");
    server.command("XADD foodtrack:{t}:log 3-0 of another version too");
    server.command("HSET foodtrack:{t}:head last 3 entries 3");
    assert_eq!(node.append(4), Answer::Committed(offset(4)));
    let page = |after, through: u64| {
        let request = ReadRequest { through: offset(through), ..request(&tenant("t"), after, 10) };
        let page = node.log.read(&request).unwrap();
        let entries: Vec<u64> = page.entries.iter().map(|it| it.offset.get()).collect();
        (page.start, entries, page.next.get(), page.is_last)
    };
    assert_eq!(page(0, 4), (PageStart::Whole, vec![1], 1, false));
    let gap = PageStart::Gap { through: offset(3) };
    assert_eq!(page(1, 4), (gap, vec![4], 4, true));
    assert_eq!(page(1, 3), (gap, vec![], 3, true));
    assert_eq!(page(3, 4), (PageStart::Whole, vec![4], 4, true));
    let outline = |after: u64| {
        let after = Offset::ZERO.plus(after);
        let page = node.log.outline(&tenant("t"), None, after, offset(4), 10).unwrap();
        let entries: Vec<u64> = page.entries.iter().map(|it| it.offset.get()).collect();
        (page.trimmed_through.get(), entries, page.next.get())
    };
    assert_eq!(outline(0), (0, vec![1], 1));
    assert_eq!(outline(1), (3, vec![4], 4));
}

#[test]
fn two_clusters_with_prefixes_of_their_own_share_nothing() {
    let Some(server) = server(&[]) else { return };
    let prefixed = |prefix: &str| RedisOptions { prefix: prefix.into(), ..options(&server) };
    let mut one = Node::with(&prefixed("one"));
    let mut two = Node::with(&prefixed("two"));
    assert_eq!(one.append(1), Answer::Committed(offset(1)));
    assert_eq!(two.append(1), Answer::Committed(offset(1)));
    assert_eq!(two.append(2), Answer::Committed(offset(2)));
    assert_eq!((one.ids(), two.ids()), (vec![1], vec![1, 2]));
}

#[test]
fn of_two_nodes_that_say_how_far_a_subscriber_is_the_further_one_wins() {
    let Some(server) = server(&[]) else { return };
    let [one, other] = [(); 2].map(|()| Node::of(&server));
    let (epoch, key) = (one.head.epoch, SubscriberKey::new("ada").unwrap());
    let save = |node: &Node, n| {
        let saved = SavedCursor { cursor: Cursor::new(epoch, offset(n)), updated_at_ms: n };
        node.log.save_cursor(&tenant("t"), &key, saved).unwrap();
        // What is answered comes behind it.
        node.log.open(&tenant("t"), 0).unwrap();
        node.next(|it| matches!(it, Completion::Opened { .. }));
        let saved = node.log.cursor(&tenant("t"), &key).unwrap().unwrap();
        saved.cursor.through()
    };
    assert_eq!(save(&one, 5), offset(5));
    assert_eq!(save(&other, 3), offset(5));
    assert_eq!(save(&other, 7), offset(7));
}

#[test]
fn of_more_orders_than_are_remembered_none_is_forgotten_and_there_is_no_room() {
    let Some(server) = server(&[]) else { return };
    let mut node = Node::with(&RedisOptions { orders_max: 2, ..options(&server) });
    for n in 1..=3 {
        let made = LogEntry {
            entity: Some(n.to_string().into()),
            creates_order: Some(OrderOwner { customer: Some("ada".into()) }),
            ..entry(offset(1), id(n))
        };
        assert_eq!(node.log.has_room_for_orders(&tenant("t")), n < 3);
        let ticket = node.submit_entry(&made);
        assert_eq!(node.answer(ticket), Answer::Committed(offset(n)));
    }
    let owner = |order| node.log.order_owner(&tenant("t"), order).unwrap();
    assert!(owner("1").is_some() && owner("2").is_some() && owner("3").is_none());
}

#[test]
fn an_address_that_is_none_is_said_and_a_password_in_it_is_not() {
    let bad = RedisOptions { url: "redis://:secret@host:port".into(), ..RedisOptions::default() };
    let error = RedisLog::open(&bad, Box::new(|_| ())).err().unwrap().to_string();
    assert!(error.contains("Redis") && !error.contains("secret"), "{error}");
    let options = RedisOptions { url: "redis://:secret@host".into(), ..RedisOptions::default() };
    assert!(!format!("{options:?}").contains("secret"));
}

#[test]
fn retention_is_applied_by_the_script_that_appends() {
    let Some(server) = server(&[]) else { return };
    let retention = Retention { entries_max: 10, entries_min: 0, ..KEEPS_ALL };
    let mut node = Node::with(&RedisOptions { retention, ..options(&server) });
    for n in 1..=100 {
        assert_eq!(node.append(n), Answer::Committed(offset(n)));
    }
    let name: TenantId = tenant("t");
    wait_until("the oldest go", || node.log.stats(&name).unwrap().entries <= 10);
    assert_eq!(server.command("XLEN foodtrack:{t}:log"), ":10");
}
