//! Events that one receiver is told of by webhook, while a back end publishes them in batches over HTTP.

use std::io;
use std::thread;
use std::time::Duration;

use super::http_publish::{CONNECTIONS, EVENTS_PER_BATCH, batch_of, publish};
use super::{Fixture, Snapshot, TENANT, WorkloadError};
use crate::back_end::Seen;
use crate::metric::{Cell, Metric};
use crate::{stamp, token};

/// What is promised.
const STEADY_EVENTS_PER_SECOND: u32 = 5_000;

/// At a steady rate, and then as fast as the hub takes events.
pub(crate) fn run(fixture: &mut Fixture) -> Result<Vec<Cell>, WorkloadError> {
    let batches_per_second =
        STEADY_EVENTS_PER_SECOND / u32::try_from(EVENTS_PER_BATCH).unwrap_or(1);
    let steady =
        Duration::from_secs(1) * u32::try_from(CONNECTIONS).unwrap_or(1) / batches_per_second;
    Ok(vec![
        play(fixture, "webhook, 5 000 events/s published", Some(steady))?,
        play(fixture, "webhook, as fast as events are taken", None)?,
    ])
}

fn play(
    fixture: &mut Fixture,
    name: &str,
    period: Option<Duration>,
) -> Result<Cell, WorkloadError> {
    let (address, pace) = (fixture.swarm.address(), fixture.pace);
    let token = token::service(TENANT)?;
    let publishers: Vec<_> = (0..CONNECTIONS)
        .map(|connection| {
            let connection = connection + usize::from(period.is_some()) * CONNECTIONS;
            let token = token.clone();
            let request = move |batch| request(&token, connection, batch);
            thread::spawn(move || publish(address, request, period, pace.warm_up, pace.measured))
        })
        .collect();
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
    for publisher in publishers {
        publisher.join().map_err(|_| io::Error::other("a publisher panicked"))??;
    }
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

/// The request of a batch. Each event says when it was made.
fn request(token: &str, connection: usize, batch: usize) -> Vec<u8> {
    let now_ns = stamp::now_ns();
    let event = |place: usize| {
        let reason = format!("{connection}-{batch}-{place}");
        format!(
            "{{\"type\":\"delivery:in_transit\",\"payload\":{{\"orderId\":\"o1\",\"note\":\"@{now_ns:016x}\",\"reason\":\"{reason:0>80}\"}}}}"
        )
    };
    let events: Vec<String> = (0..EVENTS_PER_BATCH).map(event).collect();
    batch_of(token, &events)
}
