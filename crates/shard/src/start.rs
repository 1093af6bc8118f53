//! Starting a server's shards, each on a thread of its own.

use std::io;
use std::net::SocketAddr;
use std::num::NonZero;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use foodtrack_contract::Authenticate;
use foodtrack_transport::{Commons, Reactor, listen};

use crate::counters::Counters;
use crate::handles::Shards;
use crate::http_service::HttpService;
use crate::mailbox::ShardSender;
use crate::policies::Policies;
use crate::shard::{Shard, ShardParts};
use crate::shard_config::ShardsConfig;

/// Shards that run.
pub struct Running {
    /// The way to them.
    pub shards: Shards,
    /// Where they listen.
    pub address: SocketAddr,
    /// What each of them counts.
    pub counters: Vec<Arc<Counters>>,
    threads: Vec<JoinHandle<()>>,
}

impl Running {
    /// Waits until every shard has stopped.
    pub fn join(&mut self) {
        for thread in self.threads.drain(..) {
            // A shard that panicked has said so on its way out.
            let _ = thread.join();
        }
    }

    /// Whether a shard has ended, by itself or because it was told to.
    pub fn has_ended(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }
}

/// Binds the port and starts the shards.
///
/// # Errors
/// Where the address cannot be bound, or the system gives no poll or thread.
pub fn start(
    config: &ShardsConfig,
    authenticator: &Arc<dyn Authenticate>,
    policies: &Arc<Policies>,
    http: &Arc<dyn HttpService>,
) -> io::Result<Running> {
    let listener = listen(config.address)?;
    let address = listener.local_addr()?;
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let count = if config.shards == 0 { cores } else { config.shards };
    let commons = Commons::new(config.reactor.clone());
    let reactors = (0..count)
        .map(|index| Reactor::new(&commons, index, Some(listener.try_clone()?)))
        .collect::<io::Result<Vec<_>>>()?;
    let (senders, inboxes): (Vec<_>, Vec<_>) =
        reactors.iter().map(|reactor| ShardSender::new(reactor.waker())).unzip();
    let shards = Shards::new(senders);
    let counters: Vec<Arc<Counters>> = (0..count).map(|_| Arc::default()).collect();
    let mut threads = Vec::with_capacity(count);
    for (index, (mut reactor, inbox)) in reactors.into_iter().zip(inboxes).enumerate() {
        let parts = ShardParts {
            index,
            shards: shards.clone(),
            inbox,
            authenticator: Arc::clone(authenticator),
            http: Arc::clone(http),
            policies: Arc::clone(policies),
            limits: config.limits,
            cookie_name: config.cookie_name.clone(),
            counters: Arc::clone(&counters[index]),
        };
        let thread = thread::Builder::new().name(format!("shard-{index}")).spawn(move || {
            if let Err(error) = Shard::new(parts).run(&mut reactor) {
                tracing::error!(%error, index, "a shard has stopped");
            }
        })?;
        threads.push(thread);
    }
    Ok(Running { shards, address, counters, threads })
}
