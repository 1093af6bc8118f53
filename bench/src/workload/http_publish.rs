//! A back end publishes over HTTP: batches of 50 on a few connections, each event to 10 subscribers.

use std::time::Duration;

use super::batch_publishers::{BatchPublishers, steady};
use super::{Fixture, OPEN_TIMEOUT, Snapshot, TENANT, WorkloadError, settle};
use crate::dialect::refusal;
use crate::latencies::Latencies;
use crate::metric::{Cell, Metric};
use crate::swarm::Attention;

const ROOM: &str = "o1";
pub(super) const SUBSCRIBERS: usize = 10;
/// The rate at which latency is measured: half of what is promised.
const STEADY_EVENTS_PER_SECOND: u32 = 10_000;

/// As fast as answers come, and then at a steady rate.
pub(crate) fn run(fixture: &mut Fixture) -> Result<Vec<Cell>, WorkloadError> {
    open_subscribers(fixture)?;
    Ok(vec![
        play(fixture, "batches of 50, as fast as answers come", None)?,
        play(fixture, "batches of 50, 10 000 events/s", Some(steady(STEADY_EVENTS_PER_SECOND)))?,
    ])
}

/// Connects those who get every [`event`].
pub(super) fn open_subscribers(fixture: &mut Fixture) -> Result<(), WorkloadError> {
    let members = (0..SUBSCRIBERS)
        .map(|n| {
            let member = fixture.member(TENANT, &format!("m{n}"), vec![ROOM.to_owned()])?;
            Ok((member, Attention::Counts))
        })
        .collect::<Result<Vec<_>, WorkloadError>>()?;
    fixture.swarm.open(members, OPEN_TIMEOUT)?;
    Ok(())
}

/// `period` is how often each connection sends; as soon as it was answered where there is none.
fn play(
    fixture: &mut Fixture,
    name: &str,
    period: Option<Duration>,
) -> Result<Cell, WorkloadError> {
    let pace = fixture.pace;
    let publishers = BatchPublishers::start(fixture, event, period)?;
    fixture.swarm.run_for(pace.warm_up, &mut |_, payload, _| refusal(payload))?;
    let start = Snapshot::take(fixture)?;
    fixture.swarm.run_for(pace.measured, &mut |_, payload, _| refusal(payload))?;
    let measured = start.until_now(fixture)?;
    while !publishers.have_ended() {
        fixture.swarm.turn(&mut |_, payload, _| refusal(payload))?;
    }
    let mut latencies = Latencies::default();
    publishers.join()?.into_iter().for_each(|ns| latencies.push(ns));
    settle(fixture, Duration::from_millis(500))?;
    let cell = measured.delivery_cell(name, &mut latencies)?;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let events = measured.deliveries as f64 / SUBSCRIBERS as f64;
    Ok(cell.with(Metric::EventsPerSecond, events / measured.elapsed.as_secs_f64()))
}

/// No event says the same as another: that would be one sent again.
pub(super) fn event(reason: &str) -> String {
    format!(
        "{{\"type\":\"delivery:in_transit\",\"payload\":{{\"orderId\":\"{ROOM}\",\"reason\":\"{reason:0>100}\"}}}}"
    )
}
