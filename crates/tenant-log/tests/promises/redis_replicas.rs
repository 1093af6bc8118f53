//! Replicas that must have an entry before it is answered.

use foodtrack_tenant_log::{
    Answer, LogAdmin, LogReader, RedisOptions, RefusedReason, StorageState,
};
use test_support::{RedisServer, wait_until};

use crate::redis_node::{Node, options, server};
use crate::support::{offset, tenant};

fn replica_of(master: &RedisServer) -> RedisServer {
    let port = master.port().to_string();
    let arguments = ["--replicaof", "127.0.0.1", &port, "--repl-diskless-sync-delay", "0"];
    let replica = RedisServer::start(&arguments).unwrap();
    wait_until("the replica has what its master has", || {
        replica.command("INFO replication").contains("master_link_status:up")
    });
    replica
}

fn state(node: &Node) -> StorageState {
    node.log.storage().state
}

#[test]
fn a_durable_entry_is_answered_once_the_replicas_have_it_and_else_nobody_knows() {
    let Some(master) = server(&[]) else { return };
    let mut replica = replica_of(&master);
    let mut node = Node::with(&RedisOptions { wait_replicas: 1, ..options(&master) });
    node.log.follow(&tenant("t")).unwrap();
    node.hears_of(0);
    for n in 1..=5 {
        assert_eq!(node.append(n), Answer::Committed(offset(n)));
        assert_eq!(replica.command("XLEN foodtrack:{t}:log"), format!(":{n}"));
    }
    replica.kill();
    assert_eq!(node.append(6), Answer::Refused(RefusedReason::Unknown));
    assert_eq!(state(&node), StorageState::Unreplicated);
    // It is in the log, and who is here gets it.
    node.hears_of(6);
    assert_eq!(node.ids(), [1, 2, 3, 4, 5, 6]);
    // A repeat is not told that it is kept, either.
    assert_eq!(node.append(6), Answer::Refused(RefusedReason::Unknown));
    let replica = replica_of(&master);
    wait_until("it is seen without anybody who writes", || state(&node) == StorageState::Well);
    assert_eq!(node.append(6), Answer::Repeated(offset(6)));
    assert_eq!(node.append(7), Answer::Committed(offset(7)));
    assert_eq!(replica.command("XLEN foodtrack:{t}:log"), ":7");
}

#[test]
fn a_repeat_through_a_node_that_wrote_nothing_yet_waits_for_the_replicas_too() {
    let Some(master) = server(&[]) else { return };
    let mut one = Node::of(&master);
    assert_eq!(one.append(1), Answer::Committed(offset(1)));
    let mut other = Node::with(&RedisOptions { wait_replicas: 1, ..options(&master) });
    assert_eq!(other.append(1), Answer::Refused(RefusedReason::Unknown));
    let replica = replica_of(&master);
    wait_until("it is seen", || state(&other) == StorageState::Well);
    assert_eq!(other.append(1), Answer::Repeated(offset(1)));
    assert_eq!(replica.command("XLEN foodtrack:{t}:log"), ":1");
}
