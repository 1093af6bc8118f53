//! What must be done once is one node's at a time, whatever becomes of nodes and of Redis, and what a node does that was replaced is
//! refused.

use std::time::Duration;

use foodtrack_contract::Cursor;
use foodtrack_tenant_log::{
    Completion, DeadLetter, DeadLetterReason, Duty, Lease, Leases, LogAdmin as _, LogReader as _,
    RedisOptions, SavedCursor, SubscriberKey, SubscriberStore as _, TenantLog as _,
    WebhookPlaces as _, WebhookStep,
};
use test_support::{RedisServer, stays_false_for, wait_until};

use crate::line::Line;
use crate::redis_node::{Node, options, server};
use crate::support::{id, offset, tenant};

const LEASE: Duration = Duration::from_millis(900);

fn short(server: &RedisServer) -> RedisOptions {
    RedisOptions { lease: LEASE, ..options(server) }
}

fn webhook() -> SubscriberKey {
    SubscriberKey::new("webhook/billing").unwrap()
}

fn duty() -> Duty {
    Duty::Webhook(webhook())
}

fn claim(node: &Node) -> Option<Lease> {
    node.log.claim(&tenant("t"), &duty()).unwrap()
}

fn step(node: &Node, lease: Lease, n: u64) -> WebhookStep {
    let cursor = Cursor::new(node.head.epoch, offset(n));
    let to = SavedCursor { cursor, updated_at_ms: n };
    WebhookStep { lease, moves: 0, to, letter: None }
}

/// Where the webhook is.
fn through(node: &Node) -> Option<u64> {
    let place = node.log.place(&tenant("t"), &webhook()).unwrap();
    place.cursor.map(|it| it.through().get())
}

fn hears_that_it_is_left(node: &Node) {
    node.next(|it| matches!(it, Completion::Abandoned { duty: of, .. } if *of == duty()));
}

#[test]
fn of_two_who_claim_a_duty_one_has_it_until_it_gives_it_back() {
    let Some(server) = server(&[]) else { return };
    let [one, other] = [(); 2].map(|()| Node::with(&short(&server)));
    let lease = claim(&one).unwrap();
    assert_eq!(claim(&one), Some(lease), "it has it already");
    assert_eq!(claim(&other), None);
    assert_eq!(other.log.lease(&tenant("t"), &duty()), None);
    // A duty of another tenant is another one, and so is another duty.
    assert!(other.log.claim(&tenant("u"), &duty()).unwrap().is_some());
    assert!(other.log.claim(&tenant("t"), &Duty::Watch).unwrap().is_some());
    // It keeps it by living.
    stays_false_for(3 * LEASE, "the other has it", || claim(&other).is_some());
    assert_eq!(claim(&one).map(Lease::token), Some(lease.token()));
    // What rests is given back when its tenant is closed.
    one.log.rest(&tenant("t"), &duty());
    one.log.close(&tenant("t")).unwrap();
    wait_until("the other has it", || claim(&other).is_some());
    assert!(claim(&other).unwrap().token() > lease.token());
    assert_eq!(claim(&one), None);
}

#[test]
fn a_node_that_stops_gives_back_what_it_has_and_another_is_told_at_once() {
    let Some(server) = server(&[]) else { return };
    let long = RedisOptions { lease: Duration::from_secs(9), ..options(&server) };
    let [one, other] = [(); 2].map(|()| Node::with(&long));
    let lease = claim(&one).unwrap();
    drop(one);
    let next = claim(&other).expect("it is free though its time is not over");
    assert!(next.token() > lease.token());
    drop(other);
    let third = Node::with(&long);
    hears_that_it_is_left(&third);
}

#[test]
fn what_a_node_had_that_was_killed_is_found_by_one_that_does_not_know_the_tenant() {
    let Some(server) = server(&[]) else { return };
    // A node of which nothing is heard any more.
    let line = Line::to(server.port());
    let gone = Node::with(&RedisOptions { url: line.url(), ..short(&server) });
    let other = Node::with(&short(&server));
    other.log.close(&tenant("t")).unwrap();
    let lease = claim(&gone).unwrap();
    line.hold(true);
    hears_that_it_is_left(&other);
    wait_until("it is free", || claim(&other).is_some());
    assert!(claim(&other).unwrap().token() > lease.token());
    // Nobody looks for what was given back with nothing left to do.
    other.log.rest(&tenant("t"), &duty());
    wait_until("it is given back", || other.log.lease(&tenant("t"), &duty()).is_none());
    let third = Node::with(&short(&server));
    stays_false_for(3 * LEASE, "a node is told of it", || third.is_told_that_something_is_left());
    line.hold(false);
}

#[test]
fn a_node_that_was_held_up_knows_that_its_time_is_over_and_what_it_did_is_refused() {
    let Some(server) = server(&[]) else { return };
    let line = Line::to(server.port());
    let held_up = Node::with(&RedisOptions { url: line.url(), ..short(&server) });
    let other = Node::with(&short(&server));
    let old = claim(&held_up).unwrap();
    assert!(held_up.log.step(&tenant("t"), &webhook(), &step(&held_up, old, 3)).unwrap());
    line.hold(true);
    wait_until("its time is over", || held_up.log.lease(&tenant("t"), &duty()).is_none());
    wait_until("the other has it", || claim(&other).is_some());
    let new = claim(&other).unwrap();
    assert!(other.log.step(&tenant("t"), &webhook(), &step(&other, new, 9)).unwrap());
    line.hold(false);
    // It renews too late, and what it had on its way moves nothing back and leaves nothing behind.
    let letter = DeadLetter {
        offset: offset(4),
        subscriber: webhook(),
        id: id(4),
        reason: DeadLetterReason::Failed,
        attempts: 1,
        at_ms: 0,
    };
    let late = WebhookStep { letter: Some(letter), ..step(&held_up, old, 4) };
    wait_until("Redis answers it again", || held_up.log.place(&tenant("t"), &webhook()).is_ok());
    assert!(!held_up.log.step(&tenant("t"), &webhook(), &late).unwrap());
    assert_eq!(through(&other), Some(9));
    assert_eq!(other.log.dead_letters(&tenant("t"), offset(0), 9).unwrap(), []);
    assert_eq!(claim(&held_up), None);
    let given_up = WebhookStep { lease: new, ..late };
    assert!(other.log.step(&tenant("t"), &webhook(), &given_up).unwrap(), "it is its own now");
    assert_eq!(other.log.dead_letters(&tenant("t"), offset(0), 9).unwrap().len(), 1);
}

#[test]
fn a_duty_that_is_wanted_comes_when_it_is_free_and_is_told_each_time() {
    let Some(server) = server(&[]) else { return };
    let [one, other] = [(); 2].map(|()| Node::with(&short(&server)));
    let is_claimed = |it: &Completion| matches!(it, Completion::Claimed { duty: Duty::Watch, .. });
    assert!(!one.log.want(&tenant("t"), &Duty::Watch));
    one.next(is_claimed);
    assert!(one.log.want(&tenant("t"), &Duty::Watch));
    assert!(!other.log.want(&tenant("t"), &Duty::Watch));
    drop(one);
    other.next(is_claimed);
    assert!(other.log.lease(&tenant("t"), &Duty::Watch).is_some());
    // A node that has gone is told to who watches.
    let third = Node::with(&short(&server));
    std::thread::sleep(LEASE);
    drop(third);
    other.next(is_claimed);
    other.log.close(&tenant("t")).unwrap();
    wait_until("it is given back", || other.log.lease(&tenant("t"), &Duty::Watch).is_none());
}

#[test]
fn duties_outlive_flushed_scripts_and_go_on_when_redis_comes_back() {
    let Some(mut server) = server(&["--appendonly", "yes", "--appendfsync", "always"]) else {
        return;
    };
    let [one, other] = [(); 2].map(|()| Node::with(&short(&server)));
    let lease = claim(&one).unwrap();
    server.command("SCRIPT FLUSH");
    stays_false_for(2 * LEASE, "the other has it", || claim(&other).is_some());
    server.kill();
    wait_until("its time is over", || one.log.lease(&tenant("t"), &duty()).is_none());
    assert!(one.log.claim(&tenant("t"), &duty()).is_err(), "nobody knows who has it");
    assert!(one.log.step(&tenant("t"), &webhook(), &step(&one, lease, 1)).is_err());
    server.start_again();
    let claimed = |node: &Node| node.log.claim(&tenant("t"), &duty()).ok().flatten();
    wait_until("one of them has it", || claimed(&one).is_some() != claimed(&other).is_some());
}

#[test]
fn strange_things_under_the_keys_of_leases_are_told_and_harm_nobody() {
    let Some(server) = server(&[]) else { return };
    let node = Node::with(&short(&server));
    let (lease_key, tokens) =
        ("foodtrack:{t}:lease:webhooks:webhook/billing", "foodtrack:{t}:tokens");
    let claims = || node.log.claim(&tenant("t"), &duty());
    for strange in [
        format!("SET {lease_key} nonsense"),
        format!("SET {lease_key} \"-3 abc\""),
        format!("LPUSH {lease_key} 1"),
        format!("SET {tokens} 1"),
        format!("HSET {tokens} webhooks:webhook/billing many"),
        format!("HSET {tokens} webhooks:webhook/billing -7"),
        format!("HSET {tokens} webhooks:webhook/billing 9007199254740992"),
    ] {
        server.command(&format!("DEL {lease_key} {tokens}"));
        server.command(&strange);
        assert!(claims().is_err(), "{strange}");
    }
    server.command(&format!("DEL {lease_key} {tokens}"));
    let lease = claims().unwrap().unwrap();
    // Who has it is not asked by the token that is not there any more.
    let steps = |n| node.log.step(&tenant("t"), &webhook(), &step(&node, lease, n));
    assert!(steps(1).unwrap());
    server.command(&format!("HDEL {tokens} webhooks:webhook/billing"));
    assert!(!steps(2).unwrap());
    server.command(&format!("SET {tokens} 1"));
    assert!(steps(2).is_err());
    // The webhook's own.
    let webhooks = "foodtrack:{t}:webhooks";
    for strange in ["\"webhook/billing place\" nowhere", "\"webhook/billing moves\" often"] {
        server.command(&format!("DEL {webhooks}"));
        server.command(&format!("HSET {webhooks} {strange}"));
        assert!(node.log.place(&tenant("t"), &webhook()).is_err(), "{strange}");
    }
    server.command(&format!("DEL {webhooks}"));
    server.command(&format!("SET {webhooks} 1"));
    assert!(node.log.place(&tenant("t"), &webhook()).is_err());
    assert!(node.log.set_paused(&tenant("t"), &webhook(), true).is_err());
    server.command(&format!("DEL {webhooks}"));
    // Those of all tenants: what is none is taken away, and what is no set is no end of anything.
    server.command("ZADD foodtrack:{!}:leases 0 nonsense 0 \"t what\" 0 \"t watch\"");
    node.next(|it| matches!(it, Completion::Abandoned { duty: Duty::Watch, .. }));
    wait_until("the rest is gone", || server.command("ZCARD foodtrack:{!}:leases") == ":2");
    server.command("SET foodtrack:{!}:leases 1");
    assert!(node.log.claim(&tenant("u"), &duty()).is_ok_and(|it| it.is_some()));
    server.command("SET foodtrack:retention 1");
    node.log.trim(0).unwrap();
}

#[test]
fn operators_move_and_pause_a_webhook_on_any_node_and_who_tells_it_hears_of_it() {
    let Some(server) = server(&[]) else { return };
    let [one, other] = [(); 2].map(|()| Node::with(&short(&server)));
    one.log.follow(&tenant("t")).unwrap();
    one.next(|it| matches!(it, Completion::Grown { .. }));
    let lease = claim(&one).unwrap();
    let to = |n| step(&one, lease, n).to;
    one.log.begin_at(&tenant("t"), &webhook(), &to(2)).unwrap();
    one.log.begin_at(&tenant("t"), &webhook(), &to(7)).unwrap();
    assert_eq!(through(&other), Some(2), "it had a place");
    other.log.set_paused(&tenant("t"), &webhook(), true).unwrap();
    one.next(|it| matches!(it, Completion::Grown { .. }));
    assert!(one.log.place(&tenant("t"), &webhook()).unwrap().is_paused);
    other.log.set_paused(&tenant("t"), &webhook(), false).unwrap();
    assert!(!one.log.place(&tenant("t"), &webhook()).unwrap().is_paused);
    other.log.move_to(&tenant("t"), &webhook(), &to(1)).unwrap();
    // What was under way meanwhile does not move it back.
    assert!(!one.log.step(&tenant("t"), &webhook(), &step(&one, lease, 5)).unwrap());
    let moves = one.log.place(&tenant("t"), &webhook()).unwrap().moves;
    assert_eq!((through(&one), moves), (Some(1), 1));
    let again = WebhookStep { moves, ..step(&one, lease, 5) };
    assert!(one.log.step(&tenant("t"), &webhook(), &again).unwrap());
    assert_eq!(through(&other), Some(5));
    // Of a tenant without a log nothing is kept.
    one.log.set_paused(&tenant("nobody"), &webhook(), true).unwrap();
    assert_eq!(one.log.place(&tenant("nobody"), &webhook()).unwrap(), Default::default());
}

#[test]
fn retention_is_applied_by_one_node_and_it_finds_webhooks_that_nobody_tells() {
    let Some(server) = server(&[]) else { return };
    let [mut one, other] = [(); 2].map(|()| Node::with(&short(&server)));
    one.append(1);
    one.log.add_known(&[webhook().as_str().to_owned()].into()).unwrap();
    one.log.trim(0).unwrap();
    hears_that_it_is_left(&one);
    let lease = claim(&one).unwrap();
    assert!(one.log.step(&tenant("t"), &webhook(), &step(&one, lease, 1)).unwrap());
    one.log.rest(&tenant("t"), &duty());
    one.log.close(&tenant("t")).unwrap();
    wait_until("it is given back", || one.log.lease(&tenant("t"), &duty()).is_none());
    // All is told, and so nobody is needed; and the other does not look.
    let before = server.command("GET foodtrack:retention");
    other.log.trim(0).unwrap();
    one.log.trim(0).unwrap();
    stays_false_for(LEASE, "a node is told", || {
        one.is_told_that_something_is_left() || other.is_told_that_something_is_left()
    });
    assert_eq!(server.command("GET foodtrack:retention"), before);
    drop(one);
    wait_until("it is free", || server.command("GET foodtrack:retention") == "$-1");
    other.log.trim(0).unwrap();
    wait_until("the other does it now", || server.command("GET foodtrack:retention") != "$-1");
    assert_ne!(server.command("GET foodtrack:retention"), before);
}
