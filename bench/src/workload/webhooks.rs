//! Events that one receiver is told of by webhook, while a back end publishes them in batches over HTTP.

use std::io;
use std::thread;
use std::time::Duration;

use super::batch_publishers::{BatchPublishers, steady};
use super::{Fixture, Snapshot, WorkloadError};
use crate::back_end::Seen;
use crate::metric::{Cell, Metric};
use crate::stamp;

/// What is promised.
const STEADY_EVENTS_PER_SECOND: u32 = 5_000;

/// At a steady rate, and then as fast as the hub takes events.
pub(crate) fn run(fixture: &mut Fixture) -> Result<Vec<Cell>, WorkloadError> {
    Ok(vec![
        play(fixture, "webhook, 5 000 events/s published", Some(steady(STEADY_EVENTS_PER_SECOND)))?,
        play(fixture, "webhook, as fast as events are taken", None)?,
    ])
}

fn play(
    fixture: &mut Fixture,
    name: &str,
    period: Option<Duration>,
) -> Result<Cell, WorkloadError> {
    let pace = fixture.pace;
    let publishers = BatchPublishers::start(fixture, event, period)?;
    thread::sleep(pace.warm_up);
    let take = |fixture: &Fixture| -> Result<Seen, WorkloadError> {
        let back_end = fixture.back_end.as_ref();
        back_end.map(|it| it.take()).ok_or_else(|| io::Error::other("there is no back end").into())
    };
    take(fixture)?;
    let start = Snapshot::take(fixture)?;
    thread::sleep(pace.measured);
    let measured = start.until_now(fixture)?;
    let mut events = take(fixture)?.events;
    publishers.join()?;
    // What is left comes before the next load.
    while take(fixture)?.events.len() > 0 {
        thread::sleep(Duration::from_millis(500));
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let per_second = events.len() as f64 / measured.elapsed.as_secs_f64();
    if events.len() == 0 {
        let cell = name.to_owned();
        return Err(WorkloadError::Silence { cell, waited: measured.elapsed });
    }
    Ok(measured.cell(name, &mut events).with(Metric::EventsPerSecond, per_second))
}

/// Each event says when it was made.
fn event(reason: &str) -> String {
    let now_ns = stamp::now_ns();
    format!(
        "{{\"type\":\"delivery:in_transit\",\"payload\":{{\"orderId\":\"o1\",\"note\":\"@{now_ns:016x}\",\"reason\":\"{reason:0>80}\"}}}}"
    )
}
