//! Back ends that publish through Redis as they would to Socket.IO's own servers: what they emit to tenants' rooms is published for those
//! tenants, with the same validation and routing as any back end's event.

mod emitted;
mod holder;
mod publishing;
mod pubsub;
mod streams;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use foodtrack_shard::EventBroadcaster;
use redis::{Client, RedisError};
use tokio::sync::watch;

use crate::config::{EmitterConfig, EmitterKind};
use crate::room_names::RoomNames;
use holder::Holder;
use publishing::Publishing;

/// How long a Redis that is away is left alone.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// What one emitter did.
#[derive(Debug, Default)]
pub(crate) struct EmitterCounts {
    /// Events that were accepted, once for each tenant.
    pub(crate) published: AtomicU64,
    /// Events that were refused, as a back end's over HTTP would be.
    pub(crate) refused: AtomicU64,
    /// Messages that could not be understood, or asked for what the hub does not do.
    pub(crate) malformed: AtomicU64,
}

impl EmitterCounts {
    fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// The emitters' thread, where there are any.
pub(crate) struct Emitters {
    counts: Vec<(String, Arc<EmitterCounts>)>,
    stop: watch::Sender<bool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Emitters {
    /// Starts the thread, where there are emitters. `redis_url` is where they are that name no Redis; keys of the hub's own begin with
    /// `prefix`.
    ///
    /// # Errors
    /// The system gave no thread, or an address is none.
    pub(crate) fn start(
        configs: &[EmitterConfig],
        (redis_url, prefix): (Option<&str>, &str),
        broadcaster: &EventBroadcaster,
    ) -> io::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let mut counts = Vec::new();
        let mut emitters = Vec::new();
        for config in configs {
            let url = config.url.as_ref().map(|url| url.reveal()).or(redis_url).unwrap_or_default();
            let client = Client::open(url).map_err(io::Error::other)?;
            let of_emitter = Arc::new(EmitterCounts::default());
            counts.push((config.name.clone(), Arc::clone(&of_emitter)));
            let names = RoomNames::parse(&config.rooms).map_err(io::Error::other)?;
            emitters.push(Emitter {
                holder: Holder::new(client.clone(), format!("{prefix}:emitter:{}", config.name)),
                publishing: Publishing::new(config, names, broadcaster.clone(), of_emitter),
                client,
                config: config.clone(),
                stopped: stopped.clone(),
            });
        }
        if emitters.is_empty() {
            return Ok(Self { counts, stop, thread: Mutex::default() });
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("emitters".into()).spawn(move || {
            runtime.block_on(async {
                let tasks: Vec<_> = emitters.into_iter().map(|it| tokio::spawn(it.run())).collect();
                for task in tasks {
                    if task.await.is_err() {
                        tracing::error!("the task of an emitter had panicked: it is heard no more");
                    }
                }
            });
        })?;
        Ok(Self { counts, stop, thread: Mutex::new(Some(thread)) })
    }

    /// What each did, by its name.
    pub(crate) fn counts(&self) -> &[(String, Arc<EmitterCounts>)] {
        &self.counts
    }

    /// Ends the thread, and waits until it has.
    pub(crate) fn stop(&self) {
        // Nobody hears of it where there is no thread.
        let _ = self.stop.send(true);
        // A panic elsewhere leaves a handle that is whole.
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the emitters' thread had panicked");
        }
    }
}

/// One of them, at work.
struct Emitter {
    config: EmitterConfig,
    client: Client,
    holder: Holder,
    publishing: Publishing,
    stopped: watch::Receiver<bool>,
}

impl Emitter {
    async fn run(mut self) {
        let mut stopped = self.stopped.clone();
        tokio::select! {
            _ = stopped.changed() => {}
            () = self.go_on_listening() => {}
        }
        self.holder.give_back().await;
    }

    /// Listens for ever, also to a Redis that was away.
    async fn go_on_listening(&mut self) {
        let mut is_broken = false;
        loop {
            if let Err(error) = self.listen(&mut is_broken).await
                && !std::mem::replace(&mut is_broken, true)
            {
                let emitter = self.config.name.as_str();
                tracing::warn!(emitter, %error, "what back ends emit is not heard for a while");
            }
            tokio::time::sleep(LISTEN_AGAIN).await;
        }
    }

    async fn listen(&mut self, is_broken: &mut bool) -> Result<(), RedisError> {
        match self.config.kind {
            EmitterKind::Pubsub => self.listen_to_channels(is_broken).await,
            EmitterKind::Streams => self.read_stream(is_broken).await,
        }
    }

    fn is_heard(&self, is_broken: &mut bool) {
        if std::mem::take(is_broken) {
            tracing::info!(emitter = self.config.name, "what back ends emit is heard again");
        }
    }
}
