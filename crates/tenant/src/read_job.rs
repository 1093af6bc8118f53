//! What a tenant has read for it, and what was read: plain values, so that any thread can do the reading.

use foodtrack_contract::{Epoch, Offset, TenantId};
use foodtrack_tenant_log::{
    Assignment, LeftDevice, LogEntry, OrderOwner, Page, ReadError, ReadRequest, SavedCursor,
    SubscriberKey, TenantLog,
};
use uuid::Uuid;

use crate::audience_filter::AudienceFilter;
use crate::connection_slot::ConnectionSlot;
use crate::ledger::NextRead;
use crate::page_limits::{PAGE_BYTES_MAX, PAGE_ENTRIES};
use crate::replay_plan::{Plan, Window};

/// Entries are read so many at a time, so that large ones do not pile up in memory.
const READ_STEP: usize = 16;

/// Who asked, within its tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// A connection that catches up; the number tells its question from one of before.
    Connection(ConnectionSlot, u32),
    /// Events that wait for one answer, by the number of the question.
    Events(u32),
    /// The tenant itself, which follows what others write to its log; by the number of the question.
    Log(u32),
}

/// Something to read.
#[derive(Debug)]
pub struct ReadJob(pub(crate) Job);

/// What was read.
#[derive(Debug)]
pub struct ReadAnswer(pub(crate) Found);

#[derive(Debug)]
pub(crate) enum Job {
    Cursor(SubscriberKey),
    Plan {
        epoch: Epoch,
        after: Offset,
        through: Offset,
        window: Window,
        filter: Box<AudienceFilter>,
    },
    Entries {
        offsets: Vec<Offset>,
        bytes_max: u64,
    },
    /// Messages that are to be sent once more.
    Letters {
        offsets: Vec<Offset>,
    },
    /// Whose an order is.
    Owner(Box<str>),
    /// Who an order is assigned to.
    Assignee(Box<str>),
    /// Where the message of an id is.
    Message(Uuid),
    /// What others wrote.
    Follow(NextRead),
    /// Which devices are at nodes that have gone.
    LeftDevices,
}

#[derive(Debug)]
pub(crate) enum Found {
    /// How far a subscriber had confirmed; `None` if it never was here.
    Cursor(Result<Option<SavedCursor>, ReadError>),
    /// Up to where everything is gone, and what to replay next.
    Plan(Result<(Offset, Plan), ReadError>),
    /// These entries, for so many of the places that were asked for.
    Entries(Result<(Vec<LogEntry>, usize), ReadError>),
    /// These messages, as far as they are still there.
    Letters { offsets: Vec<Offset>, entries: Result<Vec<LogEntry>, ReadError> },
    /// Whose the order is; `None` where it was not made.
    Owner(Box<str>, Result<Option<OrderOwner>, ReadError>),
    /// Who the order is assigned to, if anybody is.
    Assignee(Box<str>, Result<Option<Assignment>, ReadError>),
    /// Where the message of an id is; `None` where the log does not have it.
    Message(Uuid, Result<Option<Offset>, ReadError>),
    /// The next page of the log.
    Followed(Result<Page, ReadError>),
    /// Devices at nodes that have gone.
    LeftDevices(Result<Vec<LeftDevice>, ReadError>),
}

impl ReadJob {
    /// Whether it is one small look, or everybody waits for it: those must not wait behind whole replays.
    pub fn is_small(&self) -> bool {
        matches!(self.0, Job::Owner(_) | Job::Assignee(_) | Job::Message(_) | Job::Follow(_))
    }

    /// Reads it. May wait for the disk.
    pub fn run(self, log: &dyn TenantLog, tenant: &TenantId) -> ReadAnswer {
        ReadAnswer(match self.0 {
            Job::Cursor(key) => Found::Cursor(log.cursor(tenant, &key)),
            Job::Plan { epoch, after, through, window, filter } => {
                let outline = log.outline(tenant, Some(epoch), after, through, window.entries_max);
                Found::Plan(outline.map(|outline| {
                    let plan = Plan::new(&outline.entries, outline.next, &window, &filter);
                    (outline.trimmed_through, plan)
                }))
            }
            Job::Entries { offsets, bytes_max } => {
                Found::Entries(read_entries(log, tenant, &offsets, bytes_max))
            }
            Job::Letters { offsets } => {
                let entries = log.read_at(tenant, &offsets);
                Found::Letters { offsets, entries }
            }
            Job::Owner(order) => {
                let owner = read_owner(log, tenant, &order);
                Found::Owner(order, owner)
            }
            Job::Assignee(order) => {
                let assignment = match log.assignment(tenant, &order) {
                    // As of an owner.
                    Err(ReadError::UnknownTenant(_)) => Ok(None),
                    assignment => assignment,
                };
                Found::Assignee(order, assignment)
            }
            Job::Message(id) => {
                let found = match log.find(tenant, id) {
                    // What cannot be read is not known after a restart either.
                    Err(ReadError::Damaged { .. } | ReadError::UnknownTenant(_)) => Ok(None),
                    found => found,
                };
                Found::Message(id, found)
            }
            Job::Follow(next) => Found::Followed(follow(log, tenant, &next)),
            Job::LeftDevices => Found::LeftDevices(log.left_devices(tenant)),
        })
    }
}

/// Whose an order is; `None` where it was not made. May wait for the disk.
///
/// # Errors
/// [`ReadError`]
pub fn read_owner(
    log: &dyn TenantLog,
    tenant: &TenantId,
    order: &str,
) -> Result<Option<OrderOwner>, ReadError> {
    match log.order_owner(tenant, order) {
        // A log without this tenant has nothing of it; the writer made it a moment ago.
        Err(ReadError::UnknownTenant(_)) => Ok(None),
        owner => owner,
    }
}

/// The next page of a log that others write to as well. One that looks for what nobody told of sees to it that what comes
/// later is told.
fn follow(log: &dyn TenantLog, tenant: &TenantId, next: &NextRead) -> Result<Page, ReadError> {
    if next.through.is_none() {
        log.follow(tenant)?;
    }
    log.read(&ReadRequest {
        tenant: tenant.clone(),
        epoch: Some(next.epoch),
        after: next.after,
        through: next.through.unwrap_or(Offset::MAX),
        entries_max: PAGE_ENTRIES,
        bytes_max: PAGE_BYTES_MAX,
    })
}

/// One page that has all of these, where they ascend and little else lies between: the cheapest way to read them.
fn as_page(tenant: &TenantId, offsets: &[Offset], bytes_max: u64) -> Option<ReadRequest> {
    let (first, last) = (offsets.first()?.get(), offsets.last()?.get());
    let is_dense = offsets.is_sorted() && last - first < 2 * offsets.len() as u64;
    is_dense.then(|| ReadRequest {
        tenant: tenant.clone(),
        epoch: None,
        after: Offset::ZERO.plus(first - 1),
        through: *offsets.last().unwrap_or(&Offset::MAX),
        entries_max: 2 * offsets.len(),
        bytes_max,
    })
}

/// Reads in the order asked for, until there is enough; says how many places that was.
fn read_entries(
    log: &dyn TenantLog,
    tenant: &TenantId,
    offsets: &[Offset],
    bytes_max: u64,
) -> Result<(Vec<LogEntry>, usize), ReadError> {
    if let Some(request) = as_page(tenant, offsets, bytes_max) {
        let page = log.read(&request)?;
        // Everything up to there was read, or is gone.
        let through = if page.is_last { request.through } else { page.next };
        let done = offsets.partition_point(|offset| *offset <= through);
        let wanted = |entry: &LogEntry| offsets.binary_search(&entry.offset).is_ok();
        return Ok((page.entries.into_iter().filter(wanted).collect(), done));
    }
    let (mut entries, mut bytes, mut done) = (Vec::new(), 0, 0);
    for step in offsets.chunks(READ_STEP) {
        let mut read = log.read_at(tenant, step)?;
        bytes += read.iter().map(LogEntry::bytes).sum::<u64>();
        // The store answers ascending, and the urgent come first.
        read.sort_by_key(|entry| step.iter().position(|offset| *offset == entry.offset));
        entries.append(&mut read);
        done += step.len();
        if bytes >= bytes_max {
            break;
        }
    }
    Ok((entries, done))
}
