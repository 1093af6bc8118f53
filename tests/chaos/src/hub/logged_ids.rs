//! `GET /api/v1/log`, page by page.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::http::ask;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    data: Vec<Value>,
    next_cursor: Option<String>,
}

/// What the events in a tenant's log are known by: their ids, or the names in their payloads.
///
/// # Errors
/// What breaks on the way, or an answer that is no part of a log.
pub fn logged_ids(address: SocketAddr, token: &str, timeout: Duration) -> io::Result<Vec<String>> {
    let (mut ids, mut cursor) = (Vec::new(), None);
    loop {
        let after = cursor.map_or_else(String::new, |cursor| format!("&cursor={cursor}"));
        let line = format!("GET /api/v1/log?limit=1000{after}");
        let stream = TcpStream::connect_timeout(&address, timeout)?;
        let body = ask(stream, address, (&line, token), "", timeout)?;
        let part: Part = serde_json::from_str(&body).map_err(|_| io::Error::other(body))?;
        ids.extend(part.data.iter().filter_map(known_by));
        cursor = part.next_cursor;
        if cursor.is_none() {
            return Ok(ids);
        }
    }
}

fn known_by(entry: &Value) -> Option<String> {
    let name = entry["message"]["payload"]["name"].as_str();
    name.or_else(|| entry["id"].as_str()).map(str::to_owned)
}
