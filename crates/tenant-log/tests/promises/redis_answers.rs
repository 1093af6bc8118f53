//! What Redis answers where it is there and does not take what it is given.

use std::time::Duration;

use foodtrack_tenant_log::{Answer, RedisOptions, RefusedReason, first_look};
use test_support::{RedisServer, free_port, wait_until};

use crate::redis_node::{KEEPS, Node, options, server};
use crate::support::offset;

/// Appends one, has Redis refuse, and sees what is refused taken when it is as before.
fn refuses_meanwhile(redis: &RedisServer, refuse: impl Fn(), relent: impl Fn()) {
    let mut node = Node::with(&options(redis));
    assert_eq!(node.append(1), Answer::Committed(offset(1)));
    refuse();
    assert_eq!(node.append(2), Answer::Refused(RefusedReason::Away));
    assert!(node.is_away());
    assert_eq!(node.append(2), Answer::Refused(RefusedReason::Away), "at once");
    relent();
    wait_until("it is seen without anybody who writes", || !node.is_away());
    assert_eq!(node.append(2), Answer::Committed(offset(2)));
    assert_eq!(node.ids(), [1, 2]);
}

#[test]
fn readonly_a_master_that_became_a_replica_takes_nothing_until_it_is_one_again() {
    let Some(redis) = server(&[]) else { return };
    let replica = || _ = redis.command("REPLICAOF 127.0.0.1 1");
    refuses_meanwhile(&redis, replica, || _ = redis.command("REPLICAOF NO ONE"));
}

#[test]
fn masterdown_a_replica_that_says_nothing_without_its_master_is_no_master() {
    let Some(redis) = server(&["--replica-serve-stale-data", "no"]) else { return };
    let replica = || _ = redis.command("REPLICAOF 127.0.0.1 1");
    refuses_meanwhile(&redis, replica, || _ = redis.command("REPLICAOF NO ONE"));
}

#[test]
fn misconf_a_server_whose_disk_fails_takes_nothing_until_it_writes_again() {
    let Some(redis) = server(&[]) else { return };
    let in_the_way = redis.directory().join("dump.rdb");
    let save = || {
        redis.command("BGSAVE");
        wait_until("it has saved, or not", || {
            redis.command("INFO persistence").contains("rdb_bgsave_in_progress:0")
        });
    };
    let refuse = || {
        std::fs::create_dir(&in_the_way).unwrap();
        redis.command("CONFIG SET save \"3600 1000000\"");
        save();
        assert!(redis.command("SET a b").contains("MISCONF"));
    };
    let relent = || {
        std::fs::remove_dir(&in_the_way).unwrap();
        save();
    };
    refuses_meanwhile(&redis, refuse, relent);
}

#[test]
fn noreplicas_a_server_that_wants_more_replicas_than_it_has_takes_nothing() {
    let Some(redis) = server(&[]) else { return };
    let refuse = || _ = redis.command("CONFIG SET min-replicas-to-write 1");
    refuses_meanwhile(&redis, refuse, || _ = redis.command("CONFIG SET min-replicas-to-write 0"));
}

#[test]
fn loading_a_server_that_reads_its_files_is_waited_for() {
    let slow = ["--key-load-delay", "300"];
    let Some(mut redis) = server(&[&KEEPS[..], &slow].concat()) else { return };
    let patience = Duration::from_secs(20);
    let mut node = Node::with(&RedisOptions { patience, ..options(&redis) });
    assert_eq!(node.append(1), Answer::Committed(offset(1)));
    redis.command("EVAL \"for i = 1, 8000 do redis.call('SET', 'k' .. i, 1) end\" 0");
    redis.kill();
    redis.spawn_again();
    wait_until("it reads its files", || {
        redis.try_command("PING").is_some_and(|said| said.starts_with("-LOADING"))
    });
    let ticket = node.submit(2);
    assert_eq!(node.answer(ticket), Answer::Committed(offset(2)));
    assert_eq!(node.ids(), [1, 2]);
}

#[test]
fn clusterdown_a_node_of_a_cluster_without_slots_is_refused_and_nothing_panics() {
    let bus = free_port().to_string();
    let Some(redis) = server(&["--cluster-enabled", "yes", "--cluster-port", &bus]) else { return };
    let options = options(&redis);
    let error = first_look(&options, [7; 32]).err().expect("it is let in");
    assert!(error.to_string().contains("slot"), "{error}");
    // And one whose slots go while it is used.
    redis.command("CLUSTER ADDSLOTSRANGE 0 16383");
    wait_until("it has slots", || redis.command("SET a b") == "+OK");
    refuses_meanwhile(
        &redis,
        || _ = redis.command("CLUSTER DELSLOTSRANGE 0 16383"),
        || _ = redis.command("CLUSTER ADDSLOTSRANGE 0 16383"),
    );
}
