//! HTTP requests and WebSocket frames as text and bytes.

use foodtrack_wire::rfc6455::{Opcode, write_client_frame};

/// Servers must unmask whatever the key is.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

pub(crate) const HANDSHAKE: &str =
    "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: hub\r\n\r\n";

/// Opens a WebSocket without a session.
pub(crate) const UPGRADE: &str = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n\
    Host: hub\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Takes a polling session to a WebSocket.
pub(crate) fn upgrade_of(sid: &str) -> String {
    UPGRADE.replace("transport=websocket", &format!("transport=websocket&sid={sid}"))
}

pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: hub\r\n\r\n")
}

pub(crate) fn poll(sid: &str) -> String {
    get(&format!("/socket.io/?EIO=4&transport=polling&sid={sid}"))
}

/// The head of a polling request with a body; how long that is says `framing`.
pub(crate) fn post_head(sid: &str, framing: &str) -> String {
    format!(
        "POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: hub\r\n\
         Content-Type: text/plain\r\n{framing}\r\n\r\n"
    )
}

pub(crate) fn post(sid: &str, body: &str) -> String {
    post_head(sid, &format!("Content-Length: {}", body.len())) + body
}

/// A request to the API with a JSON body.
pub(crate) fn api(method: &str, path: &str, token: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub(crate) fn text_frame(out: &mut Vec<u8>, text: &str) {
    write_client_frame(out, Opcode::Text, text.as_bytes(), MASK);
}

pub(crate) fn binary_frame(out: &mut Vec<u8>, bytes: &[u8]) {
    write_client_frame(out, Opcode::Binary, bytes, MASK);
}

pub(crate) fn ping_frame(out: &mut Vec<u8>, bytes: &[u8]) {
    write_client_frame(out, Opcode::Ping, bytes, MASK);
}

/// The session id in the answer to a handshake.
pub(crate) fn sid_in(bytes: &[u8]) -> Option<String> {
    const KEY: &[u8] = b"\"sid\":\"";
    let start = memchr::memmem::find(bytes, KEY)? + KEY.len();
    let end = memchr::memchr(b'"', &bytes[start..])?;
    String::from_utf8(bytes[start..start + end].to_vec()).ok()
}

/// Whether a response's head ends in these bytes: small answers come in one piece.
pub(crate) fn has_head_end(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, b"\r\n\r\n").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_id_is_read_from_a_handshakes_answer() {
        let answer = b"HTTP/1.1 200 OK\r\n\r\n0{\"sid\":\"abc\",\"upgrades\":[]}";
        assert_eq!(sid_in(answer).as_deref(), Some("abc"));
        assert_eq!(sid_in(b"HTTP/1.1 429 Too Many Requests\r\n\r\n"), None);
    }
}
