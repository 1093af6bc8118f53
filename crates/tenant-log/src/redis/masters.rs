//! Asking Redis Sentinel, or the nodes of a Redis Cluster, which server is the master.

use std::collections::HashMap;
use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use redis::aio::MultiplexedConnection;
use redis::{Client, ConnectionAddr, ErrorKind, RedisError};
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

/// What is asked.
#[derive(Debug)]
pub(super) enum Question {
    /// Sentinels: which server is the master that they call so.
    Sentinels(String),
    /// Nodes of a cluster: which of them has this slot.
    Slot(u16),
}

/// A master, and which configuration names it: the later one is true.
#[derive(Clone, Debug)]
struct Named {
    configuration: u64,
    address: Address,
}

/// Those who know the master.
pub(super) struct Masters {
    each: Vec<Asked>,
    question: Question,
    /// Whom they named last.
    master_is: watch::Sender<Option<Address>>,
}

impl Masters {
    pub(super) fn new(clients: Vec<Client>, question: Question) -> Self {
        let each = clients.into_iter().map(Asked::new);
        Self { each: each.collect(), question, master_is: watch::Sender::new(None) }
    }

    /// Asks all of them, and believes the latest configuration that a majority knows of, or as many as answer: one that was cut off
    /// from the others may name a master that is none any more.
    pub(super) async fn master(&self) -> Result<Address, RedisError> {
        let mut asked: FuturesUnordered<_> =
            self.each.iter().map(|asked| asked.ask(&self.question)).collect();
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
            (None, Some(error)) => Err(not_named(&self.question, &error)),
            (None, None) => Err((ErrorKind::EmptySentinelList, "there is nobody to ask").into()),
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
                tracing::debug!(%error, "nobody names the master");
            }
        }
    }
}

fn not_named(question: &Question, error: &RedisError) -> RedisError {
    match question {
        Question::Sentinels(master) => {
            let detail = format!("{master}: {error}");
            (ErrorKind::MasterNameNotFoundBySentinel, "no sentinel names the master", detail).into()
        }
        Question::Slot(_) => {
            let what = "no node of the cluster names the master of the hub's keys";
            (ErrorKind::ClusterConnectionNotFound, what, error.to_string()).into()
        }
    }
}

/// One of them, and the connection to it.
struct Asked {
    client: Client,
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl Asked {
    fn new(client: Client) -> Self {
        Self { client, connection: Mutex::default() }
    }

    fn host(&self) -> &str {
        match self.client.get_connection_info().addr() {
            ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => host,
            _ => "",
        }
    }

    async fn ask(&self, question: &Question) -> Result<Named, RedisError> {
        let mut place = self.connection.lock().await;
        let answer = in_time(async {
            let connection = match &mut *place {
                Some(connection) => connection,
                none => none.insert(self.client.get_multiplexed_async_connection().await?),
            };
            match question {
                Question::Sentinels(master) => {
                    let mut ask = redis::cmd("SENTINEL");
                    let fields: HashMap<String, String> =
                        ask.arg("MASTER").arg(master).query_async(connection).await?;
                    Ok(of_sentinel(&fields))
                }
                Question::Slot(slot) => {
                    let nodes: String =
                        redis::cmd("CLUSTER").arg("NODES").query_async(connection).await?;
                    Ok(of_cluster(&nodes, *slot, self.host()))
                }
            }
        });
        let named = answer.await.inspect_err(|_| *place = None)?;
        named.ok_or_else(|| (ErrorKind::UnexpectedReturnType, "the answer names no master").into())
    }
}

fn of_sentinel(fields: &HashMap<String, String>) -> Option<Named> {
    let address =
        Address { host: fields.get("ip")?.clone(), port: fields.get("port")?.parse().ok()? };
    let configuration = fields.get("config-epoch")?.parse().ok()?;
    Some(Named { configuration, address })
}

/// Each line is a node: id, address, flags, its master, two times, the epoch of its configuration, its link, and its slots. The one that
/// was asked may not know its own host.
fn of_cluster(nodes: &str, slot: u16, asked_host: &str) -> Option<Named> {
    let named = nodes.lines().filter_map(|line| {
        let mut parts = line.split_ascii_whitespace();
        let (address, flags) = (parts.nth(1)?, parts.next()?);
        let configuration = parts.nth(3)?.parse().ok()?;
        let has_flag = |wanted| flags.split(',').any(|flag| flag == wanted);
        let is_master = has_flag("master");
        let has_slot = parts.skip(1).any(|slots| holds(slots, slot));
        // Behind the port stand the one between nodes, and a name.
        let (host, port) = address.split('@').next()?.rsplit_once(':')?;
        let host = if host.is_empty() && has_flag("myself") { asked_host } else { host };
        let address = Address { host: host.to_owned(), port: port.parse().ok()? };
        (is_master && has_slot && !host.is_empty()).then_some(Named { configuration, address })
    });
    named.max_by_key(|named| named.configuration)
}

/// One slot, or the first and the last; those in brackets are on their way, and are another part.
fn holds(slots: &str, slot: u16) -> bool {
    let (first, last) = slots.split_once('-').unwrap_or((slots, slots));
    let bounds = (first.parse::<u16>(), last.parse::<u16>());
    matches!(bounds, (Ok(first), Ok(last)) if (first..=last).contains(&slot))
}

/// The slot of a key's tag, as clusters have it: CRC16 (XMODEM), of which there are 16 384.
pub(super) fn slot_of(tag: &str) -> u16 {
    let crc = tag.bytes().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    });
    crc % 16_384
}

async fn in_time<T>(answer: impl Future<Output = Result<T, RedisError>>) -> Result<T, RedisError> {
    let late = |_| RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
    tokio::time::timeout(ANSWER_WITHIN, answer).await.map_err(late)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slot_of_a_tag_is_that_of_redis() {
        assert_eq!(slot_of("123456789"), 0x31C3);
        assert_eq!(slot_of("foo"), 12_182);
    }

    #[test]
    fn the_master_of_a_slot_is_read_from_what_a_node_knows() {
        let nodes = "\
            a 10.0.0.1:7000@17000,one.example myself,master - 0 0 3 connected 0-5460 [93->-b]\n\
            b 10.0.0.2:7000@17000 master - 0 1 2 connected 5461-10922 12000\n\
            c ::1:7001@17001 slave b 0 1 2 connected\n\
            d 10.0.0.4:7000@17000 master,fail - 0 1 1 disconnected 12000\n\
            e :0@0 master,noaddr - 0 1 9 disconnected 5461\nnonsense\n";
        let master = |slot| of_cluster(nodes, slot, "asked").map(|named| named.address.host);
        assert_eq!(master(0).as_deref(), Some("10.0.0.1"));
        assert_eq!(master(5_461).as_deref(), Some("10.0.0.2"));
        assert_eq!(master(12_000).as_deref(), Some("10.0.0.2"), "the later configuration");
        assert_eq!(master(16_383), None);
        let alone = "f :7000@17000 myself,master - 0 0 0 connected 0-16383";
        assert_eq!(
            of_cluster(alone, 7, "asked").map(|it| it.address.host).as_deref(),
            Some("asked")
        );
    }
}
