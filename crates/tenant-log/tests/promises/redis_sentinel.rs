//! A Redis that has a replica, and sentinels that put it in the master's place.

use std::time::Duration;

use foodtrack_contract::Offset;
use foodtrack_tenant_log::{
    Answer, Completion, LogReader, RedisOpenError, RedisOptions, RedisSentinels, first_look,
};
use test_support::{RedisServer, wait_until};

use crate::redis_node::{KEEPS, Node, is_shut_out, server};
use crate::support::{KEEPS_ALL, offset, tenant};

/// A master, its replica, and three sentinels.
struct Watched {
    sentinels: test_support::RedisSentinels,
    master: RedisServer,
    replica: RedisServer,
}

impl Watched {
    fn start() -> Option<Self> {
        let master = server(&KEEPS)?;
        let port = master.port().to_string();
        let of_master = ["--replicaof", "127.0.0.1", &port, "--repl-diskless-sync-delay", "0"];
        let replica = server(&[&KEEPS[..], &of_master].concat())?;
        wait_until("the replica has what its master has", || {
            replica.command("INFO replication").contains("master_link_status:up")
        });
        let sentinels = test_support::RedisSentinels::watch(&master);
        Some(Self { sentinels, master, replica })
    }

    fn options(&self) -> RedisOptions {
        let addresses = self.sentinels.ports().into_iter().map(|port| ("127.0.0.1".into(), port));
        let sentinels = RedisSentinels {
            addresses: addresses.collect(),
            master: self.sentinels.master().into(),
            username: None,
            password: None,
        };
        RedisOptions {
            // Who it is that answers, the sentinels say.
            url: "redis://127.0.0.1:1".into(),
            sentinels: Some(sentinels),
            retention: KEEPS_ALL,
            patience: Duration::from_millis(1_500),
            ..RedisOptions::default()
        }
    }

    fn replica_has(&self, entries: u64) {
        wait_until("the replica has it too", || {
            self.replica.command("XLEN foodtrack:{t}:log") == format!(":{entries}")
        });
    }
}

fn append_all(node: &mut Node, numbers: std::ops::RangeInclusive<u64>) {
    for n in numbers {
        assert_eq!(node.append(n), Answer::Committed(offset(n)));
    }
}

#[test]
fn after_a_fail_over_nodes_go_on_at_the_new_master_with_all_that_it_had() {
    let Some(mut redis) = Watched::start() else { return };
    first_look(&redis.options(), [7; 32]).map_err(|error| error.to_string()).unwrap();
    let [mut one, mut other] = [(); 2].map(|()| Node::with(&redis.options()));
    other.log.follow(&tenant("t")).unwrap();
    other.hears_of(0);
    append_all(&mut one, 1..=20);
    other.hears_of(20);
    redis.replica_has(20);
    redis.master.kill();
    assert_eq!(one.append_until_taken(21), Answer::Committed(offset(21)));
    // It listens to the new master, too.
    other.hears_of(21);
    assert_eq!(other.append_until_taken(22), Answer::Committed(offset(22)));
    assert_eq!((one.ids(), other.ids()), ((1..=22).collect(), (1..=22).collect()));
    assert_eq!(redis.replica.command("XLEN foodtrack:{t}:log"), ":22");
    // One that starts now finds it as well, and what was the master comes back as a replica.
    redis.master.start_again();
    wait_until("it is a replica", || {
        redis.master.try_command("ROLE").is_some_and(|said| said.contains("slave"))
    });
    let mut new = Node::with(&redis.options());
    assert_eq!(new.append(23), Answer::Committed(offset(23)));
}

#[test]
fn what_a_fail_over_lost_is_said_and_nothing_is_put_in_its_place() {
    let Some(mut redis) = Watched::start() else { return };
    let [mut one, other] = [(); 2].map(|()| Node::with(&redis.options()));
    other.log.follow(&tenant("t")).unwrap();
    other.hears_of(0);
    append_all(&mut one, 1..=5);
    redis.replica_has(5);
    redis.replica.command("REPLICAOF 127.0.0.1 1");
    append_all(&mut one, 6..=8);
    other.hears_of(8);
    redis.master.kill();
    other.next(|it| matches!(it, Completion::Lost { .. }));
    assert!(is_shut_out(one.append_until_taken(9)));
    let before = one.head.epoch;
    one.open_again();
    assert_ne!(one.head.epoch, before);
    assert_eq!(one.append(9), Answer::Committed(offset(6)));
    assert_eq!(one.ids(), [1, 2, 3, 4, 5, 9]);
}

#[test]
fn a_master_that_is_replaced_while_it_answers_is_left() {
    let Some(redis) = Watched::start() else { return };
    let [mut one, other] = [(); 2].map(|()| Node::with(&redis.options()));
    other.log.follow(&tenant("t")).unwrap();
    other.hears_of(0);
    append_all(&mut one, 1..=3);
    redis.replica_has(3);
    redis.sentinels.fail_over();
    // Connections are cut when a server changes its role.
    let is = |server: &RedisServer, role| {
        server.try_command("ROLE").is_some_and(|said| said.contains(role))
    };
    wait_until("the replica is the master", || is(&redis.replica, "master"));
    wait_until("it was the master", || is(&redis.master, "slave"));
    assert_eq!(one.append_until_taken(4), Answer::Committed(offset(4)));
    other.hears_of(4);
    assert_eq!(other.ids(), [1, 2, 3, 4]);
    assert_eq!(redis.replica.command("XLEN foodtrack:{t}:log"), ":4");
}

#[test]
fn sentinels_that_are_away_or_know_no_such_master_are_said() {
    let Some(redis) = Watched::start() else { return };
    let known = redis.options();
    let mut unknown = known.clone();
    unknown.sentinels.as_mut().unwrap().master = "other".into();
    let mut away = known.clone();
    away.sentinels.as_mut().unwrap().addresses = vec![("127.0.0.1".into(), 1)];
    // What is there is no sentinel.
    let mut none = known.clone();
    none.sentinels.as_mut().unwrap().addresses = vec![("127.0.0.1".into(), redis.master.port())];
    for options in [unknown, away, none] {
        let error = first_look(&options, [7; 32]).err().expect("it is found");
        assert!(matches!(error, RedisOpenError::Away(_)), "{error}");
        assert!(error.to_string().contains("no sentinel names the master"), "{error}");
    }
    // Two of three that are away are no harm.
    let mut alone = known;
    let addresses = &mut alone.sentinels.as_mut().unwrap().addresses;
    addresses.truncate(1);
    addresses.extend([("127.0.0.1".into(), 1), ("127.0.0.1".into(), 2)]);
    assert_eq!(Node::with(&alone).append(1), Answer::Committed(Offset::ZERO.next()));
}
