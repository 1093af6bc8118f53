//! What waits to be sent to Redis, in order and within a bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use foodtrack_contract::{Offset, TenantId};
use foodtrack_measures::Histogram;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::row::Row;
use super::spool_gauge::SpoolGauge;
use crate::packing::Packer;
use crate::{
    DeadLetter, Durability, EntryRef, Fact, LogWork, LogWriter, Note, NotedMeanwhile, SavedCursor,
    SpooledEvents, SubmitError, Submitted, SubscriberKey,
};

/// How many bytes of entries, of all tenants, may wait.
const WAITING_BYTES_MAX: usize = 64 << 20;
/// How many commands may wait.
const WAITING_COMMANDS_MAX: usize = 262_144;

/// How a tenant is opened.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) now_ms: u64,
    /// In which listening of the follower everything is heard that is noted from now on.
    pub(super) heard_since: u64,
    /// It is open, and is told anew what stands beside its log. Where the log is another one by now, or cannot be read, it is not opened.
    pub(super) is_refresh: bool,
    /// What is noted until the tenant hears of it.
    pub(super) noted_meanwhile: NotedMeanwhile,
}

/// What Redis is asked to change.
#[derive(Debug)]
pub(super) enum Command {
    Open {
        tenant: TenantId,
        opening: Opening,
    },
    Close {
        tenant: TenantId,
    },
    Append {
        tenant: TenantId,
        entries: Vec<(u64, Row)>,
    },
    /// An event that is in no log.
    PassOn {
        tenant: TenantId,
        entry: Row,
    },
    SaveCursor {
        tenant: TenantId,
        subscriber: SubscriberKey,
        saved: SavedCursor,
        is_first: bool,
    },
    SaveNote {
        tenant: TenantId,
        note: Note,
        ticket: Option<u64>,
    },
    PutDeadLetter {
        tenant: TenantId,
        letter: DeadLetter,
    },
    RemoveDeadLetter {
        tenant: TenantId,
        offset: Offset,
        subscriber: SubscriberKey,
    },
    Trim {
        now_ms: u64,
    },
    /// To see whether Redis answers.
    Probe,
    Stop,
}

impl Command {
    /// About what it takes while it waits.
    pub(super) fn waiting_bytes(&self) -> usize {
        match self {
            Self::Append { entries, .. } => entries.iter().map(|(_, it)| it.waiting_bytes()).sum(),
            Self::PassOn { entry, .. } => entry.waiting_bytes(),
            Self::SaveNote { note, .. } => {
                note.key.len() + note.value.as_ref().map_or(0, |it| it.len())
            }
            _ => size_of::<Self>(),
        }
    }
}

/// The way in.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    commands: UnboundedSender<Command>,
    gauge: Arc<Gauge>,
}

/// How much waits.
#[derive(Debug, Default)]
pub(super) struct Gauge {
    commands: AtomicUsize,
    bytes: AtomicUsize,
    is_stopped: AtomicBool,
    /// Redis does not answer: what must be kept is refused without waiting.
    is_away: AtomicBool,
    /// Fewer replicas than must have what was written last.
    is_unreplicated: AtomicBool,
    tickets: AtomicU64,
    /// How long it takes until Redis has answered; written by the worker alone.
    round_trips: Histogram,
    /// What waits on disk.
    pub(super) spool: SpoolGauge,
}

impl Gauge {
    pub(super) fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Relaxed)
    }

    /// Redis has answered, and took so long. Returns whether it was away.
    pub(super) fn answered(&self, took: Duration) -> bool {
        self.round_trips.observe(took);
        self.set_away(false)
    }

    /// Returns what it was before.
    pub(super) fn set_away(&self, is_away: bool) -> bool {
        self.is_away.swap(is_away, Ordering::Relaxed)
    }

    pub(super) fn is_unreplicated(&self) -> bool {
        self.is_unreplicated.load(Ordering::Relaxed)
    }

    /// Returns what it was before.
    pub(super) fn set_unreplicated(&self, is_unreplicated: bool) -> bool {
        self.is_unreplicated.swap(is_unreplicated, Ordering::Relaxed)
    }

    /// This has been taken out.
    pub(super) fn taken(&self, command: &Command) {
        self.commands.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(command.waiting_bytes(), Ordering::Relaxed);
    }
}

impl Queue {
    pub(super) fn new() -> (Self, UnboundedReceiver<Command>, Arc<Gauge>) {
        let (commands, waiting) = unbounded_channel();
        let gauge = Arc::new(Gauge::default());
        (Self { commands, gauge: Arc::clone(&gauge) }, waiting, gauge)
    }

    /// What waits for the worker, and how long Redis takes.
    pub(super) fn work(&self) -> LogWork {
        LogWork {
            waiting: self.gauge.commands.load(Ordering::Relaxed),
            waiting_bytes: self.gauge.bytes.load(Ordering::Relaxed) as u64,
            commit: self.gauge.round_trips.read(),
            ..LogWork::default()
        }
    }

    /// Whether Redis does not answer.
    pub(super) fn is_away(&self) -> bool {
        self.gauge.is_away()
    }

    /// Whether Redis does not answer, and what must be kept is kept on disk.
    pub(super) fn is_spooling(&self) -> bool {
        self.gauge.is_away() && self.gauge.spool.takes_entries()
    }

    /// How much waits on disk; `None` where nothing is kept there.
    pub(super) fn spooled(&self) -> Option<SpooledEvents> {
        self.gauge.spool.waiting()
    }

    /// Whether fewer replicas than must have what was written last.
    pub(super) fn is_unreplicated(&self) -> bool {
        self.gauge.is_unreplicated()
    }

    pub(super) fn send(&self, command: Command) -> Result<(), SubmitError> {
        if self.gauge.is_stopped.load(Ordering::Relaxed) {
            return Err(SubmitError::Stopped);
        }
        if self.gauge.bytes.load(Ordering::Relaxed) >= WAITING_BYTES_MAX
            || self.gauge.commands.load(Ordering::Relaxed) >= WAITING_COMMANDS_MAX
        {
            return Err(SubmitError::Overloaded);
        }
        self.gauge.commands.fetch_add(1, Ordering::Relaxed);
        self.gauge.bytes.fetch_add(command.waiting_bytes(), Ordering::Relaxed);
        self.commands.send(command).map_err(|_| SubmitError::Stopped)
    }

    /// Nothing more is taken. What was taken before is sent.
    pub(super) fn stop(&self) {
        if !self.gauge.is_stopped.swap(true, Ordering::Relaxed) {
            self.gauge.commands.fetch_add(1, Ordering::Relaxed);
            self.gauge.bytes.fetch_add(Command::Stop.waiting_bytes(), Ordering::Relaxed);
            // The other end may have ended.
            let _ = self.commands.send(Command::Stop);
        }
    }
}

/// One thread's way to submit entries: those of a turn are gathered, and go to Redis together.
pub(super) struct QueueWriter {
    queue: Queue,
    packer: Packer,
    gathered: Vec<(TenantId, Vec<(u64, Row)>)>,
    gathered_bytes: usize,
}

/// So many bytes are not gathered further.
const GATHERED_BYTES_MAX: usize = 256 << 10;

impl QueueWriter {
    pub(super) fn new(queue: Queue) -> Self {
        Self { queue, packer: Packer::default(), gathered: Vec::new(), gathered_bytes: 0 }
    }
}

impl LogWriter for QueueWriter {
    fn submit(
        &mut self,
        tenant: &TenantId,
        entry: &EntryRef<'_>,
    ) -> Result<Submitted, SubmitError> {
        let gauge = &self.queue.gauge;
        if gauge.is_stopped.load(Ordering::Relaxed) {
            return Err(SubmitError::Stopped);
        }
        if gauge.is_away() || gauge.spool.has(tenant) {
            let tells_of_device = matches!(entry.fact, Some(Fact::Came(_) | Fact::Went { .. }));
            let is_kept = entry.durability == Durability::Durable && !tells_of_device;
            if !is_kept || !gauge.spool.takes_entries() {
                return Err(SubmitError::Away);
            }
        }
        if gauge.bytes.load(Ordering::Relaxed) + self.gathered_bytes >= WAITING_BYTES_MAX {
            return Err(SubmitError::Overloaded);
        }
        let ticket = gauge.tickets.fetch_add(1, Ordering::Relaxed) + 1;
        let row = Row::new(entry, &mut self.packer);
        self.gathered_bytes += row.waiting_bytes();
        match self.gathered.iter_mut().rev().find(|(it, _)| it == tenant) {
            Some((_, entries)) => entries.push((ticket, row)),
            None => self.gathered.push((tenant.clone(), vec![(ticket, row)])),
        }
        if entry.durability == Durability::Durable || self.gathered_bytes >= GATHERED_BYTES_MAX {
            self.flush();
        }
        Ok(Submitted::Later(ticket))
    }

    fn pass_on(&mut self, tenant: &TenantId, entry: &EntryRef<'_>) {
        if !self.queue.gauge.is_away() {
            let entry = Row::new(entry, &mut self.packer);
            // Nobody waits for it, and where too much waits it is lost.
            let _ = self.queue.send(Command::PassOn { tenant: tenant.clone(), entry });
        }
    }

    fn flush(&mut self) {
        self.gathered_bytes = 0;
        for (tenant, entries) in self.gathered.drain(..) {
            self.queue.send_gathered(Command::Append { tenant, entries });
        }
    }
}

impl Queue {
    /// Sends what was taken already: the bound was looked at then.
    fn send_gathered(&self, command: Command) {
        self.gauge.commands.fetch_add(1, Ordering::Relaxed);
        self.gauge.bytes.fetch_add(command.waiting_bytes(), Ordering::Relaxed);
        // Who stopped the log answers nobody any more.
        let _ = self.commands.send(command);
    }
}

impl Drop for QueueWriter {
    fn drop(&mut self) {
        self.flush();
    }
}
