//! From long-polling to WebSocket.

use std::time::Duration;

use foodtrack_transport::Limits;
use test_support::{let_pass, wait_until};

use crate::client::{Poller, Wire, events, get, upgrade};
use crate::server::Server;

/// The socket of an upgrade, before its probe.
pub(crate) fn open_probe(poller: &Poller) -> Wire {
    let mut wire = Wire::connect(poller.address);
    let target = format!("/socket.io/?EIO=4&transport=websocket&sid={}", poller.sid);
    wire.write(upgrade(&target).as_bytes());
    assert_eq!(wire.response().status, 101);
    wire
}

pub(crate) fn probe(poller: &Poller) -> Wire {
    let mut wire = open_probe(poller);
    wire.send_text(&["2probe".to_owned()]);
    assert_eq!(wire.message(), "3probe");
    wire
}

pub(crate) fn join(server: &Server) -> Poller {
    let poller = Poller::open(server.address);
    poller.post(&["40".to_owned()]);
    assert!(poller.poll()[0].starts_with("40{"));
    poller
}

#[test]
fn what_is_sent_around_an_upgrade_arrives_once_and_in_order() {
    let server = Server::start(Limits::default());
    let poller = join(&server);
    let mut waiting = Wire::connect(server.address);
    waiting.write(get(&poller.target).as_bytes());
    // The poll waits on another connection than the probe: let it be there first.
    server.settle();
    let mut wire = probe(&poller);
    assert_eq!(waiting.response().body, "6");
    poller.post(&events("echo", 0..20));
    let mut texts = vec!["5".to_owned()];
    texts.extend(events("echo", 20..40));
    wire.send_text(&texts);
    wire.expect_echoes(0..40);
    // The id is known, but not for polling any more.
    let response = poller.request(&get(&poller.target));
    assert_eq!((response.status, response.body.contains("\"code\":3")), (400, true));
    drop((wire, waiting));
    server.wait_until_empty(Duration::from_secs(2));
    let response = poller.request(&get(&poller.target));
    assert_eq!((response.status, response.body.contains("\"code\":1")), (400, true));
}

#[test]
fn what_is_queued_at_the_upgrade_comes_first_on_the_websocket() {
    let server = Server::start(Limits::default());
    let poller = join(&server);
    let mut wire = probe(&poller);
    let mut texts = vec!["5".to_owned()];
    texts.extend(events("echo", 0..5));
    poller.post(&events("echo", 100..103));
    wire.send_text(&texts);
    wire.expect_echoes(100..103);
    wire.expect_echoes(0..5);
}

#[test]
fn a_probe_that_ends_leaves_the_session_polling() {
    let server = Server::start(Limits::default());
    let poller = join(&server);
    drop(probe(&poller));
    // The next probe may begin once the first one's end was seen.
    wait_until("the probe's end", || server.counts().0 == 0);
    poller.post(&events("echo", 0..3));
    assert_eq!(poller.poll(), events("echo", 0..3));
    let mut wire = probe(&poller);
    wire.send_text(&["5".to_owned(), "42[\"echo\",3]".to_owned()]);
    wire.expect_echoes(3..4);
}

#[test]
fn a_probe_that_stalls_is_dropped_at_its_deadline_and_not_the_next_one() {
    let upgrade_timeout = Duration::from_millis(1_500);
    let server = Server::start(Limits { upgrade_timeout, ..Limits::default() });
    let poller = join(&server);
    drop(probe(&poller));
    wait_until("the probe's end", || server.counts().0 == 0);
    let_pass(upgrade_timeout / 2);
    let mut second = probe(&poller);
    // The first probe's deadline passes, the second one's not yet.
    let_pass(upgrade_timeout * 3 / 5);
    second.send_text(&["5".to_owned(), "42[\"echo\",1]".to_owned()]);
    second.expect_echoes(1..2);
    let stalled = join(&server);
    assert!(probe(&stalled).ends());
    stalled.post(&events("echo", 0..1));
    assert_eq!(stalled.poll(), events("echo", 0..1));
}

#[test]
fn a_second_websocket_of_a_session_is_answered_and_closed_and_the_first_lives_on() {
    let server = Server::start(Limits::default());
    let poller = join(&server);
    let mut wire = probe(&poller);
    let refused = |mut second: Wire| {
        let (code, reason) = second.close_frame();
        assert_eq!((code, &*reason), (1_008, "the session has a WebSocket already"));
        assert!(second.ends());
    };
    refused(open_probe(&poller));
    wire.send_text(&["5".to_owned()]);
    wire.send_text(&events("echo", 0..1));
    wire.expect_echoes(0..1);
    refused(open_probe(&poller));
    wire.send_text(&events("echo", 1..2));
    wire.expect_echoes(1..2);
    assert_eq!(server.closed(), []);
}
