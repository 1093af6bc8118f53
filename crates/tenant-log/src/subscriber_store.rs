//! What is kept of a tenant's subscribers beside its log.

use foodtrack_contract::{Offset, TenantId};

use crate::{DeadLetter, Note, NoteKind, ReadError, SavedCursor, SubmitError, SubscriberKey};

/// Cursors, notes and dead letters. Saving does not wait; reading waits for the disk.
pub trait SubscriberStore: Send + Sync {
    /// Saves how far a subscriber has confirmed; the latest wins. Does not wait, and is not on disk at once: after a
    /// crash the subscriber may be shown again what it had confirmed in the last quarter of a second.
    ///
    /// In a log that several nodes write to, a subscriber may have connections on some of them, of which none knows how far the
    /// others are: there the furthest of an incarnation wins.
    ///
    /// # Errors
    /// [`SubmitError`] when it was not taken.
    fn save_cursor(
        &self,
        tenant: &TenantId,
        subscriber: &SubscriberKey,
        saved: SavedCursor,
    ) -> Result<(), SubmitError>;

    /// Saves where a subscriber begins, unless a cursor of it is saved. Does not wait, but is on disk with whatever is
    /// submitted after it: of an entry that was acknowledged later it is known that it was not confirmed. Where the store is away,
    /// it is saved once the store is back, as long as this process lives.
    ///
    /// # Errors
    /// [`SubmitError`] when it was not taken.
    fn begin_cursor(
        &self,
        tenant: &TenantId,
        subscriber: &SubscriberKey,
        first: SavedCursor,
    ) -> Result<(), SubmitError>;

    /// How far a subscriber had confirmed; `None` if it never was here. Waits for the disk.
    ///
    /// # Errors
    /// [`ReadError`]
    fn cursor(
        &self,
        tenant: &TenantId,
        subscriber: &SubscriberKey,
    ) -> Result<Option<SavedCursor>, ReadError>;

    /// How far a tenant's subscribers had confirmed, by key, after a key: at most so many. What was saved in the last quarter of
    /// a second may be missing. Waits for the disk.
    ///
    /// # Errors
    /// [`ReadError`]
    fn cursors(
        &self,
        tenant: &TenantId,
        after: Option<&SubscriberKey>,
        cursors_max: usize,
    ) -> Result<Vec<(SubscriberKey, SavedCursor)>, ReadError>;

    /// A tenant's notes of one kind, by key, also those that have expired and are still kept. Waits for the disk.
    ///
    /// # Errors
    /// [`ReadError`]
    fn notes(&self, tenant: &TenantId, kind: NoteKind) -> Result<Vec<Note>, ReadError>;

    /// Notes something beside a tenant's log; of the same kind and key the latest counts. Does not wait.
    ///
    /// Without a ticket it is in no hurry: like a cursor, it is on disk within a quarter of a second, and left out where
    /// the tenant has no log. With one it goes with the next commit, and is answered by [`Completion::Noted`] or
    /// [`Completion::NoteRefused`].
    ///
    /// # Errors
    /// [`SubmitError`] when it was not taken.
    fn save_note(
        &self,
        tenant: &TenantId,
        note: Note,
        ticket: Option<u64>,
    ) -> Result<(), SubmitError>;

    /// Notes a message as given up for a subscriber; a repeat replaces the note. Does not wait.
    ///
    /// # Errors
    /// [`SubmitError`] when it was not taken.
    fn put_dead_letter(&self, tenant: &TenantId, letter: DeadLetter) -> Result<(), SubmitError>;

    /// Takes such a note away. Does not wait.
    ///
    /// # Errors
    /// [`SubmitError`] when it was not taken.
    fn remove_dead_letter(
        &self,
        tenant: &TenantId,
        offset: Offset,
        subscriber: &SubscriberKey,
    ) -> Result<(), SubmitError>;

    /// A tenant's dead letters after an offset, oldest message first, at most `letters_max`, then the rest of the last
    /// message's. Waits for the disk.
    ///
    /// # Errors
    /// [`ReadError`]
    fn dead_letters(
        &self,
        tenant: &TenantId,
        after: Offset,
        letters_max: usize,
    ) -> Result<Vec<DeadLetter>, ReadError>;
}
