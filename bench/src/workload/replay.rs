//! Somebody was away while very much happened, and comes back: how fast the log gets to their socket.

use std::time::Instant;

use super::client::Client;
use super::{Fixture, Snapshot, TENANT, WorkloadError};
use crate::latencies::Latencies;
use crate::metric::{Cell, Metric};
use crate::token;

/// What is missed.
const EVENTS: usize = 100_000;
/// Published without an answer.
const IN_FLIGHT: usize = 500;
const ROOM: &str = "replayed";

/// Runs the load.
pub(crate) fn run(fixture: &mut Fixture) -> Result<Vec<Cell>, WorkloadError> {
    let address = fixture.swarm.address();
    let connect = |user: &str, auth: &str| {
        let token = token::courier(TENANT, user)?;
        Client::connect(
            address,
            &format!("\"token\":\"{token}\",\"application\":\"delivery_app\"{auth}"),
        )
    };
    let mut reader = connect("reader", "")?;
    reader.send(&format!("421[\"subscribe:order\",\"{ROOM}\"]"))?;
    reader.read(b"431[", 1)?;
    let auth = format!(",\"pid\":\"{}\",\"offset\":\"{}\"", reader.pid(), reader.cursor());
    drop(reader);
    let mut publisher = connect("publisher", "")?;
    publisher.read(b"42[\"system:connection_established\"", 1)?;
    for number in 0..EVENTS {
        publisher.send(&format!(
            "427[\"delivery:in_transit\",{{\"orderId\":\"{ROOM}\",\"reason\":\"{number:0>60}\"}}]"
        ))?;
        if number >= IN_FLIGHT {
            publisher.read(b"437[", 1)?;
        }
    }
    publisher.read(b"437[", IN_FLIGHT)?;
    let start = Snapshot::take(fixture)?;
    let came = Instant::now();
    let mut reader = connect("reader", &auth)?;
    reader.read(b"42[\"delivery:in_transit\"", EVENTS)?;
    let took = came.elapsed();
    let measured = start.until_now(fixture)?;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let events = EVENTS as f64;
    let cell = measured
        .cell(format!("replay of {EVENTS}"), &mut Latencies::default())
        .with(Metric::DeliveriesPerSecond, events / took.as_secs_f64())
        .with(Metric::CpuUsPerDelivery, measured.server.total_us() / events);
    Ok(vec![cell])
}
