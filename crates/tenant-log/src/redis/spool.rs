//! Durable entries that came while Redis was away, on this node's disk: kept in their order until Redis has them.
//!
//! One SQLite database in the data directory, beside whatever else is there. Its only user is the task that writes to Redis.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ahash::AHashMap;
use foodtrack_contract::TenantId;
use rusqlite::{Connection, ErrorCode};

use super::RedisOpenError;
use super::row::Row;
use super::spool_file::{FILE, Spooled, first_of, has_id, insert, open};
use crate::{Answer, RefusedReason};

/// What an entry counts for beside its texts and bytes.
const ROW_BYTES: u64 = 256;
/// How many tenants' entries go to Redis together.
const TENANTS_TOGETHER_MAX: usize = 32;
/// And bytes of all of them, if one entry is not more.
const BYTES_TOGETHER_MAX: usize = 1 << 20;
/// When entries of a tenant are tried again that Redis did not take.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Where entries are kept while Redis is away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisSpool {
    /// The node's data directory.
    pub directory: PathBuf,
    /// Whether entries are kept there from now on; what is there goes to Redis in any case.
    pub takes_entries: bool,
    /// How much of them is kept at most, of all tenants together.
    pub bytes_max: u64,
}

/// The entries that wait.
pub(super) struct Spool {
    connection: Connection,
    takes_entries: bool,
    bytes_max: u64,
    bytes: u64,
    /// A write failed: nothing is kept until the node is started anew.
    has_failed: bool,
    tenants: AHashMap<TenantId, Waiting>,
    /// Whose turn it is next, in the order of their first entries.
    turns: VecDeque<TenantId>,
    /// Who was told that these are kept, by their numbers; of those of this process.
    tickets: AHashMap<i64, u64>,
}

/// What waits of a tenant.
#[derive(Debug, Default)]
struct Waiting {
    events: u64,
    bytes: u64,
    /// Redis did not take them: when they are tried again.
    again_at: Option<Instant>,
}

impl Spool {
    /// Opens the file; `None` where there is none and none is wanted.
    ///
    /// # Errors
    /// [`RedisOpenError::Spool`]
    pub(super) fn open(options: &RedisSpool) -> Result<Option<Self>, RedisOpenError> {
        let Some(connection) = open(&options.directory, options.takes_entries)? else {
            return Ok(None);
        };
        let mut spool = Self {
            connection,
            takes_entries: options.takes_entries,
            bytes_max: options.bytes_max,
            bytes: 0,
            has_failed: false,
            tenants: AHashMap::new(),
            turns: VecDeque::new(),
            tickets: AHashMap::new(),
        };
        spool.count().map_err(|error| RedisOpenError::Spool {
            path: options.directory.join(FILE),
            reason: error.to_string(),
        })?;
        Ok(Some(spool))
    }

    /// Counts what the last process left.
    fn count(&mut self) -> rusqlite::Result<()> {
        let all =
            "SELECT tenant, count(*), sum(size) FROM spooled GROUP BY tenant ORDER BY min(seq)";
        let mut statement = self.connection.prepare(all)?;
        let mut rows = statement.query(())?;
        while let Some(row) = rows.next()? {
            let (name, events, bytes): (String, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let (events, bytes) = (events.cast_unsigned(), bytes.cast_unsigned());
            // It was one when it was written.
            let Some(tenant) = TenantId::parse(&name).ok() else { continue };
            self.bytes += bytes;
            self.turns.push_back(tenant.clone());
            self.tenants.insert(tenant, Waiting { events, bytes, again_at: None });
        }
        Ok(())
    }

    /// Whether entries are kept from now on.
    pub(super) fn takes_entries(&self) -> bool {
        self.takes_entries && !self.has_failed
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tenants.is_empty()
    }

    /// Whether something of a tenant waits: what comes waits behind it.
    pub(super) fn has(&self, tenant: &TenantId) -> bool {
        self.tenants.contains_key(tenant)
    }

    pub(super) fn tenants(&self) -> impl Iterator<Item = &TenantId> {
        self.tenants.keys()
    }

    /// How many entries wait, and about how many bytes.
    pub(super) fn waiting(&self) -> (u64, u64) {
        (self.tenants.values().map(|it| it.events).sum(), self.bytes)
    }

    /// Keeps entries, in their order, each with its ticket: they are on disk when this returns. Answers in the same order.
    pub(super) fn keep(&mut self, entries: &[(TenantId, u64, Row)]) -> Vec<Answer> {
        if entries.is_empty() {
            return Vec::new();
        }
        let mut kept = Vec::with_capacity(entries.len());
        match self.write(entries, &mut kept) {
            Ok(()) => {
                for ((tenant, ticket, row), kept) in entries.iter().zip(&kept) {
                    if let Kept::New(seq) = kept {
                        self.tickets.insert(*seq, *ticket);
                        self.took(tenant, size(tenant, row));
                    }
                }
                kept.into_iter().map(Kept::answer).collect()
            }
            Err(error) => {
                let reason = self.failed(&error, "what came while Redis is away is not kept");
                vec![Answer::Refused(reason); entries.len()]
            }
        }
    }

    fn took(&mut self, tenant: &TenantId, size: u64) {
        if !self.tenants.contains_key(tenant) {
            self.turns.push_back(tenant.clone());
        }
        let waiting = self.tenants.entry(tenant.clone()).or_default();
        (waiting.events, waiting.bytes) = (waiting.events + 1, waiting.bytes + size);
        self.bytes += size;
    }

    fn write(
        &mut self,
        entries: &[(TenantId, u64, Row)],
        kept: &mut Vec<Kept>,
    ) -> rusqlite::Result<()> {
        let mut bytes = self.bytes;
        let mut added: AHashMap<&TenantId, u64> = AHashMap::new();
        let transaction = self.connection.transaction()?;
        for (tenant, _, row) in entries {
            let size = size(tenant, row);
            let own = added.entry(tenant).or_default();
            let before = self.tenants.get(tenant).map_or(0, |it| it.bytes);
            let left = self.bytes_max.saturating_sub(bytes.saturating_add(size));
            let is_there = has_id(&transaction, tenant, row.id())?;
            kept.push(match is_there {
                true => Kept::Repeat,
                // No tenant has more than it leaves, so that there is room for who comes.
                false if before + *own + size > left => Kept::Full,
                false => {
                    insert(&transaction, tenant, size, row)?;
                    (bytes, *own) = (bytes + size, *own + size);
                    Kept::New(transaction.last_insert_rowid())
                }
            });
        }
        transaction.commit()
    }

    /// What a failed write means for who is told of it.
    fn failed(&mut self, error: &rusqlite::Error, what: &str) -> RefusedReason {
        tracing::error!(%error, "{what}");
        if error.sqlite_error_code() == Some(ErrorCode::DiskFull) {
            // It was taken back whole.
            return RefusedReason::DiskFull;
        }
        self.has_failed = true;
        RefusedReason::Unknown
    }

    /// Whether something waits that is to be tried now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.tenants.values().any(|it| it.again_at.is_none_or(|at| at <= now))
    }

    /// The first entries of some tenants, whose turn comes again behind the others'.
    pub(super) fn next(&mut self, now: Instant) -> Vec<(TenantId, Vec<Spooled>)> {
        let (mut next, mut bytes) = (Vec::new(), 0);
        for _ in 0..self.turns.len() {
            if next.len() >= TENANTS_TOGETHER_MAX || bytes >= BYTES_TOGETHER_MAX {
                break;
            }
            let Some(tenant) = self.turns.pop_front() else { break };
            let Some(waiting) = self.tenants.get(&tenant) else { continue };
            let is_due = waiting.again_at.is_none_or(|at| at <= now);
            self.turns.push_back(tenant.clone());
            if !is_due {
                continue;
            }
            match first_of(&self.connection, &tenant, BYTES_TOGETHER_MAX - bytes) {
                // Somebody took them out of the file.
                Ok(rows) if rows.is_empty() => self.forget(&tenant),
                Ok(rows) => {
                    bytes += rows.iter().map(|(_, row)| row.waiting_bytes()).sum::<usize>();
                    next.push((tenant, rows));
                }
                Err(error) => {
                    tracing::error!(%error, tenant = tenant.as_str(), "what waits for Redis cannot be read");
                    self.postpone(&tenant, now);
                }
            }
        }
        next
    }

    /// Redis did not take what waits of a tenant: it is tried again a little later. Returns whether it was taken before.
    pub(super) fn postpone(&mut self, tenant: &TenantId, now: Instant) -> bool {
        let Some(waiting) = self.tenants.get_mut(tenant) else { return false };
        waiting.again_at.replace(now + AGAIN_AFTER).is_none()
    }

    fn forget(&mut self, tenant: &TenantId) {
        let waiting = self.tenants.remove(tenant).unwrap_or_default();
        self.bytes = self.bytes.saturating_sub(waiting.bytes);
        self.turns.retain(|it| it != tenant);
    }

    /// Redis has these entries of a tenant: they do not wait any more. Returns the tickets of those that were kept by this process, in
    /// their order.
    ///
    /// # Errors
    /// They are still there, and known to Redis by their ids when they are sent again.
    pub(super) fn remove(
        &mut self,
        tenant: &TenantId,
        entries: &[Spooled],
    ) -> rusqlite::Result<Vec<Option<u64>>> {
        let transaction = self.connection.transaction()?;
        {
            let mut delete = transaction.prepare_cached("DELETE FROM spooled WHERE seq = ?1")?;
            for (seq, _) in entries {
                delete.execute([seq])?;
            }
        }
        transaction.commit()?;
        let freed: u64 = entries.iter().map(|(_, row)| size(tenant, row)).sum();
        if let Some(waiting) = self.tenants.get_mut(tenant) {
            self.bytes = self.bytes.saturating_sub(freed);
            waiting.bytes = waiting.bytes.saturating_sub(freed);
            waiting.events = waiting.events.saturating_sub(entries.len() as u64);
            waiting.again_at = None;
            if waiting.events == 0 {
                self.forget(tenant);
            }
        }
        Ok(entries.iter().map(|(seq, _)| self.tickets.remove(seq)).collect())
    }
}

/// What became of an entry.
enum Kept {
    New(i64),
    /// One of its id waits already.
    Repeat,
    /// There is no room for it.
    Full,
}

impl Kept {
    fn answer(self) -> Answer {
        match self {
            Self::New(_) => Answer::Spooled { is_repeat: false },
            Self::Repeat => Answer::Spooled { is_repeat: true },
            Self::Full => Answer::Refused(RefusedReason::DiskFull),
        }
    }
}

/// What an entry counts for.
fn size(tenant: &TenantId, row: &Row) -> u64 {
    let texts = [row.entity.as_deref(), Some(&*row.owner), row.assignee.as_deref()];
    let texts: usize = texts.into_iter().flatten().map(str::len).sum();
    (row.heads.len() + row.body.len() + texts + tenant.as_str().len()) as u64 + ROW_BYTES
}
