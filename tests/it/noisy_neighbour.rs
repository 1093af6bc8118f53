//! A restaurant that floods does not keep another waiting.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use foodtrack_server::LimitsConfig;
use serde_json::json;
use test_support::let_pass;

use crate::harness::{Client, Server, Transport, Who, config, limits};

/// What the noisy one may send; it sends ten times as much and more.
const PER_SECOND: u32 = 200;
const FLOODERS: usize = 4;
const EVENTS: u64 = 40;
/// Generous: the machine may be busy with other tests.
const PROMPT: Duration = Duration::from_secs(1);

#[test]
fn a_tenant_over_ten_times_its_limit_does_not_delay_its_neighbour() {
    // One shard: they share everything.
    let server = Server::with(config().shards(1).limits(LimitsConfig {
        messages_per_second_per_tenant: PER_SECOND,
        messages_burst_per_tenant: PER_SECOND,
        ..limits()
    }));
    let is_over = AtomicBool::new(false);
    let started = Instant::now();
    let mut audience: Vec<Client> = (0..50)
        .map(|_| Client::join(&server, Transport::WebSocket, &Who::manager("noisy", "mia")))
        .collect();
    thread::scope(|scope| {
        for _ in 0..FLOODERS {
            scope.spawn(|| flood(&server, &is_over));
        }
        let mut sender = Client::join(&server, Transport::WebSocket, &Who::service("quiet"));
        let mut readers = Transport::ALL
            .map(|transport| Client::join(&server, transport, &Who::chef("quiet", "carl")));
        let mut worst = Duration::ZERO;
        for number in 0..EVENTS {
            let sent = Instant::now();
            sender.accepted("order:updated", json!({ "orderId": "1", "number": number }));
            for reader in &mut readers {
                assert_eq!(reader.expect("order:updated").payload("number"), number);
            }
            worst = worst.max(sent.elapsed());
            // As fast as people are, and for as long as the flood takes to build up.
            let_pass(Duration::from_millis(25));
        }
        is_over.store(true, Ordering::Relaxed);
        assert!(worst < PROMPT, "an event took {worst:?}");
    });
    let refused = || server.metric("rate_limited_total");
    assert!(refused() > 0, "the flood was within its limit");
    // What the flood left in the sockets is still read and refused, and even a ping counts towards the tenant's rate.
    let mut before = 0;
    while before != refused() {
        before = refused();
        let_pass(Duration::from_secs(1));
    }
    let heard = audience[0].drain().len();
    // What the rate gives in this time, and the burst it starts with. A busy machine takes longer.
    let most = f64::from(PER_SECOND) * (started.elapsed().as_secs_f64() + 1.0);
    assert!(
        f64::from(u32::try_from(heard).unwrap()) <= most,
        "{heard} events of the noisy tenant passed, not {most}"
    );
}

/// Sends as fast as the server reads, and never reads an answer.
fn flood(server: &Server, is_over: &AtomicBool) {
    let mut client = Client::join(server, Transport::WebSocket, &Who::service("noisy"));
    let mut number = 0;
    while !is_over.load(Ordering::Relaxed) {
        number += 1;
        let update = |n| ("order:updated", json!({ "orderId": "1", "round": number, "n": n }));
        let batch: Vec<_> = (0..100).map(update).collect();
        if !client.try_emit_all(&batch) {
            // On a slow machine this takes so long that one who answers no ping is sent away.
            client = Client::join(server, Transport::WebSocket, &Who::service("noisy"));
        }
    }
}
