//! A log in Redis that went back or was begun anew is another one, and says so.

use foodtrack_tenant_log::{Answer, Completion, LogReader, PageStart, ReadRequest};
use test_support::RedisServer;

use crate::redis_node::{Node, is_shut_out, server};
use crate::support::{offset, request, tenant};

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
    let place = ReadRequest { epoch: Some(before), ..request(&tenant("t"), 0, 10) };
    assert_eq!(one.log.read(&place).unwrap().start, PageStart::Reset);
}

/// A server that has only the first of two entries again, who appended them, and who followed.
fn gone_back() -> Option<(RedisServer, Node, Node)> {
    let server = server(&[])?;
    let [mut one, follower] = [(); 2].map(|()| Node::of(&server));
    follower.log.follow(&tenant("t")).unwrap();
    follower.hears_of(0);
    let keys = ["head", "log"].map(|name| format!("foodtrack:{{t}}:{name}"));
    assert_eq!(one.append(1), Answer::Committed(offset(1)));
    for key in &keys {
        assert_eq!(server.command(&format!("COPY {key} {key}-then")), ":1");
    }
    assert_eq!(one.append(2), Answer::Committed(offset(2)));
    follower.hears_of(2);
    for key in &keys {
        assert_eq!(server.command(&format!("COPY {key}-then {key} REPLACE")), ":1");
    }
    Some((server, one, follower))
}

#[test]
fn a_log_that_went_back_is_another_one_also_where_others_went_on_from_there() {
    let Some((server, mut one, follower)) = gone_back() else { return };
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
    let Some((server, _one, follower)) = gone_back() else { return };
    server.command("CLIENT KILL TYPE pubsub");
    follower.next(|it| matches!(it, Completion::Lost { .. }));
}
