//! Somebody was away while very much happened, and comes back: how fast the log gets to their socket.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use memchr::memmem;

use super::{Snapshot, Stand, TENANT, WorkloadError};
use crate::frame::{Frames, Opcode, encode};
use crate::latencies::Latencies;
use crate::metric::{Cell, Metric};
use crate::token;

/// What is missed.
const EVENTS: usize = 100_000;
/// Published without an answer.
const IN_FLIGHT: usize = 500;
const PATIENCE: Duration = Duration::from_secs(60);
const ROOM: &str = "replayed";

/// A client that is told what to do, and waits.
struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
    pid: String,
    /// What it would bring back.
    cursor: String,
}

impl Client {
    /// Connects, with more for `auth`: `,"pid":..`.
    fn connect(stand: &Stand, user: &str, auth: &str) -> Result<Self, WorkloadError> {
        let stream = TcpStream::connect(stand.swarm.address())?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut client =
            Self { stream, unread: Vec::new(), pid: String::new(), cursor: String::new() };
        client.stream.write_all(
            b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\n\
              Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )?;
        client.read_head()?;
        let token = token::courier(TENANT, user)?;
        client
            .send(&format!("40{{\"token\":\"{token}\",\"application\":\"delivery_app\"{auth}}}"))?;
        Ok(client)
    }

    fn send(&mut self, packet: &str) -> io::Result<()> {
        let mut frame = Vec::with_capacity(packet.len() + 14);
        encode(Opcode::Text, packet.as_bytes(), &mut frame);
        self.stream.write_all(&frame)
    }

    fn read_head(&mut self) -> io::Result<()> {
        let end = loop {
            if let Some(end) = memmem::find(&self.unread, b"\r\n\r\n") {
                break end;
            }
            self.fill()?;
        };
        self.unread.drain(..end + 4);
        Ok(())
    }

    fn fill(&mut self) -> io::Result<()> {
        let start = self.unread.len();
        self.unread.resize(start + (256 << 10), 0);
        let read = self.stream.read(&mut self.unread[start..])?;
        self.unread.truncate(start + read);
        if read == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// Reads until so many packets of this beginning were there.
    fn read(&mut self, beginning: &[u8], count: usize) -> Result<(), WorkloadError> {
        let mut seen = 0;
        loop {
            let mut frames = Frames::new(&self.unread);
            let mut last = None;
            while seen < count
                && let Some(frame) = frames.next().map_err(io::Error::other)?
            {
                seen += usize::from(frame.payload.starts_with(beginning));
                if let Some(pid) = text_after(frame.payload, b"\"pid\":\"") {
                    self.pid = pid;
                }
                if frame.payload.starts_with(b"42") {
                    last = Some(frame.payload.to_vec());
                }
            }
            let used = frames.consumed();
            self.unread.drain(..used);
            if let Some(last) = last {
                let start = memchr::memrchr(b',', &last).unwrap_or(0);
                self.cursor = text_after(&last[start..], b",\"").unwrap_or_default();
            }
            if seen == count {
                return Ok(());
            }
            self.fill()?;
        }
    }
}

fn text_after(payload: &[u8], mark: &[u8]) -> Option<String> {
    let start = memmem::find(payload, mark)? + mark.len();
    let length = memchr::memchr(b'"', &payload[start..])?;
    Some(String::from_utf8_lossy(&payload[start..start + length]).into_owned())
}

/// Runs the load.
pub(crate) fn run(stand: &mut Stand) -> Result<Vec<Cell>, WorkloadError> {
    let mut reader = Client::connect(stand, "reader", "")?;
    reader.send(&format!("421[\"subscribe:order\",\"{ROOM}\"]"))?;
    reader.read(b"431[", 1)?;
    let auth = format!(",\"pid\":\"{}\",\"offset\":\"{}\"", reader.pid, reader.cursor);
    drop(reader);
    let mut publisher = Client::connect(stand, "publisher", "")?;
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
    let start = Snapshot::take(stand)?;
    let came = Instant::now();
    let mut reader = Client::connect(stand, "reader", &auth)?;
    reader.read(b"42[\"delivery:in_transit\"", EVENTS)?;
    let took = came.elapsed();
    let measured = start.until_now(stand)?;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let events = EVENTS as f64;
    let cell = measured
        .cell(format!("replay of {EVENTS}"), &mut Latencies::default())
        .with(Metric::DeliveriesPerSecond, events / took.as_secs_f64())
        .with(Metric::CpuUsPerDelivery, measured.server.total_us() / events);
    Ok(vec![cell])
}
