//! A client as a gateway has it.

use std::collections::VecDeque;

use foodtrack_session::{Backlog, EngineSession, Session, Sid};

/// One client.
pub(super) struct Client {
    pub(super) sid: Sid,
    pub(super) engine: EngineSession,
    pub(super) io: Session,
    pub(super) queue: Option<Box<Queue>>,
    pub(super) beat_ms: u64,
    pub(super) connect_by_ms: u64,
    pub(super) is_joined: bool,
    /// When it is asked whether what it was sent has arrived.
    pub(super) confirm_at_ms: Option<u64>,
    pub(super) is_confirm_due: bool,
    /// Until when its socket takes nothing; 0 where it does.
    pub(super) stalled_until_ms: u64,
    pub(super) tells_drained: bool,
    pub(super) holds_entries: bool,
    /// Whether it is written to at the end of the turn.
    pub(super) is_marked: bool,
    /// What breaks rule 8: the answer to its CONNECT, and when it goes out.
    pub(super) held_answer: Option<(u64, String)>,
    /// What breaks rule 1: an event that waits for a later one.
    pub(super) held_back: Option<String>,
}

impl Client {
    pub(super) fn new(sid: Sid, engine: EngineSession, beat_ms: u64, connect_by_ms: u64) -> Self {
        Self {
            sid,
            engine,
            io: Session::default(),
            queue: None,
            beat_ms,
            connect_by_ms,
            is_joined: false,
            confirm_at_ms: None,
            is_confirm_due: false,
            stalled_until_ms: 0,
            tells_drained: false,
            holds_entries: false,
            is_marked: false,
            held_answer: None,
            held_back: None,
        }
    }

    /// When something is due.
    pub(super) fn next_ms(&self) -> u64 {
        let connect_ms = if self.is_joined { u64::MAX } else { self.connect_by_ms };
        let stalled_ms = if self.stalled_until_ms > 0 { self.stalled_until_ms } else { u64::MAX };
        let confirm_ms = self.confirm_at_ms.unwrap_or(u64::MAX);
        let held_ms = self.held_answer.as_ref().map_or(u64::MAX, |(at_ms, _)| *at_ms);
        self.beat_ms.min(connect_ms).min(stalled_ms).min(confirm_ms).min(held_ms)
    }
}

/// Engine.IO packets that wait for a client, as text.
#[derive(Debug, Default)]
pub(crate) struct Queue(VecDeque<String>);

impl Queue {
    pub(super) fn push(&mut self, packet: String) {
        self.0.push_back(packet);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn holds_ping(&self) -> bool {
        self.0.iter().any(|packet| packet == "2")
    }

    pub(super) fn into_packets(self) -> impl Iterator<Item = String> {
        self.0.into_iter()
    }
}

impl Backlog for Queue {
    fn peek(&mut self) -> Option<(usize, usize)> {
        self.0.front().map(|packet| (packet.len(), 1))
    }

    fn pop(&mut self, body: &mut Vec<u8>) -> bool {
        let Some(packet) = self.0.pop_front() else { return false };
        if !body.is_empty() {
            body.push(foodtrack_wire::engine_io::SEPARATOR);
        }
        body.extend_from_slice(packet.as_bytes());
        true
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
