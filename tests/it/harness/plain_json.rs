//! The plain WebSocket, spoken to as though it were Socket.IO's: the same client runs the same scenarios over it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::link::{Link, Outgoing, Received};
use super::websocket::{Refused, WebSocketLink};

/// A connection to `/ws`.
pub(crate) struct PlainJsonLink {
    link: WebSocketLink,
    received: VecDeque<Received>,
}

impl PlainJsonLink {
    pub(crate) fn open(
        address: SocketAddr,
        headers: &[(String, String)],
        receive_bytes: Option<usize>,
    ) -> Result<Self, Refused> {
        let link = WebSocketLink::open_at(address, "/ws", headers, receive_bytes)?;
        Ok(Self { link, received: VecDeque::new() })
    }
}

/// What a packet is in plain JSON; what is no packet stays as it is.
fn said(packet: &str) -> String {
    let packet_of = |kind: &str| packet.strip_prefix(kind).map(split_id);
    let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let message = match packet {
        "3" => json!({ "type": "pong" }),
        _ if packet.starts_with("40") => {
            let mut connect = match &packet[2..] {
                "" => json!({}),
                auth => value(auth),
            };
            let fields = connect.as_object_mut().unwrap();
            for (theirs, ours) in [("pid", "session"), ("offset", "cursor")] {
                if let Some(field) = fields.remove(theirs) {
                    fields.insert(ours.to_owned(), field);
                }
            }
            fields.insert("type".to_owned(), json!("connect"));
            connect
        }
        _ => match (packet_of("42"), packet_of("43")) {
            (Some((id, data)), _) => {
                let data = value(data);
                let mut message = json!({ "type": "publish", "event": data[0], "id": id });
                if let Some(argument) = data.get(1) {
                    message["message"] = argument.clone();
                }
                message
            }
            (_, Some((id, _))) => json!({ "type": "ack", "id": id }),
            _ => return packet.to_owned(),
        },
    };
    message.to_string()
}

fn split_id(packet: &str) -> (Option<u64>, &str) {
    let end = packet.find(|c: char| !c.is_ascii_digit()).unwrap_or(packet.len());
    (packet[..end].parse().ok(), &packet[end..])
}

/// What a message of the hub is as packets.
fn heard(message: &str) -> Vec<Received> {
    let message: Value = serde_json::from_str(message).unwrap();
    let mut attachments = Vec::new();
    let text = match message["type"].as_str().unwrap() {
        "open" => format!("0{message}"),
        "connected" => {
            let mut answer = json!({ "sid": message["sid"] });
            if let Some(session) = message.get("session") {
                answer["pid"] = session.clone();
            }
            format!("40{answer}")
        }
        "error" => {
            let error = &message["error"];
            format!("44{}", json!({ "message": error["message"], "data": error }))
        }
        "event" => {
            let mut arguments = vec![message["event"].clone(), message["message"].clone()];
            arguments.extend(message.get("cursor").cloned());
            for attachment in message["attachments"].as_array().into_iter().flatten() {
                let bytes = STANDARD.decode(attachment.as_str().unwrap()).unwrap();
                attachments.push(Received::Binary(bytes));
            }
            let kind = match attachments.len() {
                0 => "42".to_owned(),
                count => format!("45{count}-"),
            };
            let ack = message.get("ack").map(Value::to_string).unwrap_or_default();
            format!("{kind}{ack}{}", Value::from(arguments))
        }
        "ack" => format!("43{}{}", message["id"], json!([message["answer"]])),
        "ping" => "2".to_owned(),
        "pong" => "6".to_owned(),
        "end" => "41".to_owned(),
        other => panic!("a hub does not send {other}"),
    };
    let mut received = vec![Received::Text(text)];
    received.extend(attachments);
    received
}

impl Link for PlainJsonLink {
    fn send(&mut self, packets: &[Outgoing]) -> bool {
        let packets: Vec<_> = packets
            .iter()
            .map(|packet| match packet {
                Outgoing::Text(packet) => Outgoing::Text(said(packet)),
                binary @ Outgoing::Binary(_) => binary.clone(),
            })
            .collect();
        self.link.send(&packets)
    }

    fn receive(&mut self, deadline: Instant) -> Received {
        loop {
            if let Some(received) = self.received.pop_front() {
                return received;
            }
            match self.link.receive(deadline) {
                Received::Text(message) => self.received.extend(heard(&message)),
                other => return other,
            }
        }
    }

    fn tear(&mut self) {
        self.link.tear();
    }
}
