//! A back end publishes over HTTP one durable event at a time: 50 in flight on 50 connections, each event to 10 subscribers.

use super::http_publish::{SUBSCRIBERS, event, open_subscribers};
use super::single_publishers::SinglePublishers;
use super::{Fixture, Snapshot, WorkloadError, settle};
use crate::dialect::refusal;
use crate::latencies::Latencies;
use crate::metric::{Cell, Metric};

/// What [`run`] measures.
pub(crate) const CELL: &str = "50 single publishes in flight";

/// As fast as answers come. Latency is from a request to its answer.
pub(crate) fn run(fixture: &mut Fixture) -> Result<Vec<Cell>, WorkloadError> {
    open_subscribers(fixture)?;
    let pace = fixture.pace;
    let publishers = SinglePublishers::start(fixture, event)?;
    fixture.swarm.run_for(pace.warm_up, &mut |_, payload, _| refusal(payload))?;
    let start = Snapshot::take(fixture)?;
    fixture.swarm.run_for(pace.measured, &mut |_, payload, _| refusal(payload))?;
    let measured = start.until_now(fixture)?;
    while !publishers.have_ended() {
        fixture.swarm.turn(&mut |_, payload, _| refusal(payload))?;
    }
    let mut latencies = Latencies::default();
    publishers.join()?.into_iter().for_each(|ns| latencies.push(ns));
    settle(fixture, std::time::Duration::from_millis(500))?;
    let cell = measured.delivery_cell(CELL, &mut latencies)?;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let events = measured.deliveries as f64 / SUBSCRIBERS as f64;
    Ok(vec![
        cell.with(Metric::EventsPerSecond, events / measured.elapsed.as_secs_f64())
            .with(Metric::CpuUsPerRequest, measured.all_servers_us() / events),
    ])
}
