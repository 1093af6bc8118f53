//! A log in Redis, which any number of nodes write to.
//!
//! A tenant's log is a stream under keys with the tenant's name as their hash tag. One script appends: it knows an entry by its id,
//! gives it the next offset, applies retention, and publishes the entry to who follows the tenant. So all nodes are alike, and Redis
//! alone says what the order is.
//!
//! One task writes: what waits for it goes to Redis in one pipeline ([`worker`]). Another hears what others append
//! ([`follower`]). Both run on one thread; readers wait on threads of their own.

mod appended;
mod batch;
mod document_kind;
mod first_look;
mod follower;
mod full_tenants;
mod head;
mod keys;
mod known_places;
mod lease_keeper;
mod lease_table;
mod leases;
mod letters;
mod link;
mod log_admin;
mod log_reader;
mod masters;
mod news;
mod node_registry;
mod notes;
mod opening;
mod options;
mod owed_cursors;
mod pipeline;
mod questions;
mod queue;
mod refreshes;
mod replicas;
mod row;
mod scripts;
mod servers;
mod spool;
mod spool_file;
mod spool_gauge;
mod subscriber_store;
mod tails;
mod tenant_documents;
mod values;
mod webhook_places;
mod worker;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread::JoinHandle;

use foodtrack_contract::TenantId;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::{LogWriter, OnCompletion, Openings, SubmitError, TenantLog, WebhookPlaces};

pub use document_kind::DocumentKind;
pub use first_look::{RedisFirstLook, RedisPersistence, first_look};
pub use node_registry::{
    NODE_CARD_BYTES_MAX, NODES_MAX, NodeCensus, NodeRegistry, NodeRegistryError,
};
pub use options::{RedisOpenError, RedisOptions, RedisSentinels, RedisTls};
pub use spool::RedisSpool;
pub use spool_file::erase_spooled;
pub use tenant_documents::{
    ChangedDocuments, DocumentError, DocumentPlace, TenantDocument, TenantDocuments,
};

use follower::{Follow, Follower};
use full_tenants::FullTenants;
use keys::Keys;
use known_places::KnownPlaces;
use lease_keeper::{LeaseKeeper, OpenTenants};
use lease_table::LeaseTable;
use link::Link;
use pipeline::CommandBuilder;
use questions::Questions;
use queue::{Command, Queue, QueueWriter};
use refreshes::Refreshes;
use servers::Servers;
use spool::Spool;
use tails::Tails;
use worker::{Tell, Worker};

/// The log in Redis.
pub struct RedisLog {
    keys: Keys,
    builder: CommandBuilder,
    leases: Arc<LeaseTable>,
    queue: Queue,
    questions: Questions,
    follows: UnboundedSender<Follow>,
    tails: Arc<Tails>,
    known: Arc<KnownPlaces>,
    listening: Arc<AtomicU64>,
    openings: Arc<Openings>,
    full: Arc<FullTenants>,
    thread: Option<JoinHandle<()>>,
}

impl RedisLog {
    /// Opens the log. Does not wait for Redis: where it cannot be reached, entries are refused until it can.
    ///
    /// # Errors
    /// [`RedisOpenError`]
    pub fn open(
        options: &RedisOptions,
        on_completion: OnCompletion,
    ) -> Result<Self, RedisOpenError> {
        let servers = Servers::new(options)?;
        let link = || Link::new(servers.clone(), options.patience);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let keys = options.keys();
        let spool = options.spool.as_ref().map(Spool::open).transpose()?.flatten();
        let (node, _) = uuid::Uuid::new_v4().as_u64_pair();
        let node = node.to_le_bytes();
        let (queue, commands, gauge) = Queue::new();
        let (tell, tails) = (Tell::new(on_completion), Arc::new(Tails::default()));
        let (follows, requests) = unbounded_channel();
        let builder = CommandBuilder { keys: keys.clone(), options: options.clone(), node };
        let (known, full) =
            (Arc::new(KnownPlaces::default()), Arc::new(FullTenants::new(options.orders_max)));
        let shared = (Arc::clone(&known), Arc::clone(&full));
        let listening = Arc::new(AtomicU64::new(follower::UNHEARD));
        let openings = Arc::new(Openings::default());
        let refreshes = Refreshes::new(follows.clone(), Arc::clone(&listening));
        let worker = Worker::new(
            builder.clone(),
            link(),
            (commands, gauge),
            tell.clone(),
            shared,
            (refreshes, spool),
        );
        let leases = Arc::new(LeaseTable::default());
        let [keeper, last] = [(); 2].map(|()| {
            let (queue, openings) = (queue.clone(), Arc::clone(&openings));
            let open = OpenTenants { known: Arc::clone(&known), queue, openings };
            LeaseKeeper::new(builder.clone(), link(), tell.clone(), Arc::clone(&leases), open)
        });
        let to_follow = (servers.clone(), link());
        let places = (Arc::clone(&known), Arc::clone(&tails));
        let to_hear = (queue.clone(), requests);
        let follower = Follower::new(
            builder.clone(),
            to_follow,
            tell,
            places,
            to_hear,
            (Arc::clone(&listening), Arc::clone(&openings)),
        );
        let questions = Questions::new(runtime.handle().clone(), link(), options.patience);
        let thread = start(runtime, servers, (worker, follower), [keeper, last])?;
        let thread = Some(thread);
        Ok(Self {
            keys,
            builder,
            leases,
            queue,
            questions,
            follows,
            tails,
            known,
            listening,
            openings,
            full,
            thread,
        })
    }
}

/// Does all of the log's work on one thread, until the log is stopped. The second keeper gives back what the first one kept.
fn start(
    runtime: Runtime,
    servers: Servers,
    (worker, follower): (Worker, Follower),
    [keeper, last]: [LeaseKeeper; 2],
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(String::from("redis-log")).spawn(move || {
        runtime.block_on(async move {
            tokio::spawn(servers.watch());
            tokio::spawn(follower.run());
            let keeping = tokio::spawn(keeper.run());
            worker.run().await;
            keeping.abort();
            last.end().await;
        });
    })
}

impl Drop for RedisLog {
    fn drop(&mut self) {
        self.queue.stop();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread for Redis has panicked");
        }
    }
}

impl TenantLog for RedisLog {
    fn open(&self, tenant: &TenantId, now_ms: u64) -> Result<(), SubmitError> {
        // It is listened to before, so that nothing lies between what it is opened with and what is heard.
        let request = Follow::Open { tenant: tenant.clone(), now_ms };
        self.follows.send(request).map_err(|_| SubmitError::Stopped)
    }

    fn close(&self, tenant: &TenantId) -> Result<(), SubmitError> {
        // It may have ended.
        let _ = self.follows.send(Follow::End(tenant.clone()));
        self.leases.closed(tenant);
        self.queue.send(Command::Close { tenant: tenant.clone() })
    }

    fn writer(&self) -> Box<dyn LogWriter> {
        Box::new(QueueWriter::new(self.queue.clone()))
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn waits_for_replicas(&self) -> bool {
        self.builder.options.wait_replicas > 0
    }

    fn survives_restart(&self) -> bool {
        true
    }

    fn webhook_places(&self) -> Option<&dyn WebhookPlaces> {
        Some(self)
    }
}
