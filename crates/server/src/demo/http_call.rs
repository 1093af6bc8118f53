//! One call of the hub's HTTP API, as a back end makes it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time;

/// How long one call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// How much of an answer is read.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// Why there is no answer of success.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The hub cannot be reached, or the connection broke.
    #[error("ask the hub at {hub}")]
    Connection {
        /// Where the hub should have been.
        hub: SocketAddr,
        /// What happened.
        source: io::Error,
    },
    /// No answer came in time.
    #[error("no answer from {hub} within {} ms", CALL_TIMEOUT.as_millis())]
    Timeout {
        /// The hub that was asked.
        hub: SocketAddr,
    },
    /// The hub answered, but not with success.
    #[error("the hub answered with status {status}")]
    Refused {
        /// The HTTP status; 0 where the answer was not HTTP.
        status: u16,
    },
}

/// Calls `line`, such as `GET /api/v1/connections`; what is answered, null where that is no JSON.
///
/// # Errors
/// See [`CallError`]; whether the hub did what was asked is unknown after all but [`CallError::Refused`].
pub(crate) async fn call(
    hub: SocketAddr,
    token: &str,
    line: &str,
    body: &Value,
) -> Result<Value, CallError> {
    let answer = time::timeout(CALL_TIMEOUT, exchange(hub, token, line, body))
        .await
        .map_err(|_| CallError::Timeout { hub })?
        .map_err(|source| CallError::Connection { hub, source })?;
    match status(&answer) {
        200..=299 => {
            let body = answer.windows(4).position(|window| window == b"\r\n\r\n");
            let body = body.map_or(&[][..], |end| &answer[end + 4..]);
            Ok(serde_json::from_slice(body).unwrap_or_default())
        }
        status => Err(CallError::Refused { status }),
    }
}

async fn exchange(hub: SocketAddr, token: &str, line: &str, body: &Value) -> io::Result<Vec<u8>> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let request = format!(
        "{line} HTTP/1.1\r\nHost: {hub}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len(),
    );
    let mut stream = TcpStream::connect(hub).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
    Ok(answer)
}

/// The status of an HTTP/1 answer, 0 where it is none.
fn status(answer: &[u8]) -> u16 {
    let code = answer.strip_prefix(b"HTTP/1.1 ").or_else(|| answer.strip_prefix(b"HTTP/1.0 "));
    code.and_then(|code| code.get(..3))
        .and_then(|code| str::from_utf8(code).ok()?.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::status;

    #[test]
    fn what_is_not_http_has_no_status() {
        for answer in [&b""[..], b"HTTP/1.1 ", b"HTTP/1.1 2x0 OK", b"hello"] {
            assert_eq!(status(answer), 0);
        }
        assert_eq!(status(b"HTTP/1.1 200 OK\r\n\r\n"), 200);
    }
}
