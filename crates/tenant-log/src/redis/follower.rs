//! The task that hears what others append: it subscribes to followed tenants' channels, and looks where their logs stand after each time
//! it could not hear.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ahash::{AHashMap, AHashSet};
use foodtrack_contract::{Epoch, Offset, TenantId};
use futures_util::{FutureExt as _, StreamExt as _};
use redis::aio::PubSubSink;
use redis::{Client, Msg, RedisError, Value};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

use super::known_places::{KnownPlace, KnownPlaces};
use super::link::Link;
use super::news::News;
use super::pipeline::CommandBuilder;
use super::queue::{Command, Queue};
use super::tails::Tails;
use super::values::{array, offset, text};
use super::worker::Tell;
use crate::Completion;

/// How long to wait before a broken subscription is made again.
const SUBSCRIBE_AGAIN: Duration = Duration::from_millis(200);

/// How many tenants' logs are looked at together.
const LOOKED_AT_TOGETHER_MAX: usize = 512;

/// The epoch and the last offset; `None` where there is no log.
fn read_look(answer: &Value) -> Option<(Epoch, Offset)> {
    let [epoch, last] = array(answer)? else { return None };
    Some((Epoch::parse(text(epoch)?)?, offset(last)?))
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// An epoch that is not this one.
fn other_than(epoch: Epoch) -> Epoch {
    Epoch::new(epoch.get() ^ 1)
}

/// What the follower is asked.
pub(super) enum Follow {
    /// To hear of a tenant; answered once it does.
    Begin(TenantId, oneshot::Sender<()>),
    End(TenantId),
    /// Answered once all is heard that was published before.
    HearAll(oneshot::Sender<()>),
}

pub(super) struct Follower {
    client: Client,
    link: Link,
    builder: CommandBuilder,
    tell: Tell,
    known: Arc<KnownPlaces>,
    tails: Arc<Tails>,
    queue: Queue,
    requests: UnboundedReceiver<Follow>,
    /// By their channels.
    followed: AHashMap<String, TenantId>,
    /// Who is answered once all is heard.
    who_hears_all: Vec<oneshot::Sender<()>>,
}

impl Follower {
    pub(super) fn new(
        builder: CommandBuilder,
        (client, link): (Client, Link),
        tell: Tell,
        (known, tails): (Arc<KnownPlaces>, Arc<Tails>),
        (queue, requests): (Queue, UnboundedReceiver<Follow>),
    ) -> Self {
        let (followed, who_hears_all) = (AHashMap::new(), Vec::new());
        Self { client, link, builder, tell, known, tails, queue, requests, followed, who_hears_all }
    }

    /// Ends when nobody can ask any more.
    pub(super) async fn run(mut self) {
        let mut is_broken = false;
        loop {
            match self.listen().await {
                Ok(()) => return,
                Err(error) => {
                    // What was published meanwhile is not known: reading finds it.
                    self.tails.forget_all();
                    if !std::mem::replace(&mut is_broken, true) {
                        tracing::warn!(%error, "what other nodes append is not heard for a while");
                    }
                    tokio::time::sleep(SUBSCRIBE_AGAIN).await;
                }
            }
        }
    }

    async fn listen(&mut self) -> Result<(), RedisError> {
        let (mut sink, mut stream) = self.client.get_async_pubsub().await?.split();
        let channels: Vec<String> = self.followed.keys().cloned().collect();
        if !channels.is_empty() {
            sink.subscribe(channels).await?;
            let tenants: Vec<_> = self.followed.values().cloned().collect();
            self.look(tenants.clone()).await?;
            // What was noted meanwhile is in what the log is opened with.
            let now_ms = unix_ms();
            for tenant in tenants {
                // Where too much waits, the next look at the log finds what can be found.
                let _ = self.queue.send(Command::Open { tenant, now_ms });
            }
        }
        loop {
            tokio::select! {
                request = self.requests.recv() => match request {
                    None => return Ok(()),
                    Some(request) => self.heed(request, &mut sink).await?,
                },
                message = stream.next() => match message {
                    None => return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
                    Some(message) => self.hear(&message),
                },
            }
            if !self.who_hears_all.is_empty() {
                // What was published before this comes before its answer.
                sink.ping::<Value>().await?;
                while let Some(Some(message)) = stream.next().now_or_never() {
                    self.hear(&message);
                }
                // Who asked may have gone.
                self.who_hears_all.drain(..).for_each(|answer| _ = answer.send(()));
            }
        }
    }

    /// Heeds a request, and those that wait behind it: tenants that are opened together are subscribed to together.
    async fn heed(&mut self, first: Follow, sink: &mut PubSubSink) -> Result<(), RedisError> {
        let (mut begun, mut ended, mut answers) = (AHashSet::new(), Vec::new(), Vec::new());
        let mut next = Some(first);
        while let Some(request) = next {
            match request {
                Follow::Begin(tenant, answer) => {
                    let channel = self.builder.keys.channel(&tenant);
                    self.followed.insert(channel, tenant.clone());
                    begun.insert(tenant);
                    answers.push(answer);
                }
                Follow::HearAll(answer) => self.who_hears_all.push(answer),
                Follow::End(tenant) => {
                    let channel = self.builder.keys.channel(&tenant);
                    self.followed.remove(&channel);
                    self.tails.forget(&tenant);
                    begun.remove(&tenant);
                    ended.push(channel);
                }
            }
            next = self.requests.try_recv().ok();
        }
        ended.retain(|channel| !self.followed.contains_key(channel));
        if !ended.is_empty() {
            sink.unsubscribe(ended).await?;
        }
        if !begun.is_empty() {
            let channels: Vec<_> = begun.iter().map(|it| self.builder.keys.channel(it)).collect();
            sink.subscribe(channels).await?;
            self.look(begun.into_iter().collect()).await?;
        }
        // Who asked may have gone.
        answers.into_iter().for_each(|answer| _ = answer.send(()));
        Ok(())
    }

    /// Tells how far tenants' logs go.
    async fn look(&mut self, tenants: Vec<TenantId>) -> Result<(), RedisError> {
        let known = tenants.into_iter().filter_map(|it| self.known.get(&it).map(|at| (it, at)));
        let known: Vec<_> = known.collect();
        for tenants in known.chunks(LOOKED_AT_TOGETHER_MAX) {
            let mut pipeline = redis::pipe();
            pipeline.ignore_errors();
            for (tenant, known) in tenants {
                pipeline.add_command(self.builder.look(tenant, *known));
            }
            let answers = self.link.run(&pipeline).await?;
            for ((tenant, known), answer) in tenants.iter().zip(answers) {
                match answer.as_ref().map(read_look) {
                    Ok(found) => {
                        // One that is gone has lost what it had.
                        let gone = || (other_than(known.epoch), Offset::ZERO);
                        let (epoch, last) = found.unwrap_or_else(gone);
                        self.stands(tenant, KnownPlace { epoch, last, id: None }, true);
                    }
                    Err(error) => {
                        tracing::warn!(%error, tenant = tenant.as_str(), "the log cannot be looked at");
                    }
                }
            }
        }
        Ok(())
    }

    /// A tenant's log is seen to go on to here; by others where `is_news`.
    fn stands(&self, tenant: &TenantId, seen: KnownPlace, is_news: bool) {
        let name = tenant.clone();
        if !self.known.advance(tenant, seen) {
            self.tails.forget(tenant);
            self.tell.tell(Completion::Lost { tenant: name });
        } else if is_news {
            self.tell.tell(Completion::Grown { tenant: name, through: seen.last });
        }
    }

    fn hear(&self, message: &Msg) {
        let Some(tenant) = self.followed.get(message.get_channel_name()) else { return };
        match News::parse(tenant, message.get_payload_bytes()) {
            Some(News::Grown { node, epoch, last, entries }) => {
                let id = entries.last().map(|newest| newest.id);
                self.tails.add(tenant, epoch, entries);
                let is_news = node != self.builder.node;
                self.stands(tenant, KnownPlace { epoch, last, id }, is_news);
            }
            Some(News::Noted { node, note }) => {
                if node != self.builder.node {
                    let tenant = tenant.clone();
                    self.tell.tell(Completion::NotedElsewhere { tenant, note });
                }
            }
            None => {
                tracing::warn!(
                    tenant = tenant.as_str(),
                    "something that no node of this version publishes came on the tenant's channel"
                );
            }
        }
    }
}
