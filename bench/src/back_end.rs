//! A business back end that answers at once: what the hub asks it, and what the hub tells it.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use memchr::memmem;

use crate::latencies::Latencies;
use crate::stamp;

const SECRET: &str = "what both sides of a request know of each other";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 25\r\n\r\n{\"success\":true,\"data\":1}";

/// It answers until this process ends.
pub(crate) struct BackEnd {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

/// What it was told, since it was looked at last.
#[derive(Default)]
pub(crate) struct Seen {
    /// From the publication of each event to its arrival.
    pub(crate) events: Latencies,
    /// From having read a request to having written the answer.
    pub(crate) own: Latencies,
}

impl BackEnd {
    /// # Errors
    /// The system has no port.
    pub(crate) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (address, seen) = (listener.local_addr()?, Arc::<Mutex<Seen>>::default());
        let shared = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let seen = Arc::clone(&shared);
                // A connection that breaks is the hub's to replace.
                thread::spawn(move || drop(serve(stream, &seen)));
            }
        });
        Ok(Self { address, seen })
    }

    /// Writes a configuration with this back end to `to`: as `base`, which has no such sections.
    ///
    /// # Errors
    /// A file cannot be read or written.
    pub(crate) fn configure(&self, base: &Path, to: &Path) -> io::Result<PathBuf> {
        let (base, address) = (fs::read_to_string(base)?, self.address);
        let text = format!(
            "{base}\n[security]\nwebhookNetworks = [\"127.0.0.0/8\"]\n\n\
             [upstream]\nurl = \"http://{address}/requests\"\nsecret = \"{SECRET}\"\n\n\
             [[webhooks]]\nname = \"bench\"\nurl = \"http://{address}/events\"\nsecret = \"{SECRET}\"\n\
             events = [\"delivery:*\"]\nbatchMax = 1000\n"
        );
        to.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(to, text)?;
        Ok(to.to_owned())
    }

    /// What it has seen since the last time.
    pub(crate) fn take(&self) -> Seen {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks it directly, one request of `bytes` at a time on one connection, for so long. Returns how long each answer took.
    ///
    /// # Errors
    /// It does not answer.
    pub(crate) fn ask(&self, bytes: usize, duration: Duration) -> io::Result<Latencies> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        let body = "x".repeat(bytes);
        let request = format!("POST / HTTP/1.1\r\nContent-Length: {bytes}\r\n\r\n{body}");
        let (end, mut took) = (Instant::now() + duration, Latencies::default());
        let mut answer = [0; ANSWER.len()];
        while Instant::now() < end {
            let asked_ns = stamp::now_ns();
            stream.write_all(request.as_bytes())?;
            stream.read_exact(&mut answer)?;
            took.push(stamp::now_ns() - asked_ns);
        }
        Ok(took)
    }
}

fn serve(mut stream: TcpStream, seen: &Mutex<Seen>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut read = Vec::new();
    let mut chunk = vec![0; 1 << 20];
    loop {
        let length = stream.read(&mut chunk)?;
        if length == 0 {
            return Ok(());
        }
        read.extend_from_slice(&chunk[..length]);
        while let Some(end) = whole(&read)? {
            let read_ns = stamp::now_ns();
            stream.write_all(ANSWER)?;
            let answered_ns = stamp::now_ns();
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.own.push(answered_ns - read_ns);
            let mut rest = &read[..end];
            while let Some(at) = memchr::memchr(b'@', rest) {
                if let Some(sent_ns) = stamp::read(rest) {
                    seen.events.push(read_ns.saturating_sub(sent_ns));
                }
                rest = &rest[at + 1..];
            }
            drop(seen);
            read.drain(..end);
        }
    }
}

/// Where the first request ends, if all of it is there.
fn whole(read: &[u8]) -> io::Result<Option<usize>> {
    let Some(head) = memmem::find(read, b"\r\n\r\n") else { return Ok(None) };
    let text = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: Option<usize> = length.and_then(|length| length.trim().parse().ok());
    let end = head + 4 + length.ok_or(io::ErrorKind::InvalidData)?;
    Ok((read.len() >= end).then_some(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_answers_what_it_is_asked_and_counts_what_it_is_told() {
        let back_end = BackEnd::start().unwrap();
        let mut took = back_end.ask(300, Duration::from_millis(50)).unwrap();
        took.sort();
        assert!(took.percentile_us(500).unwrap() > 0.0);
        // The last is noted behind its answer.
        let (mut own, deadline) = (0, Instant::now() + Duration::from_secs(10));
        while own < took.len() {
            own += back_end.take().own.len();
            assert!(Instant::now() < deadline, "{own} of {}", took.len());
        }
        assert_eq!(own, took.len());
        let mut stream = TcpStream::connect(back_end.address).unwrap();
        let body = "[\"@0000000000000001\",\"@0000000000000002\"]";
        write!(stream, "POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        stream.read_exact(&mut [0; ANSWER.len()]).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while back_end.seen.lock().unwrap().events.len() < 2 {
            assert!(Instant::now() < deadline);
        }
    }
}
