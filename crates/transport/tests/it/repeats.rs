//! Requests that come again because the connection was reset before they were answered, as browsers send them: by
//! themselves, and with the same `t`.

use foodtrack_transport::Limits;

use crate::client::{Poller, event, events};
use crate::server::Server;

fn join(server: &Server) -> Poller {
    let poller = Poller::open(server.address);
    poller.post_as("join", &["40".to_owned()]);
    assert!(poller.poll_as("joined")[0].starts_with("40{"));
    poller
}

#[test]
fn a_poll_whose_answer_was_lost_is_answered_again() {
    let server = Server::start(Limits::default());
    let poller = join(&server);
    poller.post(&events("echo", 0..3));
    poller.start_poll_as("lost").lose_answer();
    poller.post(&[event("echo", 3)]);
    assert_eq!(poller.poll_as("lost"), events("echo", 0..3));
    assert_eq!(poller.poll_as("next"), [event("echo", 3)]);
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
