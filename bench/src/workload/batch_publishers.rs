//! Back ends that publish batches over HTTP, each on a connection and a thread of its own.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{Fixture, Pace, TENANT, WorkloadError, http_answer};
use crate::token;

const EVENTS_PER_BATCH: usize = 50;
/// Each has one batch under way.
const CONNECTIONS: usize = 4;

/// How often each connection sends so that all together publish this many events a second.
pub(super) fn steady(events_per_second: u32) -> Duration {
    let batches_per_second = events_per_second / u32::try_from(EVENTS_PER_BATCH).unwrap_or(1);
    Duration::from_secs(1) * u32::try_from(CONNECTIONS).unwrap_or(1) / batches_per_second
}

/// Publishers at work, for the warm-up and what is measured.
pub(super) struct BatchPublishers {
    threads: Vec<JoinHandle<io::Result<Vec<u64>>>>,
}

impl BatchPublishers {
    /// `event` makes an event from what no other event of the run has. `period` is how often each connection sends; as soon as it was
    /// answered where there is none.
    pub(super) fn start(
        fixture: &Fixture,
        event: fn(&str) -> String,
        period: Option<Duration>,
    ) -> Result<Self, WorkloadError> {
        let (address, pace) = (fixture.swarm.address(), fixture.pace);
        let token = token::service(TENANT)?;
        let start = |connection: usize| {
            // Another load of the same run says other things.
            let connection = connection + usize::from(period.is_some()) * CONNECTIONS;
            let token = token.clone();
            let request = move |batch: usize| {
                let event = |place| event(&format!("{connection}-{batch}-{place}"));
                batch_of(&token, &(0..EVENTS_PER_BATCH).map(event).collect::<Vec<_>>())
            };
            thread::spawn(move || publish(address, request, period, pace))
        };
        Ok(Self { threads: (0..CONNECTIONS).map(start).collect() })
    }

    pub(super) fn have_ended(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Waits until they have ended. Returns how long each answer took that came after the warm-up, in nanoseconds.
    pub(super) fn join(self) -> Result<Vec<u64>, WorkloadError> {
        let mut took = Vec::new();
        for thread in self.threads {
            took.extend(thread.join().map_err(|_| io::Error::other("a publisher panicked"))??);
        }
        Ok(took)
    }
}

/// The request that publishes these events.
fn batch_of(token: &str, events: &[String]) -> Vec<u8> {
    let body = format!("{{\"events\":[{}]}}", events.join(","));
    format!(
        "POST /api/v1/publish/batch HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Publishes batch after batch. Returns how long each answer took that came after the warm-up.
fn publish(
    address: SocketAddr,
    request: impl Fn(usize) -> Vec<u8>,
    period: Option<Duration>,
    Pace { warm_up, measured }: Pace,
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
    while http_answer::length(answer)?.is_none() {
        let read = stream.read(&mut chunk)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        answer.extend_from_slice(&chunk[..read]);
    }
    Ok(())
}
