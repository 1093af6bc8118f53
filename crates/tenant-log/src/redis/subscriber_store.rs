//! What stands in Redis beside a tenant's log.

use foodtrack_contract::{Cursor, Offset, TenantId};
use redis::Value;

use super::RedisLog;
use super::keys::Part;
use super::letters;
use super::notes::read_notes;
use super::queue::Command;
use super::values::{pairs, text};
use crate::{
    DeadLetter, Note, NoteKind, ReadError, SavedCursor, SubmitError, SubscriberKey, SubscriberStore,
};

impl RedisLog {
    fn save(
        &self,
        tenant: &TenantId,
        subscriber: &SubscriberKey,
        saved: SavedCursor,
        is_first: bool,
    ) -> Result<(), SubmitError> {
        let (tenant, subscriber) = (tenant.clone(), subscriber.clone());
        self.queue.send(Command::SaveCursor { tenant, subscriber, saved, is_first })
    }
}

/// What is kept of a cursor, which [`read_cursor`] reads.
pub(super) fn cursor_text(saved: &SavedCursor) -> String {
    let (epoch, through) = (saved.cursor.epoch(), saved.cursor.through());
    format!("{through} {epoch} {} {}", saved.updated_at_ms, saved.cursor)
}

/// Where it leads and its epoch, for the script, then when it was saved, and the cursor.
pub(super) fn read_cursor(kept: &Value) -> Option<SavedCursor> {
    let mut parts = text(kept)?.splitn(4, ' ').skip(2);
    let updated_at_ms = parts.next()?.parse().ok()?;
    Some(SavedCursor { cursor: Cursor::parse(parts.next()?)?, updated_at_ms })
}

impl SubscriberStore for RedisLog {
    fn save_cursor(
        &self,
        tenant: &TenantId,
        subscriber: &SubscriberKey,
        saved: SavedCursor,
    ) -> Result<(), SubmitError> {
        self.save(tenant, subscriber, saved, false)
    }

    fn begin_cursor(
        &self,
        tenant: &TenantId,
        subscriber: &SubscriberKey,
        first: SavedCursor,
    ) -> Result<(), SubmitError> {
        self.save(tenant, subscriber, first, true)
    }

    fn cursor(
        &self,
        tenant: &TenantId,
        subscriber: &SubscriberKey,
    ) -> Result<Option<SavedCursor>, ReadError> {
        let mut pipeline = self.about(tenant);
        pipeline.cmd("HGET").arg(self.keys.part(tenant, Part::Cursors)).arg(subscriber.as_str());
        let (_, answers) = self.ask_about(tenant, pipeline)?;
        Ok(answers.first().and_then(read_cursor))
    }

    fn cursors(
        &self,
        tenant: &TenantId,
        after: Option<&SubscriberKey>,
        cursors_max: usize,
    ) -> Result<Vec<(SubscriberKey, SavedCursor)>, ReadError> {
        let mut pipeline = self.about(tenant);
        pipeline.cmd("HGETALL").arg(self.keys.part(tenant, Part::Cursors));
        let (_, answers) = self.ask_about(tenant, pipeline)?;
        let all = answers.first().map(pairs).unwrap_or_default().into_iter();
        let cursors = all.filter_map(|(key, kept)| {
            let key = SubscriberKey::new(text(key)?)?;
            after.is_none_or(|after| key > *after).then_some((key, kept))
        });
        let mut cursors: Vec<_> = cursors.collect();
        cursors.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let read = cursors.into_iter().filter_map(|(key, kept)| Some((key, read_cursor(kept)?)));
        Ok(read.take(cursors_max).collect())
    }

    fn notes(&self, tenant: &TenantId, kind: NoteKind) -> Result<Vec<Note>, ReadError> {
        let mut pipeline = self.about(tenant);
        pipeline.cmd("HGETALL").arg(self.keys.notes(tenant, kind));
        let (_, answers) = self.ask_about(tenant, pipeline)?;
        Ok(answers.first().map(|hash| read_notes(kind, hash)).unwrap_or_default())
    }

    fn save_note(
        &self,
        tenant: &TenantId,
        note: Note,
        ticket: Option<u64>,
    ) -> Result<(), SubmitError> {
        self.openings.noted(tenant, &note);
        self.queue.send(Command::SaveNote { tenant: tenant.clone(), note, ticket })
    }

    fn put_dead_letter(&self, tenant: &TenantId, letter: DeadLetter) -> Result<(), SubmitError> {
        self.queue.send(Command::PutDeadLetter { tenant: tenant.clone(), letter })
    }

    fn remove_dead_letter(
        &self,
        tenant: &TenantId,
        offset: Offset,
        subscriber: &SubscriberKey,
    ) -> Result<(), SubmitError> {
        let (tenant, subscriber) = (tenant.clone(), subscriber.clone());
        self.queue.send(Command::RemoveDeadLetter { tenant, offset, subscriber })
    }

    fn dead_letters(
        &self,
        tenant: &TenantId,
        after: Offset,
        letters_max: usize,
    ) -> Result<Vec<DeadLetter>, ReadError> {
        let mut pipeline = self.about(tenant);
        let key = self.keys.part(tenant, Part::DeadLetters);
        let range = pipeline.cmd("ZRANGE").arg(&key).arg(format!("({after}")).arg("+inf");
        range.arg("BYSCORE").arg("LIMIT").arg(0).arg(letters_max).arg("WITHSCORES");
        let (_, answers) = self.ask_about(tenant, pipeline)?;
        let mut taken = answers.first().map(letters::read).unwrap_or_default();
        let Some(last) = taken.last().map(|letter| letter.offset) else { return Ok(taken) };
        // The rest of the last message's.
        let mut pipeline = self.about(tenant);
        let rest = pipeline.cmd("ZRANGE").arg(&key).arg(last.get()).arg(last.get());
        rest.arg("BYSCORE").arg("WITHSCORES");
        let (_, answers) = self.ask_about(tenant, pipeline)?;
        taken.retain(|letter| letter.offset != last);
        taken.extend(answers.first().map(letters::read).unwrap_or_default());
        Ok(taken)
    }
}
