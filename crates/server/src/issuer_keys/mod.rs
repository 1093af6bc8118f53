//! Keys of issuers that change while the server runs: fetched by a thread of their own, and put in force for all shards at once. No request of a
//! client waits for it, and none makes it fetch more often than it is allowed.

mod counts;
mod fetching;
mod kept_keys;

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use foodtrack_auth::Authenticator;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::config::{CheckedConfig, KeyFeed, KeyPlace};
use crate::public_targets::AllowedNetworks;
use crate::revocations::now_s;
pub(crate) use counts::KeyCounts;
use fetching::Fetcher;
use kept_keys::KeyFolder;

/// Where keys are kept, in the data directory.
const FOLDER: &str = "issuer-keys";
/// How long the start waits for keys that nobody has yet.
const FIRST_WITHIN: Duration = Duration::from_secs(2);
/// How long at least between two fetches because of a token that names a key which is not known.
const UNKNOWN_KEY_EVERY: Duration = Duration::from_secs(30);
/// The first wait after a failure; each is twice as long as the one before, and none is longer than where keys are there.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);
/// How often a file is looked at.
const FILE_EVERY: Duration = Duration::from_secs(5);
/// By how much a wait is longer or shorter, in per cent: nodes do not ask at once.
const JITTER_PERCENT: u64 = 10;

/// The issuers whose keys change, and the thread that looks after them.
pub(crate) struct IssuerKeys {
    counts: Vec<(String, Arc<KeyCounts>)>,
    stop: Arc<Notify>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What is needed to look after them.
struct KeyOptions<'o> {
    feeds: &'o [KeyFeed],
    allowed: &'o AllowedNetworks,
    refresh: Duration,
    /// Where good keys are kept for the next start.
    folder: Option<&'o Path>,
}

/// One issuer's keys.
struct Feed {
    feed: KeyFeed,
    authenticator: Arc<Authenticator>,
    fetcher: Arc<Fetcher>,
    folder: Arc<KeyFolder>,
    counts: Arc<KeyCounts>,
    /// A token names a key that is not known.
    unknown_key: Arc<Notify>,
    refresh: Duration,
    /// What is in force, so that the same again changes nothing.
    jwks: String,
}

impl IssuerKeys {
    /// Starts to look after those of a configuration, as [`IssuerKeys::start`].
    ///
    /// # Errors
    /// Those of [`IssuerKeys::start`].
    pub(crate) fn of(config: &CheckedConfig, data_dir: Option<&Path>) -> io::Result<Self> {
        let (feeds, allowed) = config.key_feeds();
        let folder = data_dir.map(|directory| directory.join(FOLDER));
        let refresh = Duration::from_secs(config.said().security.jwks_refresh_seconds.into());
        let options = KeyOptions { feeds, allowed, refresh, folder: folder.as_deref() };
        Self::start(&config.authenticator(), &options)
    }

    /// Starts to look after the keys. Returns once each issuer has some, or a while later: then its tokens are refused until it has.
    ///
    /// # Errors
    /// The system gave no thread, or no TLS.
    fn start(authenticator: &Arc<Authenticator>, options: &KeyOptions<'_>) -> io::Result<Self> {
        let stop = Arc::new(Notify::new());
        if options.feeds.is_empty() {
            return Ok(Self { counts: Vec::new(), stop, thread: Mutex::new(None) });
        }
        let fetcher = Arc::new(Fetcher::new(options.allowed.clone())?);
        let folder = Arc::new(KeyFolder::open(options.folder));
        let feeds: Vec<Feed> = options
            .feeds
            .iter()
            .map(|feed| Feed {
                feed: feed.clone(),
                authenticator: Arc::clone(authenticator),
                fetcher: Arc::clone(&fetcher),
                folder: Arc::clone(&folder),
                counts: Arc::default(),
                unknown_key: Arc::default(),
                refresh: options.refresh,
                jwks: String::new(),
            })
            .collect();
        let counts =
            feeds.iter().map(|it| (it.feed.name.clone(), Arc::clone(&it.counts))).collect();
        let told: Vec<(usize, Arc<Notify>)> =
            feeds.iter().map(|it| (it.feed.issuer, Arc::clone(&it.unknown_key))).collect();
        authenticator.on_unknown_key(Box::new(move |issuer| {
            let of_issuer = told.iter().filter(|(number, _)| *number == issuer);
            of_issuer.for_each(|(_, unknown_key)| unknown_key.notify_one());
        }));
        let (thread, first) = spawn(feeds, Arc::clone(&stop))?;
        let deadline = std::time::Instant::now() + FIRST_WITHIN;
        for _ in options.feeds {
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            // Whoever takes longer goes on by itself.
            if first.recv_timeout(left).is_err() {
                break;
            }
        }
        Ok(Self { counts, stop, thread: Mutex::new(Some(thread)) })
    }

    /// What is known of each issuer's keys, by its name.
    pub(crate) fn counts(&self) -> &[(String, Arc<KeyCounts>)] {
        &self.counts
    }

    /// The issuers whose keys could not be had when they were looked at last.
    pub(crate) fn missing(&self) -> Vec<&str> {
        let missing = self.counts.iter().filter(|(_, counts)| counts.are_missing());
        missing.map(|(name, _)| name.as_str()).collect()
    }

    /// Ends the thread.
    pub(crate) fn stop(&self) {
        self.stop.notify_one();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the thread that fetches issuers' keys had panicked");
        }
    }
}

/// Looks after all feeds on one thread. Tells each feed's first look.
fn spawn(feeds: Vec<Feed>, stop: Arc<Notify>) -> io::Result<(JoinHandle<()>, Receiver<()>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (first, is_first) = sync_channel(feeds.len());
    let thread = std::thread::Builder::new().name("issuer-keys".into()).spawn(move || {
        runtime.block_on(async {
            let mut all = JoinSet::new();
            for mut feed in feeds {
                let first = first.clone();
                all.spawn(async move {
                    feed.begin();
                    let is_good = feed.look().await;
                    // Who waits may have lost patience.
                    let _ = first.try_send(());
                    feed.run(is_good).await;
                });
            }
            stop.notified().await;
            all.abort_all();
        });
    })?;
    Ok((thread, is_first))
}

impl Feed {
    /// Puts in force what is kept from the last run, until there is something newer.
    fn begin(&mut self) {
        let name = &self.feed.name;
        let Some(kept) = self.folder.read(name, &self.feed.place) else { return };
        match self.authenticator.set_jwks(self.feed.issuer, &kept.jwks) {
            Ok(keys) => {
                self.counts.holds(keys, kept.fetched_at_s);
                self.jwks = kept.jwks;
                tracing::info!(
                    issuer = name,
                    keys,
                    "the issuer's keys of the last run are in force"
                );
            }
            Err(error) => tracing::warn!(issuer = name, %error, "its kept keys cannot be used"),
        }
    }

    /// Looks once. What is no better than what is there changes nothing: a set without a key that could verify anything would lock everybody out,
    /// and one that lost some of its keys is what taking them back looks like. Returns whether there was a good set.
    async fn look(&mut self) -> bool {
        let name = &self.feed.name;
        let jwks = match self.fetcher.fetch(&self.feed.place).await {
            Ok(jwks) => jwks,
            Err(error) => {
                self.counts.failed();
                tracing::warn!(issuer = name, %error, "the issuer's keys cannot be fetched; those that are known stay in force");
                return false;
            }
        };
        let now_s = now_s();
        if self.jwks == jwks {
            self.counts.took_again(now_s);
            return true;
        }
        match self.authenticator.set_jwks(self.feed.issuer, &jwks) {
            Ok(keys) => {
                self.counts.took(keys, now_s);
                tracing::info!(issuer = name, keys, "other keys of the issuer are in force");
                self.folder.write(name, &self.feed.place, &jwks, now_s);
                self.jwks = jwks;
                true
            }
            Err(error) => {
                self.counts.refused();
                tracing::error!(issuer = name, %error, "the issuer's keys cannot be used; those that are known stay in force");
                false
            }
        }
    }

    /// Looks again and again; `is_good` is what came of the first look.
    async fn run(&mut self, is_good: bool) {
        let every = match self.feed.place {
            KeyPlace::File(_) => FILE_EVERY.min(self.refresh),
            KeyPlace::Url(_) | KeyPlace::Discovery(_) => self.refresh,
        };
        let mut looked_at = Instant::now();
        let mut failures = u32::from(!is_good);
        let mut unknown_at: Option<Instant> = None;
        loop {
            let wait = if failures == 0 { every } else { backoff(failures).min(every) };
            let due = looked_at + jittered(wait);
            tokio::select! {
                () = tokio::time::sleep_until(due) => {}
                () = self.unknown_key.notified() => {
                    // Strangers can name any key: they make it look once, and then once in a while.
                    let next = unknown_at.map_or(looked_at + RETRY_MIN, |at| at + UNKNOWN_KEY_EVERY);
                    tokio::time::sleep_until(next.min(due)).await;
                    unknown_at = Some(Instant::now());
                }
            }
            looked_at = Instant::now();
            failures = if self.look().await { 0 } else { failures.saturating_add(1) };
        }
    }
}

impl Drop for IssuerKeys {
    fn drop(&mut self) {
        self.stop();
    }
}

/// How long to wait after so many failures in a row.
fn backoff(failures: u32) -> Duration {
    RETRY_MIN.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(RETRY_MAX)
}

/// A little longer or shorter.
fn jittered(wait: Duration) -> Duration {
    let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    let spread_ms = wait_ms / 100 * JITTER_PERCENT;
    let mut random = [0; 8];
    // Without chance it is the plain wait.
    if spread_ms == 0 || getrandom::fill(&mut random).is_err() {
        return wait;
    }
    let by_ms = u64::from_le_bytes(random) % (2 * spread_ms + 1);
    Duration::from_millis(wait_ms - spread_ms + by_ms)
}
