//! Clients that are told of their end while they are in the middle of something.

use std::time::Duration;

use foodtrack_transport::{CloseReason, Limits};

use crate::client::{Poller, Wire, event, events, get, join_by_websocket, packets, post};
use crate::server::Server;
use crate::upgrade::{join, probe};

/// A connection on which the server has answered that client before: what comes on it is read at once, before strangers'.
fn known(poller: &Poller) -> Wire {
    let mut wire = Wire::connect(poller.address);
    wire.write(post(&poller.target, "3").as_bytes());
    assert_eq!(wire.response().status, 200);
    wire
}

/// Holds the server up while `send` sends: it reads all of that in one turn, in this order. Returns who held it up.
fn in_one_turn(server: &Server, send: impl FnOnce()) -> Wire {
    let mut holder = join_by_websocket(server.address);
    holder.send_text(&[event("hold", 200)]);
    server.wait_until_held();
    send();
    holder
}

#[test]
fn what_a_client_says_in_the_moment_of_its_end_is_no_error() {
    let server = Server::start(Limits::default());
    let poller = join(&server);
    let (mut ending, mut posting, mut polling) = (known(&poller), known(&poller), known(&poller));
    let end = [event("echo", 1), event("disconnect", 0)].join("\u{1e}");
    let _holder = in_one_turn(&server, || {
        ending.write(post(&poller.target, &end).as_bytes());
        posting.write(post(&poller.target, "3").as_bytes());
        polling.write(get(&poller.target).as_bytes());
    });
    assert_eq!(ending.response().status, 200);
    let pong = posting.response();
    assert_eq!((pong.status, &*pong.body), (200, "ok"));
    assert_eq!(packets(&polling.response()), [event("echo", 1)]);
    assert_eq!(poller.poll(), ["1"]);
    assert_eq!(server.closed(), [CloseReason::Disconnected]);
}

#[test]
fn last_words_come_on_the_websocket_to_a_client_that_is_changing_to_it() {
    let server = Server::start(Limits::default());
    let poller = join(&server);
    let mut wire = probe(&poller);
    poller.post(&[event("echo", 1), event("disconnect", 0)]);
    server.wait_until_closed(1);
    // It stops polling once what it has said is answered.
    poller.post(&["3".to_owned()]);
    wire.send_text(&["5".to_owned(), event("echo", 2)]);
    wire.expect_echoes(1..2);
    assert!(wire.ends());
    drop(wire);
    server.wait_until_empty(Duration::from_secs(2));
    assert_eq!(server.closed(), [CloseReason::Disconnected], "it was told once");
}

#[test]
fn last_words_come_on_the_websocket_to_a_client_that_changes_in_the_moment_of_its_end() {
    let server = Server::start(Limits::default());
    let poller = join(&server);
    let (mut ending, mut wire) = (known(&poller), probe(&poller));
    let end = [event("echo", 1), event("disconnect", 0)].join("\u{1e}");
    let _holder = in_one_turn(&server, || {
        ending.write(post(&poller.target, &end).as_bytes());
        wire.send_text(&["5".to_owned()]);
    });
    wire.expect_echoes(1..2);
    assert!(wire.ends());
}

#[test]
fn last_words_come_with_a_poll_to_a_client_that_gave_its_change_up() {
    let upgrade_timeout = Duration::from_millis(300);
    let server = Server::start(Limits { upgrade_timeout, ..Limits::default() });
    let end = [events("echo", 0..2), events("disconnect", 0..1)].concat();
    let hears_the_rest = |poller: &Poller| {
        assert_eq!(poller.poll(), events("echo", 0..2));
        assert_eq!(poller.poll(), ["1"]);
    };
    // It polls while its WebSocket is open.
    let poller = join(&server);
    let wire = probe(&poller);
    poller.post(&end);
    hears_the_rest(&poller);
    drop(wire);
    // Its WebSocket is lost.
    let poller = join(&server);
    let wire = probe(&poller);
    poller.post(&end);
    drop(wire);
    server.wait_until_empty(Duration::from_millis(250));
    hears_the_rest(&poller);
    // It breaks the protocol.
    let poller = join(&server);
    let mut wire = probe(&poller);
    poller.post(&end);
    wire.send_text(&["6".to_owned()]);
    assert!(wire.ends());
    hears_the_rest(&poller);
    // It says nothing more.
    let poller = join(&server);
    let mut wire = probe(&poller);
    poller.post(&end);
    assert!(wire.ends());
    hears_the_rest(&poller);
    assert_eq!(server.closed(), [CloseReason::Disconnected; 4]);
}

#[test]
fn the_rest_of_a_long_backlog_comes_poll_by_poll_before_the_end() {
    let server = Server::start(Limits::default());
    let poller = join(&server);
    poller.post(&[event("flood", 40), event("disconnect", 0)]);
    let mut answers = Vec::new();
    while answers.last() != Some(&vec!["1".to_owned()]) {
        answers.push(poller.poll());
    }
    let flood = &answers[..answers.len() - 1];
    assert!(flood.len() > 1, "they fit into one answer");
    assert_eq!(flood.concat().len(), 40);
}
