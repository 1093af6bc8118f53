//! What a log in Redis promises beyond the suite: several nodes, a server that goes away, forgets, goes back, is full, or has other
//! things under the same keys.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use foodtrack_contract::{Cursor, Offset, TenantId};
use foodtrack_tenant_log::{
    Answer, Completion, Durability, LogAdmin, LogEntry, LogReader, Note, NoteKind, OrderOwner,
    PageStart, ReadError, ReadRequest, RedisLog, RedisOptions, RefusedReason, Retention,
    SavedCursor, SubmitError, Submitted, SubscriberKey, SubscriberStore, TenantLog,
};
use test_support::{RedisServer, wait_until};

use crate::redis_node::{KEEPS, Node, is_shut_out, next, options, server};
use crate::support::{KEEPS_ALL, entry, id, noise, offset, request, tenant};

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
    let through =
        foodtrack_tenant_log::ReadRequest { through: offset(3), ..request(&tenant("t"), 1, 100) };
    let page = one.log.read(&through).unwrap();
    assert_eq!(page.entries, [entry(offset(2), id(2)), entry(offset(3), id(3))]);
    // One that goes leaves the other.
    other.log.close(&tenant("t")).unwrap();
    assert_eq!(one.append(4), Answer::Committed(offset(4)));
    assert_eq!(other.append(5), Answer::Refused(RefusedReason::OutOfSequence));
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
    let ticket = one.submit_entry(&emission(2, u64::MAX, 1_000));
    assert_eq!(one.answer(ticket), Answer::Committed(offset(2)));
    drop(one);
    let mut other = Node::of(&server);
    assert_eq!(other.append(1), Answer::Repeated(offset(1)));
    // What says the same as the last about its order, shortly after, is that again; later, or after another, it is not.
    let ticket = other.submit_entry(&emission(3, u64::MAX, 11_000));
    assert_eq!(other.answer(ticket), Answer::Repeated(offset(2)));
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
fn whatever_is_cut_off_nothing_that_was_committed_is_lost_or_kept_twice() {
    let Some(mut server) = server(&KEEPS) else { return };
    let mut node = Node::of(&server);
    node.log.follow(&tenant("t")).unwrap();
    let mut committed = Vec::new();
    for n in 1..=60 {
        let ticket = node.submit(n);
        match n {
            // With an entry on its way.
            20 => {
                server.kill();
                server.start_again();
            }
            40 => _ = server.command("CLIENT KILL TYPE normal SKIPME no"),
            50 => _ = server.command("SCRIPT FLUSH"),
            _ => {}
        }
        match node.answer(ticket) {
            Answer::Committed(offset) => committed.push((offset, n)),
            other => panic!("{n}: {other:?}"),
        }
    }
    assert!(committed.windows(2).all(|it| it[0].0 < it[1].0));
    assert_eq!(node.ids(), (1..=60).collect::<Vec<_>>());
}

#[test]
fn what_cannot_be_sent_is_refused_after_a_while_and_then_at_once_until_redis_is_back() {
    let Some(mut server) = server(&KEEPS) else { return };
    let mut node = Node::of(&server);
    assert_eq!(node.append(1), Answer::Committed(offset(1)));
    server.kill();
    // It was sent on a connection that broke, or not: nobody knows, or it was not.
    let away = [RefusedReason::Away, RefusedReason::Unknown].map(Answer::Refused);
    let start = Instant::now();
    assert!(away.contains(&node.append(2)));
    assert!(start.elapsed() > Duration::from_millis(700), "it waits a little for a restart");
    let start = Instant::now();
    assert_eq!(node.append(3), Answer::Refused(RefusedReason::Away));
    assert!(start.elapsed() < Duration::from_millis(700));
    let room = || Note {
        kind: NoteKind::Room,
        key: "a".into(),
        value: Some("b".into()),
        expires_at_ms: None,
    };
    node.log.save_note(&tenant("t"), room(), Some(7)).unwrap();
    let refused = node.next(|it| matches!(it, Completion::NoteRefused { .. }));
    assert!(matches!(refused, Completion::NoteRefused { reason: RefusedReason::Away, .. }));
    assert!(matches!(node.log.stats(&tenant("t")), Err(ReadError::Store(_))));
    node.log.open(&tenant("u"), 0).unwrap();
    node.next(|it| matches!(it, Completion::OpenFailed { reason: RefusedReason::Away, .. }));
    server.start_again();
    assert_eq!(node.append_until_taken(4), Answer::Committed(offset(2)));
    assert_eq!(node.ids(), [1, 4]);
}

#[test]
fn a_server_that_does_not_answer_holds_up_nobody_for_ever_and_what_waits_is_bounded() {
    let Some(server) = server(&[]) else { return };
    // Longer than it takes a busy machine to hand over what may wait: nothing of it is given up meanwhile.
    let options = RedisOptions { patience: Duration::from_secs(5), ..options(&server) };
    let mut node = Node::with(&options);
    let signal = |name: &str| {
        let pid = server.pid().to_string();
        assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success());
    };
    signal("-STOP");
    let ticket = node.submit(1);
    let large = LogEntry { message: noise(7, 1 << 20).into(), ..entry(offset(1), id(2)) };
    let mut taken = 0;
    let refused = loop {
        match node.writer.submit(&tenant("t"), &large.by_ref()) {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken < 1_000, "a thousand megabytes wait");
    };
    assert_eq!(refused, SubmitError::Overloaded);
    assert_eq!(node.answer(ticket), Answer::Refused(RefusedReason::Unknown));
    signal("-CONT");
    assert!(matches!(node.append_until_taken(3), Answer::Committed(_)));
}

#[test]
fn what_nobody_knew_of_is_told_to_its_own_node_when_it_turns_out_to_be_in_the_log() {
    let Some(server) = server(&[]) else { return };
    let mut node = Node::of(&server);
    node.log.follow(&tenant("t")).unwrap();
    node.hears_of(0);
    let signal = |name: &str| {
        let pid = server.pid().to_string();
        assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success());
    };
    signal("-STOP");
    let ticket = node.submit(1);
    assert_eq!(node.answer(ticket), Answer::Refused(RefusedReason::Unknown));
    signal("-CONT");
    node.hears_of(1);
    assert_eq!(node.ids(), [1]);
}

#[test]
fn a_server_that_forgot_everything_is_another_log_and_says_so() {
    let Some(mut server) = server(&[]) else { return };
    let [mut one, follower] = [(); 2].map(|()| Node::of(&server));
    follower.log.follow(&tenant("t")).unwrap();
    follower.hears_of(0);
    assert_eq!(one.append(1), Answer::Committed(offset(1)));
    follower.hears_of(1);
    server.kill();
    server.start_again();
    // Who follows finds out without a word of others.
    follower.next(|it| matches!(it, Completion::Lost { .. }));
    assert!(is_shut_out(one.append_until_taken(2)));
    let before = one.head.epoch;
    one.open_again();
    assert_ne!(one.head.epoch, before);
    assert_eq!(one.append(3), Answer::Committed(offset(1)));
    let place =
        foodtrack_tenant_log::ReadRequest { epoch: Some(before), ..request(&tenant("t"), 0, 10) };
    assert_eq!(one.log.read(&place).unwrap().start, PageStart::Reset);
}

/// What Redis has of the tenant `t`, as of now, to be put back later.
fn copy(server: &RedisServer) -> Vec<(&'static str, &'static str)> {
    let pairs = [("head", "head-then"), ("log", "log-then")];
    for (name, copy) in pairs {
        let key = |name| format!("foodtrack:{{t}}:{name}");
        assert_eq!(server.command(&format!("COPY {} {}", key(name), key(copy))), ":1");
    }
    pairs.to_vec()
}

fn put_back(server: &RedisServer, copied: &[(&str, &str)]) {
    for (name, copy) in copied {
        let key = |name| format!("foodtrack:{{t}}:{name}");
        server.command(&format!("COPY {} {} REPLACE", key(copy), key(name)));
    }
}

#[test]
fn a_log_that_went_back_is_another_one_also_where_others_went_on_from_there() {
    let Some(server) = server(&[]) else { return };
    let [mut one, follower] = [(); 2].map(|()| Node::of(&server));
    follower.log.follow(&tenant("t")).unwrap();
    follower.hears_of(0);
    assert_eq!(one.append(1), Answer::Committed(offset(1)));
    let then = copy(&server);
    assert_eq!(one.append(2), Answer::Committed(offset(2)));
    follower.hears_of(2);
    put_back(&server, &then);
    // This one has not heard of the second entry, so that the log goes on for it.
    let mut other = Node::of(&server);
    assert_eq!(other.append(3), Answer::Committed(offset(2)));
    // For that one another message stands where its own stood.
    assert!(is_shut_out(one.append(4)));
    follower.next(|it| matches!(it, Completion::Lost { .. }));
    assert!(is_shut_out(other.append(5)));
    let before = one.head.epoch;
    one.open_again();
    other.open_again();
    assert!(one.head.epoch != before && one.head.epoch == other.head.epoch);
    // What is there stays, and what was lost is nowhere invented.
    assert_eq!(one.append(6), Answer::Committed(offset(3)));
    assert_eq!(other.ids(), [1, 3, 6]);
}

#[test]
fn who_only_follows_finds_out_that_a_log_went_back_when_it_listens_again() {
    let Some(server) = server(&[]) else { return };
    let [mut one, follower] = [(); 2].map(|()| Node::of(&server));
    follower.log.follow(&tenant("t")).unwrap();
    follower.hears_of(0);
    assert_eq!(one.append(1), Answer::Committed(offset(1)));
    let then = copy(&server);
    assert_eq!(one.append(2), Answer::Committed(offset(2)));
    follower.hears_of(2);
    put_back(&server, &then);
    server.command("CLIENT KILL TYPE pubsub");
    follower.next(|it| matches!(it, Completion::Lost { .. }));
}

#[test]
fn what_was_published_while_nobody_listened_is_found_when_the_follower_listens_again() {
    let Some(server) = server(&[]) else { return };
    let [mut one, follower] = [(); 2].map(|()| Node::of(&server));
    follower.log.follow(&tenant("t")).unwrap();
    follower.hears_of(0);
    server.command("CLIENT KILL TYPE pubsub");
    assert_eq!(one.append(1), Answer::Committed(offset(1)));
    follower.hears_of(1);
    assert_eq!(follower.ids(), [1]);
}

#[test]
fn what_was_read_and_not_heard_of_yet_is_no_end_of_a_log_that_memory_has() {
    let Some(server) = server(&[]) else { return };
    let [one, mut other] = [(); 2].map(|()| Node::of(&server));
    one.log.follow(&tenant("t")).unwrap();
    (1..=3).for_each(|n| assert_eq!(other.append(n), Answer::Committed(offset(n))));
    one.hears_of(3);
    let outline = |through: u64| {
        let tail = one.log.tail(&tenant("t"), offset(through));
        (tail.after(), tail.outline(offset(0), offset(through)).len())
    };
    assert_eq!(outline(3), (offset(0), 3));
    // The fourth was read by whoever asks, and its notice is on its way: what was planned without it would leave it out.
    assert_eq!(outline(4), (Offset::MAX, 0));
}

#[test]
fn what_one_node_notes_the_others_hear_and_what_they_could_not_hear_they_read() {
    let Some(server) = server(&[]) else { return };
    let [one, follower] = [(); 2].map(|()| Node::of(&server));
    follower.log.follow(&tenant("t")).unwrap();
    let note = |key: &str, value: Option<&str>| Note {
        // What is taken away does not expire.
        expires_at_ms: value.map(|_| u64::MAX),
        kind: NoteKind::Session,
        key: key.into(),
        value: value.map(Into::into),
    };
    let told = [note("a b", Some("c d")), note("a b", None), note("ü", Some(""))];
    for it in &told {
        one.log.save_note(&tenant("t"), it.clone(), Some(1)).unwrap();
        one.next(|it| matches!(it, Completion::Noted { .. }));
    }
    // Whoever waits until all is heard has heard all that was answered before.
    follower.log.hear_notes(&tenant("t")).unwrap();
    let heard: Vec<Note> = follower
        .completions
        .try_iter()
        .filter_map(|it| match it {
            Completion::NotedElsewhere { note, .. } => Some(note),
            _ => None,
        })
        .collect();
    assert_eq!(heard, told);
    assert!(one.completions.try_iter().all(|it| !matches!(it, Completion::NotedElsewhere { .. })));
    server.command("CLIENT KILL TYPE pubsub");
    one.log.save_note(&tenant("t"), note("late", Some("x")), Some(2)).unwrap();
    let opened = follower.next(|it| match it {
        Completion::Opened { head, .. } => head.notes.contains(&note("late", Some("x"))),
        _ => false,
    });
    assert!(matches!(opened, Completion::Opened { .. }));
    follower.log.hear_notes(&tenant("t")).unwrap();
}

#[test]
fn a_full_server_refuses_what_must_be_kept_and_takes_it_when_there_is_room_again() {
    let Some(server) = server(&[]) else { return };
    let mut node = Node::of(&server);
    assert_eq!(node.append(1), Answer::Committed(offset(1)));
    server.command("CONFIG SET maxmemory 1");
    assert_eq!(node.append(2), Answer::Refused(RefusedReason::DiskFull));
    assert_eq!(node.ids(), [1]);
    server.command("CONFIG SET maxmemory 0");
    assert_eq!(node.append(2), Answer::Committed(offset(2)));
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
