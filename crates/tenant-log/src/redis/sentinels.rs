//! Asking Redis Sentinel which server is the master.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use redis::aio::MultiplexedConnection;
use redis::{Client, ErrorKind, RedisError};
use tokio::sync::{Mutex, watch};

/// How long one of them may take for its answer, or for being connected to.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// How often they are asked whether the master is another one.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Host and port of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

/// A master, and which configuration of the sentinels names it: the later one is true.
#[derive(Clone, Debug)]
struct Named {
    configuration: u64,
    address: Address,
}

/// The sentinels of one master.
pub(super) struct Sentinels {
    each: Vec<Sentinel>,
    master: String,
    /// Whom they named last.
    master_is: watch::Sender<Option<Address>>,
}

impl Sentinels {
    pub(super) fn new(clients: Vec<Client>, master: String) -> Self {
        let each =
            clients.into_iter().map(|client| Sentinel { client, connection: Mutex::default() });
        Self { each: each.collect(), master, master_is: watch::Sender::new(None) }
    }

    /// Asks all of them, and believes the latest configuration that a majority knows of, or as many as answer: one that was cut off
    /// from the others may name a master that is none any more.
    pub(super) async fn master(&self) -> Result<Address, RedisError> {
        let mut asked: FuturesUnordered<_> =
            self.each.iter().map(|sentinel| sentinel.ask(&self.master)).collect();
        let (mut newest, mut heard, mut problem) = (None::<Named>, 0, None);
        while let Some(answer) = asked.next().await {
            match answer {
                Ok(named) => {
                    heard += 1;
                    let is_newer = |it: &Named| named.configuration > it.configuration;
                    if newest.as_ref().is_none_or(is_newer) {
                        newest = Some(named);
                    }
                }
                Err(error) => problem = Some(error),
            }
            if heard > self.each.len() / 2 {
                break;
            }
        }
        drop(asked);
        match (newest, problem) {
            (Some(Named { address, .. }), _) => {
                self.master_is.send_if_modified(|known| {
                    let is_new = known.as_ref() != Some(&address);
                    if is_new {
                        *known = Some(address.clone());
                    }
                    is_new
                });
                Ok(address)
            }
            (None, Some(error)) => Err(not_named(&self.master, &error)),
            (None, None) => Err((ErrorKind::EmptySentinelList, "there are no sentinels").into()),
        }
    }

    /// Whether another server is the master by now.
    pub(super) fn is_replaced(&self, address: &Address) -> bool {
        self.master_is.borrow().as_ref().is_some_and(|master| master != address)
    }

    /// Waits until another server is the master.
    pub(super) async fn replaced(&self, address: &Address) {
        let mut masters = self.master_is.subscribe();
        // It fails where there is no sender any more, which this is.
        let _ = masters.wait_for(|it| it.as_ref().is_some_and(|master| master != address)).await;
    }

    /// Goes on asking, so that who is connected to a master that was replaced finds out while it still answers.
    pub(super) async fn watch(&self) {
        loop {
            tokio::time::sleep(ASK_EVERY).await;
            if let Err(error) = self.master().await {
                tracing::debug!(%error, "no sentinel names the master");
            }
        }
    }
}

fn not_named(master: &str, error: &RedisError) -> RedisError {
    let detail = format!("{master}: {error}");
    (ErrorKind::MasterNameNotFoundBySentinel, "no sentinel names the master", detail).into()
}

/// One of them, and the connection to it.
struct Sentinel {
    client: Client,
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl Sentinel {
    async fn ask(&self, master: &str) -> Result<Named, RedisError> {
        let mut place = self.connection.lock().await;
        let answer = in_time(async {
            let connection = match &mut *place {
                Some(connection) => connection,
                none => none.insert(self.client.get_multiplexed_async_connection().await?),
            };
            let mut ask = redis::cmd("SENTINEL");
            ask.arg("MASTER").arg(master).query_async(connection).await
        });
        let answer: Result<HashMap<String, String>, RedisError> = answer.await;
        let fields = answer.inspect_err(|_| *place = None)?;
        read(&fields)
            .ok_or_else(|| (ErrorKind::UnexpectedReturnType, "a sentinel's answer is none").into())
    }
}

fn read(fields: &HashMap<String, String>) -> Option<Named> {
    let address =
        Address { host: fields.get("ip")?.clone(), port: fields.get("port")?.parse().ok()? };
    let configuration = fields.get("config-epoch")?.parse().ok()?;
    Some(Named { configuration, address })
}

async fn in_time<T>(answer: impl Future<Output = Result<T, RedisError>>) -> Result<T, RedisError> {
    let late = |_| RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
    tokio::time::timeout(ANSWER_WITHIN, answer).await.map_err(late)?
}
