//! What scenarios about missed events have in common.

use std::time::Duration;

use foodtrack_contract::{Cursor, Offset};
use serde_json::{Value, json};
use test_support::let_pass;

use crate::harness::{Address, Client, Event, Options, Transport, Who};

pub(crate) const TENANT: &str = "pizza-roma";

/// No numbers.
pub(crate) const NOTHING: [u64; 0] = [];

/// A back end: it publishes, and gets nothing itself.
pub(crate) fn back_end(server: &impl Address) -> Client {
    Client::join(server, Transport::WebSocket, &Who::service(TENANT))
}

/// A client for which events wait in a queue until it reads: its kernel takes little in for it.
pub(crate) fn slow_client(server: &impl Address, transport: Transport, who: &Who) -> Client {
    let auth = json!({ "token": who.token() });
    let receive_bytes = (transport != Transport::Polling).then_some(4_096);
    Client::join_with(server, &Options { receive_bytes, ..Options::new(transport, auth) })
}

/// An update of an order, which tells its number.
pub(crate) fn update(order: &str, number: u64) -> Value {
    json!({ "orderId": order, "number": number })
}

/// As [`update`], as a whole message of a priority.
pub(crate) fn message(order: &str, number: u64, priority: &str) -> Value {
    json!({ "type": "order:updated", "priority": priority, "payload": update(order, number) })
}

/// Publishes updates with these numbers, all of one order.
#[track_caller]
pub(crate) fn publish(sender: &mut Client, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        sender.accepted("order:updated", update("1", number));
    }
}

#[track_caller]
pub(crate) fn number(event: &Event) -> u64 {
    event.payload("number").as_u64().unwrap_or_else(|| panic!("no number: {event:?}"))
}

#[track_caller]
pub(crate) fn numbers(events: &[Event]) -> Vec<u64> {
    events.iter().map(number).collect()
}

#[track_caller]
pub(crate) fn cursor(event: &Event) -> Cursor {
    let text = event.cursor.as_deref().unwrap_or_else(|| panic!("no cursor: {event:?}"));
    Cursor::parse(text).unwrap_or_else(|| panic!("no cursor: {text}"))
}

pub(crate) fn offset(number: u64) -> Offset {
    Offset::new(number).unwrap()
}

/// The client gets these and no others; some of them may still have to be read for it.
#[track_caller]
pub(crate) fn expect_numbers(client: &mut Client, expected: &[u64], what: &str) -> Vec<Event> {
    let mut events = Vec::new();
    for _ in expected {
        match client.next_within(Duration::from_secs(8)) {
            Some(event) => events.push(event),
            None => panic!("{what}: only {:?} of {expected:?} came", numbers(&events)),
        }
    }
    assert_eq!(numbers(&events), expected, "{what}");
    expect_nothing(client, what);
    events
}

/// The client gets nothing more.
#[track_caller]
pub(crate) fn expect_nothing(client: &mut Client, what: &str) {
    // What is sent once more is read from the disk, and comes a moment later.
    for _ in 0..2 {
        let events = client.drain();
        assert!(events.is_empty(), "{what}: {events:?}");
        let_pass(Duration::from_millis(15));
    }
}
