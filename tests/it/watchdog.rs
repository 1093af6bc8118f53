//! A kitchen ticket that no kitchen screen has got in time is sent again, and then people are told.

use std::time::Duration;

use foodtrack_server::{DeliveryConfig, WebSocketConfig};
use serde_json::json;

use crate::harness::{
    Client, Process, Server, Transport, Who, config, eventually, on_every_transport,
};
use crate::support::{TENANT, back_end, number};

const TICKET: &str = "kitchen:order_received";

/// Tickets are to be confirmed within a second.
pub(crate) fn watching() -> WebSocketConfig {
    config().deliver(DeliveryConfig {
        event: TICKET.into(),
        class: None,
        time_to_live_seconds: None,
        compact: false,
        acknowledge: false,
        confirm_within_seconds: Some(1),
        confirm_by: None,
    })
}

pub(crate) fn ticket(sender: &mut Client, number: u64) {
    sender.accepted(TICKET, json!({ "orderId": "42", "number": number }));
}

on_every_transport! {
    fn a_ticket_that_no_screen_confirms_is_sent_again_and_then_the_dashboard_is_alerted(transport) {
        let server = Server::with(watching());
        let mut mute = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        let mut dashboard = Client::join(&server, transport, &Who::manager(TENANT, "mia"));
        mute.pongs_left = 0;
        ticket(&mut back_end(&server), 1);
        let first = mute.expect(TICKET);
        let again = mute.expect(TICKET);
        assert_eq!((again.id(), &again.argument["retryCount"]), (first.id(), &json!(1)));
        assert_eq!(number(&dashboard.expect(TICKET)), 1);
        let alert = dashboard.expect("notification:alert");
        assert_eq!(alert.payload("orderId"), "42");
        assert_eq!(alert.payload("messageId"), first.id());
        assert_eq!(alert.argument["priority"], "urgent");
        assert!(dashboard.next_within(Duration::from_millis(1_200)).is_none(), "one alert is enough");
        assert_eq!(server.metric("escalations_total"), 2);
    }

    fn a_ticket_that_a_screen_confirmed_is_done(transport) {
        let server = Server::with(watching());
        let mut mute = Client::join(&server, transport, &Who::chef(TENANT, "mute"));
        let mut chef = Client::join(&server, transport, &Who::chef(TENANT, "carl"));
        let mut dashboard = Client::join(&server, transport, &Who::manager(TENANT, "mia"));
        mute.pongs_left = 0;
        ticket(&mut back_end(&server), 1);
        // Its pongs alone say so: applications acknowledge nothing.
        chef.expect(TICKET);
        eventually(|| {
            assert!(chef.next_within(Duration::from_millis(10)).is_none());
            (chef.pings >= 2).then_some(())
        });
        dashboard.expect(TICKET);
        assert!(dashboard.next_within(Duration::from_millis(2_300)).is_none(), "it was confirmed");
        assert_eq!(mute.drain_names(), [TICKET]);
        assert_eq!(server.metric("escalations_total"), 0);
    }
}

#[test]
fn with_nobody_in_the_kitchen_the_dashboard_is_alerted_also_after_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let server = Process::serve(directory.path(), &watching());
    let mut dashboard = Client::join(&server, Transport::WebSocket, &Who::manager(TENANT, "mia"));
    ticket(&mut back_end(&server), 1);
    dashboard.expect(TICKET);
    server.kill();
    let server = Process::serve(directory.path(), &watching());
    let mut dashboard = dashboard.tear().resume(&server);
    let alert = dashboard.expect("notification:alert");
    assert_eq!(alert.payload("orderId"), "42");
}

#[test]
fn what_the_watchdog_did_is_not_done_again_after_a_restart() {
    let mut server = Server::durable(watching());
    let mut dashboard = Client::join(&server, Transport::WebSocket, &Who::manager(TENANT, "mia"));
    ticket(&mut back_end(&server), 1);
    dashboard.expect(TICKET);
    dashboard.expect("notification:alert");
    server.restart();
    let mut dashboard = dashboard.tear().resume(&server);
    assert!(dashboard.next_within(Duration::from_millis(2_300)).is_none(), "it was alerted before");
}
