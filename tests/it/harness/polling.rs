//! Engine.IO over HTTP long-polling: one connection for polls, one for posts.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use foodtrack_wire::engine_io::{Packet, append_to_payload, decode_payload};

use super::PATIENCE;
use super::http::{HttpConnection, Response};
use super::link::{Link, Outgoing, Received};

const PATH: &str = "/socket.io/?EIO=4&transport=polling";

/// A polling session.
pub(crate) struct PollingLink {
    polls: HttpConnection,
    posts: HttpConnection,
    sid: String,
    is_poll_out: bool,
    /// Tells each request from a repeated one, as engine.io-client's `t` does.
    number: u64,
    packets: VecDeque<Received>,
}

impl PollingLink {
    /// Opens a session; the refusal is the HTTP answer.
    pub(crate) fn open(
        address: SocketAddr,
        headers: &[(String, String)],
    ) -> Result<Self, Response> {
        let mut polls = HttpConnection::open(address);
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let response = polls.request(&format!("GET {PATH}"), &headers, "");
        if response.status != 200 {
            return Err(response);
        }
        let open: serde_json::Value =
            serde_json::from_str(response.body.strip_prefix('0').unwrap()).unwrap();
        let sid = open["sid"].as_str().unwrap().to_owned();
        let packets = VecDeque::from([Received::Text(response.body)]);
        let posts = HttpConnection::open(address);
        Ok(Self { polls, posts, sid, is_poll_out: false, number: 0, packets })
    }

    fn line(&mut self, method: &str) -> String {
        self.number += 1;
        format!("{method} {PATH}&sid={}&t={}", self.sid, self.number)
    }

    fn take_packets(&mut self, body: &str) {
        let packets = &mut self.packets;
        decode_payload(body, |packet| {
            packets.push_back(match packet {
                Packet::Text(text) => Received::Text(format!("4{text}")),
                Packet::Binary(bytes) => Received::Binary(bytes.to_vec()),
                Packet::Ping(text) => Received::Text(format!("2{text}")),
                Packet::Noop => Received::Text("6".into()),
                Packet::Close => Received::Closed(None),
                other => panic!("a server does not send {other:?}"),
            });
        })
        .unwrap();
    }
}

impl Link for PollingLink {
    fn send(&mut self, packets: &[Outgoing]) -> bool {
        let mut body = Vec::new();
        for packet in packets {
            match packet {
                Outgoing::Binary(bytes) => append_to_payload(&mut body, Packet::Binary(bytes)),
                Outgoing::Text(text) => {
                    if !body.is_empty() {
                        body.push(0x1e);
                    }
                    body.extend_from_slice(text.as_bytes());
                }
            }
        }
        let body = String::from_utf8(body).unwrap();
        let line = self.line("POST");
        let headers = [("Content-Type", "text/plain;charset=UTF-8")];
        self.posts.send(&line, &headers, &body).is_ok()
            && matches!(self.posts.receive(Instant::now() + PATIENCE),
                Ok(Some(response)) if response.status == 200)
    }

    fn receive(&mut self, deadline: Instant) -> Received {
        loop {
            if let Some(packet) = self.packets.pop_front() {
                return packet;
            }
            if !self.is_poll_out {
                let line = self.line("GET");
                if self.polls.send(&line, &[], "").is_err() {
                    return Received::Closed(None);
                }
                self.is_poll_out = true;
            }
            match self.polls.receive(deadline) {
                Ok(None) => return Received::Nothing,
                Ok(Some(response)) if response.status == 200 => {
                    self.is_poll_out = false;
                    self.take_packets(&response.body);
                }
                _ => return Received::Closed(None),
            }
        }
    }

    fn requests(&self) -> u64 {
        self.number
    }

    fn tear(&mut self) {
        self.polls.tear();
        self.posts.tear();
    }
}
