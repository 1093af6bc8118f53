//! Tickets that nobody confirms, where the kitchen, the dashboard and the sender are at different nodes: what is done about them is done
//! once, also when nodes end.

use std::time::Duration;

use serde_json::json;
use test_support::{stays_false_for, wait_until};

use crate::cluster::{Cluster, shared_redis};
use crate::cluster_webhooks::of_process;
use crate::harness::{BackEnd, Client, Process, Transport, Who};
use crate::hub_events::{TICKET, of_tickets, telling_of};
use crate::support::{TENANT, back_end};
use crate::watchdog::{ticket, watching};
use crate::webhooks::{events, takes};

/// Longer than two looks at a ticket that is to be confirmed within a second, and what nodes wait for each other.
const ALL_LOOKS: Duration = Duration::from_millis(5_500);

fn dashboard(node: &impl crate::harness::Address) -> Client {
    Client::join(node, Transport::WebSocket, &Who::manager(TENANT, "mia"))
}

#[test]
fn a_ticket_that_a_screen_at_another_node_confirms_is_done() {
    let Some(cluster) = Cluster::alike(2, watching) else { return };
    let [one, other] = &cluster.nodes[..] else { panic!() };
    let mut chef = Client::join(other, Transport::WebSocket, &Who::chef(TENANT, "carl"));
    let mut dashboard = dashboard(one);
    ticket(&mut back_end(one), 1);
    chef.expect(TICKET);
    dashboard.expect(TICKET);
    // Its pongs say so.
    let end = std::time::Instant::now() + ALL_LOOKS;
    while std::time::Instant::now() < end {
        assert!(chef.next_within(Duration::from_millis(20)).is_none(), "it was confirmed");
    }
    assert_eq!(dashboard.drain_names(), [""; 0]);
    let escalations: u64 = cluster.nodes.iter().map(|it| it.metric("escalations_total")).sum();
    assert_eq!(escalations, 0);
}

#[test]
fn a_ticket_that_nobody_confirms_is_sent_again_at_every_node_and_alerted_once() {
    let Some(cluster) = Cluster::alike(3, watching) else { return };
    let [one, other, third] = &cluster.nodes[..] else { panic!() };
    let mut mute = [one, other].map(|node| {
        let mut mute = Client::join(node, Transport::WebSocket, &Who::chef(TENANT, "carl"));
        mute.pongs_left = 0;
        mute
    });
    let mut dashboards = [dashboard(one), dashboard(third)];
    ticket(&mut back_end(third), 1);
    for mute in &mut mute {
        let first = mute.expect(TICKET);
        let again = mute.expect(TICKET);
        assert_eq!((again.id(), &again.argument["retryCount"]), (first.id(), &json!(1)));
    }
    for dashboard in &mut dashboards {
        dashboard.expect(TICKET);
        assert_eq!(dashboard.expect("notification:alert").payload("orderId"), "42");
    }
    stays_false_for(ALL_LOOKS, "one alert is enough", || {
        dashboards.iter_mut().any(|it| it.next_within(Duration::from_millis(20)).is_some())
    });
    let escalations: u64 = cluster.nodes.iter().map(|it| it.metric("escalations_total")).sum();
    assert_eq!(escalations, 2);
}

#[test]
fn when_the_node_is_killed_that_took_a_ticket_another_one_escalates_it_once() {
    let Some((_redis, shared)) = shared_redis() else { return };
    let receiver = BackEnd::start(|_| takes());
    let watching =
        telling_of(&receiver, &["order.unconfirmed"]).deliver(foodtrack_server::DeliveryConfig {
            confirm_within_seconds: Some(2),
            ..of_tickets()
        });
    let directory = tempfile::tempdir().unwrap();
    let config = of_process(directory.path(), watching, &shared);
    let [one, other] =
        ["one", "other"].map(|name| Process::serve(&directory.path().join(name), &config));
    let mut sender = Client::join(&one, Transport::WebSocket, &Who::service(TENANT));
    ticket(&mut sender, 1);
    // Nobody of the tenant is at the other one.
    one.kill();
    wait_until("a back end is told", || !events(&receiver, TENANT).is_empty());
    let mut dashboard = dashboard(&other);
    let told = || events(&receiver, TENANT);
    assert_eq!(
        (&told()[0]["event"], &told()[0]["orderId"]),
        (&json!("order.unconfirmed"), &json!("42"))
    );
    stays_false_for(ALL_LOOKS, "it is told again", || told().len() > 1);
    assert!(dashboard.drain_names().iter().all(|name| name != "notification:alert"));
}
