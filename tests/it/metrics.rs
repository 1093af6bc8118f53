//! A tenant's figures of the day, which a back end publishes for its dashboards.

use std::time::Instant;

use serde_json::{Value, json};

use crate::harness::{Client, Server, Transport, Who, on_both_transports};
use crate::support::{TENANT, back_end};

fn figures(revenue: u32) -> Value {
    json!({ "totalRevenueToday": revenue, "completedOrdersToday": 1, "activeOrders": 2, "more": 3 })
}

on_both_transports! {
    fn figures_reach_the_dashboards_alone_and_of_many_the_first_and_the_last(transport) {
        let server = Server::start();
        let mut mia = Client::join(&server, transport, &Who::manager(TENANT, "mia"));
        let mut others = [
            Client::join(&server, transport, &Who::customer(TENANT, "ada")),
            Client::join(&server, transport, &Who::chef(TENANT, "carl")),
            Client::join(&server, transport, &Who::courier(TENANT, "dora")),
        ];
        let mut service = back_end(&server);
        let begun = Instant::now();
        for revenue in 0..=50 {
            service.accepted("tenant:metrics", figures(revenue));
        }
        let mut got = Vec::new();
        while got.last() != Some(&json!(50)) {
            got.push(mia.expect("tenant:metrics").payload("totalRevenueToday").clone());
        }
        assert_eq!(got[0], 0);
        let seconds = usize::try_from(begun.elapsed().as_secs()).unwrap();
        assert!(got.len() <= 2 + seconds, "{got:?}");
        for other in &mut others {
            assert!(other.drain_names().is_empty());
        }
        assert!(mia.drain_names().is_empty());
    }

    fn figures_come_from_back_ends_and_are_numbers(transport) {
        let server = Server::start();
        let mut mia = Client::join(&server, transport, &Who::manager(TENANT, "mia"));
        let mut service = back_end(&server);
        assert_eq!(mia.refused("tenant:metrics", figures(1)), "source_forbidden");
        for wrong in [json!({}), json!({ "totalRevenueToday": "1", "completedOrdersToday": 1, "activeOrders": 2 })] {
            assert_eq!(service.refused("tenant:metrics", wrong), "payload_invalid");
        }
        assert!(mia.drain_names().is_empty());
    }
}
