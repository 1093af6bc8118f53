//! Every recipient sees each publisher's events in the order in which they were sent.

use std::collections::BTreeMap;
use std::thread;

use serde_json::json;

use crate::harness::{Client, Server, Transport, Who, config, limits};

const TENANT: &str = "pizza-roma";
const PUBLISHERS: u64 = 10;
const EVENTS: u64 = 500;

/// Reads `total` events and checks that each publisher's numbers count up from 0.
fn check_order(mut client: Client, total: u64, what: &str) {
    let mut next: BTreeMap<u64, u64> = BTreeMap::new();
    for _ in 0..total {
        let event = client.expect("order:updated");
        let publisher = event.payload("publisher").as_u64().unwrap();
        let expected = next.entry(publisher).or_default();
        assert_eq!(event.payload("number").as_u64(), Some(*expected), "{what}, of {publisher}");
        *expected += 1;
    }
    assert_eq!(client.drain_names(), [""; 0], "{what}");
}

#[test]
fn ten_publishers_events_reach_every_recipient_in_each_publishers_order() {
    // Polling readers may fall far behind: in this test nobody is closed for it.
    let mut roomy = limits();
    (roomy.queue_messages_max, roomy.queue_bytes_max) = (100_000, 256 << 20);
    let server = Server::with(config().limits(roomy));
    let recipients: Vec<_> = Transport::ALL
        .iter()
        .flat_map(|transport| [*transport; 2])
        .map(|transport| (transport, Client::join(&server, transport, &Who::chef(TENANT, "carl"))))
        .collect();
    thread::scope(|scope| {
        for (transport, client) in recipients {
            scope.spawn(move || {
                check_order(client, PUBLISHERS * EVENTS, &format!("{transport:?}"));
            });
        }
        for publisher in 0..PUBLISHERS {
            let transport = Transport::ALL[usize::from(publisher % 5 == 0)];
            let server = &server;
            scope.spawn(move || {
                // A back end is in no application: it gets none of what it sends.
                let mut client = Client::join(server, transport, &Who::service(TENANT));
                let order = (publisher % 3).to_string();
                for batch in 0..EVENTS / 20 {
                    let events: Vec<_> = (batch * 20..batch * 20 + 20)
                        .map(|number| json!({ "orderId": order, "publisher": publisher, "number": number }))
                        .map(|payload| ("order:updated", payload))
                        .collect();
                    client.emit_all(&events);
                }
            });
        }
    });
}
