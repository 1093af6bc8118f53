//! A document of each tenant and kind that all nodes have alike: what it declared, what it revoked. Changes are in one order, and a writer that does not know the
//! newest one changes nothing.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use foodtrack_contract::TenantId;
use redis::{Pipeline, RedisError, Value};
use tokio::runtime::Runtime;

use super::document_kind::DocumentKind;
use super::link::{Link, is_again};
use super::pipeline::call;
use super::servers::Servers;
use super::values::{array, bytes, number, text};
use super::{RedisOpenError, RedisOptions, scripts};

/// So many documents are read at once.
const READ_AT_ONCE: usize = 32;

/// How often something is sent that the server was not ready for, or a question that was not answered.
const ATTEMPTS: u32 = 3;
/// How long between two of them.
const AGAIN: Duration = Duration::from_millis(30);

/// The tenants' documents of one kind. Each call waits for Redis, on any thread that may wait.
pub struct TenantDocuments {
    /// Which tenants changed, by the number of the change: a sorted set.
    order: String,
    /// A hash.
    documents: String,
    /// Another one after Redis forgot everything.
    epoch: String,
    way: Mutex<Way>,
}

/// The way to Redis, for one call at a time.
struct Way {
    runtime: Runtime,
    link: Link,
}

/// A document as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantDocument {
    /// Whose it is.
    pub tenant: TenantId,
    /// The number of its last change.
    pub change: u64,
    /// What it says; nothing where it was taken away.
    pub bytes: Vec<u8>,
}

/// What was changed since.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangedDocuments {
    /// Where the order stood: what comes behind it is read next.
    pub through: DocumentPlace,
    /// Those that changed, in the order of their changes.
    pub documents: Vec<TenantDocument>,
    /// Redis forgot changes that were known: these are all documents that it has, and there are no others.
    pub is_reset: bool,
}

/// A place in the order of changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DocumentPlace {
    epoch: Vec<u8>,
    change: u64,
}

/// A document was not changed, or nobody knows.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Another change came first: it must be read before this one is made.
    #[error("somebody else changed it first")]
    Outdated,
    /// Nothing was changed.
    #[error("Redis cannot be reached: {0}")]
    Away(String),
    /// It was sent and not answered: whether it was changed, nobody knows.
    #[error("Redis did not answer: {0}")]
    Unknown(String),
}

impl TenantDocuments {
    /// Does not wait for Redis.
    ///
    /// # Errors
    /// [`RedisOpenError`]
    pub fn new(options: &RedisOptions, kind: DocumentKind) -> Result<Self, RedisOpenError> {
        let link = Link::new(Servers::new(options)?, options.patience);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let [order, documents, epoch] = options.keys().documents(kind);
        Ok(Self { order, documents, epoch, way: Mutex::new(Way { runtime, link }) })
    }

    /// Changes a tenant's document, of which the last change that is known has the number `known` (0: none). Nothing in it takes it
    /// away. Returns the number of the change.
    ///
    /// # Errors
    /// [`DocumentError`]
    pub fn put(
        &self,
        tenant: &TenantId,
        known: u64,
        document: &[u8],
    ) -> Result<u64, DocumentError> {
        let keys = [self.order.clone(), self.documents.clone()];
        let mut command = call(&scripts::DOCUMENTS, &keys);
        command.arg(tenant.as_str()).arg(known).arg(document);
        let mut pipeline = redis::pipe();
        pipeline.ignore_errors().add_command(command);
        let answers = self.wait(async |link| send(link, &pipeline).await)?;
        match answers.first().and_then(number::<u64>) {
            Some(0) => Err(DocumentError::Outdated),
            Some(change) => Ok(change),
            None => Err(DocumentError::Unknown(String::from("its answer is none of the script's"))),
        }
    }

    /// What was changed behind a place; all documents where that is the default.
    ///
    /// # Errors
    /// [`DocumentError::Away`]
    pub fn changed_since(&self, place: &DocumentPlace) -> Result<ChangedDocuments, DocumentError> {
        self.wait(async |link| self.read_behind(link, place).await)
    }

    async fn read_behind(
        &self,
        link: &mut Link,
        place: &DocumentPlace,
    ) -> Result<ChangedDocuments, DocumentError> {
        let mut pipeline = redis::pipe();
        pipeline.ignore_errors();
        pipeline.cmd("SETNX").arg(&self.epoch).arg(uuid::Uuid::new_v4().as_bytes());
        pipeline.cmd("GET").arg(&self.epoch);
        pipeline.cmd("ZRANGE").arg(&self.order).arg(-1).arg(-1).arg("WITHSCORES");
        let answers = ask(link, &pipeline).await?;
        let epoch = answers.get(1).and_then(bytes).unwrap_or_default().to_vec();
        let newest = answers.get(2).map(scored).unwrap_or_default();
        let newest = newest.last().map_or(0, |(_, change)| *change);
        let is_reset = !place.epoch.is_empty() && (place.epoch != epoch || newest < place.change);
        let mut change = if is_reset { 0 } else { place.change };
        let mut documents = Vec::new();
        loop {
            let (part, last) = self.read_part(link, change).await?;
            documents.extend(part);
            let Some(last) = last else { break };
            change = last;
        }
        Ok(ChangedDocuments { through: DocumentPlace { epoch, change }, documents, is_reset })
    }

    async fn read_part(
        &self,
        link: &mut Link,
        behind: u64,
    ) -> Result<(Vec<TenantDocument>, Option<u64>), DocumentError> {
        let mut range = redis::pipe();
        range.ignore_errors();
        let command = range.cmd("ZRANGE").arg(&self.order).arg(format!("({behind}")).arg("+inf");
        command.arg("BYSCORE").arg("LIMIT").arg(0).arg(READ_AT_ONCE).arg("WITHSCORES");
        let changed = ask(link, &range).await?.first().map(scored).unwrap_or_default();
        let Some((_, last)) = changed.last().cloned() else { return Ok((Vec::new(), None)) };
        let mut pipeline = redis::pipe();
        pipeline.ignore_errors();
        for (tenant, _) in &changed {
            pipeline.cmd("HGET").arg(&self.documents).arg(tenant);
        }
        let found = ask(link, &pipeline).await?;
        let read = changed.into_iter().zip(found).filter_map(|((tenant, change), found)| {
            let bytes = bytes(&found).unwrap_or_default().to_vec();
            // What is no tenant's is nobody's: it is passed over.
            Some(TenantDocument { tenant: TenantId::parse(&tenant).ok()?, change, bytes })
        });
        Ok((read.collect(), Some(last)))
    }

    /// Waits for what is asked. A node may be started on a thread that runs tasks, where nothing can be waited for.
    fn wait<T: Send>(&self, ask: impl AsyncFnOnce(&mut Link) -> T + Send) -> T {
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                let mut way = self.way.lock().unwrap_or_else(PoisonError::into_inner);
                let Way { runtime, link } = &mut *way;
                runtime.block_on(ask(link))
            });
            waiting.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

/// Asks what changes nothing: again, where nobody answered.
async fn ask(link: &mut Link, pipeline: &Pipeline) -> Result<Vec<Value>, DocumentError> {
    let mut attempt = 1;
    loop {
        match send(link, pipeline).await {
            Err(DocumentError::Unknown(_)) if attempt < ATTEMPTS => attempt += 1,
            Err(DocumentError::Unknown(error)) => return Err(DocumentError::Away(error)),
            answered => return answered,
        }
    }
}

/// Sends something, again where the server was not ready and did nothing.
async fn send(link: &mut Link, pipeline: &Pipeline) -> Result<Vec<Value>, DocumentError> {
    let away = |error: &RedisError| DocumentError::Away(error.to_string());
    let mut attempt = 1;
    loop {
        link.connect().await.map_err(|error| away(&error))?;
        let answers = link.run(pipeline).await;
        let answers = answers.map_err(|error| DocumentError::Unknown(error.to_string()))?;
        if attempt == ATTEMPTS || !answers.iter().any(is_again) {
            let answers: Result<Vec<Value>, RedisError> = answers.into_iter().collect();
            return answers.map_err(|error| away(&error));
        }
        link.disconnect();
        attempt += 1;
        tokio::time::sleep(AGAIN).await;
    }
}

/// Members and scores, whichever version of the protocol brought them.
fn scored(answer: &Value) -> Vec<(String, u64)> {
    let values = array(answer).unwrap_or_default();
    let pair = |member: &Value, score: &Value| {
        let score = match score {
            Value::Double(score) => format!("{score:.0}").parse().ok()?,
            other => number(other)?,
        };
        Some((text(member)?.to_owned(), score))
    };
    if values.iter().all(|it| matches!(it, Value::Array(_))) {
        let pairs = values.iter().filter_map(array);
        return pairs.filter_map(|it| pair(it.first()?, it.get(1)?)).collect();
    }
    values.as_chunks::<2>().0.iter().filter_map(|[member, score]| pair(member, score)).collect()
}
