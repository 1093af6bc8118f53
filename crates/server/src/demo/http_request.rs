//! Requests of HTTP/1.1 as the demo's own little servers read and answer them.

use std::io;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The longest request that is read, in bytes.
const REQUEST_BYTES_MAX: usize = 2 << 20;

/// The next request: its head, and its body. `None` where the connection has ended. What is read beyond it stays in `read`.
pub(crate) async fn next_request(
    stream: &mut TcpStream,
    read: &mut Vec<u8>,
) -> io::Result<Option<(String, Vec<u8>)>> {
    loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).into_owned();
            let bytes = header(&head, "content-length").map_or(Some(0), |text| text.parse().ok());
            let bytes: usize =
                bytes.filter(|it| *it <= REQUEST_BYTES_MAX).ok_or(io::ErrorKind::InvalidData)?;
            if read.len() >= end + 4 + bytes {
                let body = read[end + 4..end + 4 + bytes].to_vec();
                read.drain(..end + 4 + bytes);
                return Ok(Some((head, body)));
            }
        } else if read.len() > REQUEST_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if stream.read_buf(read).await? == 0 {
            return Ok(None);
        }
    }
}

/// The value of a header.
pub(crate) fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.trim().eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

/// Answers with JSON; the connection stays open.
pub(crate) async fn write_answer(
    stream: &mut TcpStream,
    status: u16,
    answer: &Value,
) -> io::Result<()> {
    let answer = answer.to_string();
    let head = format!(
        "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nCache-Control: no-store\r\nContent-Length: {}\r\n\r\n",
        answer.len()
    );
    stream.write_all((head + &answer).as_bytes()).await
}
