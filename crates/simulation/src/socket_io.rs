//! The part of `socket.io-client` 4.8 that matters to delivery, without its sockets.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::Event;

/// One Socket object. It outlives its connections: `pid` and offset stay, as does what came before CONNECT was answered.
#[derive(Debug)]
pub struct SocketIo {
    auth: Map<String, Value>,
    pid: Option<String>,
    offset: Option<String>,
    is_connected: bool,
    buffered: Vec<String>,
    next_ack_id: u64,
}

/// What the application notices.
#[derive(Debug)]
pub enum Heard<'a> {
    /// `connect`; whether `socket.recovered`.
    Connected(bool),
    /// `connect_error` of the server's making, with its code.
    TurnedAway(String),
    /// An event.
    Event(Event<'a>),
    /// An acknowledgement: its id, and its first argument as text.
    Acknowledged(u64, &'a str),
    /// `disconnect` with the reason `io server disconnect`: the library does not come back.
    Dismissed,
}

#[derive(Deserialize)]
struct Connected {
    pid: Option<String>,
}

impl SocketIo {
    /// A socket that has not connected yet. `auth` is the handshake's.
    pub fn new(auth: Map<String, Value>) -> Self {
        Self {
            auth,
            pid: None,
            offset: None,
            is_connected: false,
            buffered: Vec::new(),
            next_ack_id: 0,
        }
    }

    /// The offset it would bring.
    pub fn offset(&self) -> Option<&str> {
        self.offset.as_deref().filter(|_| self.pid.is_some())
    }

    /// Whether the hub gave it a private id.
    pub fn has_pid(&self) -> bool {
        self.pid.is_some()
    }

    /// The CONNECT packet.
    pub fn connect_packet(&self) -> String {
        let mut data = Map::new();
        if let Some(pid) = &self.pid {
            data.insert("pid".into(), json!(pid));
            if let Some(offset) = &self.offset {
                data.insert("offset".into(), json!(offset));
            }
        }
        // The application's own fields win.
        data.extend(self.auth.clone());
        format!("40{}", Value::Object(data))
    }

    /// An EVENT packet that asks for an acknowledgement, and its id.
    pub fn event_packet(&mut self, name: &str, argument: &str) -> (String, u64) {
        let id = self.next_ack_id;
        self.next_ack_id += 1;
        (format!("42{id}[{},{argument}]", json!(name)), id)
    }

    /// The transport is gone.
    pub fn closed(&mut self) {
        self.is_connected = false;
    }

    /// Takes a Socket.IO packet of the default namespace; tells `ear` what the application notices.
    pub fn hear(&mut self, packet: &str, ear: &mut impl FnMut(Heard<'_>)) {
        let (kind, rest) = packet.split_at(usize::from(!packet.is_empty()));
        match kind {
            "0" => self.connected(rest, ear),
            "1" => {
                self.is_connected = false;
                ear(Heard::Dismissed);
            }
            "2" if self.is_connected => self.event(rest, ear),
            "2" => self.buffered.push(rest.to_owned()),
            "3" => acknowledged(rest, ear),
            "4" => {
                let error: Value = serde_json::from_str(rest).unwrap_or_default();
                let code = error["data"]["code"].as_str().or(error["message"].as_str());
                ear(Heard::TurnedAway(code.unwrap_or("unknown").to_owned()));
            }
            _ => {}
        }
    }

    fn connected(&mut self, data: &str, ear: &mut impl FnMut(Heard<'_>)) {
        let pid = serde_json::from_str(data).ok().and_then(|connected: Connected| connected.pid);
        let recovered = pid.is_some() && self.pid == pid;
        self.pid = pid;
        self.is_connected = true;
        // The library emits `connect` behind what it had buffered; a record wants the session before its events.
        ear(Heard::Connected(recovered));
        for packet in std::mem::take(&mut self.buffered) {
            self.event(&packet, ear);
        }
    }

    fn event(&mut self, rest: &str, ear: &mut impl FnMut(Heard<'_>)) {
        let (id, data) = split_id(rest);
        let Some(event) = Event::read(id, data) else { return };
        // Where an acknowledgement is asked for, the last argument is the callback.
        if id.is_none()
            && self.pid.is_some()
            && let Some(cursor) = &event.cursor
        {
            // Reuses the memory: this happens for every event.
            let offset = self.offset.get_or_insert_default();
            offset.clear();
            offset.push_str(cursor);
        }
        ear(Heard::Event(event));
    }
}

fn acknowledged(rest: &str, ear: &mut impl FnMut(Heard<'_>)) {
    let (id, data) = split_id(rest);
    let arguments: Vec<&serde_json::value::RawValue> =
        serde_json::from_str(data).unwrap_or_default();
    if let Some(id) = id {
        ear(Heard::Acknowledged(id, arguments.first().map_or("null", |first| first.get())));
    }
}

/// The acknowledgement id in front of the data, if there is one.
fn split_id(rest: &str) -> (Option<u64>, &str) {
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (id, data) = rest.split_at(digits);
    (id.parse().ok(), data)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(socket: &mut SocketIo, packet: &str) -> Vec<String> {
        let mut heard = Vec::new();
        socket.hear(packet, &mut |one| {
            heard.push(match one {
                Heard::Connected(recovered) => format!("connected {recovered}"),
                Heard::TurnedAway(code) => code,
                Heard::Event(event) => format!("{} {}", event.name, event.argument),
                Heard::Acknowledged(id, answer) => format!("{id} {answer}"),
                Heard::Dismissed => String::from("dismissed"),
            });
        });
        heard
    }

    fn connected() -> SocketIo {
        let mut socket = SocketIo::new(Map::from_iter([("token".into(), json!("t"))]));
        assert_eq!(socket.connect_packet(), r#"40{"token":"t"}"#);
        assert_eq!(hear(&mut socket, r#"0{"sid":"s","pid":"p"}"#), ["connected false"]);
        socket
    }

    #[test]
    fn a_socket_brings_its_pid_and_the_last_trailing_string() {
        let mut socket = connected();
        assert_eq!(socket.connect_packet(), r#"40{"pid":"p","token":"t"}"#);
        assert_eq!(hear(&mut socket, r#"2["a",{"id":1},"e-1"]"#), [r#"a {"id":1}"#]);
        socket.closed();
        assert_eq!(socket.connect_packet(), r#"40{"pid":"p","offset":"e-1","token":"t"}"#);
        assert_eq!(hear(&mut socket, r#"0{"sid":"s","pid":"p"}"#), ["connected true"]);
    }

    #[test]
    fn the_last_argument_is_no_offset_where_an_acknowledgement_is_asked_for() {
        let mut socket = connected();
        hear(&mut socket, r#"2["a",{},"e-1"]"#);
        assert_eq!(hear(&mut socket, r#"27["a",{},"e-2"]"#), ["a {}"]);
        assert_eq!(socket.offset(), Some("e-1"));
    }

    #[test]
    fn events_before_connect_wait_for_it_even_through_a_tear() {
        let mut socket = connected();
        hear(&mut socket, r#"2["a",1,"e-1"]"#);
        socket.closed();
        assert!(hear(&mut socket, r#"2["a",2,"e-2"]"#).is_empty());
        socket.closed();
        assert_eq!(socket.offset(), Some("e-1"));
        let heard = hear(&mut socket, r#"0{"sid":"s","pid":"p"}"#);
        assert_eq!(heard, ["connected true", "a 2"]);
        assert_eq!(socket.offset(), Some("e-2"));
    }

    #[test]
    fn acknowledgements_and_refusals_are_told() {
        let mut socket = connected();
        assert_eq!(socket.event_packet("a", "{}"), (String::from(r#"420["a",{}]"#), 0));
        assert_eq!(hear(&mut socket, r#"30[{"success":true}]"#), [r#"0 {"success":true}"#]);
        assert_eq!(hear(&mut socket, r#"4{"message":"m","data":{"code":"c"}}"#), ["c"]);
        assert_eq!(hear(&mut socket, "1"), ["dismissed"]);
    }
}
