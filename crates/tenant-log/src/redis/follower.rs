//! The task that hears what others append: it subscribes to followed tenants' channels, and looks where their logs stand after each time
//! it could not hear.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ahash::{AHashMap, AHashSet};
use foodtrack_contract::{Epoch, Offset, TenantId};
use futures_util::{FutureExt as _, StreamExt as _};
use redis::aio::PubSubSink;
use redis::{ErrorKind, Msg, RedisError, Value};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

use super::known_places::{KnownPlace, KnownPlaces};
use super::link::Link;
use super::news::News;
use super::pipeline::CommandBuilder;
use super::queue::{Command, Opening, Queue};
use super::servers::Servers;
use super::tails::Tails;
use super::values::{array, offset, text};
use super::worker::Tell;
use crate::{Completion, Openings, RefusedReason};

/// How long to wait before a broken subscription is made again.
const LISTEN_AGAIN: Duration = Duration::from_millis(200);
/// How often it is seen to that a silent connection is not a broken one.
const PROVE_EVERY: Duration = Duration::from_secs(5);
/// How long Redis may take for what is asked of it here.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// The number of no listening.
pub(super) const UNHEARD: u64 = 0;
/// How many tenants' logs are looked at together.
const LOOKED_AT_TOGETHER_MAX: usize = 512;

/// The epoch and the last offset; `None` where there is no log.
fn read_look(answer: &Value) -> Option<(Epoch, Offset)> {
    let [epoch, last] = array(answer)? else { return None };
    Some((Epoch::parse(text(epoch)?)?, offset(last)?))
}

pub(super) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// An epoch that is not this one.
fn other_than(epoch: Epoch) -> Epoch {
    Epoch::new(epoch.get() ^ 1)
}

async fn in_time<T>(answer: impl Future<Output = Result<T, RedisError>>) -> Result<T, RedisError> {
    let late = |_| RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
    tokio::time::timeout(ANSWER_WITHIN, answer).await.map_err(late)?
}

async fn change(
    sink: &mut PubSubSink,
    new: Vec<String>,
    ended: Vec<String>,
) -> Result<(), RedisError> {
    if !ended.is_empty() {
        sink.unsubscribe(ended).await?;
    }
    if !new.is_empty() {
        sink.subscribe(new).await?;
    }
    Ok(())
}

/// What the follower is asked.
pub(super) enum Follow {
    /// To listen to a tenant, and then to have it opened.
    Open {
        tenant: TenantId,
        now_ms: u64,
    },
    /// To tell how far a tenant's log goes; answered once that is told.
    Look(TenantId, oneshot::Sender<()>),
    End(TenantId),
    /// Answered once all is heard that was published before.
    HearAll(oneshot::Sender<()>),
    /// To have those tenants told anew what stands beside their logs of which something may not have been heard.
    Refresh,
}

pub(super) struct Follower {
    servers: Servers,
    link: Link,
    builder: CommandBuilder,
    tell: Tell,
    known: Arc<KnownPlaces>,
    tails: Arc<Tails>,
    queue: Queue,
    openings: Arc<Openings>,
    /// The number of this listening; each time it breaks, there is another one.
    listening: Arc<AtomicU64>,
    requests: UnboundedReceiver<Follow>,
    /// By their channels.
    followed: AHashMap<String, TenantId>,
    /// Who is answered once all is heard.
    who_hears_all: Vec<oneshot::Sender<()>>,
}

impl Follower {
    pub(super) fn new(
        builder: CommandBuilder,
        (servers, link): (Servers, Link),
        tell: Tell,
        (known, tails): (Arc<KnownPlaces>, Arc<Tails>),
        (queue, requests): (Queue, UnboundedReceiver<Follow>),
        (listening, openings): (Arc<AtomicU64>, Arc<Openings>),
    ) -> Self {
        let (followed, who_hears_all) = (AHashMap::new(), Vec::new());
        Self {
            servers,
            link,
            builder,
            tell,
            known,
            tails,
            queue,
            openings,
            listening,
            requests,
            followed,
            who_hears_all,
        }
    }

    /// Ends when nobody can ask any more.
    pub(super) async fn run(mut self) {
        let mut is_broken = false;
        while !self.requests.is_closed() {
            match self.listen(&mut is_broken).await {
                Ok(()) => return,
                Err(error) => {
                    // What is published meanwhile is not known: reading finds it.
                    self.tails.forget_all();
                    if !std::mem::replace(&mut is_broken, true) {
                        tracing::warn!(%error, "what other nodes append is not heard for a while");
                        // Where nothing is to be kept, nobody else would find out; where too much waits, somebody does.
                        let _ = self.queue.send(Command::Probe);
                    }
                    self.wait_a_little().await;
                }
            }
        }
    }

    /// Waits until it is worth while to listen again. Who opens a tenant is told meanwhile whether that is possible.
    async fn wait_a_little(&mut self) {
        let until = tokio::time::Instant::now() + LISTEN_AGAIN;
        while let Ok(Some(request)) = tokio::time::timeout_at(until, self.requests.recv()).await {
            match request {
                Follow::Open { tenant, now_ms } => {
                    self.followed.insert(self.builder.keys.channel(&tenant), tenant.clone());
                    self.open(tenant, now_ms, UNHEARD);
                }
                Follow::Look(tenant, _) => {
                    self.followed.insert(self.builder.keys.channel(&tenant), tenant);
                }
                Follow::End(tenant) => {
                    self.followed.remove(&self.builder.keys.channel(&tenant));
                }
                // Who waits is told that nobody answers; whoever listens again refreshes.
                Follow::HearAll(_) | Follow::Refresh => {}
            }
        }
    }

    /// Has a tenant opened. What is noted later is heard from the listening of this number on.
    fn open(&self, tenant: TenantId, now_ms: u64, heard_since: u64) {
        let name = tenant.clone();
        let noted_meanwhile = self.openings.begin(&tenant);
        let opening = Opening { now_ms, heard_since, is_refresh: false, noted_meanwhile };
        if self.queue.send(Command::Open { tenant, opening }).is_err() {
            let reason = RefusedReason::Away;
            self.tell.tell(Completion::OpenFailed { tenant: name, reason });
        }
    }

    /// Has tenants told anew what is noted beside their logs, of which something may not have been heard.
    fn refresh(&self) {
        let heard_since = self.listening.load(Ordering::Relaxed);
        let now_ms = unix_ms();
        for tenant in self.followed.values() {
            if self.known.get(tenant).is_some_and(|it| it.heard_since != heard_since) {
                let noted_meanwhile = self.openings.begin(tenant);
                let opening = Opening { now_ms, heard_since, is_refresh: true, noted_meanwhile };
                // Where too much waits, it is tried again.
                let _ = self.queue.send(Command::Open { tenant: tenant.clone(), opening });
            }
        }
    }

    async fn listen(&mut self, is_broken: &mut bool) -> Result<(), RedisError> {
        let servers = self.servers.clone();
        let found = in_time(servers.find()).await?;
        let (mut sink, mut stream) = in_time(found.client.get_async_pubsub()).await?.split();
        self.listening.fetch_add(1, Ordering::Relaxed);
        let channels: Vec<String> = self.followed.keys().cloned().collect();
        if !channels.is_empty() {
            in_time(sink.subscribe(channels)).await?;
            let tenants: Vec<_> = self.followed.values().cloned().collect();
            self.look(tenants).await?;
            self.refresh();
        }
        if std::mem::take(is_broken) {
            tracing::info!("what other nodes append is heard again");
        }
        let mut proof = tokio::time::interval(PROVE_EVERY);
        loop {
            let mut must_prove = false;
            tokio::select! {
                request = self.requests.recv() => match request {
                    None => return Ok(()),
                    Some(request) => self.heed(request, &mut sink).await?,
                },
                message = stream.next() => match message {
                    None => return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
                    Some(message) => self.hear(&message),
                },
                _ = proof.tick() => must_prove = true,
                () = servers.replaced(&found) => {
                    return Err((ErrorKind::Client, "another server is the master now").into());
                }
            }
            if must_prove {
                self.refresh();
            }
            if must_prove || !self.who_hears_all.is_empty() {
                // What was published before this comes before its answer.
                in_time(sink.ping::<Value>()).await?;
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
        let (mut new, mut ended, mut opens) = (Vec::new(), Vec::new(), Vec::new());
        let (mut looks, mut answers) = (AHashSet::new(), Vec::new());
        let mut must_refresh = false;
        let mut next = Some(first);
        while let Some(request) = next {
            match request {
                Follow::Open { tenant, now_ms } => {
                    new.extend(self.follow(&tenant));
                    opens.push((tenant, now_ms));
                }
                Follow::Look(tenant, answer) => {
                    new.extend(self.follow(&tenant));
                    looks.insert(tenant);
                    answers.push(answer);
                }
                Follow::HearAll(answer) => self.who_hears_all.push(answer),
                Follow::Refresh => must_refresh = true,
                Follow::End(tenant) => {
                    let channel = self.builder.keys.channel(&tenant);
                    self.followed.remove(&channel);
                    self.tails.forget(&tenant);
                    ended.push(channel);
                }
            }
            next = self.requests.try_recv().ok();
        }
        ended.retain(|channel| !self.followed.contains_key(channel));
        let changed = in_time(change(sink, new, ended)).await;
        let listening = match &changed {
            Ok(()) => self.listening.load(Ordering::Relaxed),
            Err(_) => UNHEARD,
        };
        opens.into_iter().for_each(|(tenant, now_ms)| self.open(tenant, now_ms, listening));
        changed?;
        if must_refresh {
            self.refresh();
        }
        self.look(looks.into_iter().collect()).await?;
        // Who asked may have gone.
        answers.into_iter().for_each(|answer| _ = answer.send(()));
        Ok(())
    }

    /// Returns the channel of a tenant that is not followed yet.
    fn follow(&mut self, tenant: &TenantId) -> Option<String> {
        let channel = self.builder.keys.channel(tenant);
        let is_new = self.followed.insert(channel.clone(), tenant.clone()).is_none();
        is_new.then_some(channel)
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
                        self.stands(
                            tenant,
                            KnownPlace { epoch, last, id: None, heard_since: UNHEARD },
                            true,
                        );
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
                // What this node wrote it is told by the answer, if there was one.
                let is_news = node != self.builder.node || self.known.is_in_doubt(tenant);
                self.stands(tenant, KnownPlace { epoch, last, id, heard_since: UNHEARD }, is_news);
            }
            Some(News::PassedOn { node, entry }) => {
                if node != self.builder.node {
                    let tenant = tenant.clone();
                    self.tell.tell(Completion::PassedOn { tenant, entry });
                }
            }
            Some(News::Noted { node, note }) => {
                if node != self.builder.node {
                    self.openings.noted(tenant, &note);
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
