//! The running audit log: takes what happens, from any thread, and has it written.

use std::collections::VecDeque;
use std::hash::Hash;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use foodtrack_contract::{ErrorCode, TenantId};

use super::audit_writer::{AuditWriter, Retention};
use super::read_again::ReadAgain;
use super::record::AuditEntry;
use super::strangers::Strangers;
use super::tenant_budget::TenantBudget;
use crate::config::AuditConfig;
use crate::refusal_counts::RefusalCounts;

/// Records that wait for the disk; further ones are counted as lost. Each is at most some KiB.
const WAITING_MAX: usize = 4_096;
/// What is written at once.
const BATCH_MAX: usize = 512;
/// How long it is waited before records are written that came meanwhile: they share an fsync.
const GATHER: Duration = Duration::from_millis(20);
/// How often the thread looks at what else there is to say, and how soon it tries a disk again that took nothing.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often old files are looked for.
const TIDY_EVERY: Duration = Duration::from_secs(600);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The way into the audit log. It takes nothing where the configuration wants none, or there is no data directory.
pub(crate) struct AuditLog {
    shared: Option<Arc<Shared>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    reads: ReadAgain,
}

/// Of which of its shares a tenant's record takes: who may do nothing must not use up what tells of those who may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// What somebody did who may.
    Acts,
    /// Connections, and what was refused.
    Rest,
}

/// How it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AuditState {
    /// Records since the start.
    pub(crate) written: u64,
    /// Records that are lost since the start, because the disk did not take them in time.
    pub(crate) lost: u64,
    /// Whether the disk takes none at the moment.
    pub(crate) is_failing: bool,
}

struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    /// What each share has left, of each tenant.
    acts: TenantBudget,
    rest: TenantBudget,
    strangers: RefusalCounts,
    has_connections: bool,
    has_publishes: bool,
    written: AtomicU64,
    lost: AtomicU64,
    is_failing: AtomicBool,
}

#[derive(Default)]
struct Waiting {
    entries: VecDeque<AuditEntry>,
    is_stopping: bool,
}

impl AuditLog {
    /// Opens the log in the data directory, and starts its thread.
    ///
    /// # Errors
    /// What the system said: it cannot be read, or there is no thread.
    pub(crate) fn start(config: &AuditConfig, data_dir: Option<&Path>) -> io::Result<Self> {
        let Some(data_dir) = data_dir.filter(|_| config.enabled) else {
            return Ok(Self {
                shared: None,
                thread: Mutex::default(),
                reads: ReadAgain::default(),
            });
        };
        let retention = Retention { bytes_max: config.bytes_max, age_max: DAY * config.days };
        let (writer, mut first) = AuditWriter::open(data_dir, retention)?;
        first.push(AuditEntry::new("server.started"));
        let shared = Arc::new(Shared::new(config));
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("audit".into())
            .spawn(move || of_thread.write_all(writer, first))?;
        let thread = Mutex::new(Some(thread));
        Ok(Self { shared: Some(shared), thread, reads: ReadAgain::default() })
    }

    /// Whether anything is written.
    pub(crate) fn is_on(&self) -> bool {
        self.shared.is_some()
    }

    /// Whether each connection is, that comes and goes.
    pub(super) fn has_connections(&self) -> bool {
        self.shared.as_ref().is_some_and(|it| it.has_connections)
    }

    /// Whether each event is, that a back end publishes over HTTP.
    pub(crate) fn has_publishes(&self) -> bool {
        self.shared.as_ref().is_some_and(|it| it.has_publishes)
    }

    /// Whether a read, by who reads what, was not told within the last minute.
    pub(crate) fn is_read_anew(&self, read: impl Hash) -> bool {
        self.reads.is_news(read, Instant::now())
    }

    /// Something happened that is about the node.
    pub(crate) fn tell(&self, entry: AuditEntry) {
        if let Some(shared) = &self.shared {
            shared.push(entry);
        }
    }

    /// Something happened at a tenant; it is made only where it is written.
    pub(crate) fn tell_of(
        &self,
        share: Share,
        tenant: &TenantId,
        entry: impl FnOnce() -> AuditEntry,
    ) {
        let Some(shared) = &self.shared else { return };
        let budget = match share {
            Share::Acts => &shared.acts,
            Share::Rest => &shared.rest,
        };
        if budget.admit(tenant, Instant::now()) {
            shared.push(entry());
        }
    }

    /// Somebody was refused of whom nothing is known.
    pub(crate) fn stranger_refused(&self, code: ErrorCode) {
        if let Some(shared) = &self.shared {
            shared.strangers.add(code);
        }
    }

    /// How it does; all zero where it is off.
    pub(crate) fn state(&self) -> AuditState {
        self.shared.as_ref().map_or_else(AuditState::default, |shared| AuditState {
            written: shared.written.load(Ordering::Relaxed),
            lost: shared.lost.load(Ordering::Relaxed),
            is_failing: shared.is_failing.load(Ordering::Relaxed),
        })
    }

    /// Writes what waits, and that the server stopped, and ends.
    pub(crate) fn stop(&self) {
        let Some(shared) = &self.shared else { return };
        shared.lock().is_stopping = true;
        shared.changed.notify_all();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the audit log's thread had panicked");
        }
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn new(config: &AuditConfig) -> Self {
        Self {
            waiting: Mutex::default(),
            changed: Condvar::new(),
            acts: TenantBudget::new(config.records_per_minute_per_tenant),
            rest: TenantBudget::new(config.records_per_minute_per_tenant),
            strangers: RefusalCounts::default(),
            has_connections: config.connections,
            has_publishes: config.publishes,
            written: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            is_failing: AtomicBool::new(false),
        }
    }

    fn push(&self, entry: AuditEntry) {
        let mut waiting = self.lock();
        if waiting.entries.len() >= WAITING_MAX {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.entries.push_back(entry);
        let is_first = waiting.entries.len() == 1;
        drop(waiting);
        if is_first {
            self.changed.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread: writes what comes, `first` of all, until it is told to stop.
    fn write_all(&self, mut writer: AuditWriter, first: Vec<AuditEntry>) {
        let (mut batch, mut strangers, mut lost_told) = (first, Strangers::new(), 0);
        let mut tidied_at: Option<Instant> = None;
        loop {
            let is_stopping = self.take(&mut batch);
            batch.extend(strangers.sum(&self.strangers, is_stopping));
            let now = Instant::now();
            let left_out = [&self.acts, &self.rest].map(|it| it.sweep(now, is_stopping));
            for (tenant, count) in left_out.into_iter().flatten() {
                let left_out = AuditEntry::new("audit.left_out").of(&tenant).counting(count);
                batch.push(left_out.because("more records than a tenant may make in a minute"));
            }
            let lost = self.lost.load(Ordering::Relaxed);
            if lost > lost_told {
                let entry = AuditEntry::new("audit.lost").counting(lost - lost_told);
                batch.push(entry.because("the disk did not take them in time"));
                lost_told = lost;
            }
            if is_stopping {
                batch.push(AuditEntry::new("server.stopped"));
            }
            while !self.write(&mut writer, &mut batch) {
                if is_stopping || self.wait(LOOK_EVERY) {
                    tracing::error!(records = batch.len(), "the end of the audit log is lost");
                    return;
                }
            }
            if is_stopping {
                return;
            }
            if tidied_at.is_none_or(|at| at.elapsed() >= TIDY_EVERY) {
                tidied_at = Some(Instant::now());
                if let Err(error) = writer.tidy(SystemTime::now()) {
                    tracing::error!(%error, "old records of the audit log are not taken away");
                }
            }
        }
    }

    /// Waits for what happens, for a second at most; returns whether this is the end.
    fn take(&self, batch: &mut Vec<AuditEntry>) -> bool {
        let mut waiting = self.lock();
        if waiting.entries.is_empty() && batch.is_empty() && !waiting.is_stopping {
            waiting = self
                .changed
                .wait_timeout(waiting, LOOK_EVERY)
                .map_or_else(|error| error.into_inner().0, |(waiting, _)| waiting);
        }
        if !waiting.entries.is_empty() && !waiting.is_stopping {
            drop(waiting);
            std::thread::sleep(GATHER);
            waiting = self.lock();
        }
        let is_whole = waiting.entries.len() <= BATCH_MAX;
        let count = waiting.entries.len().min(BATCH_MAX);
        batch.extend(waiting.entries.drain(..count));
        waiting.is_stopping && is_whole
    }

    /// Waits; returns whether it is to end.
    fn wait(&self, time: Duration) -> bool {
        let waiting = self.lock();
        let is_over = |it: &mut Waiting| !it.is_stopping;
        let waited = self.changed.wait_timeout_while(waiting, time, is_over);
        waited.map_or(true, |(waiting, _)| waiting.is_stopping)
    }

    /// Writes the batch; returns whether it is written.
    fn write(&self, writer: &mut AuditWriter, batch: &mut Vec<AuditEntry>) -> bool {
        if batch.is_empty() {
            return true;
        }
        match writer.append(batch) {
            Ok(()) => {
                self.written.fetch_add(batch.len() as u64, Ordering::Relaxed);
                self.is_failing.store(writer.is_head_old(), Ordering::Relaxed);
                batch.clear();
                true
            }
            Err(error) => {
                if !self.is_failing.swap(true, Ordering::Relaxed) {
                    tracing::error!(%error, "the audit log cannot be written");
                }
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AuditReader, verify};
    use super::*;

    #[test]
    fn what_the_disk_does_not_take_in_time_is_counted_and_the_log_says_so_itself() {
        let directory = tempfile::tempdir().unwrap();
        let shared = Shared::new(&AuditConfig::default());
        for _ in 0..WAITING_MAX + 7 {
            shared.push(AuditEntry::new("rule.added"));
        }
        assert_eq!(shared.lost.load(Ordering::Relaxed), 7);
        assert!(shared.lock().entries.len() <= WAITING_MAX);
        shared.strangers.add(ErrorCode::TokenMissing);
        shared.strangers.add(ErrorCode::TokenMissing);
        shared.lock().is_stopping = true;
        let retention = Retention { bytes_max: 1 << 30, age_max: DAY };
        let (writer, first) = AuditWriter::open(directory.path(), retention).unwrap();
        shared.write_all(writer, first);
        let reader = AuditReader::open(directory.path()).unwrap().unwrap();
        let newest = reader.before(u64::MAX, None, 3).unwrap().records;
        let said: Vec<_> = newest.iter().map(|it| (&*it.entry.act, it.entry.count)).collect();
        assert_eq!(said[0], ("server.stopped", None));
        assert!(said.contains(&("strangers.refused", Some(2))), "{said:?}");
        let verified = verify(directory.path(), None).unwrap().unwrap();
        assert!(verified.findings.is_empty());
        assert_eq!((verified.lost, verified.records), (7, WAITING_MAX as u64 + 3));
    }

    #[test]
    fn a_disk_that_takes_nothing_is_told_and_what_waits_is_written_once_it_does() {
        let directory = tempfile::tempdir().unwrap();
        let log = AuditLog::start(&AuditConfig::default(), Some(directory.path())).unwrap();
        let wait = |what: &dyn Fn(AuditState) -> bool| {
            let until = Instant::now() + Duration::from_secs(30);
            while !what(log.state()) {
                assert!(Instant::now() < until, "{:?}", log.state());
                std::thread::sleep(Duration::from_millis(5));
            }
        };
        wait(&|state| state.written == 1);
        let (here, away) = (directory.path().join("audit"), directory.path().join("away"));
        std::fs::rename(&here, &away).unwrap();
        let mut files = std::fs::read_dir(&away).unwrap().map(|it| it.unwrap().path());
        let file = files.find(|it| it.extension().is_some_and(|it| it == "jsonl")).unwrap();
        let kept = std::fs::read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        log.tell(AuditEntry::new("rule.added"));
        wait(&|state| state.is_failing);
        std::fs::write(&file, kept).unwrap();
        std::fs::rename(&away, &here).unwrap();
        wait(&|state| !state.is_failing && state.written == 2);
        log.stop();
        assert!(verify(directory.path(), None).unwrap().unwrap().findings.is_empty());
    }
}
