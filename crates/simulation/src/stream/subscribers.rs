//! What stands beside the stream: it is kept where that can be reached.

use foodtrack_contract::{Offset, TenantId};
use foodtrack_tenant_log::{
    Completion, DeadLetter, Note, NoteKind, ReadError, RefusedReason, SavedCursor, SubmitError,
    SubscriberKey, SubscriberStore,
};

use super::NodeLog;

impl SubscriberStore for NodeLog {
    fn save_cursor(
        &self,
        tenant: &TenantId,
        subscriber: &SubscriberKey,
        saved: SavedCursor,
    ) -> Result<(), SubmitError> {
        match self.line.is_cut() {
            true => Ok(()),
            false => self.log.save_cursor(tenant, subscriber, saved),
        }
    }

    fn begin_cursor(
        &self,
        tenant: &TenantId,
        subscriber: &SubscriberKey,
        first: SavedCursor,
    ) -> Result<(), SubmitError> {
        match self.line.is_cut() {
            true => {
                self.owe_cursor(tenant, subscriber, first);
                Ok(())
            }
            false => self.log.begin_cursor(tenant, subscriber, first),
        }
    }

    fn cursor(
        &self,
        tenant: &TenantId,
        subscriber: &SubscriberKey,
    ) -> Result<Option<SavedCursor>, ReadError> {
        self.reach()?;
        self.log.cursor(tenant, subscriber)
    }

    fn cursors(
        &self,
        tenant: &TenantId,
        after: Option<&SubscriberKey>,
        cursors_max: usize,
    ) -> Result<Vec<(SubscriberKey, SavedCursor)>, ReadError> {
        self.log.cursors(tenant, after, cursors_max)
    }

    fn notes(&self, tenant: &TenantId, kind: NoteKind) -> Result<Vec<Note>, ReadError> {
        self.log.notes(tenant, kind)
    }

    fn save_note(
        &self,
        tenant: &TenantId,
        note: Note,
        ticket: Option<u64>,
    ) -> Result<(), SubmitError> {
        self.openings.noted(tenant, &note);
        if !self.line.is_cut() {
            return self.log.save_note(tenant, note, ticket);
        }
        if let Some(ticket) = ticket {
            let (tenant, reason) = (tenant.clone(), RefusedReason::Away);
            self.answer(Completion::NoteRefused { tenant, ticket, reason });
        }
        Ok(())
    }

    fn put_dead_letter(&self, tenant: &TenantId, letter: DeadLetter) -> Result<(), SubmitError> {
        self.log.put_dead_letter(tenant, letter)
    }

    fn remove_dead_letter(
        &self,
        tenant: &TenantId,
        offset: Offset,
        subscriber: &SubscriberKey,
    ) -> Result<(), SubmitError> {
        self.log.remove_dead_letter(tenant, offset, subscriber)
    }

    fn dead_letters(
        &self,
        tenant: &TenantId,
        after: Offset,
        letters_max: usize,
    ) -> Result<Vec<DeadLetter>, ReadError> {
        self.log.dead_letters(tenant, after, letters_max)
    }
}
