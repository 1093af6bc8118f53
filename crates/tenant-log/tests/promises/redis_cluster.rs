//! A Redis Cluster, one of whose masters has all keys of a prefix.

use std::time::Duration;

use foodtrack_tenant_log::{
    Answer, LogReader, RedisOpenError, RedisOptions, RefusedReason, first_look,
};
use test_support::{RedisCluster, RedisServer, wait_until};

use crate::redis_node::Node;
use crate::support::{KEEPS_ALL, is_redis_here, offset, tenant};

fn cluster() -> Option<RedisCluster> {
    is_redis_here().then(|| RedisCluster::start().unwrap())
}

fn options(cluster: &RedisCluster) -> RedisOptions {
    RedisOptions {
        // Who it is that answers, the nodes say.
        url: "redis://127.0.0.1:1".into(),
        cluster: Some(cluster.addresses()),
        retention: KEEPS_ALL,
        patience: Duration::from_millis(1_500),
        ..RedisOptions::default()
    }
}

/// How much of its master's writing a server has.
fn replicated(server: &RedisServer) -> Option<String> {
    let said = server.command("INFO replication");
    let line = said.lines().find(|line| line.starts_with("master_repl_offset:"));
    line.map(str::to_owned)
}

const LOG: &str = "{foodtrack}:{t}:log";

#[test]
fn nodes_find_the_master_of_their_keys_and_the_one_that_takes_its_place() {
    let Some(mut cluster) = cluster() else { return };
    let options = options(&cluster);
    first_look(&options, [7; 32]).map_err(|error| error.to_string()).unwrap();
    let [mut one, mut other] = [(); 2].map(|()| Node::with(&options));
    other.log.follow(&tenant("t")).unwrap();
    other.hears_of(0);
    for n in 1..=10 {
        assert_eq!(one.append(n), Answer::Committed(offset(n)));
    }
    other.hears_of(10);
    let master = cluster.master_of(LOG);
    assert_eq!(cluster.servers[master].command(&format!("XLEN {LOG}")), ":10");
    wait_until("the replica has it too", || {
        replicated(&cluster.servers[master]) == replicated(cluster.replica_of(master))
    });
    cluster.servers[master].kill();
    assert_eq!(one.append_until_taken(11), Answer::Committed(offset(11)));
    // It listens to the new master, too.
    other.hears_of(11);
    assert_eq!(other.append_until_taken(12), Answer::Committed(offset(12)));
    assert_eq!(other.ids(), (1..=12).collect::<Vec<_>>());
    assert_eq!(cluster.replica_of(master).command(&format!("XLEN {LOG}")), ":12");
}

#[test]
fn a_slot_that_is_moved_by_hand_is_followed() {
    let Some(cluster) = cluster() else { return };
    let [mut one, other] = [(); 2].map(|()| Node::with(&options(&cluster)));
    other.log.follow(&tenant("t")).unwrap();
    other.hears_of(0);
    assert_eq!(one.append(1), Answer::Committed(offset(1)));
    let from = cluster.master_of(LOG);
    let to = (from + 1) % 3;
    let [from, to] = [from, to].map(|at| &cluster.servers[at]);
    let slot = from.command(&format!("CLUSTER KEYSLOT {LOG}"));
    let slot = slot.trim_start_matches(':').to_owned();
    let id =
        |server: &RedisServer| server.command("CLUSTER MYID").lines().nth(1).unwrap().to_owned();
    let (from_id, to_id) = (id(from), id(to));
    assert_eq!(to.command(&format!("CLUSTER SETSLOT {slot} IMPORTING {from_id}")), "+OK");
    assert_eq!(from.command(&format!("CLUSTER SETSLOT {slot} MIGRATING {to_id}")), "+OK");
    // Half of it is here and half there: nothing is taken, and nothing is taken twice.
    let keys = |server: &RedisServer| -> Vec<String> {
        let keys = server.command(&format!("CLUSTER GETKEYSINSLOT {slot} 100"));
        keys.lines().filter(|it| it.starts_with('{')).map(|it| it.trim().to_owned()).collect()
    };
    let migrate = |key: &str| {
        let port = to.port();
        assert_eq!(from.command(&format!("MIGRATE 127.0.0.1 {port} {key} 0 5000")), "+OK");
    };
    migrate(LOG);
    assert_eq!(one.append(2), Answer::Refused(RefusedReason::Away));
    for key in keys(from) {
        migrate(&key);
    }
    for server in [to, from] {
        assert_eq!(server.command(&format!("CLUSTER SETSLOT {slot} NODE {to_id}")), "+OK");
    }
    assert_eq!(one.append_until_taken(2), Answer::Committed(offset(2)));
    other.hears_of(2);
    assert_eq!(other.ids(), [1, 2]);
    assert_eq!(to.command(&format!("XLEN {LOG}")), ":2");
}

#[test]
fn the_address_of_one_node_of_a_cluster_is_no_way_to_all_of_it() {
    let Some(cluster) = cluster() else { return };
    let master = cluster.master_of("foodtrack:secret");
    let other = &cluster.servers[(master + 1) % 3];
    let options = RedisOptions { url: other.url(), ..RedisOptions::default() };
    let error = first_look(&options, [7; 32]).err().expect("it is let in");
    assert!(matches!(error, RedisOpenError::OneOfMany(_)), "{error}");
}
