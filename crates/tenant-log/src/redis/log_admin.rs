//! What operators ask of logs in Redis.

use foodtrack_contract::{Cursor, TenantId};
use redis::{Cmd, Value};

use super::RedisLog;
use super::keys::Part;
use super::queue::Command;
use super::values::{number, tenants};
use crate::{
    LogAdmin, LogWork, NoteKind, ReadError, StorageState, StorageStatus, SubmitError, TenantStats,
};

impl RedisLog {
    fn ask_names(&self, command: Cmd) -> Result<Vec<TenantId>, ReadError> {
        let mut pipeline = redis::pipe();
        pipeline.add_command(command);
        let answers = self.questions.ask(pipeline)?;
        let mut names = answers.first().map(tenants).unwrap_or_default();
        names.sort_unstable();
        Ok(names)
    }
}

/// Asks for all members of a set.
pub(super) fn members(key: String) -> Cmd {
    let mut command = redis::cmd("SMEMBERS");
    command.arg(key);
    command
}

impl LogAdmin for RedisLog {
    fn tenants(&self) -> Result<Vec<TenantId>, ReadError> {
        self.ask_names(members(self.keys.tenants()))
    }

    fn tenants_noted(&self, kind: NoteKind) -> Result<Vec<TenantId>, ReadError> {
        let names = self.ask_names(members(self.keys.noted(kind)))?;
        let mut pipeline = redis::pipe();
        names.iter().for_each(|name| {
            pipeline.cmd("EXISTS").arg(self.keys.notes(name, kind));
        });
        if names.is_empty() {
            return Ok(names);
        }
        // They stay in the set when the last of their notes goes.
        let is_noted = self.questions.ask(pipeline)?;
        let noted = names.into_iter().zip(is_noted);
        Ok(noted.filter(|(_, it)| *it == Value::Int(1)).map(|(name, _)| name).collect())
    }

    fn stats(&self, tenant: &TenantId) -> Result<TenantStats, ReadError> {
        let mut pipeline = self.about(tenant);
        pipeline.cmd("ZCARD").arg(self.keys.part(tenant, Part::DeadLetters));
        let (head, answers) = self.ask_about(tenant, pipeline)?;
        Ok(TenantStats {
            last: Cursor::new(head.epoch, head.last),
            trimmed_through: head.trimmed_through,
            entries: head.entries,
            bytes: head.bytes,
            dead_letters: answers.first().and_then(number).unwrap_or(0),
        })
    }

    fn trim(&self, now_ms: u64) -> Result<(), SubmitError> {
        self.queue.send(Command::Trim { now_ms })
    }

    fn storage(&self) -> StorageStatus {
        let state = if self.queue.is_away() {
            StorageState::Away
        } else if self.queue.is_unreplicated() {
            StorageState::Unreplicated
        } else {
            StorageState::Well
        };
        StorageStatus { state, spooled: self.queue.spooled(), ..StorageStatus::default() }
    }

    fn work(&self) -> LogWork {
        self.queue.work()
    }
}
