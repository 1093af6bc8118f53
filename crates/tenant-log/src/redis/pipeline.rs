//! Steps as commands of Redis.

use foodtrack_contract::{Epoch, TenantId};
use redis::{Cmd, Pipeline, Script};

use super::batch::Step;
use super::keys::{Keys, Part};
use super::notes::{note_text, published_note};
use super::row::Row;
use super::{RedisOptions, letters, opening, scripts};
use crate::{Note, NoteKind, Retention, SavedCursor, SubscriberKey};

/// An emission within so many milliseconds of the last about its order is a repeat of it.
const EMISSION_REPEATS_MS: u64 = 10_000;
/// More bytes of entries are not published with the news of them: followers read them.
const PUBLISHED_BYTES_MAX: usize = 64 << 10;

/// Makes commands.
pub(super) struct CommandBuilder {
    pub(super) keys: Keys,
    pub(super) options: RedisOptions,
    /// What tells this log's appends from others'.
    pub(super) node: [u8; 8],
}

/// A call of a script.
pub(super) fn call(script: &Script, keys: &[String]) -> Cmd {
    let mut command = redis::cmd("EVALSHA");
    command.arg(script.get_hash()).arg(keys.len());
    keys.iter().for_each(|key| _ = command.arg(key));
    command
}

impl CommandBuilder {
    /// Adds a step's commands; `epoch` is the incarnation of its tenant's log, where that is open.
    pub(super) fn add(&self, pipeline: &mut Pipeline, step: &Step, epoch: Option<Epoch>) {
        match step {
            Step::Open { tenant, .. } => {
                opening::add(pipeline, &self.keys, tenant);
            }
            Step::Append { tenant, entries } => {
                if let Some(epoch) = epoch {
                    pipeline.add_command(self.append(tenant, epoch, entries));
                }
            }
            Step::SaveCursors { tenant, cursors } => {
                pipeline.add_command(self.save_cursors(tenant, cursors));
            }
            Step::SaveNote { tenant, note, .. } => {
                pipeline.add_command(self.save_note(tenant, note));
            }
            Step::PutDeadLetter { tenant, letter } => {
                pipeline.add_command(letters::put(&self.keys, tenant, letter));
            }
            Step::RemoveDeadLetter { tenant, offset, subscriber } => {
                pipeline.add_command(letters::remove(&self.keys, tenant, *offset, subscriber));
            }
            Step::Close { .. } | Step::Trim { .. } => {}
        }
    }

    fn append(&self, tenant: &TenantId, epoch: Epoch, entries: &[(u64, Row)]) -> Cmd {
        let part = |part| self.keys.part(tenant, part);
        let mut keys = vec![part(Part::Head), part(Part::Log), part(Part::DeadLetters)];
        for pair in [Part::Ids, Part::Emissions, Part::Assignments] {
            keys.extend(self.keys.pair(tenant, pair));
        }
        keys.push(part(Part::Orders));
        let mut command = call(&scripts::APPEND, &keys);
        command.arg(epoch.to_string());
        self.add_retention(&mut command);
        command
            .arg("PUBLISH")
            .arg(self.keys.channel(tenant))
            .arg(&self.node)
            .arg(self.options.orders_max)
            .arg(PUBLISHED_BYTES_MAX)
            .arg(EMISSION_REPEATS_MS);
        entries.iter().for_each(|(_, row)| row.add_to(&mut command));
        command
    }

    fn add_retention(&self, command: &mut Cmd) {
        let Retention { age_ms_max, entries_max, bytes_max, entries_min } = self.options.retention;
        for limit in [age_ms_max, entries_max, bytes_max, entries_min] {
            command.arg(limit);
        }
    }

    /// Applies retention to a tenant that has become quiet.
    pub(super) fn trim(&self, tenant: &TenantId, now_ms: u64) -> Cmd {
        let part = |part| self.keys.part(tenant, part);
        let mut keys = vec![part(Part::Head), part(Part::Log), part(Part::DeadLetters)];
        keys.extend(NoteKind::ALL.map(|kind| self.keys.notes(tenant, kind)));
        let mut command = call(&scripts::TRIM, &keys);
        self.add_retention(&mut command);
        command.arg(now_ms);
        command
    }

    /// Notes that a tenant has notes of a kind.
    pub(super) fn noted(&self, tenant: &TenantId, kind: NoteKind) -> Cmd {
        let mut command = redis::cmd("SADD");
        command.arg(self.keys.noted(kind)).arg(tenant.as_str());
        command
    }

    /// Asks for every tenant that has a log.
    pub(super) fn all_tenants(&self) -> Cmd {
        let mut command = redis::cmd("SMEMBERS");
        command.arg(self.keys.tenants());
        command
    }

    fn save_cursors(
        &self,
        tenant: &TenantId,
        cursors: &[(SubscriberKey, SavedCursor, bool)],
    ) -> Cmd {
        let keys = [Part::Head, Part::Cursors].map(|part| self.keys.part(tenant, part));
        let mut command = call(&scripts::CURSORS, &keys);
        for (subscriber, saved, is_first) in cursors {
            let (epoch, through) = (saved.cursor.epoch(), saved.cursor.through());
            command
                .arg(subscriber.as_str())
                .arg(if *is_first { "f" } else { "" })
                .arg(epoch.to_string())
                .arg(through.get())
                .arg(format!("{through} {epoch} {} {}", saved.updated_at_ms, saved.cursor));
        }
        command
    }

    fn save_note(&self, tenant: &TenantId, note: &Note) -> Cmd {
        let keys = [self.keys.part(tenant, Part::Head), self.keys.notes(tenant, note.kind)];
        let mut command = call(&scripts::NOTE, &keys);
        command
            .arg(&*note.key)
            .arg(note_text(note))
            .arg("PUBLISH")
            .arg(self.keys.channel(tenant))
            .arg(published_note(self.node, note));
        command
    }
}
