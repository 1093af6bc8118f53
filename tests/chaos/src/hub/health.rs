//! `GET /health`, as far as a schedule waits for it.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use super::http::ask;

/// Whether a hub says that it stands well towards the Redis that it shares with others. One that shares none does.
pub fn is_well(address: SocketAddr, timeout: Duration) -> bool {
    let Ok(stream) = TcpStream::connect_timeout(&address, timeout) else { return false };
    let body = ask(stream, address, ("GET /health", ""), "", timeout);
    let health = body.ok().and_then(|body| serde_json::from_str::<Value>(&body).ok());
    health.is_some_and(|it| it["redis"]["state"].as_str().is_none_or(|state| state == "healthy"))
}
