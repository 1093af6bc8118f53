use crate::socket_io::write_json_string;

/// What the server tells a client that opens a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handshake<'a> {
    /// The session's id; whoever knows it can speak for the session.
    pub sid: &'a str,
    /// Transports that the client may move to.
    pub upgrades: &'a [&'a str],
    /// Between two pings of the server.
    pub ping_interval_ms: u64,
    /// How long the server waits for a pong.
    pub ping_timeout_ms: u64,
    /// Bytes of a polling body or a WebSocket message, at most.
    pub max_payload: u64,
}

/// Appends the open packet: `0{"sid":"...","upgrades":[...],"pingInterval":...,...}`.
pub fn write_open(out: &mut Vec<u8>, handshake: &Handshake<'_>) {
    out.extend_from_slice(br#"0{"sid":"#);
    write_json_string(out, handshake.sid);
    out.extend_from_slice(br#","upgrades":["#);
    for (index, upgrade) in handshake.upgrades.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_json_string(out, upgrade);
    }
    out.push(b']');
    let numbers = [
        ("pingInterval", handshake.ping_interval_ms),
        ("pingTimeout", handshake.ping_timeout_ms),
        ("maxPayload", handshake.max_payload),
    ];
    for (name, number) in numbers {
        out.push(b',');
        write_json_string(out, name);
        out.push(b':');
        out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }
    out.push(b'}');
}
