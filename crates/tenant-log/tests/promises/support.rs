//! A store to open again and again, and a tenant's writer that counts as a shard does.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use bytes::Bytes;
use foodtrack_contract::{
    ApplicationSet, ApplicationType, Cursor, EventType, Offset, Priority, ReadPermission, RoomName,
    TenantId,
};
use foodtrack_tenant_log::{
    Admission, Answer, Commit, CommitError, CommitGate, Completion, DeadLetter, DeadLetterReason,
    Durability, Head, LogEntry, LogWriter, LoggedAudience, MemoryLog, MemoryStore, OnCompletion,
    OrderOwner, Page, ReadRequest, RedisLog, RedisOptions, RefusedReason, Retention, SavedCursor,
    Sequence, SqliteLog, SqliteOptions, SubmitError, Submitted, SubscriberKey, TenantLog,
};
use test_support::{RedisServer, free_port};
use uuid::Uuid;

/// Each promise as a test against every store. Those after `counted here` are of logs that nobody else writes to: their writer counts
/// the offsets, and the others do not look at what it counts.
macro_rules! suite {
    ($($promise:ident)* $(; counted here: $($counted:ident)*)?) => {
        mod memory {
            $(#[test] fn $promise() { super::$promise::<crate::support::InMemory>(); })*
            $($(#[test] fn $counted() { super::$counted::<crate::support::InMemory>(); })*)?
        }
        mod shared_memory {
            $(#[test] fn $promise() { super::$promise::<crate::support::InSharedMemory>(); })*
        }
        mod sqlite {
            $(#[test] fn $promise() { super::$promise::<crate::support::InSqlite>(); })*
            $($(#[test] fn $counted() { super::$counted::<crate::support::InSqlite>(); })*)?
        }
        mod sealed_sqlite {
            $(#[test] fn $promise() { super::$promise::<crate::key_box::InSealedSqlite>(); })*
            $($(#[test] fn $counted() { super::$counted::<crate::key_box::InSealedSqlite>(); })*)?
        }
        mod redis {
            $(#[test] fn $promise() {
                if crate::support::is_redis_here() {
                    super::$promise::<crate::support::InRedis>();
                }
            })*
        }
        mod redis_cluster {
            $(#[test] fn $promise() {
                if crate::support::is_redis_here() {
                    super::$promise::<crate::support::InRedisCluster>();
                }
            })*
        }
    };
}
pub(crate) use suite;

const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const KEEPS_ALL: Retention =
    Retention { age_ms_max: u64::MAX, entries_max: u64::MAX, bytes_max: u64::MAX, entries_min: 0 };

pub(crate) fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

pub(crate) fn offset(n: u64) -> Offset {
    Offset::new(n).unwrap()
}

pub(crate) fn id(n: u64) -> Uuid {
    Uuid::from_u128(u128::from(n))
}

/// What stays when a log is closed, and what opens it again.
pub(crate) trait Store {
    fn new() -> Self;
    fn open_with(&self, retention: Retention, on_completion: OnCompletion) -> Box<dyn TenantLog>;

    fn open(&self, retention: Retention) -> OpenLog {
        OpenLog::new(|on_completion| self.open_with(retention, on_completion))
    }
}

pub(crate) struct InMemory(MemoryStore);

impl Store for InMemory {
    fn new() -> Self {
        Self(MemoryStore::default())
    }

    fn open_with(&self, retention: Retention, on_completion: OnCompletion) -> Box<dyn TenantLog> {
        Box::new(MemoryLog::new(self.0.clone(), retention, on_completion))
    }
}

pub(crate) struct InSharedMemory(MemoryStore);

impl Store for InSharedMemory {
    fn new() -> Self {
        Self(MemoryStore::default())
    }

    fn open_with(&self, retention: Retention, on_completion: OnCompletion) -> Box<dyn TenantLog> {
        Box::new(MemoryLog::shared(self.0.clone(), retention, on_completion))
    }
}

/// Whether there is a Redis to test with; says so where there is none.
pub(crate) fn is_redis_here() -> bool {
    let is_here = std::process::Command::new("redis-server")
        .arg("--version")
        .stdout(std::process::Stdio::null())
        .status()
        .is_ok();
    if !is_here {
        test_support::skipped("redis-server is not installed");
    }
    is_here
}

pub(crate) struct InRedis(pub(crate) RedisServer);

impl Store for InRedis {
    fn new() -> Self {
        Self(RedisServer::start(&[]).unwrap())
    }

    fn open_with(&self, retention: Retention, on_completion: OnCompletion) -> Box<dyn TenantLog> {
        let options = RedisOptions { url: self.0.url(), retention, ..RedisOptions::default() };
        Box::new(RedisLog::open(&options, on_completion).unwrap())
    }
}

/// A cluster of one server, which has every slot.
pub(crate) struct InRedisCluster(RedisServer);

impl Store for InRedisCluster {
    fn new() -> Self {
        let bus = free_port().to_string();
        let arguments = ["--cluster-enabled", "yes", "--cluster-port", &bus];
        let server = RedisServer::start(&arguments).unwrap();
        server.command("CLUSTER ADDSLOTSRANGE 0 16383");
        wait_for(|| server.command("SET a b") == "+OK");
        Self(server)
    }

    fn open_with(&self, retention: Retention, on_completion: OnCompletion) -> Box<dyn TenantLog> {
        let cluster = Some(vec![("127.0.0.1".into(), self.0.port())]);
        let options = RedisOptions { cluster, retention, ..RedisOptions::default() };
        Box::new(RedisLog::open(&options, on_completion).unwrap())
    }
}

pub(crate) struct InSqlite(pub(crate) tempfile::TempDir);

impl Store for InSqlite {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn open_with(&self, retention: Retention, on_completion: OnCompletion) -> Box<dyn TenantLog> {
        let options = SqliteOptions { retention, ..SqliteOptions::default() };
        Box::new(SqliteLog::open(self.0.path(), options, on_completion).unwrap())
    }
}

pub(crate) fn open_sqlite(directory: &Path, options: SqliteOptions) -> OpenLog {
    OpenLog::new(|on_completion| {
        Box::new(SqliteLog::open(directory, options, on_completion).unwrap())
    })
}

/// An open log and what it says.
pub(crate) struct OpenLog {
    pub(crate) log: Box<dyn TenantLog>,
    completions: Receiver<Completion>,
}

impl OpenLog {
    fn new(open: impl FnOnce(OnCompletion) -> Box<dyn TenantLog>) -> Self {
        let (sender, completions) = channel();
        let log = open(Box::new(move |completion| {
            // A test that has seen enough hangs up.
            let _ = sender.send(completion);
        }));
        Self { log, completions }
    }

    pub(crate) fn next_completion(&self) -> Completion {
        self.completions.recv_timeout(PATIENCE).expect("the log says nothing")
    }

    pub(crate) fn head(&self, tenant: &TenantId) -> Head {
        self.head_at(tenant, 0)
    }

    pub(crate) fn head_at(&self, tenant: &TenantId, now_ms: u64) -> Head {
        self.log.open(tenant, now_ms).unwrap();
        loop {
            match self.next_completion() {
                Completion::Opened { tenant: opened, head, .. } if opened == *tenant => {
                    return head;
                }
                Completion::OpenFailed { tenant: opened, reason } if opened == *tenant => {
                    panic!("{opened} cannot be opened: {reason}")
                }
                _ => {}
            }
        }
    }

    pub(crate) fn writer(&self, name: &str) -> Writer<'_> {
        let tenant = tenant(name);
        let head = self.head(&tenant);
        let submitter = self.log.writer();
        let (sequence, refused, expected) = (Sequence::new(head), Vec::new(), VecDeque::new());
        Writer { open: self, submitter, sequence, tenant, refused, expected }
    }

    pub(crate) fn page(&self, tenant: &TenantId, after: u64, entries_max: usize) -> Page {
        self.log.read(&request(tenant, after, entries_max)).unwrap()
    }

    /// Every id and offset of a tenant, page by page.
    pub(crate) fn everything(&self, tenant: &TenantId) -> Vec<(u64, Uuid)> {
        let (mut all, mut after) = (Vec::new(), 0);
        loop {
            let page = self.page(tenant, after, 7);
            all.extend(page.entries.iter().map(|it| (it.offset.get(), it.id)));
            after = page.next.get();
            if page.is_last {
                return all;
            }
        }
    }
}

pub(crate) fn request(tenant: &TenantId, after: u64, entries_max: usize) -> ReadRequest {
    ReadRequest {
        tenant: tenant.clone(),
        epoch: None,
        after: offset(after),
        through: Offset::MAX,
        entries_max,
        bytes_max: u64::MAX,
    }
}

/// A tenant's writer.
pub(crate) struct Writer<'l> {
    pub(crate) open: &'l OpenLog,
    pub(crate) submitter: Box<dyn LogWriter>,
    pub(crate) tenant: TenantId,
    pub(crate) sequence: Sequence,
    pub(crate) refused: Vec<(Offset, Offset, RefusedReason)>,
    /// Where entries must come to stand whose offsets the store counts.
    expected: VecDeque<Offset>,
}

impl Writer<'_> {
    /// Admits and submits, without waiting.
    pub(crate) fn submit(&mut self, id: Uuid, durability: Durability, at_ms: u64) -> Admission {
        let admission = self.sequence.admit(id, durability);
        if let Admission::New(offset) = admission {
            let entry = LogEntry { at_ms, durability, ..entry(offset, id) };
            self.try_submit(&entry).unwrap();
        }
        admission
    }

    /// Submits an entry whatever its offset is, and hands it over.
    pub(crate) fn try_submit(&mut self, entry: &LogEntry) -> Result<(), SubmitError> {
        self.gather(entry)?;
        self.submitter.flush();
        Ok(())
    }

    /// Admits and submits an entry whose offset is the next, without waiting.
    pub(crate) fn submit_entry(&mut self, entry: &LogEntry) {
        self.gather_entry(entry);
        self.submitter.flush();
    }

    /// The same, without handing it over.
    pub(crate) fn gather_entry(&mut self, entry: &LogEntry) {
        let admission = self.sequence.admit(entry.id, entry.durability);
        assert_eq!(admission, Admission::New(entry.offset));
        self.gather(entry).unwrap();
    }

    fn gather(&mut self, entry: &LogEntry) -> Result<(), SubmitError> {
        if let Submitted::Later(_) = self.submitter.submit(&self.tenant, &entry.by_ref())? {
            self.expected.push_back(entry.offset);
        }
        Ok(())
    }

    /// Appends durably and waits.
    pub(crate) fn append(&mut self, n: u64) -> Offset {
        let (Admission::New(offset) | Admission::Repeat(offset)) =
            self.submit(id(n), Durability::Durable, n);
        self.settle();
        offset
    }

    pub(crate) fn append_all(&mut self, numbers: std::ops::RangeInclusive<u64>) {
        for n in numbers {
            self.submit(id(n), Durability::Durable, n);
        }
        self.settle();
    }

    /// Waits until all that was submitted is committed or refused.
    pub(crate) fn settle(&mut self) {
        self.sequence.release();
        while self.sequence.waiting() > 0 {
            self.hear();
        }
    }

    /// Waits until the last that was submitted is there to be read: for one of many writers, who take each other's
    /// completions.
    pub(crate) fn settle_by_reading(&mut self) {
        let last = offset(self.sequence.next().get() - 1);
        wait_for(|| self.open.log.stats(&self.tenant).unwrap().last.through() == last);
    }

    /// Waits for one completion, and heeds it.
    pub(crate) fn hear(&mut self) {
        match self.open.next_completion() {
            Completion::Committed { tenant, through, reserved_through, .. }
                if tenant == self.tenant =>
            {
                self.sequence.committed(through, reserved_through);
            }
            Completion::Refused { tenant, from, through, reason } if tenant == self.tenant => {
                self.sequence.refused(from, through);
                self.refused.push((from, through, reason));
            }
            Completion::Answered { tenant, answer, .. } if tenant == self.tenant => {
                let expected = self.expected.pop_front().unwrap();
                match answer {
                    Answer::Committed(offset) => {
                        assert_eq!(offset, expected);
                        self.sequence.committed(offset, Offset::MAX);
                    }
                    Answer::Repeated(offset) => panic!("{expected} is at {offset} already"),
                    Answer::NoNews => panic!("{expected} tells nothing that could be known"),
                    Answer::Spooled { .. } => panic!("{expected} waits on a disk"),
                    Answer::Refused(reason) => {
                        self.sequence.refused(expected, expected);
                        self.refused.push((expected, expected, reason));
                    }
                }
            }
            _ => {}
        }
        self.sequence.release();
    }
}

/// An event type for a number, of those that there were when the logs of old layouts were written.
pub(crate) fn event_type(n: u64) -> EventType {
    let old = || EventType::ALL.iter().filter(|it| **it != EventType::TenantMetrics);
    *old().nth(n as usize % old().count()).unwrap()
}

/// An entry whose every part differs with its id.
pub(crate) fn entry(offset: Offset, id: Uuid) -> LogEntry {
    let n = id.as_u128() as u64;
    let order = n.to_string();
    LogEntry {
        offset,
        id,
        event: event_type(n).into(),
        durability: Durability::Durable,
        priority: Priority::ALL[n as usize % 4],
        at_ms: n,
        expires_at_ms: n.is_multiple_of(2).then_some(n + 60_000),
        audience: LoggedAudience {
            applications: ApplicationSet::from_bits(n as u8),
            rooms: match n % 3 {
                0 => Vec::new(),
                _ => vec![
                    RoomName::Order(&order).into(),
                    RoomName::User("\"quoted\"").into(),
                    RoomName::Application(ApplicationType::KitchenApp).into(),
                ],
            },
            only: ApplicationSet::ALL,
            read: (n % 2 == 1).then_some(ReadPermission::Orders),
        },
        entity: (!n.is_multiple_of(5)).then(|| order.as_str().into()),
        compacts: n % 3 == 1,
        creates_order: n
            .is_multiple_of(4)
            .then(|| OrderOwner { customer: n.is_multiple_of(8).then(|| format!("c{n}").into()) }),
        fingerprint: (n % 6 == 1).then_some(u64::MAX - n),
        message: Bytes::from(format!(
            "{{\"id\":\"{id}\",\"payload\":{{\"orderId\":\"{order}\"}}}}"
        )),
        attachments: (0..n % 3).map(|i| vec![i as u8; i as usize]).collect(),
    }
}

pub(crate) fn saved(cursor: &Cursor, updated_at_ms: u64) -> SavedCursor {
    SavedCursor { cursor: cursor.clone(), updated_at_ms }
}

/// A dead letter of the entry `n`.
pub(crate) fn letter(n: u64, subscriber: &str, reason: DeadLetterReason) -> DeadLetter {
    DeadLetter {
        offset: offset(n),
        subscriber: SubscriberKey::new(subscriber).unwrap(),
        id: id(n),
        reason,
        attempts: 5,
        at_ms: 77,
    }
}

/// Bytes that no packing makes smaller.
pub(crate) fn noise(seed: u64, count: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    std::iter::repeat_with(|| random.u8(..)).take(count).collect()
}

/// Waits for what the log does in its own time.
#[track_caller]
pub(crate) fn wait_for(mut is_so: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !is_so() {
        assert!(std::time::Instant::now() < deadline, "waited in vain");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// Holds each commit until it is told to go on, or nobody is there any more to tell it.
pub(crate) struct Holding {
    begun: Sender<()>,
    going_on: Receiver<()>,
}

/// Who tells it.
pub(crate) struct Held {
    begins: Receiver<()>,
    go_on: Sender<()>,
}

impl Holding {
    pub(crate) fn new() -> (Box<Self>, Held) {
        let ((begun, begins), (go_on, going_on)) = (channel(), channel());
        (Box::new(Self { begun, going_on }), Held { begins, go_on })
    }
}

impl CommitGate for Holding {
    fn pass(&mut self, commit: &mut Commit<'_>) -> Result<(), CommitError> {
        let _ = self.begun.send(());
        let _ = self.going_on.recv();
        commit()
    }
}

impl Held {
    /// Waits until a commit has begun.
    pub(crate) fn wait(&self) {
        self.begins.recv_timeout(PATIENCE).expect("no commit begins");
    }

    /// Lets one go on.
    pub(crate) fn let_go(&self) {
        self.go_on.send(()).unwrap();
    }
}
