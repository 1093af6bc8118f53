//! A hostile WebSocket that gets as far as a Socket.IO session, or as far as Engine.IO's.

use std::time::{Duration, Instant};

use crate::attack::Hostile;
use crate::request::{UPGRADE, has_head_end, text_frame};

/// What it does there.
pub(crate) trait Deed: Send {
    /// Frames to write next; asked about a hundred times a second while all before is with the kernel.
    fn more(&mut self, now: Instant, out: &mut Vec<u8>);
    /// Bytes came.
    fn received(&mut self, _bytes: &[u8]) {}
    /// Whether it reads.
    fn reads(&self) -> bool {
        true
    }
    /// What the hub has accepted of it, where that is not to be.
    fn accepted(&self) -> usize {
        0
    }
    /// The same of what the hub has refused.
    fn refused(&self) -> usize {
        0
    }
}

impl<F: FnMut(Instant, &mut Vec<u8>) + Send> Deed for F {
    fn more(&mut self, now: Instant, out: &mut Vec<u8>) {
        self(now, out);
    }
}

/// Reads nothing once it has joined.
pub(crate) struct Deaf<D>(pub(crate) D);

impl<D: Deed> Deed for Deaf<D> {
    fn more(&mut self, now: Instant, out: &mut Vec<u8>) {
        self.0.more(now, out);
    }

    fn reads(&self) -> bool {
        false
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Upgrading,
    Opening,
    Joining,
    Busy,
}

/// The connection.
pub(crate) struct Joined<D> {
    /// The CONNECT packet; none where the deed begins without one.
    connect: Option<String>,
    stage: Stage,
    deed: D,
}

impl<D: Deed> Joined<D> {
    /// Opens a WebSocket and does its deed there without having joined.
    pub(crate) fn unknown(deed: D) -> Self {
        Self { connect: None, stage: Stage::Upgrading, deed }
    }

    /// Joins with a token first.
    pub(crate) fn member(token: &str, application: &str, deed: D) -> Self {
        let connect = format!(r#"40{{"token":"{token}","application":"{application}"}}"#);
        Self { connect: Some(connect), stage: Stage::Upgrading, deed }
    }
}

impl<D: Deed> Hostile for Joined<D> {
    fn opened(&mut self, out: &mut Vec<u8>) {
        self.stage = Stage::Upgrading;
        out.extend_from_slice(UPGRADE.as_bytes());
    }

    fn received(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.stage == Stage::Upgrading
            && has_head_end(bytes)
            && bytes.starts_with(b"HTTP/1.1 101")
        {
            self.stage = Stage::Opening;
        }
        let has = |what: &[u8]| memchr::memmem::find(bytes, what).is_some();
        if self.stage == Stage::Opening && has(b"0{\"sid\"") {
            self.stage = if let Some(connect) = &self.connect {
                text_frame(out, connect);
                Stage::Joining
            } else {
                Stage::Busy
            };
        } else if self.stage == Stage::Joining && has(b"40{\"sid\"") {
            self.stage = Stage::Busy;
        } else if self.stage == Stage::Busy {
            self.deed.received(bytes);
        }
        // A ping of Engine.IO is a frame of one character.
        if has(&[0x81, 0x01, b'2']) {
            text_frame(out, "3");
        }
    }

    fn more(&mut self, now: Instant, out: &mut Vec<u8>) {
        if self.stage == Stage::Busy {
            self.deed.more(now, out);
        }
    }

    fn reads(&self) -> bool {
        self.stage != Stage::Busy || self.deed.reads()
    }

    fn accepted(&self) -> usize {
        self.deed.accepted()
    }

    fn refused(&self) -> usize {
        self.deed.refused()
    }

    fn comes_again_after(&self) -> Duration {
        Duration::from_millis(300)
    }
}
