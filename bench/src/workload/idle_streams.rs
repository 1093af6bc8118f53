//! Streams of server-sent events on which nothing comes: what opening costs and what each keeps.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use memchr::memmem;

use super::idle::{TENANTS, cell};
use super::{Fixture, Snapshot, WorkloadError, settle};
use crate::metric::Cell;
use crate::token;

/// The last that comes on a stream before the events.
const GREETING: &[u8] = b"event: system:connection_established";

/// `connections` couriers of a hundred tenants, one stream each.
pub(crate) fn run(fixture: &mut Fixture, connections: usize) -> Result<Vec<Cell>, WorkloadError> {
    let address = fixture.swarm.address();
    let tokens = (0..connections)
        .map(|index| token::courier(&format!("t{}", index % TENANTS), &format!("u{index}")))
        .collect::<Result<Vec<_>, _>>()?;
    settle(fixture, Duration::from_millis(500))?;
    let rss_before_kib = fixture.server.rss_kib()?;
    let start = Snapshot::take(fixture)?;
    let mut streams = Vec::with_capacity(connections);
    for token in tokens {
        streams.push(open(address, &token)?);
    }
    let opening = start.until_now(fixture)?;
    settle(fixture, Duration::from_secs(2))?;
    let rss_kib = fixture.server.rss_kib()?.saturating_sub(rss_before_kib);
    Ok(vec![cell(&opening, &format!("{connections} idle streams"), connections, rss_kib)])
}

fn open(address: SocketAddr, token: &str) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    let request =
        format!("GET /events HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let (mut read, mut chunk) = (Vec::new(), [0; 4_096]);
    while memmem::find(&read, GREETING).is_none() {
        match stream.read(&mut chunk)? {
            0 => {
                let answer = String::from_utf8_lossy(&read).into_owned();
                return Err(io::Error::other(format!("no stream: {answer}")));
            }
            more => read.extend_from_slice(&chunk[..more]),
        }
    }
    Ok(stream)
}
