//! Requests that come again because the connection was reset before they were answered, as browsers send them: by
//! themselves, and with the same `t`.

use foodtrack_transport::{CloseReason, Limits};

use crate::client::{Poller, Response, Wire, event, events, get, packets, post};
use crate::server::{Server, config};
use crate::upgrade::probe;

fn join(server: &Server) -> Poller {
    let poller = Poller::open(server.address);
    poller.post_as("join", &["40".to_owned()]);
    assert!(poller.poll_as("joined")[0].starts_with("40{"));
    poller
}

fn is_refused(response: &Response, code: u8) -> bool {
    response.status == 400 && response.body.contains(&format!("\"code\":{code}"))
}

#[test]
fn a_poll_whose_answer_was_lost_is_answered_again() {
    // On whichever shard the repeated one comes in.
    for shards in [1, 2] {
        let server = Server::with_shards(config(Limits::default()), shards);
        let poller = join(&server);
        poller.post(&events("echo", 0..3));
        poller.start_poll_as("lost").lose_answer();
        poller.post(&[event("echo", 3)]);
        for _ in 0..5 {
            assert_eq!(poller.poll_as("lost"), events("echo", 0..3));
        }
        assert_eq!(poller.poll_as("next"), [event("echo", 3)]);
    }
}

#[test]
fn an_answer_of_any_size_is_given_again() {
    let server = Server::start(Limits::default());
    let poller = join(&server);
    poller.post(&[event("log", 14)]);
    poller.start_poll_as("lost").lose_answer();
    let again = poller.poll_as("lost");
    assert_eq!(again.len(), 14);
    assert!(again.iter().all(|packet| packet.len() > 64 * 1024));
    assert_eq!(poller.poll_as("lost"), again);
}

#[test]
fn only_the_last_answer_is_given_again() {
    let server = Server::start(Limits::default());
    let poller = join(&server);
    poller.post(&[event("echo", 0)]);
    assert_eq!(poller.poll_as("first"), [event("echo", 0)]);
    poller.post(&[event("echo", 1)]);
    assert_eq!(poller.poll_as("second"), [event("echo", 1)]);
    poller.post(&[event("echo", 2)]);
    // Who has asked on does not listen there: it is told nothing, and misses nothing.
    assert_eq!(poller.poll_as("first"), ["6"]);
    assert_eq!(poller.poll_as("third"), [event("echo", 2)]);
}

#[test]
fn a_repeated_poll_takes_the_place_of_the_one_that_waits() {
    let server = Server::start(Limits::default());
    let poller = join(&server);
    let mut abandoned = poller.start_poll_as("waits");
    server.settle();
    let mut waiting = poller.start_poll_as("waits");
    assert!(abandoned.ends());
    poller.post(&[event("echo", 0)]);
    assert_eq!(packets(&waiting.response()), [event("echo", 0)]);
    assert_eq!(server.closed(), []);
    // Its end is not the session's.
    drop((abandoned, waiting));
    poller.post(&[event("echo", 1)]);
    assert_eq!(poller.poll_as("next"), [event("echo", 1)]);
}

#[test]
fn two_polls_at_once_that_are_not_the_same_end_the_session() {
    for (first, second) in [("a", "b"), ("", ""), ("1764114000", "1764114000")] {
        let server = Server::start(Limits::default());
        let poller = join(&server);
        let mut waiting = poller.start_poll_as(first);
        server.settle();
        assert!(is_refused(&poller.request(&get(&poller.target_as(second))), 3));
        assert_eq!(packets(&waiting.response()), ["1"]);
        assert_eq!(server.closed(), [CloseReason::ProtocolError]);
    }
}

#[test]
fn a_post_whose_answer_was_lost_is_not_taken_again() {
    let server = Server::start(Limits::default());
    let poller = join(&server);
    poller.post_as("twice", &events("echo", 0..3));
    poller.post_as("twice", &events("echo", 0..3));
    poller.post_as("after", &[event("echo", 3)]);
    assert_eq!(poller.poll_as("all"), events("echo", 0..4));
}

#[test]
fn a_connect_that_came_twice_joins_once_wherever_its_session_lives() {
    let server = Server::with_shards(config(Limits::default()), 2);
    for round in 0..10 {
        let poller = Poller::open(server.address);
        for _ in 0..4 {
            poller.post_as("join", &[format!("40{{\"shard\":{}}}", round % 2)]);
        }
        poller.post_as("echo", &[event("echo", 1)]);
        let got = poller.poll_until(2);
        assert!(got[0].starts_with("40{"), "{got:?}");
        assert_eq!(got[1..], [event("echo", 1)]);
    }
    assert_eq!(server.closed(), []);
}

#[test]
fn posts_that_a_coarse_clock_names_are_all_taken() {
    let server = Server::start(Limits::default());
    let poller = join(&server);
    // Whole seconds name nothing, even where two posts say the same.
    (0..3).for_each(|_| poller.post_as("1764114000", &[event("echo", 7)]));
    assert_eq!(poller.poll_as("1764114000"), vec![event("echo", 7); 3]);
    poller.post_as("1764114000", &[event("echo", 8)]);
    assert_eq!(poller.poll_as("1764114000"), [event("echo", 8)]);
    // A finer clock may stand still, too.
    (0..3).for_each(|n| poller.post_as("1764114000.25", &[event("echo", n)]));
    assert_eq!(poller.poll_as("all"), events("echo", 0..3));
}

#[test]
fn last_words_that_were_lost_are_said_again() {
    for way in ["close", "disconnect"] {
        let server = Server::start(Limits::default());
        // Between two polls.
        let poller = join(&server);
        poller.post_as("end", &[event("echo", 1), event(way, 0)]);
        // Alone: whoever reads of the end has no ear for what comes with it.
        for (t, words) in [("rest", event("echo", 1)), ("last", "1".to_owned())] {
            poller.start_poll_as(t).lose_answer();
            assert_eq!(poller.poll_as(t), [&*words]);
            assert_eq!(poller.poll_as(t), [words]);
        }
        assert!(is_refused(&poller.request(&get(&poller.target_as("next"))), 1));
        // Within one.
        let poller = join(&server);
        let waiting = poller.start_poll_as("last");
        server.settle();
        poller.post_as("end", &[event(way, 0)]);
        waiting.lose_answer();
        assert_eq!(poller.poll_as("last"), ["1"]);
        assert!(is_refused(&poller.request(&get(&poller.target_as("next"))), 1));
    }
}

#[test]
fn an_answer_lost_before_the_end_comes_before_the_last_words() {
    let server = Server::start(Limits::default());
    let poller = join(&server);
    poller.post_as("echo", &[event("echo", 1)]);
    poller.start_poll_as("lost").lose_answer();
    poller.post_as("end", &[event("echo", 2), event("close", 0)]);
    assert_eq!(poller.poll_as("lost"), [event("echo", 1)]);
    assert_eq!(poller.poll_as("rest"), [event("echo", 2)]);
    assert_eq!(poller.poll_as("last"), ["1"]);
}

#[test]
fn the_poll_that_an_upgrade_ended_may_be_repeated_until_then() {
    let server = Server::start(Limits::default());
    let poller = join(&server);
    let waiting = poller.start_poll_as("last");
    server.settle();
    let mut wire = probe(&poller);
    waiting.lose_answer();
    assert_eq!(poller.poll_as("last"), ["6"]);
    poller.post_as("echo", &[event("echo", 0)]);
    wire.send_text(&["5".to_owned(), event("echo", 1)]);
    wire.expect_echoes(0..2);
    assert!(is_refused(&poller.request(&get(&poller.target_as("last"))), 3));
}

#[test]
fn a_poll_that_is_repeated_counts_as_taken_once() {
    let server = Server::start(Limits::default());
    let poller = join(&server);
    poller.post_as("tell", &[event("log", 2), event("tell", 0)]);
    poller.start_poll_as("lost").lose_answer();
    assert_eq!(poller.poll_as("lost").len(), 2);
    assert_eq!(poller.poll_as("next"), [event("drained", 0)]);
    assert_eq!(server.drained(), 1);
}

/// Dart's clients take their `t` from milliseconds: on a fast network two polls have the same.
#[test]
fn a_request_with_the_same_t_is_new_where_the_answer_to_the_one_before_was_taken() {
    let server = Server::start(Limits::default());
    let poller = join(&server);
    let (mut polls, mut posts) = (Wire::connect(server.address), Wire::connect(server.address));
    let target = poller.target_as("1764114000517");
    for n in 0..5 {
        // The same event, too: it is meant twice.
        posts.write(post(&target, &event("echo", 1)).as_bytes());
        assert_eq!(posts.response().body, "ok");
        polls.write(get(&target).as_bytes());
        assert_eq!(packets(&polls.response()), [event("echo", 1)], "{n}");
    }
    // By another connection while the one before lives.
    poller.post(&[event("echo", 2)]);
    let mut other = Wire::connect(server.address);
    other.write(get(&target).as_bytes());
    assert_eq!(packets(&other.response()), [event("echo", 2)]);
    // And when the one that carried the last answer is gone, it is a repeat.
    poller.post(&[event("echo", 3)]);
    drop(other);
    polls.write(get(&target).as_bytes());
    assert_eq!(packets(&polls.response()), [event("echo", 2)]);
    assert_eq!(poller.poll_as("next"), [event("echo", 3)]);
}
