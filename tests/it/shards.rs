//! A connection is accepted anywhere and lives at its tenant's home.

use serde_json::json;

use crate::harness::{Client, Options, Parser, Server, Transport, Who, config, on_every_transport};

const SHARDS: u16 = 4;

on_every_transport! {
    fn all_connections_of_a_tenant_live_on_one_shard(transport) {
        let server = Server::with(config().shards(SHARDS));
        let mut homes = Vec::new();
        let mut all = Vec::new();
        // Wherever the kernel had them accepted: the homes of so many tenants are not all there.
        for tenant in ["t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8"] {
            let before = server.metric_by_shard("connections");
            let mut clients: Vec<Client> =
                (0..10).map(|_| Client::join(&server, transport, &Who::chef(tenant, "carl"))).collect();
            let after = server.metric_by_shard("connections");
            let grown: Vec<u64> = after.iter().zip(before).map(|(after, before)| after - before).collect();
            assert_eq!(grown.iter().filter(|grown| **grown == 10).count(), 1, "{tenant}: {grown:?}");
            homes.push(grown.iter().position(|grown| *grown == 10));
            clients[3].accepted("kitchen:notification", json!({ "message": "m" }));
            for client in &mut clients {
                assert_eq!(client.drain_names(), ["kitchen:notification"]);
            }
            all.extend(clients);
        }
        homes.sort_unstable();
        homes.dedup();
        assert!(homes.len() > 1, "every tenant lives at {homes:?}");
        assert_eq!(server.metric("connections"), 80);
        if transport != Transport::Polling {
            // A polling client that goes without a word is missed at the next heartbeat.
            drop(all);
            crate::harness::eventually(|| (server.metric("connections") == 0).then_some(()));
        }
    }

    fn events_sent_right_behind_connect_arrive_in_order(transport) {
        const EVENTS: u64 = 200;
        let server = Server::with(config().shards(SHARDS));
        for round in 0..12 {
            let tenant = format!("t{round}");
            let mut chef = Client::join(&server, transport, &Who::chef(&tenant, "carl"));
            let events: Vec<_> = (0..EVENTS)
                .map(|number| ("order:updated", json!({ "orderId": "1", "number": number })))
                .collect();
            let auth = json!({ "token": Who::manager(&tenant, "mia").token() });
            let parser = if round % 3 == 2 { Parser::Msgpack } else { Parser::Json };
            let options = Options { parser, ..Options::new(transport, auth) };
            let mut sender = Client::join_talking(&server, &options, &events);
            let numbers = |client: &mut Client| -> Vec<u64> {
                let updates = (0..EVENTS).map(|_| client.expect("order:updated"));
                updates.map(|event| event.payload("number").as_u64().unwrap()).collect()
            };
            let in_order: Vec<u64> = (0..EVENTS).collect();
            assert_eq!(numbers(&mut chef), in_order, "{tenant}");
            sender.expect("system:connection_established");
            assert_eq!(numbers(&mut sender), in_order, "{tenant}");
        }
    }
}

#[test]
fn a_tenant_is_one_whatever_transport_its_clients_came_by() {
    let server = Server::with(config().shards(SHARDS));
    let mut clients: Vec<Client> = (0..20)
        .map(|n| {
            Client::join(
                &server,
                Transport::ALL[n % Transport::ALL.len()],
                &Who::chef("t1", "carl"),
            )
        })
        .collect();
    for sender in &mut clients {
        sender.accepted("kitchen:notification", json!({ "message": "m" }));
    }
    for client in &mut clients {
        assert_eq!(client.drain_names(), ["kitchen:notification"; 20]);
    }
}
