//! `POST /api/v1/publish`, as a back end does it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use foodtrack_simulation::Answer;

/// Sends a message on a connection of its own. Whatever breaks on the way leaves the outcome unknown, but for a connection
/// that was never made.
pub fn publish(address: SocketAddr, token: &str, message: &str, timeout: Duration) -> Answer {
    let Ok(stream) = TcpStream::connect_timeout(&address, timeout) else {
        let code = String::from("connect");
        return Answer::Refused { code, certain: true, may_retry: true };
    };
    exchange(stream, address, token, message, timeout).map_or(Answer::Unknown, |response| {
        response.split_once("\r\n\r\n").map_or(Answer::Unknown, |(_, body)| Answer::read(body))
    })
}

fn exchange(
    mut stream: TcpStream,
    address: SocketAddr,
    token: &str,
    message: &str,
    timeout: Duration,
) -> io::Result<String> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    let request = format!(
        "POST /api/v1/publish HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{message}",
        message.len()
    );
    stream.write_all(request.as_bytes())?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    Ok(response)
}
