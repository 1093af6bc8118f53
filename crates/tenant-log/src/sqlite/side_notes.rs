//! Cursors and dead letters on their way to the disk: in no hurry, and not lost when one transaction fails.

use std::time::{Duration, Instant};

use ahash::AHashMap;
use foodtrack_contract::{Offset, TenantId};
use rusqlite::{Connection, params};

use super::rows::number;
use crate::{DeadLetter, SavedCursor, SubscriberKey};

/// How long notes wait for others, or for an append whose fsync they can share.
pub(super) const NOTES_DELAY: Duration = Duration::from_millis(250);

/// What waits, the latest of each.
#[derive(Debug, Default)]
pub(super) struct SideNotes {
    cursors: AHashMap<(TenantId, SubscriberKey), SavedCursor>,
    /// `None` takes the letter away.
    letters: AHashMap<(TenantId, Offset, SubscriberKey), Option<DeadLetter>>,
    since: Option<Instant>,
}

impl SideNotes {
    pub(super) fn save_cursor(&mut self, tenant: TenantId, key: SubscriberKey, saved: SavedCursor) {
        self.cursors.insert((tenant, key), saved);
        self.since.get_or_insert_with(Instant::now);
    }

    pub(super) fn letter(
        &mut self,
        tenant: TenantId,
        offset: Offset,
        subscriber: SubscriberKey,
        letter: Option<DeadLetter>,
    ) {
        self.letters.insert((tenant, offset, subscriber), letter);
        self.since.get_or_insert_with(Instant::now);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.cursors.is_empty() && self.letters.is_empty()
    }

    /// How long they may still wait; `None` when there are none.
    pub(super) fn wait(&self) -> Option<Duration> {
        self.since.map(|since| NOTES_DELAY.saturating_sub(since.elapsed()))
    }

    /// Tries again later.
    pub(super) fn postpone(&mut self) {
        self.since = (!self.is_empty()).then(Instant::now);
    }

    /// They are durable.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Writes them all within the transaction at hand. Those of a tenant without a log are left out.
    pub(super) fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        for ((tenant, key), saved) in &self.cursors {
            connection
                .prepare_cached(
                    "INSERT INTO subscribers SELECT no, ?2, ?3, ?4 FROM tenants WHERE name = ?1
                     ON CONFLICT DO UPDATE SET cursor = excluded.cursor, updated_at_ms = excluded.updated_at_ms",
                )?
                .execute(params![
                    tenant.as_str(),
                    key.as_str(),
                    saved.cursor.to_string(),
                    number(saved.updated_at_ms)
                ])?;
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
        Ok(())
    }
}
