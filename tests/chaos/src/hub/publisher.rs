//! `POST /api/v1/publish`, as a back end does it.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use foodtrack_simulation::Answer;

use super::http::ask;

/// Sends a message on a connection of its own. Whatever breaks on the way leaves the outcome unknown, but for a connection
/// that was never made.
pub fn publish(address: SocketAddr, token: &str, message: &str, timeout: Duration) -> Answer {
    let Ok(stream) = TcpStream::connect_timeout(&address, timeout) else {
        let code = String::from("connect");
        return Answer::Refused { code, certain: true, may_retry: true };
    };
    let line = ("POST /api/v1/publish", token);
    let answer = ask(stream, address, line, message, timeout);
    answer.map_or(Answer::Unknown, |body| Answer::read(&body))
}
