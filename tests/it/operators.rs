//! What operators see of an order and of who is away, and what they may do about it.

use std::time::Duration;

use foodtrack_server::DeliveryConfig;
use serde_json::{Value, json};
use test_support::{let_pass, wait_until};

use crate::harness::{Client, HttpConnection, Server, Transport, Who, config};
use crate::support::{TENANT, back_end, expect_numbers, publish, update};

const TICKET: &str = "kitchen:order_received";
const QUEUES: &str = "/api/v1/offline-queues";

fn ask(server: &Server, line: &str, token: &str) -> (u16, Value) {
    let answer = HttpConnection::open(server.address()).call(line, token, &Value::Null);
    (answer.status, answer.json())
}

/// What is answered, at a rate that the API allows.
fn data(server: &Server, line: &str) -> Value {
    loop {
        let (status, mut answer) = ask(server, line, &owner());
        match status {
            200 => return answer["data"].take(),
            429 => let_pass(Duration::from_millis(answer["retryAfterMs"].as_u64().unwrap())),
            _ => panic!("{line}: {answer}"),
        }
    }
}

fn owner() -> String {
    Who::owner(TENANT, "olga").token()
}

fn tablet(server: &Server, device: &str) -> Client {
    Client::join(server, Transport::WebSocket, &Who::chef(TENANT, "carl").device(device))
}

/// The states of an event's devices in the order's timeline, by device.
fn states(event: &Value) -> Vec<(String, bool, String)> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let state = |device: &Value| {
        (text(&device["deviceId"]), device["isHere"] == true, text(&device["state"]))
    };
    let mut states: Vec<_> = event["devices"].as_array().unwrap().iter().map(state).collect();
    states.sort();
    states
}

fn state(device: &str, is_here: bool, state: &str) -> (String, bool, String) {
    (device.into(), is_here, state.into())
}

#[test]
fn an_orders_timeline_says_who_has_each_event_who_was_sent_it_and_who_gets_it_when_they_come_back()
{
    let server = Server::start();
    let gone = tablet(&server, "tablet-1");
    let mut here = tablet(&server, "tablet-2");
    let mut sender = back_end(&server);
    drop(gone);
    wait_until("it is gone", || server.metric("connections_closed_total") == 1);
    let mut mute = tablet(&server, "tablet-3");
    mute.pongs_left = 0;
    sender.accepted("order:updated", update("42", 1));
    sender.accepted("order:updated", update("43", 2));
    expect_numbers(&mut here, &[1, 2], "it is here");
    expect_numbers(&mut mute, &[1, 2], "it is here");
    let line = "GET /api/v1/orders/42/timeline";
    let expected = [
        state("tablet-1", false, "waiting"),
        state("tablet-2", true, "confirmed"),
        state("tablet-3", true, "sent"),
    ];
    // Its answer to a ping confirms it.
    let has_confirmed = || {
        assert!(here.next_within(Duration::from_millis(10)).is_none());
        states(&data(&server, line)[0]) == expected
    };
    wait_until("one has confirmed it", has_confirmed);
    let events = data(&server, line);
    assert_eq!(events.as_array().map(Vec::len), Some(1), "the other order's is not among them");
    let entry = &events[0]["entry"];
    assert_eq!((&entry["orderId"], &entry["offset"]), (&json!("42"), &json!(1)));
    assert!(entry["at"].is_string() && events[0]["steps"] == json!([]), "{entry}");
}

#[test]
fn an_orders_timeline_says_what_was_done_since_nobody_confirmed_it() {
    let server = Server::with(config().deliver(DeliveryConfig {
        event: TICKET.into(),
        class: None,
        time_to_live_seconds: None,
        compact: false,
        acknowledge: false,
        confirm_within_seconds: Some(1),
        confirm_by: None,
    }));
    back_end(&server).accepted(TICKET, json!({ "orderId": "42" }));
    let steps = || data(&server, "GET /api/v1/orders/42/timeline")[0]["steps"].take();
    wait_until("the dashboard was alerted", || steps().as_array().map(Vec::len) == Some(2));
    let last = steps()[1].take();
    assert!(last["what"].as_str().unwrap().contains("alerted") && last["at"].is_string(), "{last}");
}

/// The tablet's queue.
fn queue(server: &Server) -> Value {
    let queues = data(server, &format!("GET {QUEUES}"));
    let own = queues.as_array().unwrap().iter().find(|queue| queue["deviceId"] == "tablet-1");
    own.cloned().unwrap_or_default()
}

/// Until a client's answer to a ping has confirmed all that it got.
fn wait_for_confirmation(server: &Server, client: &mut Client) {
    wait_until("all is confirmed", || {
        assert!(client.next_within(Duration::from_millis(10)).is_none());
        queue(server)["entriesBehind"] == 0
    });
}

#[test]
fn what_waits_for_somebody_is_listed_shown_brought_again_and_dropped() {
    let server = Server::start();
    let mut chef = tablet(&server, "tablet-1");
    let mut sender = back_end(&server);
    publish(&mut sender, 1..=2);
    expect_numbers(&mut chef, &[1, 2], "it is here");
    wait_for_confirmation(&server, &mut chef);
    let key = queue(&server)["subscriber"].as_str().unwrap().to_owned();
    let path = format!("{QUEUES}/{key}");
    // Who is here is moved by what they confirm alone.
    assert_eq!(ask(&server, &format!("DELETE {path}"), &owner()).0, 409);
    drop(chef);
    wait_until("it is gone", || server.metric("connections_closed_total") == 1);
    publish(&mut sender, 3..=5);
    wait_until("three wait", || queue(&server)["entriesBehind"] == 3);
    let seen = data(&server, &format!("GET {path}?limit=2"));
    let numbers = |seen: &Value| -> Vec<u64> {
        let events = seen["events"].as_array().unwrap().iter();
        events.map(|event| event["message"]["payload"]["number"].as_u64().unwrap()).collect()
    };
    assert_eq!((numbers(&seen), &seen["hasMore"]), (vec![3, 4], &json!(true)));
    assert_eq!(numbers(&data(&server, &format!("GET {path}"))), [3, 4, 5]);
    // All of it is brought again, also what it had.
    data(&server, &format!("POST {path}/replay"));
    let mut chef = tablet(&server, "tablet-1");
    expect_numbers(&mut chef, &[1, 2, 3, 4, 5], "all again");
    wait_for_confirmation(&server, &mut chef);
    drop(chef);
    wait_until("it is gone", || server.metric("connections_closed_total") == 2);
    publish(&mut sender, 6..=8);
    data(&server, &format!("DELETE {path}"));
    publish(&mut sender, 9..=9);
    expect_numbers(&mut tablet(&server, "tablet-1"), &[9], "the rest was dropped");
}

#[test]
fn another_tenant_s_operators_see_and_move_nothing_and_staff_without_the_right_neither() {
    let server = Server::start();
    let mut chef = tablet(&server, "tablet-1");
    publish(&mut back_end(&server), 1..=1);
    expect_numbers(&mut chef, &[1], "it is here");
    chef.settle();
    drop(chef);
    wait_until("it and the back end are gone", || server.metric("connections_closed_total") == 2);
    let foreign = Who::owner("sushi-kyoto", "olga").token();
    let key = "carl:kitchen_app:tablet-1";
    assert_eq!(ask(&server, &format!("GET {QUEUES}/{key}"), &owner()).0, 200);
    for line in ["GET", "DELETE"] {
        assert_eq!(ask(&server, &format!("{line} {QUEUES}/{key}"), &foreign).0, 404, "{line}");
    }
    assert_eq!(ask(&server, &format!("POST {QUEUES}/{key}/replay"), &foreign).0, 404);
    for line in ["GET /api/v1/orders/1/timeline", "GET /api/v1/offline-queues"] {
        let (status, answer) = ask(&server, line, &foreign);
        assert_eq!((status, &answer["data"]), (200, &json!([])), "{line}");
        assert_eq!(ask(&server, line, &Who::chef(TENANT, "carl").token()).0, 403, "{line}");
    }
    let bad = [
        (format!("GET {QUEUES}/webhook%2Fbilling"), 400),
        (format!("GET {QUEUES}/nobody:kitchen_app:"), 404),
        (format!("POST {QUEUES}/{key}/replay?cursor=none"), 400),
        (format!("POST {QUEUES}/{key}/replay?cursor=1k3f9z-1"), 409),
        ("GET /api/v1/orders/1/timeline?limit=51".into(), 400),
    ];
    for (line, status) in bad {
        assert_eq!(ask(&server, &line, &owner()).0, status, "{line}");
    }
}

#[test]
fn a_messages_trace_says_who_has_it_over_which_node_and_who_not_and_why() {
    let server = Server::start();
    let gone = tablet(&server, "tablet-1");
    let mut here = tablet(&server, "tablet-2");
    let mut sender = back_end(&server);
    drop(gone);
    wait_until("it is gone", || server.metric("connections_closed_total") == 1);
    let mut mute = tablet(&server, "tablet-3");
    mute.pongs_left = 0;
    let id = sender.accepted("order:updated", update("42", 1))["id"].clone();
    expect_numbers(&mut here, &[1], "it is here");
    expect_numbers(&mut mute, &[1], "it is here");
    let line = format!("GET /api/v1/messages/{}/trace", id.as_str().unwrap());
    let state = |trace: &Value, device: &str| {
        let recipients = trace["recipients"].as_array().unwrap();
        let found = recipients.iter().find(|it| it["deviceId"] == device).unwrap();
        let nodes = found["nodes"].as_array().map(Vec::len).unwrap();
        (found["state"].as_str().unwrap().to_owned(), nodes)
    };
    wait_until("one has confirmed it", || {
        assert!(here.next_within(Duration::from_millis(10)).is_none());
        state(&data(&server, &line), "tablet-2") == ("confirmed".into(), 1)
    });
    let trace = data(&server, &line);
    assert_eq!(state(&trace, "tablet-1"), ("waiting".into(), 0), "{trace}");
    assert_eq!(state(&trace, "tablet-3"), ("sent".into(), 1), "{trace}");
    assert_eq!((&trace["entry"]["id"], &trace["entry"]["orderId"]), (&id, &json!("42")));
    wait_until("and when, is saved", || {
        let trace = data(&server, &line);
        let recipients = trace["recipients"].as_array().unwrap().iter();
        recipients.filter(|it| it["confirmedBy"].is_string()).count() == 1
    });
    for (line, token, status) in [
        (line.as_str(), Who::owner("sushi-kyoto", "olga").token(), 404),
        (&line, Who::chef(TENANT, "carl").token(), 403),
        ("GET /api/v1/messages/00000000-0000-7000-8000-000000000000/trace", owner(), 404),
        ("GET /api/v1/messages/none/trace", owner(), 400),
    ] {
        assert_eq!(ask(&server, line, &token).0, status, "{line}");
    }
}
