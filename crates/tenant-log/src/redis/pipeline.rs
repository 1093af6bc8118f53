//! Steps as commands of Redis.

use foodtrack_contract::{Epoch, Offset, TenantId};
use redis::{Cmd, Pipeline, Script};

use super::batch::Step;
use super::follower::UNHEARD;
use super::keys::{Keys, Part};
use super::known_places::KnownPlace;
use super::news::published_entry;
use super::notes::{note_text, published_note};
use super::row::Row;
use super::subscriber_store::cursor_text;
use super::{RedisOptions, letters, opening, scripts};
use crate::memory::random_epoch;
use crate::subscriber::{CURSOR_AGE_MS_MAX, DEVICES_MAX};
use crate::{Note, NoteKind, Retention, SavedCursor, SubscriberKey};

/// An emission within so many milliseconds of the last about its order is a repeat of it.
const EMISSION_REPEATS_MS: u64 = 10_000;
/// More bytes of entries are not published with the news of them: followers read them.
const PUBLISHED_BYTES_MAX: usize = 64 << 10;

/// Adds what the scripts compare, and the epoch that the log gets where it is another one.
fn add_known(command: &mut Cmd, known: KnownPlace) {
    command.arg(known.last.get());
    match known.id {
        Some(id) => command.arg(id.as_bytes()),
        None => command.arg(""),
    };
    command.arg(random_epoch().to_string());
}

/// Makes commands.
#[derive(Clone)]
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
    /// Adds a step's commands; `known` is what is known of its tenant's log, where that is open.
    pub(super) fn add(&self, pipeline: &mut Pipeline, step: &Step, known: Option<KnownPlace>) {
        match step {
            Step::Open { tenant, .. } => {
                opening::add(pipeline, &self.keys, tenant, self.open(tenant, known));
            }
            Step::Append { tenant, entries } => {
                if let Some(known) = known {
                    pipeline.add_command(self.append(tenant, known, entries));
                }
            }
            Step::PassOn { tenant, entry } => {
                let mut command = redis::cmd("PUBLISH");
                command.arg(self.keys.channel(tenant)).arg(published_entry(self.node, entry));
                pipeline.add_command(command);
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
            // A server that may not write answers other commands as if all were well.
            Step::Probe => _ = pipeline.cmd("UNLINK").arg(self.keys.probe()),
            Step::Close { .. } | Step::Trim { .. } => {}
        }
    }

    pub(super) fn open(&self, tenant: &TenantId, known: Option<KnownPlace>) -> Cmd {
        let keys = [Part::Head, Part::Log, Part::Orders].map(|part| self.keys.part(tenant, part));
        let mut command = call(&scripts::OPEN, &keys);
        command.arg(opening::ORDERS_MAX).arg("PUBLISH").arg(self.keys.channel(tenant));
        command.arg(&self.node).arg(known.map(|it| it.epoch.to_string()).unwrap_or_default());
        let nothing =
            KnownPlace { epoch: Epoch::new(0), last: Offset::ZERO, id: None, heard_since: UNHEARD };
        add_known(&mut command, known.unwrap_or(nothing));
        command
    }

    fn append(&self, tenant: &TenantId, known: KnownPlace, entries: &[(u64, Row)]) -> Cmd {
        let part = |part| self.keys.part(tenant, part);
        let mut keys = vec![part(Part::Head), part(Part::Log), part(Part::DeadLetters)];
        for pair in [Part::Ids, Part::Emissions, Part::Assignments] {
            keys.extend(self.keys.pair(tenant, pair));
        }
        keys.extend([part(Part::Orders), part(Part::Devices)]);
        let mut command = call(&scripts::APPEND, &keys);
        command.arg(known.epoch.to_string());
        self.add_retention(&mut command);
        command
            .arg("PUBLISH")
            .arg(self.keys.channel(tenant))
            .arg(&self.node)
            .arg(self.options.orders_max)
            .arg(PUBLISHED_BYTES_MAX)
            .arg(EMISSION_REPEATS_MS);
        add_known(&mut command, known);
        let node = self.node_name();
        entries.iter().for_each(|(_, row)| row.add_to(&mut command, &node));
        command
    }

    /// Looks where a tenant's log stands, and whether it still has what it is known to have had.
    pub(super) fn look(&self, tenant: &TenantId, known: KnownPlace) -> Cmd {
        let keys = [Part::Head, Part::Log].map(|part| self.keys.part(tenant, part));
        let mut command = call(&scripts::LOOK, &keys);
        command.arg(known.epoch.to_string());
        add_known(&mut command, known);
        command.arg("PUBLISH").arg(self.keys.channel(tenant)).arg(&self.node);
        command
    }

    fn add_retention(&self, command: &mut Cmd) {
        let Retention { age_ms_max, entries_max, bytes_max, entries_min } = self.options.retention;
        for limit in [age_ms_max, entries_max, bytes_max, entries_min] {
            command.arg(limit);
        }
    }

    /// Applies retention to a tenant that has become quiet, and asks which of these webhooks nobody tells of it.
    pub(super) fn trim(&self, tenant: &TenantId, now_ms: u64, webhooks: &[SubscriberKey]) -> Cmd {
        let part = |part| self.keys.part(tenant, part);
        let mut keys = [Part::Head, Part::Log, Part::DeadLetters, Part::Cursors, Part::Webhooks]
            .map(part)
            .to_vec();
        keys.extend(NoteKind::ALL.map(|kind| self.keys.notes(tenant, kind)));
        let mut command = call(&scripts::TRIM, &keys);
        self.add_retention(&mut command);
        command.arg(now_ms).arg(CURSOR_AGE_MS_MAX).arg(self.keys.leases_of_webhooks(tenant));
        webhooks.iter().for_each(|webhook| _ = command.arg(webhook.as_str()));
        command
    }

    /// Notes that a tenant has notes of a kind.
    pub(super) fn noted(&self, tenant: &TenantId, kind: NoteKind) -> Cmd {
        let mut command = redis::cmd("SADD");
        command.arg(self.keys.noted(kind)).arg(tenant.as_str());
        command
    }

    fn save_cursors(
        &self,
        tenant: &TenantId,
        cursors: &[(SubscriberKey, SavedCursor, bool)],
    ) -> Cmd {
        let keys = [Part::Head, Part::Cursors].map(|part| self.keys.part(tenant, part));
        let mut command = call(&scripts::CURSORS, &keys);
        command.arg(DEVICES_MAX);
        for (subscriber, saved, is_first) in cursors {
            let (epoch, through) = (saved.cursor.epoch(), saved.cursor.through());
            command
                .arg(subscriber.as_str())
                .arg(if *is_first { "f" } else { "" })
                .arg(epoch.to_string())
                .arg(through.get())
                .arg(saved.updated_at_ms)
                .arg(cursor_text(saved));
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
