//! Who asks and asks, and never reads an answer.

use std::time::Instant;

use crate::attack::{Attack, Hostile};
use crate::request::{HANDSHAKE, get, ping_frame, poll, post, sid_in, text_frame, upgrade_of};

/// Written at once.
const BATCH_BYTES: usize = 32 * 1024;

pub(super) fn all() -> Vec<Attack> {
    vec![
        Attack::new("pipelined-unread", "pipelined requests, answers never read", 40, |number| {
            let wrong = get("/socket.io/?EIO=4&transport=none");
            // The API is asked one by one; what the transport answers itself is not.
            let asked = if number % 2 == 0 { wrong } else { wrong + &get("/health") };
            Box::new(Pipelined { batch: repeated(&asked) })
        }),
        Attack::new("polls-unread", "polls and posts of a session, answers never read", 40, |_| {
            Box::new(Polls { batch: None })
        }),
        Attack::new("probes-unread", "pings on an unprobed upgrade, never read", 40, |_| {
            Box::new(Probes { stage: Stage::Opening })
        }),
    ]
}

fn repeated(text: &str) -> Vec<u8> {
    text.repeat(BATCH_BYTES / text.len() + 1).into_bytes()
}

struct Pipelined {
    batch: Vec<u8>,
}

impl Hostile for Pipelined {
    fn opened(&mut self, _out: &mut Vec<u8>) {}

    fn more(&mut self, _now: Instant, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.batch);
    }

    fn reads(&self) -> bool {
        false
    }
}

struct Polls {
    /// There is one when the session is.
    batch: Option<Vec<u8>>,
}

impl Hostile for Polls {
    fn opened(&mut self, out: &mut Vec<u8>) {
        self.batch = None;
        out.extend_from_slice(HANDSHAKE.as_bytes());
    }

    fn received(&mut self, bytes: &[u8], _out: &mut Vec<u8>) {
        if let Some(sid) = sid_in(bytes) {
            let unknown = format!("40/{},", "n".repeat(500));
            self.batch = Some(repeated(&(post(&sid, &unknown) + &poll(&sid) + &post(&sid, "3"))));
        }
    }

    fn more(&mut self, _now: Instant, out: &mut Vec<u8>) {
        out.extend_from_slice(self.batch.as_deref().unwrap_or_default());
    }

    fn reads(&self) -> bool {
        self.batch.is_none()
    }
}

enum Stage {
    Opening,
    Upgrading,
    Busy,
}

struct Probes {
    stage: Stage,
}

impl Hostile for Probes {
    fn opened(&mut self, out: &mut Vec<u8>) {
        self.stage = Stage::Opening;
        out.extend_from_slice(HANDSHAKE.as_bytes());
    }

    fn received(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match self.stage {
            Stage::Opening => {
                if let Some(sid) = sid_in(bytes) {
                    out.extend_from_slice(upgrade_of(&sid).as_bytes());
                    self.stage = Stage::Upgrading;
                }
            }
            Stage::Upgrading => self.stage = Stage::Busy,
            Stage::Busy => {}
        }
    }

    fn more(&mut self, _now: Instant, out: &mut Vec<u8>) {
        if matches!(self.stage, Stage::Busy) {
            while out.len() < BATCH_BYTES {
                ping_frame(out, &[b'x'; 125]);
            }
            text_frame(out, "2probe");
        }
    }

    fn reads(&self) -> bool {
        !matches!(self.stage, Stage::Busy)
    }
}
