//! Reading tenants' logs.

use foodtrack_contract::{Epoch, Offset, TenantId};
use uuid::Uuid;

use crate::{
    Assignment, LogEntry, OrderOwner, OutlinePage, Page, ReadError, ReadRequest, TailSnapshot,
};

/// Reads what is in tenants' logs: for threads that may wait for the disk.
pub trait LogReader: Send + Sync {
    /// What is in memory at the end of an open tenant's log: whatever is not on disk yet, and a little before it. Does not
    /// wait.
    ///
    /// `through` is how far its caller knows that the log goes: where others append as well, it may have read what memory here
    /// does not have yet, and then nothing is in memory.
    fn tail(&self, tenant: &TenantId, through: Offset) -> TailSnapshot;

    /// Reads one page. Waits for the disk.
    ///
    /// It sees what is on disk, which may be more than its writer has released (bound it by `through`) and less than the
    /// writer has shown: recoverable entries that still wait are in [`LogReader::tail`].
    ///
    /// # Errors
    /// [`ReadError`]
    fn read(&self, request: &ReadRequest) -> Result<Page, ReadError>;

    /// From now on [`Completion::Grown`](crate::Completion::Grown) tells what others append to a tenant's log. Where nobody else
    /// can, nothing is ever told.
    ///
    /// # Errors
    /// [`ReadError`]
    fn follow(&self, _tenant: &TenantId) -> Result<(), ReadError> {
        Ok(())
    }

    /// Returns once everything that others noted before the call has been told by
    /// [`Completion::NotedElsewhere`](crate::Completion::NotedElsewhere), of a tenant that is followed.
    ///
    /// # Errors
    /// [`ReadError`]
    fn hear_notes(&self, _tenant: &TenantId) -> Result<(), ReadError> {
        Ok(())
    }

    /// What a stretch of a log is about, ascending, at most `entries_max`: for one who has to look through much and will
    /// want little of it. Does not touch messages. Waits for the disk.
    ///
    /// # Errors
    /// [`ReadError`], of which [`ReadError::OtherEpoch`] where `epoch` is given and is not the log's.
    fn outline(
        &self,
        tenant: &TenantId,
        epoch: Option<Epoch>,
        after: Offset,
        through: Offset,
        entries_max: usize,
    ) -> Result<OutlinePage, ReadError>;

    /// The entries at `offsets`, in whatever order those come: ascending, and without those that are gone. Waits for the
    /// disk.
    ///
    /// # Errors
    /// [`ReadError`]
    fn read_at(&self, tenant: &TenantId, offsets: &[Offset]) -> Result<Vec<LogEntry>, ReadError>;

    /// What is there about one order, ascending: the newest `entries_max`. Looks through the tenant's log. Waits for the
    /// disk.
    ///
    /// # Errors
    /// [`ReadError`]
    fn entity_history(
        &self,
        tenant: &TenantId,
        entity: &str,
        entries_max: usize,
    ) -> Result<Vec<LogEntry>, ReadError>;

    /// Where the message of an id is, among the newest [`RECENT_IDS_MAX`](crate::RECENT_IDS_MAX); the newest, where there are
    /// two. Looks through their ids. Waits for the disk.
    ///
    /// # Errors
    /// [`ReadError`]
    fn find(&self, tenant: &TenantId, id: Uuid) -> Result<Option<Offset>, ReadError>;

    /// Whose an order is; `None` where no entry said so. What was committed is known for good, whatever retention takes of
    /// the log. Waits for the disk.
    ///
    /// # Errors
    /// [`ReadError`]
    fn order_owner(&self, tenant: &TenantId, order: &str) -> Result<Option<OrderOwner>, ReadError>;

    /// Who an order is assigned to; `None` where no entry said so. What was committed is known for good, as
    /// [`LogReader::order_owner`] knows it. Waits for the disk.
    ///
    /// # Errors
    /// [`ReadError`]
    fn assignment(&self, tenant: &TenantId, order: &str) -> Result<Option<Assignment>, ReadError>;

    /// Whether one more order's owner can be remembered: where not, customers must make no more orders. Does not wait.
    fn has_room_for_orders(&self, _tenant: &TenantId) -> bool {
        true
    }

    /// Whether the log cannot be asked now, and what must be kept is kept on this node's disk for it. Does not wait.
    fn is_spooling(&self) -> bool {
        false
    }
}
