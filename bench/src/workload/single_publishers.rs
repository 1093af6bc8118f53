//! Back ends that publish one event a request over HTTP, all on one thread: fifty threads would cost the generator more than the server.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::{Fixture, Pace, TENANT, WorkloadError, http_answer};
use crate::token;

/// Connections that are kept; each has one request under way.
const CONNECTIONS: usize = 50;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// Publishers at work, for the warm-up and what is measured.
pub(super) struct SinglePublishers {
    thread: JoinHandle<io::Result<Vec<u64>>>,
}

impl SinglePublishers {
    /// `event` makes an event from what no other event of the run has. Each connection sends the next one when it was answered.
    pub(super) fn start(
        fixture: &Fixture,
        event: fn(&str) -> String,
    ) -> Result<Self, WorkloadError> {
        let (address, pace) = (fixture.swarm.address(), fixture.pace);
        let token = token::service(TENANT)?;
        let request = move |number: usize| request_of(&token, &event(&number.to_string()));
        Ok(Self { thread: thread::spawn(move || publish(address, request, pace)) })
    }

    pub(super) fn have_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits until they have ended. Returns how long each answer took that came after the warm-up, in nanoseconds.
    pub(super) fn join(self) -> Result<Vec<u64>, WorkloadError> {
        Ok(self.thread.join().map_err(|_| io::Error::other("a publisher panicked"))??)
    }
}

fn request_of(token: &str, event: &str) -> Vec<u8> {
    format!(
        "POST /api/v1/publish HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{event}",
        event.len()
    )
    .into_bytes()
}

/// A connection with a request under way.
struct Publisher {
    stream: TcpStream,
    sent: Instant,
    answer: Vec<u8>,
}

impl Publisher {
    /// A request is far shorter than a socket's buffer, which is empty when the last one was answered.
    fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.sent = Instant::now();
        self.stream.write_all(request)
    }

    /// Takes what is there. Returns how long the answer took once it is whole.
    fn read(&mut self) -> io::Result<Option<Duration>> {
        let mut chunk = [0; 4 << 10];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => self.answer.extend_from_slice(&chunk[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        let Some(length) = http_answer::length(&self.answer)? else { return Ok(None) };
        self.answer.drain(..length);
        Ok(Some(self.sent.elapsed()))
    }
}

/// Publishes one after the other on every connection. Returns how long each answer took that came after the warm-up.
fn publish(
    address: SocketAddr,
    request: impl Fn(usize) -> Vec<u8>,
    Pace { warm_up, measured }: Pace,
) -> io::Result<Vec<u64>> {
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(CONNECTIONS));
    let mut publishers = connect(address, &poll)?;
    let begin = Instant::now();
    let (warm, end) = (begin + warm_up, begin + warm_up + measured);
    for (number, publisher) in publishers.iter_mut().enumerate() {
        publisher.send(&request(number))?;
    }
    let (mut sent, mut in_flight, mut took) = (CONNECTIONS, CONNECTIONS, Vec::new());
    while in_flight > 0 {
        poll.poll(&mut events, Some(ANSWER_TIMEOUT))?;
        if events.is_empty() {
            return Err(ErrorKind::TimedOut.into());
        }
        for event in &events {
            let publisher = &mut publishers[event.token().0];
            let Some(answered) = publisher.read()? else { continue };
            if publisher.sent >= warm {
                took.push(u64::try_from(answered.as_nanos()).unwrap_or(u64::MAX));
            }
            if Instant::now() < end {
                publisher.send(&request(sent))?;
                sent += 1;
            } else {
                in_flight -= 1;
            }
        }
    }
    Ok(took)
}

fn connect(address: SocketAddr, poll: &Poll) -> io::Result<Vec<Publisher>> {
    let connect = |place: usize| {
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry().register(&mut stream, Token(place), Interest::READABLE)?;
        Ok(Publisher { stream, sent: Instant::now(), answer: Vec::new() })
    };
    (0..CONNECTIONS).map(connect).collect()
}
