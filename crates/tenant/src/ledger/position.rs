//! How far a log is, and which cursors it can have given out.

use foodtrack_contract::{Cursor, Epoch, Offset};

/// How far an open log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) epoch: Epoch,
    /// Everything up to here is gone, as far as the store has said.
    pub(crate) trimmed_through: Offset,
    /// Everything up to here was handed to everyone it is for.
    pub(crate) delivered_through: Offset,
    /// A cursor up to here may have been given out, here or by another node of a log that is shared.
    pub(crate) given_through: Offset,
}

impl Position {
    /// Whether a cursor may be one that this log gave out.
    pub(crate) fn gave_out(&self, cursor: &Cursor) -> bool {
        cursor.epoch() == self.epoch && last_of(cursor) <= self.given_through
    }

    /// Whether everything that a cursor says somebody has was delivered here.
    pub(crate) fn has_delivered(&self, cursor: &Cursor) -> bool {
        last_of(cursor) <= self.delivered_through
    }

    /// Whether a cursor is one that this log gave out, and nothing behind it is gone.
    pub(crate) fn goes_on_from(&self, cursor: &Cursor) -> bool {
        self.gave_out(cursor) && cursor.through() >= self.trimmed_through
    }
}

/// The last offset that a cursor names.
pub(crate) fn last_of(cursor: &Cursor) -> Offset {
    cursor.beyond().last().copied().unwrap_or(cursor.through())
}
