//! Commands that go to Redis in one pipeline: a tenant's entries in one call of the script, and its cursors in another.

use ahash::AHashMap;
use foodtrack_contract::{Offset, TenantId};

use super::queue::{Command, Opening};
use super::row::Row;
use crate::{DeadLetter, Note, SavedCursor, SubscriberKey};

/// How many entries one call of the script appends: Redis serves nobody else meanwhile.
const APPENDED_TOGETHER_MAX: usize = 256;
/// How many cursors one call of the script saves.
pub(super) const SAVED_TOGETHER_MAX: usize = 512;

/// What one or a few commands of the pipeline do.
#[derive(Debug)]
pub(super) enum Step {
    Open { tenant: TenantId, opening: Opening },
    Close { tenant: TenantId },
    Append { tenant: TenantId, entries: Vec<(u64, Row)> },
    PassOn { tenant: TenantId, entry: Row },
    SaveCursors { tenant: TenantId, cursors: Vec<(SubscriberKey, SavedCursor, bool)> },
    SaveNote { tenant: TenantId, note: Note, ticket: Option<u64> },
    PutDeadLetter { tenant: TenantId, letter: DeadLetter },
    RemoveDeadLetter { tenant: TenantId, offset: Offset, subscriber: SubscriberKey },
    Trim { now_ms: u64 },
    Probe,
}

/// The steps of a pipeline.
#[derive(Debug, Default)]
pub(super) struct Batch {
    steps: Vec<Step>,
    /// Where a tenant's next entries, or cursors, are added.
    appends: AHashMap<TenantId, usize>,
    cursors: AHashMap<TenantId, usize>,
}

impl Batch {
    /// Steps in the order of the commands, as far as anybody could tell the difference: nobody is answered before all are done.
    pub(super) fn of(commands: Vec<Command>) -> Vec<Step> {
        let mut batch = Self::default();
        commands.into_iter().for_each(|command| batch.add(command));
        batch.steps
    }

    fn add(&mut self, command: Command) {
        let step = match command {
            Command::Append { tenant, entries } => return self.append(&tenant, entries),
            Command::SaveCursor { tenant, subscriber, saved, is_first } => {
                return self.save_cursor(tenant, (subscriber, saved, is_first));
            }
            Command::Open { tenant, opening } => {
                self.forget(&tenant);
                Step::Open { tenant, opening }
            }
            Command::Close { tenant } => {
                self.forget(&tenant);
                Step::Close { tenant }
            }
            Command::PassOn { tenant, entry } => Step::PassOn { tenant, entry },
            Command::SaveNote { tenant, note, ticket } => Step::SaveNote { tenant, note, ticket },
            Command::PutDeadLetter { tenant, letter } => Step::PutDeadLetter { tenant, letter },
            Command::RemoveDeadLetter { tenant, offset, subscriber } => {
                Step::RemoveDeadLetter { tenant, offset, subscriber }
            }
            Command::Trim { now_ms } => Step::Trim { now_ms },
            Command::Probe => Step::Probe,
            Command::Stop => return,
        };
        self.steps.push(step);
    }

    fn forget(&mut self, tenant: &TenantId) {
        self.appends.remove(tenant);
        self.cursors.remove(tenant);
    }

    fn append(&mut self, tenant: &TenantId, mut entries: Vec<(u64, Row)>) {
        while !entries.is_empty() {
            let place = self.appends.get(tenant).copied();
            let step = place.and_then(|place| self.steps.get_mut(place));
            if let Some(Step::Append { entries: gathered, .. }) = step
                && gathered.len() < APPENDED_TOGETHER_MAX
            {
                let taken = entries.len().min(APPENDED_TOGETHER_MAX - gathered.len());
                gathered.extend(entries.drain(..taken));
                continue;
            }
            self.appends.insert(tenant.clone(), self.steps.len());
            self.steps.push(Step::Append { tenant: tenant.clone(), entries: Vec::new() });
        }
    }

    fn save_cursor(&mut self, tenant: TenantId, cursor: (SubscriberKey, SavedCursor, bool)) {
        let place = self.cursors.get(&tenant).copied();
        let step = place.and_then(|place| self.steps.get_mut(place));
        match step {
            Some(Step::SaveCursors { cursors, .. }) if cursors.len() < SAVED_TOGETHER_MAX => {
                cursors.push(cursor);
            }
            _ => {
                self.cursors.insert(tenant.clone(), self.steps.len());
                self.steps.push(Step::SaveCursors { tenant, cursors: vec![cursor] });
            }
        }
    }
}

impl Step {
    /// Whether it appends what replicas are waited for.
    pub(super) fn is_durable(&self) -> bool {
        match self {
            Self::Append { entries, .. } => entries.iter().any(|(_, row)| row.is_durable()),
            _ => false,
        }
    }

    /// Whose it is.
    pub(super) fn tenant(&self) -> Option<&TenantId> {
        match self {
            Self::Open { tenant, .. }
            | Self::Close { tenant }
            | Self::Append { tenant, .. }
            | Self::PassOn { tenant, .. }
            | Self::SaveCursors { tenant, .. }
            | Self::SaveNote { tenant, .. }
            | Self::PutDeadLetter { tenant, .. }
            | Self::RemoveDeadLetter { tenant, .. } => Some(tenant),
            Self::Trim { .. } | Self::Probe => None,
        }
    }
}
