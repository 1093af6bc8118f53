//! What is kept on a node's disk while Redis is away: in order, once, also when the node was killed in between.

use std::path::Path;
use std::sync::mpsc::channel;
use std::time::Duration;

use foodtrack_contract::Epoch;
use foodtrack_tenant_log::{
    Answer, Completion, Durability, EntryRef, Fact, LogAdmin, LogEntry, LogReader as _, OrderOwner,
    RedisLog, RedisOpenError, RedisOptions, RedisSpool, RefusedReason, SubmitError, Submitted,
    TenantLog, erase_spooled,
};
use test_support::{RedisServer, let_pass, wait_until};

use crate::redis_node::{KEEPS, Node, next, open, options, server};
use crate::support::{entry, id, noise, offset, tenant};

const KEPT: Answer = Answer::Spooled { is_repeat: false };

fn spooling(server: &RedisServer, directory: &Path, bytes_max: u64) -> RedisOptions {
    let directory = directory.to_owned();
    let spool = Some(RedisSpool { directory, takes_entries: true, bytes_max });
    RedisOptions { spool, ..options(server) }
}

/// Kills Redis and waits until the node knows.
fn lose(server: &mut RedisServer, node: &mut Node) {
    server.kill();
    until_away(node);
}

fn until_away(node: &mut Node) {
    let mut n = 1_000;
    while !node.is_away() {
        // Of these nobody knows, or the first are kept.
        node.append(n);
        n += 1;
    }
}

/// A node that opens its tenant as shards do: again where it is refused.
fn start(options: &RedisOptions) -> Node {
    let (sender, completions) = channel();
    let log = RedisLog::open(options, Box::new(move |it| _ = sender.send(it))).unwrap();
    let head = loop {
        log.open(&tenant("t"), 0).unwrap();
        let opened = next(&completions, |it| {
            matches!(it, Completion::Opened { .. } | Completion::OpenFailed { .. })
        });
        if let Completion::Opened { head, .. } = opened {
            break head;
        }
        let_pass(Duration::from_millis(20));
    };
    let writer = log.writer();
    Node { log, writer, completions, head }
}

fn waiting(node: &Node) -> u64 {
    node.log.storage().spooled.unwrap().events
}

/// Those that the test numbered itself.
fn own(node: &Node) -> Vec<u64> {
    node.ids().into_iter().filter(|it| *it < 1_000).collect()
}

#[test]
fn what_comes_while_redis_is_away_is_kept_and_appended_in_order_when_it_is_back() {
    let Some(mut server) = server(&KEEPS) else { return };
    let directory = tempfile::tempdir().unwrap();
    let mut node = Node::with(&spooling(&server, directory.path(), 1 << 20));
    let mut other = Node::of(&server);
    assert_eq!(node.append(1), Answer::Committed(offset(1)));
    lose(&mut server, &mut node);
    let tickets: Vec<u64> = (2..=600).map(|n| node.submit(n)).collect();
    for ticket in &tickets {
        assert_eq!(node.answer(*ticket), KEPT);
    }
    // What is sent again waits once.
    assert_eq!(node.append(2), Answer::Spooled { is_repeat: true });
    // What need not be kept is not.
    let light = LogEntry { durability: Durability::Recoverable, ..entry(offset(1), id(700)) };
    let refused = node.writer.submit(&tenant("t"), &light.by_ref());
    assert_eq!(refused, Err(SubmitError::Away));
    server.start_again();
    // Each is told where it is, in the log's order.
    let mut last = 0;
    for ticket in tickets {
        let Answer::Committed(offset) = node.answer(ticket) else { panic!("{ticket}") };
        assert!(offset.get() > last);
        last = offset.get();
    }
    wait_until("nothing waits", || waiting(&node) == 0);
    assert_eq!(own(&node), (1..=600).collect::<Vec<_>>());
    wait_until("the other one has found it too", || {
        matches!(other.append(601), Answer::Committed(_))
    });
    assert!(matches!(node.append(602), Answer::Committed(_)), "it goes on as ever");
    assert_eq!(node.append(3), node.append(3), "known by its id");
    assert!(matches!(node.append(3), Answer::Repeated(_)));
}

#[test]
fn what_a_killed_node_kept_is_appended_by_the_next_before_anybody_comes_in() {
    let Some(mut server) = server(&KEEPS) else { return };
    let directory = tempfile::tempdir().unwrap();
    let options = spooling(&server, directory.path(), 1 << 20);
    let mut node = Node::with(&options);
    assert_eq!(node.append(1), Answer::Committed(offset(1)));
    lose(&mut server, &mut node);
    for n in 2..=40 {
        assert_eq!(node.append(n), KEPT);
    }
    // As whoever has no time for anything: what is on disk is all there is.
    let copy = tempfile::tempdir().unwrap();
    for file in ["spool.db", "spool.db-wal"] {
        std::fs::copy(directory.path().join(file), copy.path().join(file)).unwrap();
    }
    drop(node);
    server.start_again();
    let options = spooling(&server, copy.path(), 1 << 20);
    let other = start(&options);
    assert_eq!(waiting(&other), 0, "nobody comes in before");
    assert_eq!(own(&other), (1..=40).collect::<Vec<_>>());
    drop(other);
    // And the first one, which it took for the same: nothing is there twice.
    let mut node = start(&spooling(&server, directory.path(), 1 << 20));
    assert_eq!(own(&node), (1..=40).collect::<Vec<_>>());
    assert!(matches!(node.append(41), Answer::Committed(_)));
}

#[test]
fn two_nodes_append_what_each_has_and_what_both_have_once() {
    let Some(mut server) = server(&KEEPS) else { return };
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [mut one, mut two] =
        directories.each_ref().map(|it| Node::with(&spooling(&server, it.path(), 1 << 20)));
    lose(&mut server, &mut one);
    until_away(&mut two);
    for n in 1..=30 {
        assert_eq!(one.append(n), KEPT);
        // A sender who was not answered sent the last ten through both.
        assert_eq!(two.append(n + 20), KEPT);
    }
    server.start_again();
    wait_until("all is in the log", || waiting(&one) + waiting(&two) == 0);
    let mut all = own(&one);
    let first: Vec<u64> = all.iter().copied().filter(|it| *it <= 20).collect();
    assert_eq!(first, (1..=20).collect::<Vec<_>>(), "each node's in its order");
    all.sort_unstable();
    assert_eq!(all, (1..=50).collect::<Vec<_>>());
}

#[test]
fn a_full_spool_refuses_and_takes_again_when_there_is_room_and_no_tenant_fills_it_alone() {
    let Some(mut server) = server(&KEEPS) else { return };
    let directory = tempfile::tempdir().unwrap();
    let mut node = Node::with(&spooling(&server, directory.path(), 80_000));
    node.log.open(&tenant("u"), 0).unwrap();
    node.next(|it| matches!(it, Completion::Opened { .. }));
    lose(&mut server, &mut node);
    let large = |n| LogEntry { message: noise(n, 10_000).into(), ..entry(offset(1), id(n)) };
    let mut kept = 0;
    for n in 1..=8 {
        let ticket = node.submit_entry(&large(n));
        match node.answer(ticket) {
            KEPT => kept += 1,
            answer => assert_eq!(answer, Answer::Refused(RefusedReason::DiskFull)),
        }
    }
    assert!((1..=4).contains(&kept), "{kept}");
    assert!(node.log.storage().spooled.unwrap().bytes <= 40_000, "half of it is others'");
    node.writer.submit(&tenant("u"), &large(9).by_ref()).unwrap();
    node.next(|it| matches!(it, Completion::Answered { answer: KEPT, .. }));
    server.start_again();
    wait_until("there is room", || waiting(&node) == 0);
    assert_eq!(own(&node).len(), kept);
    lose(&mut server, &mut node);
    let ticket = node.submit_entry(&large(10));
    assert_eq!(node.answer(ticket), KEPT);
}

#[test]
fn what_waits_is_appended_where_nothing_is_kept_any_more_and_what_comes_waits_for_that() {
    let Some(mut server) = server(&KEEPS) else { return };
    let directory = tempfile::tempdir().unwrap();
    let options = spooling(&server, directory.path(), 1 << 20);
    let mut node = Node::with(&options);
    lose(&mut server, &mut node);
    assert_eq!(node.append(1), KEPT);
    drop(node);
    server.start_again();
    let spool = options.spool.clone().map(|it| RedisSpool { takes_entries: false, ..it });
    let (sender, _completions) = channel();
    let log =
        RedisLog::open(&RedisOptions { spool, ..options }, Box::new(move |it| _ = sender.send(it)))
            .unwrap();
    wait_until("it is in the log", || log.storage().spooled.unwrap().events == 0);
    drop(log);
    let off = tempfile::tempdir().unwrap();
    let spool = RedisSpool { directory: off.path().into(), takes_entries: false, bytes_max: 1 };
    let node =
        Node::with(&RedisOptions { spool: Some(spool), ..crate::redis_node::options(&server) });
    assert_eq!(own(&node), [1]);
    assert_eq!(node.log.storage().spooled, None);
    assert!(!off.path().join("spool.db").exists(), "nothing is made where nothing is kept");
}

#[test]
fn a_customer_who_makes_an_order_that_turns_out_to_be_anothers_is_refused_then() {
    let Some(mut server) = server(&KEEPS) else { return };
    let directory = tempfile::tempdir().unwrap();
    let mut node = Node::with(&spooling(&server, directory.path(), 1 << 20));
    let order = |n, order: &str, customer: &str| LogEntry {
        entity: Some(order.into()),
        creates_order: Some(OrderOwner { customer: Some(customer.into()) }),
        ..entry(offset(1), id(n))
    };
    let ticket = node.submit_entry(&order(1, "eves", "eve"));
    assert_eq!(node.answer(ticket), Answer::Committed(offset(1)));
    lose(&mut server, &mut node);
    let make = |node: &mut Node, n, name: &str| {
        let entry = order(n, name, "ana");
        let made = EntryRef { fact: Some(Fact::NewOrder), ..entry.by_ref() };
        let Ok(Submitted::Later(ticket)) = node.writer.submit(&tenant("t"), &made) else {
            panic!("{n}")
        };
        node.writer.flush();
        assert_eq!(node.answer(ticket), KEPT);
        ticket
    };
    let tickets = [(2, "eves"), (3, "new"), (4, "new")].map(|(n, it)| make(&mut node, n, it));
    server.start_again();
    let answers = tickets.map(|it| node.answer(it));
    assert_eq!(answers[0], Answer::Refused(RefusedReason::OthersOrder));
    assert!(answers[1..].iter().all(|it| matches!(it, Answer::Committed(_))), "{answers:?}");
    assert_eq!(own(&node), [1, 3, 4]);
    for (name, customer) in [("eves", "eve"), ("new", "ana")] {
        let owner = node.log.order_owner(&tenant("t"), name).unwrap().unwrap();
        assert_eq!(owner.customer.as_deref(), Some(customer));
    }
}

#[test]
fn what_waits_goes_into_the_log_that_there_is_where_redis_forgot_everything() {
    let Some(mut server) = server(&[]) else { return };
    let directory = tempfile::tempdir().unwrap();
    let mut node = Node::with(&spooling(&server, directory.path(), 1 << 20));
    assert_eq!(node.append(1), Answer::Committed(offset(1)));
    let epoch: Epoch = node.head.epoch;
    lose(&mut server, &mut node);
    for n in 2..=4 {
        assert_eq!(node.append(n), KEPT);
    }
    // It has no file.
    server.start_again();
    wait_until("it is in the log", || waiting(&node) == 0);
    node.head = open(&node.log, &node.completions);
    assert_ne!(node.head.epoch, epoch);
    assert_eq!(own(&node), [2, 3, 4], "what was acknowledged here is there");
}

#[test]
fn a_tenant_whose_keys_are_something_else_holds_up_nobody() {
    let Some(mut server) = server(&KEEPS) else { return };
    let directory = tempfile::tempdir().unwrap();
    let mut node = Node::with(&spooling(&server, directory.path(), 1 << 20));
    node.log.open(&tenant("u"), 0).unwrap();
    node.next(|it| matches!(it, Completion::Opened { .. }));
    lose(&mut server, &mut node);
    assert_eq!(node.append(1), KEPT);
    node.writer.submit(&tenant("u"), &entry(offset(1), id(2)).by_ref()).unwrap();
    node.next(|it| matches!(it, Completion::Answered { answer: KEPT, .. }));
    let before = waiting(&node);
    drop(node);
    server.start_again();
    server.command("HSET foodtrack:{t}:head layout 2");
    let options = spooling(&server, directory.path(), 1 << 20);
    let (sender, completions) = channel();
    let log = RedisLog::open(&options, Box::new(move |it| _ = sender.send(it))).unwrap();
    wait_until("the other's is in the log", || log.storage().spooled.unwrap().events == before - 1);
    server.command("HSET foodtrack:{t}:head layout 1");
    wait_until("and this one's when it can be", || log.storage().spooled.unwrap().events == 0);
    let head = open(&log, &completions);
    assert!(head.tail.iter().any(|it| it.id == id(1)));
}

#[test]
fn a_spool_of_a_later_version_or_of_somebody_else_is_said_at_the_start() {
    let Some(server) = server(&[]) else { return };
    let directory = tempfile::tempdir().unwrap();
    let options = spooling(&server, directory.path(), 1 << 20);
    let start = || RedisLog::open(&options, Box::new(|_| ())).map(drop);
    start().unwrap();
    let file = directory.path().join("spool.db");
    let change = |sql: &str| {
        rusqlite::Connection::open(&file).unwrap().execute_batch(sql).unwrap();
    };
    change("PRAGMA user_version = 2");
    let later = start().unwrap_err();
    assert!(matches!(later, RedisOpenError::Spool { .. }), "{later}");
    assert!(later.to_string().contains("layout 2"), "{later}");
    change("PRAGMA user_version = 1; PRAGMA application_id = 7");
    assert!(start().unwrap_err().to_string().contains("no spool of a hub"));
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, "garbage, of some length, which is no database of anybody").unwrap();
    assert!(matches!(start(), Err(RedisOpenError::Spool { .. })));
    // Others may not read what is kept.
    std::fs::remove_file(&file).unwrap();
    start().unwrap();
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_waits_of_an_erased_tenant_is_gone_from_the_file_and_others_is_appended() {
    let Some(mut server) = server(&KEEPS) else { return };
    let directory = tempfile::tempdir().unwrap();
    let options = spooling(&server, directory.path(), 1 << 20);
    let mut node = Node::with(&options);
    node.log.open(&tenant("u"), 0).unwrap();
    node.next(|it| matches!(it, Completion::Opened { .. }));
    lose(&mut server, &mut node);
    let secret =
        LogEntry { message: b"[\"for nobody\"]".as_slice().into(), ..entry(offset(1), id(1)) };
    let ticket = node.submit_entry(&secret);
    assert_eq!(node.answer(ticket), KEPT);
    node.writer.submit(&tenant("u"), &entry(offset(1), id(2)).by_ref()).unwrap();
    node.next(|it| matches!(it, Completion::Answered { answer: KEPT, .. }));
    drop(node);
    assert!(erase_spooled(directory.path(), &tenant("t")).unwrap() > 0);
    assert_eq!(erase_spooled(directory.path(), &tenant("t")).unwrap(), 0);
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(10).any(|it| it == b"for nobody"));
    }
    server.start_again();
    let node = start(&options);
    wait_until("the other's is in the log", || waiting(&node) == 0);
    assert_eq!(own(&node), Vec::<u64>::new());
}
