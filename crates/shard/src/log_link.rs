//! A shard's way to the log: it submits without waiting, readers wait in its place, and what became of it comes as news.

use std::iter;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use ahash::AHashMap;
use foodtrack_contract::TenantId;
use foodtrack_tenant::{Asker, ReadAnswer, ReadJob, read_owner};
use foodtrack_tenant_log::{
    Completion, EntryRef, LogWriter, OnCompletion, OrderOwner, ReadError, SubmitError, Submitted,
    TenantLog,
};
use foodtrack_transport::Waker;

use crate::shards::HomeOf;

/// Threads that read: one could be held up by one slow read.
const READERS: usize = 2;

/// What a shard hears of the log.
pub(crate) enum LogNews {
    Completion(Completion),
    /// What a tenant had read.
    Read {
        tenant: TenantId,
        asker: Asker,
        answer: ReadAnswer,
    },
    /// All is heard that other nodes noted, or cannot be, before a client comes back; `serial` says which client.
    NotesHeard {
        serial: u32,
        is_all: bool,
    },
    /// Whose the orders are that a client comes back to; `serial` says which client.
    Owners {
        serial: u32,
        orders: Vec<Box<str>>,
        owners: Result<Vec<Option<OrderOwner>>, ReadError>,
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

/// What a shard wants to know of a tenant's log.
struct Query {
    shard: usize,
    tenant: TenantId,
    wants: Wants,
}

/// A client on its way in that waits until all is heard that other nodes noted of its tenant.
struct NotesQuery {
    shard: usize,
    tenant: TenantId,
    serial: u32,
}

enum Wants {
    /// For the tenant itself.
    Read(Asker, ReadJob),
    /// Whose these orders are, for a client on its way in.
    Owners(u32, Vec<Box<str>>),
}

/// The log as a shard uses it.
pub(crate) struct LogLink {
    writer: Box<dyn LogWriter>,
    log: Arc<dyn TenantLog>,
    /// Whether entries end with the process: then none waits for a disk.
    pub(crate) is_in_memory: bool,
    /// Whether others write to it as well.
    pub(crate) is_shared: bool,
    /// As [`TenantLog::waits_for_replicas`].
    pub(crate) waits_for_replicas: bool,
    queries: Sender<Query>,
    small_queries: Sender<Query>,
    notes_queries: Sender<NotesQuery>,
    shard: usize,
}

impl LogLink {
    /// Starts the readers. They end when every link is gone.
    pub(crate) fn start(
        log: &Arc<dyn TenantLog>,
        senders: &[NewsSender],
    ) -> std::io::Result<(Vec<Self>, Vec<JoinHandle<()>>)> {
        let (queries, small_queries) = (channel::<Query>(), channel::<Query>());
        let waiting = Arc::new(Mutex::new(queries.1));
        // Replays must not hold up those who wait for one small look.
        let small_waiting = Arc::new(Mutex::new(small_queries.1));
        let threads = (0..READERS).map(|number| (format!("log-reader-{number}"), &waiting));
        let threads = threads.chain([(String::from("order-reader"), &small_waiting)]);
        let readers = threads.map(|(name, waiting)| {
            let (log, waiting, senders) = (Arc::clone(log), Arc::clone(waiting), senders.to_vec());
            thread::Builder::new().name(name).spawn(move || read_on(&*log, &waiting, &senders))
        });
        let mut readers = readers.collect::<std::io::Result<Vec<_>>>()?;
        // Who comes back waits for what others say, and may wait for as long as Redis is waited for: nobody else stands behind that.
        let (notes_queries, notes_waiting) = channel();
        if log.is_shared() {
            let (log, senders) = (Arc::clone(log), senders.to_vec());
            let hearer = thread::Builder::new().name(String::from("notes-hearer"));
            readers.push(hearer.spawn(move || hear_on(&*log, &notes_waiting, &senders))?);
        }
        let link = |shard| Self {
            writer: log.writer(),
            log: Arc::clone(log),
            is_in_memory: !log.survives_restart(),
            is_shared: log.is_shared(),
            waits_for_replicas: log.waits_for_replicas(),
            queries: queries.0.clone(),
            small_queries: small_queries.0.clone(),
            notes_queries: notes_queries.clone(),
            shard,
        };
        Ok(((0..senders.len()).map(link).collect(), readers))
    }

    /// Submits a tenant's next entry, as [`LogWriter::submit`] does.
    pub(crate) fn submit(
        &mut self,
        tenant: &TenantId,
        entry: &EntryRef<'_>,
    ) -> Result<Submitted, SubmitError> {
        self.writer.submit(tenant, entry)
    }

    /// Passes an event on that is in no log, as [`LogWriter::pass_on`] does.
    pub(crate) fn pass_on(&mut self, tenant: &TenantId, entry: &EntryRef<'_>) {
        self.writer.pass_on(tenant, entry);
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
        let is_small = job.is_small();
        self.ask(tenant, Wants::Read(asker, job), is_small);
    }

    /// Has all heard that other nodes noted, for a client that comes back; that it is comes as news.
    pub(crate) fn hear_notes(&mut self, tenant: &TenantId, serial: u32) {
        self.hand_over();
        // Who hears outlives the shards.
        let _ = self.notes_queries.send(NotesQuery {
            shard: self.shard,
            tenant: tenant.clone(),
            serial,
        });
    }

    /// Has it looked up whose the orders are that a client comes back to; the answer comes as news.
    pub(crate) fn read_owners(&mut self, tenant: &TenantId, serial: u32, orders: Vec<Box<str>>) {
        self.ask(tenant, Wants::Owners(serial, orders), true);
    }

    fn ask(&mut self, tenant: &TenantId, wants: Wants, is_small: bool) {
        self.hand_over();
        let query = Query { shard: self.shard, tenant: tenant.clone(), wants };
        let queries = if is_small { &self.small_queries } else { &self.queries };
        // Readers outlive the shards.
        let _ = queries.send(query);
    }
}

fn read_on(log: &dyn TenantLog, waiting: &Mutex<Receiver<Query>>, senders: &[NewsSender]) {
    loop {
        let query = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Query { shard, tenant, wants }) = query else { return };
        let news = match wants {
            Wants::Read(asker, job) => {
                let answer = job.run(log, &tenant);
                LogNews::Read { tenant, asker, answer }
            }
            Wants::Owners(serial, orders) => {
                let owners = orders.iter().map(|order| read_owner(log, &tenant, order)).collect();
                LogNews::Owners { serial, orders, owners }
            }
        };
        senders[shard].send(news, true);
    }
}

/// Hears for all clients of a tenant together that wait by then.
fn hear_on(log: &dyn TenantLog, waiting: &Receiver<NotesQuery>, senders: &[NewsSender]) {
    while let Ok(first) = waiting.recv() {
        let mut clients = AHashMap::<TenantId, Vec<(usize, u32)>>::new();
        for NotesQuery { shard, tenant, serial } in iter::once(first).chain(waiting.try_iter()) {
            clients.entry(tenant).or_default().push((shard, serial));
        }
        for (tenant, clients) in clients {
            let heard = log.hear_notes(&tenant).inspect_err(|error| {
                let tenant = tenant.as_str();
                tracing::warn!(%error, tenant, "what other nodes noted of sessions is not heard");
            });
            for (shard, serial) in clients {
                let is_all = heard.is_ok();
                senders[shard].send(LogNews::NotesHeard { serial, is_all }, true);
            }
        }
    }
}
