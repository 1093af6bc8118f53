//! A shard's way to the log: it submits without waiting, readers wait in its place, and what became of it comes as news.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use foodtrack_contract::{Epoch, Offset, TenantId};
use foodtrack_tenant_log::{
    Completion, EntryRef, LogEntry, LogWriter, OnCompletion, OrderOwner, ReadError, ReadRequest,
    SavedCursor, SubmitError, Submitted, SubscriberKey, TenantLog,
};
use foodtrack_transport::Waker;

use crate::replay_plan::{Plan, Window};
use crate::shards::HomeOf;
use crate::viewer::Viewer;

/// Threads that read: one could be held up by one slow read.
const READERS: usize = 2;
/// Entries are read so many at a time, so that large ones do not pile up in memory.
const READ_STEP: usize = 16;

/// What a shard hears of the log.
pub(crate) enum LogNews {
    Completion(Completion),
    /// An answer for the connection that asked. `asker` tells it from an earlier one in the same place.
    Read {
        tenant: TenantId,
        asker: Asker,
        answer: ReadAnswer,
    },
    /// Whose these orders are.
    Owners {
        tenant: TenantId,
        asker: OwnerAsker,
        orders: Vec<Box<str>>,
        owners: Result<Vec<Option<OrderOwner>>, ReadError>,
    },
}

/// Who asked whose orders are, by a number of the shard's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OwnerAsker {
    /// Events that are about one order.
    Events(u32),
    /// A client that comes back to rooms of orders.
    Entrant(u32),
}

/// Who asked, within its tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asker {
    pub(crate) place: u32,
    pub(crate) serial: u32,
}

/// What was read.
pub(crate) enum ReadAnswer {
    /// How far a subscriber had confirmed; `None` if it never was here.
    Cursor(Result<Option<SavedCursor>, ReadError>),
    /// Up to where everything is gone, and what to replay next.
    Plan(Result<(Offset, Plan), ReadError>),
    /// These entries, for so many of the places that were asked for.
    Entries(Result<(Vec<LogEntry>, usize), ReadError>),
    /// These messages, as far as they are still there.
    Letters { offsets: Vec<Offset>, entries: Result<Vec<LogEntry>, ReadError> },
}

/// Something to read.
pub(crate) enum ReadJob {
    Cursor(SubscriberKey),
    Plan {
        epoch: Epoch,
        after: Offset,
        through: Offset,
        window: Window,
        viewer: Box<Viewer>,
    },
    Entries {
        offsets: Vec<Offset>,
        bytes_max: u64,
    },
    /// Messages that are to be sent once more.
    Letters {
        offsets: Vec<Offset>,
    },
}

/// Where a shard's news go.
#[derive(Clone)]
pub(crate) struct NewsSender {
    news: Sender<LogNews>,
    waker: Arc<Waker>,
}

impl NewsSender {
    pub(crate) fn new(waker: Arc<Waker>) -> (Self, Receiver<LogNews>) {
        let (news, inbox) = channel();
        (Self { news, waker }, inbox)
    }

    fn send(&self, news: LogNews, wakes: bool) {
        // A shard that has stopped needs no news.
        if self.news.send(news).is_ok() && wakes {
            self.waker.wake();
        }
    }
}

/// What the log calls when something was written: it tells the tenant's home shard, and wakes it where something waits for
/// that.
pub(crate) fn on_completion(homes: HomeOf, senders: Vec<NewsSender>) -> OnCompletion {
    Box::new(move |completion| {
        let home = homes.of(completion.tenant());
        let wakes = !matches!(completion, Completion::Committed { is_awaited: false, .. });
        senders[home].send(LogNews::Completion(completion), wakes);
    })
}

type Jobs = (usize, TenantId, Asker, ReadJob);
type OwnerJobs = (usize, TenantId, OwnerAsker, Vec<Box<str>>);

/// The log as a shard uses it.
pub(crate) struct LogLink {
    writer: Box<dyn LogWriter>,
    log: Arc<dyn TenantLog>,
    /// Whether entries end with the process: then none waits for a disk.
    pub(crate) is_in_memory: bool,
    jobs: Sender<Jobs>,
    owner_jobs: Sender<OwnerJobs>,
    shard: usize,
}

impl LogLink {
    /// Starts the readers. They end when every link is gone.
    pub(crate) fn start(
        log: &Arc<dyn TenantLog>,
        senders: &[NewsSender],
    ) -> std::io::Result<(Vec<Self>, Vec<JoinHandle<()>>)> {
        let (jobs, waiting) = channel::<Jobs>();
        let waiting = Arc::new(Mutex::new(waiting));
        let mut readers = Vec::new();
        for number in 0..READERS {
            let (log, waiting, senders) = (Arc::clone(log), Arc::clone(&waiting), senders.to_vec());
            let reader = thread::Builder::new()
                .name(format!("log-reader-{number}"))
                .spawn(move || read_on(&*log, &waiting, &senders))?;
            readers.push(reader);
        }
        // Replays must not hold up those who wait for one small look.
        let (owner_jobs, waiting) = channel::<OwnerJobs>();
        let (owners_of, senders_of) = (Arc::clone(log), senders.to_vec());
        let reader =
            thread::Builder::new().name(String::from("order-reader")).spawn(move || {
                for (shard, tenant, asker, orders) in waiting {
                    let owners = read_owners(&*owners_of, &tenant, &orders);
                    senders_of[shard].send(LogNews::Owners { tenant, asker, orders, owners }, true);
                }
            })?;
        readers.push(reader);
        let link = |shard| Self {
            writer: log.writer(),
            log: Arc::clone(log),
            is_in_memory: !log.survives_restart(),
            jobs: jobs.clone(),
            owner_jobs: owner_jobs.clone(),
            shard,
        };
        Ok(((0..senders.len()).map(link).collect(), readers))
    }

    /// Submits a tenant's next entry, as [`LogWriter::submit`] does.
    pub(crate) fn submit(
        &mut self,
        tenant: &TenantId,
        entry: &EntryRef<'_>,
    ) -> Result<(), SubmitError> {
        match self.writer.submit(tenant, entry)? {
            Submitted::At(_) => Ok(()),
            // A log that says so is not taken by `start`.
            Submitted::Later(_) => Err(SubmitError::Stopped),
        }
    }

    /// Hands over what was submitted: not later than at the end of a turn.
    pub(crate) fn hand_over(&mut self) {
        self.writer.flush();
    }

    /// The log, with all that was submitted.
    pub(crate) fn log(&mut self) -> &dyn TenantLog {
        self.hand_over();
        &*self.log
    }

    /// Has something read; the answer comes as news.
    pub(crate) fn read(&mut self, tenant: &TenantId, asker: Asker, job: ReadJob) {
        self.hand_over();
        // Readers outlive the shards.
        let _ = self.jobs.send((self.shard, tenant.clone(), asker, job));
    }

    /// Has it looked up whose orders are; the answer comes as news.
    pub(crate) fn read_owners(
        &mut self,
        tenant: &TenantId,
        asker: OwnerAsker,
        orders: Vec<Box<str>>,
    ) {
        self.hand_over();
        let _ = self.owner_jobs.send((self.shard, tenant.clone(), asker, orders));
    }
}

fn read_owners(
    log: &dyn TenantLog,
    tenant: &TenantId,
    orders: &[Box<str>],
) -> Result<Vec<Option<OrderOwner>>, ReadError> {
    let owner = |order| match log.order_owner(tenant, order) {
        // A log without this tenant has nothing of it; the writer made it a moment ago.
        Err(ReadError::UnknownTenant(_)) => Ok(None),
        owner => owner,
    };
    orders.iter().map(|order| owner(&**order)).collect()
}

fn read_on(log: &dyn TenantLog, waiting: &Mutex<Receiver<Jobs>>, senders: &[NewsSender]) {
    loop {
        let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((shard, tenant, asker, job)) = job else { return };
        let answer = answer(log, &tenant, job);
        senders[shard].send(LogNews::Read { tenant, asker, answer }, true);
    }
}

fn answer(log: &dyn TenantLog, tenant: &TenantId, job: ReadJob) -> ReadAnswer {
    match job {
        ReadJob::Cursor(key) => ReadAnswer::Cursor(log.cursor(tenant, &key)),
        ReadJob::Plan { epoch, after, through, window, viewer } => {
            let outline = log.outline(tenant, Some(epoch), after, through, window.entries_max);
            ReadAnswer::Plan(outline.map(|outline| {
                let plan = Plan::new(&outline.entries, outline.next, &window, &viewer);
                (outline.trimmed_through, plan)
            }))
        }
        ReadJob::Entries { offsets, bytes_max } => {
            ReadAnswer::Entries(read_entries(log, tenant, &offsets, bytes_max))
        }
        ReadJob::Letters { offsets } => {
            let entries = log.read_at(tenant, &offsets);
            ReadAnswer::Letters { offsets, entries }
        }
    }
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
