//! How far a webhook is in a tenant's log, and what is next.

use foodtrack_contract::{Cursor, Epoch, Offset, TenantId};
use foodtrack_tenant_log::{
    PageStart, ReadError, ReadRequest, SavedCursor, SubmitError, SubscriberKey, TenantLog,
};

use uuid::Uuid;

use super::event_filter::EventFilter;
use crate::log_report::{EntryReport, Reports};

/// How many entries one look goes through, of which few may be wanted, and how many bytes of them.
const LOOKED_AT_MAX: usize = 1_000;
const LOOKED_AT_BYTES_MAX: u64 = 4 << 20;

/// A place in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// `None` before anything is known of the log.
    pub(super) epoch: Option<Epoch>,
    pub(super) after: Offset,
}

impl Place {
    /// Before everything that a log has.
    pub(super) const BEGINNING: Self = Self { epoch: None, after: Offset::ZERO };

    /// As clients carry it.
    pub(super) fn cursor(self) -> Option<Cursor> {
        self.epoch.map(|epoch| Cursor::new(epoch, self.after))
    }
}

impl From<&Cursor> for Place {
    fn from(cursor: &Cursor) -> Self {
        Self { epoch: Some(cursor.epoch()), after: cursor.through() }
    }
}

/// What is to be sent next.
pub(super) struct Batch {
    pub(super) events: Vec<EntryReport>,
    /// Where each of them is, and its message's id.
    pub(super) places: Vec<(Offset, Uuid)>,
    /// Where to go on once it was taken.
    pub(super) next: Place,
    /// Whether something before it is missing.
    pub(super) is_after_gap: bool,
    /// Whether the log had nothing more.
    pub(super) is_last: bool,
}

/// The key under which a webhook's places are kept. A subscriber's key has a colon in it, so that it is never one.
pub(super) fn key(webhook: &str) -> Option<SubscriberKey> {
    SubscriberKey::new(&format!("webhook/{webhook}"))
}

/// Where a webhook stands with a tenant; the beginning where it never was. Waits for the disk.
///
/// # Errors
/// [`ReadError`]
pub(super) fn find(
    log: &dyn TenantLog,
    tenant: &TenantId,
    key: &SubscriberKey,
) -> Result<Place, ReadError> {
    match log.cursor(tenant, key) {
        Ok(Some(saved)) => Ok((&saved.cursor).into()),
        Ok(None) | Err(ReadError::UnknownTenant(_)) => Ok(Place::BEGINNING),
        Err(error) => Err(error),
    }
}

/// Keeps a place. It is on disk within a quarter of a second.
///
/// # Errors
/// [`SubmitError`]
pub(super) fn keep(
    log: &dyn TenantLog,
    tenant: &TenantId,
    key: &SubscriberKey,
    place: Place,
    now_ms: u64,
) -> Result<(), SubmitError> {
    let Some(cursor) = place.cursor() else { return Ok(()) };
    log.save_cursor(tenant, key, SavedCursor { cursor, updated_at_ms: now_ms })
}

/// The next events that are wanted, at most `events_max`. There may be none although there is more. Waits for the disk.
///
/// # Errors
/// [`ReadError`]
pub(super) fn read(
    log: &dyn TenantLog,
    reports: &Reports,
    place: Place,
    filter: &EventFilter,
    events_max: usize,
) -> Result<Batch, ReadError> {
    let request = ReadRequest {
        tenant: reports.tenant().clone(),
        epoch: place.epoch,
        after: place.after,
        through: Offset::MAX,
        entries_max: LOOKED_AT_MAX.min(events_max.saturating_mul(4)),
        bytes_max: LOOKED_AT_BYTES_MAX,
    };
    let mut page = log.read(&request)?;
    let mut is_after_gap = false;
    match page.start {
        PageStart::Whole => {}
        // Who begins at the beginning misses nothing that it was promised.
        PageStart::Gap { .. } => is_after_gap = place.after > Offset::ZERO,
        PageStart::Reset => {
            is_after_gap = true;
            page = log.read(&ReadRequest { epoch: None, after: Offset::ZERO, ..request })?;
        }
    }
    let epoch = page.epoch;
    let mut batch = Batch {
        events: Vec::new(),
        places: Vec::new(),
        next: Place { epoch: Some(epoch), after: page.next },
        is_after_gap,
        is_last: page.is_last,
    };
    for entry in page.entries.iter().filter(|entry| filter.wants(entry.event.as_str())) {
        if batch.events.len() == events_max {
            batch.is_last = false;
            break;
        }
        batch.events.push(reports.entry(epoch, entry));
        batch.places.push((entry.offset, entry.id));
        if batch.events.len() == events_max {
            batch.next.after = entry.offset;
            batch.is_last =
                batch.is_last && page.entries.last().is_some_and(|it| it.offset == entry.offset);
        }
    }
    Ok(batch)
}
