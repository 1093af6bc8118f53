//! A back end publishes over HTTP: batches of 50 on a few connections, each event to 10 subscribers.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use memchr::memmem;

use super::{Fixture, OPEN_TIMEOUT, Snapshot, TENANT, WorkloadError, settle};
use crate::dialect::refusal;
use crate::latencies::Latencies;
use crate::metric::{Cell, Metric};
use crate::swarm::Attention;
use crate::token;

const ROOM: &str = "o1";
const SUBSCRIBERS: usize = 10;
pub(super) const EVENTS_PER_BATCH: usize = 50;
/// Each has one batch under way.
pub(super) const CONNECTIONS: usize = 4;
/// The rate at which latency is measured: half of what is promised.
const STEADY_EVENTS_PER_SECOND: u32 = 10_000;
/// The answer to a batch of which something was refused.
const REFUSED: &[u8] = b"\"success\":false";

/// As fast as answers come, and then at a steady rate.
pub(crate) fn run(fixture: &mut Fixture) -> Result<Vec<Cell>, WorkloadError> {
    let members = (0..SUBSCRIBERS)
        .map(|n| {
            let member = fixture.member(TENANT, &format!("m{n}"), vec![ROOM.to_owned()])?;
            Ok((member, Attention::Counts))
        })
        .collect::<Result<Vec<_>, WorkloadError>>()?;
    fixture.swarm.open(members, OPEN_TIMEOUT)?;
    let batches_per_second =
        STEADY_EVENTS_PER_SECOND / u32::try_from(EVENTS_PER_BATCH).unwrap_or(1);
    let steady =
        Duration::from_secs(1) * u32::try_from(CONNECTIONS).unwrap_or(1) / batches_per_second;
    Ok(vec![
        play(fixture, "batches of 50, as fast as answers come", None)?,
        play(fixture, "batches of 50, 10 000 events/s", Some(steady))?,
    ])
}

/// `period` is how often each connection sends; as soon as it was answered where there is none.
fn play(
    fixture: &mut Fixture,
    name: &str,
    period: Option<Duration>,
) -> Result<Cell, WorkloadError> {
    let (address, pace) = (fixture.swarm.address(), fixture.pace);
    let token = token::service(TENANT)?;
    let publishers: Vec<_> = (0..CONNECTIONS)
        .map(|connection| {
            // Another load of the same run says other things.
            let connection = connection + usize::from(period.is_some()) * CONNECTIONS;
            let token = token.clone();
            let request = move |batch| request(&token, connection, batch);
            thread::spawn(move || publish(address, request, period, pace.warm_up, pace.measured))
        })
        .collect();
    fixture.swarm.run_for(pace.warm_up, &mut |_, payload, _| refusal(payload))?;
    let start = Snapshot::take(fixture)?;
    fixture.swarm.run_for(pace.measured, &mut |_, payload, _| refusal(payload))?;
    let measured = start.until_now(fixture)?;
    while publishers.iter().any(|publisher| !publisher.is_finished()) {
        fixture.swarm.turn(&mut |_, payload, _| refusal(payload))?;
    }
    let mut latencies = Latencies::default();
    for publisher in publishers {
        let answered = publisher.join().map_err(|_| io::Error::other("a publisher panicked"))??;
        answered.into_iter().for_each(|ns| latencies.push(ns));
    }
    settle(fixture, Duration::from_millis(500))?;
    let cell = measured.delivery_cell(name, &mut latencies)?;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let events = measured.deliveries as f64 / SUBSCRIBERS as f64;
    Ok(cell.with(Metric::EventsPerSecond, events / measured.elapsed.as_secs_f64()))
}

/// The request of a batch. No event says the same as another: that would be one sent again.
fn request(token: &str, connection: usize, batch: usize) -> Vec<u8> {
    let event = |place: usize| {
        let reason = format!("{connection}-{batch}-{place}");
        format!(
            "{{\"type\":\"delivery:in_transit\",\"payload\":{{\"orderId\":\"{ROOM}\",\"reason\":\"{reason:0>100}\"}}}}"
        )
    };
    let events: Vec<String> = (0..EVENTS_PER_BATCH).map(event).collect();
    batch_of(token, &events)
}

/// The request that publishes these events.
pub(super) fn batch_of(token: &str, events: &[String]) -> Vec<u8> {
    let body = format!("{{\"events\":[{}]}}", events.join(","));
    format!(
        "POST /api/v1/publish/batch HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Publishes batch after batch. Returns how long each answer took that came after the warm-up.
pub(super) fn publish(
    address: SocketAddr,
    request: impl Fn(usize) -> Vec<u8>,
    period: Option<Duration>,
    warm_up: Duration,
    measured: Duration,
) -> io::Result<Vec<u64>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let (mut answer, mut took) = (Vec::new(), Vec::new());
    let begin = Instant::now();
    let (warm, end) = (begin + warm_up, begin + warm_up + measured);
    let mut due = begin;
    for batch in 0.. {
        if due >= end {
            break;
        }
        if let Some(period) = period {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            due += period;
        } else {
            due = Instant::now();
        }
        let request = request(batch);
        let sent = Instant::now();
        stream.write_all(&request)?;
        read_answer(&mut stream, &mut answer)?;
        if sent >= warm {
            took.push(u64::try_from(sent.elapsed().as_nanos()).unwrap_or(u64::MAX));
        }
    }
    Ok(took)
}

fn read_answer(stream: &mut TcpStream, answer: &mut Vec<u8>) -> io::Result<()> {
    answer.clear();
    let mut chunk = [0; 16 << 10];
    loop {
        let read = stream.read(&mut chunk)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        answer.extend_from_slice(&chunk[..read]);
        let Some(head) = memmem::find(answer, b"\r\n\r\n") else { continue };
        if answer.len() >= head + 4 + content_length(&answer[..head])? {
            break;
        }
    }
    let is_good = answer.starts_with(b"HTTP/1.1 200 ") && memmem::find(answer, REFUSED).is_none();
    if is_good {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&answer[..answer.len().min(500)]).into_owned()))
}

fn content_length(head: &[u8]) -> io::Result<usize> {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let value = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length = value.and_then(|value| value.trim().parse().ok());
    length.ok_or_else(|| io::Error::other("an answer without a length"))
}
