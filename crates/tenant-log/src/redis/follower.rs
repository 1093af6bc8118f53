//! The task that hears what others append: it subscribes to followed tenants' channels, and looks where their logs stand after each time
//! it could not hear.

use std::sync::Arc;
use std::time::Duration;

use ahash::{AHashMap, AHashSet};
use foodtrack_contract::TenantId;
use futures_util::StreamExt as _;
use redis::aio::PubSubSink;
use redis::{Client, RedisError};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

use super::head::{HEAD_FIELDS, StoredHead};
use super::keys::{Keys, Part};
use super::link::Link;
use super::news::News;
use super::tails::Tails;
use super::worker::Tell;
use crate::Completion;

/// How long to wait before a broken subscription is made again.
const SUBSCRIBE_AGAIN: Duration = Duration::from_millis(200);

/// What the follower is asked.
pub(super) enum Follow {
    /// To hear of a tenant; answered once it does.
    Begin(TenantId, oneshot::Sender<()>),
    End(TenantId),
}

pub(super) struct Follower {
    client: Client,
    link: Link,
    keys: Keys,
    node: [u8; 8],
    tell: Tell,
    tails: Arc<Tails>,
    requests: UnboundedReceiver<Follow>,
    /// By their channels.
    followed: AHashMap<String, TenantId>,
}

impl Follower {
    pub(super) fn new(
        (client, link): (Client, Link),
        keys: Keys,
        node: [u8; 8],
        tell: Tell,
        tails: Arc<Tails>,
        requests: UnboundedReceiver<Follow>,
    ) -> Self {
        Self { client, link, keys, node, tell, tails, requests, followed: AHashMap::new() }
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
            let tenants = self.followed.values().cloned().collect();
            self.look(tenants).await?;
        }
        loop {
            tokio::select! {
                request = self.requests.recv() => match request {
                    None => return Ok(()),
                    Some(request) => self.heed(request, &mut sink).await?,
                },
                message = stream.next() => match message {
                    None => return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
                    Some(message) => self.hear(message.get_channel_name(), message.get_payload_bytes()),
                },
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
                    let channel = self.keys.channel(&tenant);
                    self.followed.insert(channel, tenant.clone());
                    begun.insert(tenant);
                    answers.push(answer);
                }
                Follow::End(tenant) => {
                    let channel = self.keys.channel(&tenant);
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
            let channels: Vec<_> = begun.iter().map(|it| self.keys.channel(it)).collect();
            sink.subscribe(channels).await?;
            self.look(begun.into_iter().collect()).await?;
        }
        // Who asked may have gone.
        answers.into_iter().for_each(|answer| _ = answer.send(()));
        Ok(())
    }

    /// Tells how far tenants' logs go.
    async fn look(&mut self, tenants: Vec<TenantId>) -> Result<(), RedisError> {
        for tenants in tenants.chunks(512) {
            let mut pipeline = redis::pipe();
            pipeline.ignore_errors();
            for tenant in tenants {
                pipeline.cmd("HMGET").arg(self.keys.part(tenant, Part::Head)).arg(&HEAD_FIELDS);
            }
            let answers = self.link.run(&pipeline).await?;
            for (tenant, answer) in tenants.iter().zip(answers) {
                if let Some(head) = answer.ok().as_ref().and_then(StoredHead::read) {
                    let tenant = tenant.clone();
                    self.tell.tell(Completion::Grown { tenant, through: head.last });
                }
            }
        }
        Ok(())
    }

    fn hear(&self, channel: &str, published: &[u8]) {
        let Some(tenant) = self.followed.get(channel) else { return };
        match News::parse(tenant, published) {
            Some(News::Grown { node, epoch, last, entries }) => {
                self.tails.add(tenant, epoch, entries);
                if node != self.node {
                    let tenant = tenant.clone();
                    self.tell.tell(Completion::Grown { tenant, through: last });
                }
            }
            Some(News::Noted { .. }) => {}
            None => {
                tracing::warn!(
                    tenant = tenant.as_str(),
                    "something that no node of this version publishes came on the tenant's channel"
                );
            }
        }
    }
}
