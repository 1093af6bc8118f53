//! The cursor that ends every event to a client: what it brings back when it comes again.

use foodtrack_contract::{Cursor, Epoch, Offset};
use foodtrack_wire::LogPlace;

/// What ends an event to one recipient or to all.
#[derive(Clone, Debug)]
pub enum CursorSuffix {
    /// The tenant's log is away: there is nothing to say.
    None,
    /// The recipient has everything up to here.
    At(Epoch, Offset),
    /// The recipient catches up, and stands here: some of what is further on it has already.
    Behind(Cursor),
}

impl CursorSuffix {
    /// What a queue must know of a frame with this suffix that is no entry itself.
    pub fn place(&self) -> Option<LogPlace> {
        match self {
            Self::At(_, offset) => Some(LogPlace { offset: offset.get(), is_entry: false }),
            // A list of what overtook is as it is: its frame must not be overtaken itself.
            Self::None | Self::Behind(_) => None,
        }
    }

    /// The suffix of somebody who stands at this cursor.
    pub(crate) fn of(cursor: &Cursor) -> Self {
        if cursor.beyond().is_empty() {
            Self::At(cursor.epoch(), cursor.through())
        } else {
            Self::Behind(cursor.clone())
        }
    }

    /// Appends what is one recipient's own, as another argument.
    pub fn write_own(&self, out: &mut Vec<u8>) {
        if let Self::Behind(cursor) = self {
            use std::io::Write as _;
            // Writing to memory does not fail.
            let _ = write!(out, ",\"{cursor}\"");
        }
    }
}
