//! A listener that the parent holds and gives, as systemd does: the port is open while the server is started anew.

use std::net::TcpListener;

use listenfd::ListenFd;

use super::outcome::Outcome;

/// What `LISTEN_FDS` and `LISTEN_PID` name; `None` where they are not there or are another process's.
pub(super) fn given_listener() -> Result<Option<TcpListener>, Outcome> {
    let mut given = ListenFd::from_env();
    match given.len() {
        0 => Ok(None),
        1 => given.take_tcp_listener(0).map_err(|error| {
            Outcome::CannotListen(format!("what LISTEN_FDS gives is no TCP listener: {error}"))
        }),
        count => Err(Outcome::CannotListen(format!(
            "LISTEN_FDS gives {count} sockets, and the server listens on one: give it one"
        ))),
    }
}
