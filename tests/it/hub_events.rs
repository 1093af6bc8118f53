//! Back ends are told what the hub knows of devices and of messages that did not arrive; clients are not.

use std::time::Duration;

use foodtrack_server::{DeliveryConfig, LogConfig, RetryConfig, WebSocketConfig};
use serde_json::{Value, json};
use test_support::{let_pass, wait_until};

use crate::harness::{BackEnd, Client, Process, SIGNING_SECRET, Server, Transport, Who};
use crate::support::{TENANT, back_end, publish, update};
use crate::webhooks::{events, takes, telling, webhook};

pub(crate) const DEVICES: [&str; 2] = ["device.online", "device.offline"];
pub(crate) const TICKET: &str = "kitchen:order_received";

/// A device that has gone is away after a second.
pub(crate) fn telling_of(receiver: &BackEnd, names: &[&str]) -> WebSocketConfig {
    telling([webhook("screens", receiver, names)])
        .log(LogConfig { offline_after_seconds: 1, ..LogConfig::default() })
}

/// What a receiver was told of a tenant, without repeats: the event's name, and the device's.
pub(crate) fn told(receiver: &BackEnd, tenant: &str) -> Vec<(String, String)> {
    let mut told: Vec<(String, String, String)> = Vec::new();
    for event in events(receiver, tenant) {
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let device = text(&event["message"]["payload"]["deviceId"]);
        let one = (text(&event["id"]), text(&event["event"]), device);
        if !told.contains(&one) {
            told.push(one);
        }
    }
    told.into_iter().map(|(_, event, device)| (event, device)).collect()
}

pub(crate) fn wait_for(receiver: &BackEnd, expected: &[(&str, &str)]) {
    let expected: Vec<_> =
        expected.iter().map(|(event, of)| ((*event).into(), (*of).into())).collect();
    wait_until("the receiver is told", || told(receiver, TENANT).len() >= expected.len());
    assert_eq!(told(receiver, TENANT), expected);
}

pub(crate) fn tablet(server: &impl crate::harness::Address, tenant: &str, device: &str) -> Client {
    Client::join(server, Transport::WebSocket, &Who::chef(tenant, "carl").device(device))
}

#[test]
fn a_back_end_is_told_when_a_device_comes_and_when_it_has_not_come_back_in_time() {
    let receiver = BackEnd::start(|_| takes());
    let server = Server::with(telling_of(&receiver, &DEVICES));
    let one = tablet(&server, TENANT, "tablet-1");
    let two = tablet(&server, TENANT, "tablet-2");
    wait_for(&receiver, &[("device.online", "tablet-1"), ("device.online", "tablet-2")]);
    drop(two);
    drop(one);
    // It comes back within the second: nobody is told.
    let _one = tablet(&server, TENANT, "tablet-1");
    let_pass(Duration::from_millis(1_200));
    let mut expected = vec![
        ("device.online", "tablet-1"),
        ("device.online", "tablet-2"),
        ("device.offline", "tablet-2"),
    ];
    wait_for(&receiver, &expected);
    let _two = tablet(&server, TENANT, "tablet-2");
    expected.push(("device.online", "tablet-2"));
    wait_for(&receiver, &expected);
    let first = events(&receiver, TENANT).remove(0);
    let payload = &first["message"]["payload"];
    assert_eq!(
        (&payload["userId"], &payload["applicationType"]),
        (&json!("carl"), &json!("kitchen_app"))
    );
    assert!(payload["at"].is_string() && first["cursor"].is_string(), "{first}");
}

#[test]
fn a_device_that_was_here_when_the_hub_was_killed_is_told_of_though_nobody_comes_back() {
    let receiver = BackEnd::start(|_| takes());
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("webhook-secret");
    std::fs::write(&secret, SIGNING_SECRET).unwrap();
    let mut config = telling_of(&receiver, &DEVICES);
    // A process reads its configuration from a file, in which no secret is.
    config.webhooks[0].secret = None;
    config.webhooks[0].secret_file = secret.to_str().map(Into::into);
    let data = directory.path().join("data");
    let server = Process::serve(&data, &config);
    let _tablets = ["tablet-1", "tablet-2"].map(|device| tablet(&server, TENANT, device));
    let online = [("device.online", "tablet-1"), ("device.online", "tablet-2")];
    wait_for(&receiver, &online);
    server.kill();
    let server = Process::serve(&data, &config);
    wait_until("both are away", || told(&receiver, TENANT).len() == 4);
    let mut away = told(&receiver, TENANT).split_off(2);
    away.sort();
    let expected = ["tablet-1", "tablet-2"].map(|it| ("device.offline".to_owned(), it.to_owned()));
    assert_eq!(away, expected);
    // Each is told once, also over the next start. Killed at once, it might not have noted it.
    server.stop();
    let _server = Process::serve(&data, &config);
    let_pass(Duration::from_millis(1_500));
    let all = told(&receiver, TENANT);
    assert_eq!(all.len(), 4, "{all:?}");
}

#[test]
fn what_is_told_of_one_tenant_s_devices_reaches_no_other_tenant_and_no_client() {
    let receiver = BackEnd::start(|_| takes());
    let mut config = telling_of(&receiver, &["device.online", "order:*"]);
    config.webhooks[0].tenants = vec![TENANT.into()];
    let server = Server::with(config);
    let mut manager = Client::join(&server, Transport::WebSocket, &Who::manager(TENANT, "mia"));
    let _foreign = tablet(&server, "burger-bar", "tablet-1");
    let _own = tablet(&server, TENANT, "tablet-1");
    let mut sender = back_end(&server);
    publish(&mut sender, 1..=1);
    wait_until("all three came", || events(&receiver, TENANT).len() == 3);
    let names: Vec<_> = told(&receiver, TENANT).into_iter().map(|(event, _)| event).collect();
    assert_eq!(
        names,
        ["device.online", "device.online", "order:updated"],
        "back ends are no devices"
    );
    assert_eq!(events(&receiver, "burger-bar"), Vec::<Value>::new());
    assert_eq!(manager.expect("order:updated").payload("number"), 1);
    assert_eq!(manager.drain_names(), [""; 0]);
    // No more than any other event's, its name can be sent by nobody.
    let refusal = sender.refused("device.online", json!({ "deviceId": "tablet-9" }));
    assert_eq!(refusal, "event_unknown");
}

#[test]
fn who_asks_for_all_events_is_told_nothing_of_devices() {
    let receiver = BackEnd::start(|_| takes());
    let server = Server::with(telling_of(&receiver, &["*"]));
    let _tablet = tablet(&server, TENANT, "tablet-1");
    back_end(&server).accepted("order:updated", update("1", 1));
    wait_until("the order came", || !events(&receiver, TENANT).is_empty());
    assert_eq!(told(&receiver, TENANT), [("order:updated".into(), "-".into())]);
}

#[test]
fn a_back_end_is_told_of_an_event_that_was_given_up_for_a_device() {
    let receiver = BackEnd::start(|_| takes());
    let retry = RetryConfig {
        base_delay_ms: 50,
        max_delay_ms: 50,
        max_attempts: 2,
        ..RetryConfig::default()
    };
    let asking = DeliveryConfig { acknowledge: true, ..of_tickets() };
    let server =
        Server::with(telling_of(&receiver, &["message.failed"]).retry(retry).deliver(asking));
    let mut chef = tablet(&server, TENANT, "tablet-1");
    back_end(&server).accepted(TICKET, json!({ "orderId": "42", "number": 1 }));
    let ticket = chef.expect(TICKET);
    wait_for(&receiver, &[("message.failed", "tablet-1")]);
    let payload = events(&receiver, TENANT).remove(0)["message"]["payload"].take();
    assert_eq!((&payload["messageId"], &payload["attempts"]), (&ticket.id().into(), &json!(2)));
    assert_eq!((&payload["reason"], &payload["userId"]), (&json!("failed"), &json!("carl")));
}

#[test]
fn a_back_end_is_told_of_an_order_that_nobody_has_confirmed() {
    let receiver = BackEnd::start(|_| takes());
    let watching = DeliveryConfig { confirm_within_seconds: Some(1), ..of_tickets() };
    let server = Server::with(telling_of(&receiver, &["order.unconfirmed"]).deliver(watching));
    let mut mute = tablet(&server, TENANT, "tablet-1");
    mute.pongs_left = 0;
    back_end(&server).accepted(TICKET, json!({ "orderId": "42", "number": 1 }));
    let ticket = mute.expect(TICKET);
    wait_until("the back end is told", || !events(&receiver, TENANT).is_empty());
    let event = events(&receiver, TENANT).remove(0);
    assert_eq!((&event["event"], &event["orderId"]), (&json!("order.unconfirmed"), &json!("42")));
    let payload = &event["message"]["payload"];
    assert_eq!((&payload["messageId"], &payload["event"]), (&ticket.id().into(), &json!(TICKET)));
    assert_eq!(payload["timeline"]["steps"].as_array().map(Vec::len), Some(2), "{payload}");
}

pub(crate) fn of_tickets() -> DeliveryConfig {
    DeliveryConfig {
        event: TICKET.into(),
        class: None,
        time_to_live_seconds: None,
        compact: false,
        acknowledge: false,
        confirm_within_seconds: None,
        confirm_by: None,
    }
}
