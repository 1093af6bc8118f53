//! Cursors, notes and dead letters on their way to the disk: in no hurry, and not lost when one transaction fails.

use std::time::{Duration, Instant};

use ahash::AHashMap;
use foodtrack_contract::{Offset, TenantId};
use rusqlite::{Connection, OptionalExtension, params};

use super::cursors;
use super::queue::LONG_DELAY;
use super::rows::number;
use crate::row_seals::RowSeals;
use crate::{DeadLetter, Note, NoteKind, SavedCursor, SubscriberKey};

type NoteKey = (TenantId, NoteKind, Box<str>);

/// What waits, the latest of each.
#[derive(Debug, Default)]
pub(super) struct SideNotes {
    cursors: AHashMap<(TenantId, SubscriberKey), WaitingCursor>,
    /// `None` takes the letter away.
    letters: AHashMap<(TenantId, Offset, SubscriberKey), Option<DeadLetter>>,
    /// Each in the order they came. What has a ticket is answered with the next transaction, and goes if that fails.
    notes: AHashMap<NoteKey, Vec<(Note, Option<u64>)>>,
    /// When they are to be written, where the last transaction failed.
    retry_at: Option<Instant>,
}

#[derive(Debug)]
struct WaitingCursor {
    saved: SavedCursor,
    /// It gives way to one that is on disk.
    is_first: bool,
}

/// What became of the notes that have tickets.
#[derive(Debug, Default)]
pub(super) struct Ticketed {
    pub(super) noted: Vec<(TenantId, u64)>,
    pub(super) refused: Vec<(TenantId, u64)>,
}

impl SideNotes {
    pub(super) fn save_cursor(&mut self, tenant: TenantId, key: SubscriberKey, saved: SavedCursor) {
        self.cursors.insert((tenant, key), WaitingCursor { saved, is_first: false });
    }

    pub(super) fn begin_cursor(
        &mut self,
        tenant: TenantId,
        key: SubscriberKey,
        first: SavedCursor,
    ) {
        let waiting = WaitingCursor { saved: first, is_first: true };
        self.cursors.entry((tenant, key)).or_insert(waiting);
    }

    pub(super) fn note(&mut self, tenant: TenantId, note: Note, ticket: Option<u64>) {
        let waiting = self.notes.entry((tenant, note.kind, note.key.clone())).or_default();
        if ticket.is_none() {
            waiting.retain(|(_, ticket)| ticket.is_some());
        }
        waiting.push((note, ticket));
    }

    /// Takes out what has tickets, because the transaction failed; the rest is tried again.
    pub(super) fn take_ticketed(&mut self) -> Vec<(TenantId, u64)> {
        let mut tickets = Vec::new();
        self.notes.retain(|(tenant, ..), waiting| {
            let of_tenant = waiting.iter().filter_map(|(_, ticket)| *ticket);
            tickets.extend(of_tenant.map(|ticket| (tenant.clone(), ticket)));
            waiting.retain(|(_, ticket)| ticket.is_none());
            !waiting.is_empty()
        });
        tickets.sort_unstable();
        tickets
    }

    pub(super) fn letter(
        &mut self,
        tenant: TenantId,
        offset: Offset,
        subscriber: SubscriberKey,
        letter: Option<DeadLetter>,
    ) {
        self.letters.insert((tenant, offset, subscriber), letter);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.cursors.is_empty() && self.letters.is_empty() && self.notes.is_empty()
    }

    /// How long they must still wait; `None` when there are none.
    pub(super) fn wait(&self) -> Option<Duration> {
        let left = |at: Instant| at.saturating_duration_since(Instant::now());
        (!self.is_empty()).then(|| self.retry_at.map_or(Duration::ZERO, left))
    }

    /// Tries again later.
    pub(super) fn postpone(&mut self) {
        self.retry_at = (!self.is_empty()).then(|| Instant::now() + LONG_DELAY);
    }

    /// They are durable.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Writes them all within the transaction at hand. Those of a tenant without a log are left out.
    pub(super) fn write(
        &self,
        connection: &Connection,
        seals: &RowSeals,
    ) -> rusqlite::Result<Ticketed> {
        for ((tenant, key), WaitingCursor { saved, is_first }) in &self.cursors {
            cursors::save(connection, tenant, key, saved, *is_first)?;
        }
        for ((tenant, offset, subscriber), letter) in &self.letters {
            let (name, offset) = (tenant.as_str(), number(offset.get()));
            match letter {
                Some(letter) => connection
                    .prepare_cached(
                        "INSERT OR REPLACE INTO dead_letters
                         SELECT no, ?2, ?3, ?4, ?5, ?6, ?7 FROM tenants WHERE name = ?1",
                    )?
                    .execute(params![
                        name,
                        offset,
                        subscriber.as_str(),
                        letter.id.as_bytes(),
                        letter.reason.as_str(),
                        letter.attempts,
                        number(letter.at_ms)
                    ])?,
                None => connection
                    .prepare_cached(
                        "DELETE FROM dead_letters WHERE tenant = (SELECT no FROM tenants WHERE name = ?1)
                         AND offset = ?2 AND subscriber = ?3",
                    )?
                    .execute(params![name, offset, subscriber.as_str()])?,
            };
        }
        self.write_notes(connection, seals)
    }

    fn write_notes(&self, connection: &Connection, seals: &RowSeals) -> rusqlite::Result<Ticketed> {
        let mut ticketed = Ticketed::default();
        for ((tenant, kind, key), waiting) in &self.notes {
            let no: Option<i64> = connection
                .prepare_cached("SELECT no FROM tenants WHERE name = ?")?
                .query_row([tenant.as_str()], |row| row.get(0))
                .optional()?;
            let tickets =
                waiting.iter().filter_map(|(_, ticket)| Some((tenant.clone(), (*ticket)?)));
            let (Some(no), Some((note, _))) = (no, waiting.last()) else {
                ticketed.refused.extend(tickets);
                continue;
            };
            let sealed = note.value.as_deref().map(|it| seals.seal_note(tenant, (*kind, key), it));
            let sealed = match sealed.transpose() {
                Ok(sealed) => sealed,
                Err(error) => {
                    tracing::error!(%tenant, %error, "a note cannot be sealed, and is not kept");
                    ticketed.refused.extend(tickets);
                    continue;
                }
            };
            ticketed.noted.extend(tickets);
            match sealed {
                Some(value) => connection
                    .prepare_cached("INSERT OR REPLACE INTO notes VALUES (?, ?, ?, ?, ?)")?
                    .execute(params![
                        no,
                        kind.as_str(),
                        key,
                        value,
                        note.expires_at_ms.map(number)
                    ])?,
                None => connection
                    .prepare_cached("DELETE FROM notes WHERE tenant = ? AND kind = ? AND key = ?")?
                    .execute(params![no, kind.as_str(), key])?,
            };
        }
        // A tenant's tickets ascend, or at least its owner can give them out so: then answers come in their order.
        ticketed.noted.sort_unstable();
        ticketed.refused.sort_unstable();
        Ok(ticketed)
    }
}
