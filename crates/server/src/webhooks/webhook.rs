//! One webhook: what it wants, how far it is with each tenant, and one turn of sending.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use foodtrack_contract::{Offset, TenantId};
use foodtrack_shard::RetryPolicy;
use foodtrack_tenant_log::{DeadLetter, DeadLetterReason, SubscriberKey, TenantLog};
use foodtrack_transport::CidrBlocks;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::event_filter::EventFilter;
use super::place::{self, Batch, Place};
use super::receiver::{Delivery, Exchange, Failure, Receiver};
use super::receiver_health::ReceiverHealth;
use super::turns::Turns;
use crate::config::WebhookConfig;

/// So many entries that nobody wants may be looked at again after a restart.
const UNKEPT_MAX: u64 = 1_000;

/// A webhook that runs.
pub(super) struct Webhook {
    pub(super) name: String,
    pub(super) key: SubscriberKey,
    pub(super) events: Vec<String>,
    pub(super) receiver: Receiver,
    pub(super) turns: Turns,
    pub(super) health: ReceiverHealth,
    pub(super) counts: Counts,
    /// One dead letter is posted at once.
    pub(super) letters: Semaphore,
    filter: EventFilter,
    /// Empty: all.
    tenants: BTreeSet<String>,
    events_max: usize,
    retry: RetryPolicy,
    progress: Mutex<HashMap<TenantId, Progress>>,
}

/// What it has done since the start.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Events that the receiver took.
    pub(super) delivered: AtomicU64,
    /// Requests that it did not take.
    pub(super) failed: AtomicU64,
    /// Events that were given up.
    pub(super) dead_letters: AtomicU64,
}

/// How far it is with one tenant.
#[derive(Clone, Debug)]
struct Progress {
    place: Place,
    /// As far as is kept.
    kept: Offset,
    /// Counts how often somebody else moved it, so that a turn that was under way does not move it back.
    moves: u64,
    /// How often the next events were refused.
    refusals: u32,
    /// Up to here events go one by one: among them is one that the receiver finds fault with.
    alone_through: Offset,
}

/// How a tenant's turn ended.
#[derive(Debug)]
pub(super) enum TurnEnd {
    /// There is nothing more.
    Done,
    /// Nothing of it was wanted, and there is nothing more.
    Unwanted,
    /// There is more.
    More,
    /// These events are to be tried again after a while; others go on.
    Refused(Duration),
    /// The receiver is not well: nothing is sent to it for a while.
    Down,
}

impl Webhook {
    /// # Errors
    /// The URL is none, or TLS cannot be set up.
    pub(super) fn new(
        config: &WebhookConfig,
        allowed: CidrBlocks,
        retry: RetryPolicy,
    ) -> io::Result<Self> {
        let key = place::key(&config.name).ok_or_else(|| io::Error::other("the name is no key"))?;
        Ok(Self {
            name: config.name.clone(),
            key,
            events: config.events.clone(),
            receiver: Receiver::new(config, allowed)?,
            turns: Turns::default(),
            health: ReceiverHealth::default(),
            counts: Counts::default(),
            letters: Semaphore::new(1),
            filter: EventFilter::new(&config.events),
            tenants: config.tenants.iter().cloned().collect(),
            events_max: usize::try_from(config.batch_max).unwrap_or(usize::MAX),
            retry,
            progress: Mutex::default(),
        })
    }

    /// Whether it is told of this tenant's events.
    pub(super) fn covers(&self, tenant: &TenantId) -> bool {
        self.tenants.is_empty() || self.tenants.contains(tenant.as_str())
    }

    /// Where it stands with a tenant, as far as that is in memory.
    pub(super) fn place(&self, tenant: &TenantId) -> Option<Place> {
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.get(tenant).map(|it| it.place)
    }

    /// Goes on from another place.
    pub(super) fn move_to(&self, tenant: &TenantId, place: Place) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let moves = progress.get(tenant).map_or(0, |it| it.moves) + 1;
        progress.insert(tenant.clone(), Progress { moves, ..Progress::at(place) });
        drop(progress);
        self.turns.add(tenant);
    }

    /// How long to wait after so many failures.
    pub(super) fn delay(&self, failures: u32) -> Duration {
        let chance = Uuid::new_v4().as_u64_pair().0;
        Duration::from_millis(self.retry.delay_ms(failures.max(1), chance))
    }

    /// Sends one tenant's next events.
    pub(super) async fn turn(
        self: &Arc<Self>,
        log: &Arc<dyn TenantLog>,
        tenant: &TenantId,
    ) -> TurnEnd {
        let begun_at = Instant::now();
        let (webhook, store, of) = (Arc::clone(self), Arc::clone(log), tenant.clone());
        // It waits for the disk.
        let read = tokio::task::spawn_blocking(move || webhook.read(&*store, &of)).await;
        let (progress, batch) = match read {
            Ok(Ok(read)) => read,
            Ok(Err(foodtrack_tenant_log::ReadError::UnknownTenant(_))) => return TurnEnd::Done,
            Ok(Err(error)) => {
                tracing::warn!(webhook = self.name, %error, "a webhook cannot read the log");
                return TurnEnd::Refused(self.delay(u32::MAX));
            }
            // The runtime ends.
            Err(_) => return TurnEnd::Done,
        };
        if batch.events.is_empty() {
            self.advance(&**log, tenant, &progress, &batch);
            return if batch.is_last { TurnEnd::Unwanted } else { TurnEnd::More };
        }
        let delivery = Delivery {
            webhook: &self.name,
            tenant_id: tenant.as_str(),
            is_test: false,
            is_after_gap: batch.is_after_gap,
            events: &batch.events,
        };
        let Exchange { outcome, .. } = self.receiver.post(&delivery).await;
        match outcome {
            Ok(()) => {
                if self.health.note_success(now_ms()) {
                    tracing::info!(webhook = self.name, "the receiver of a webhook answers again");
                }
                self.counts.delivered.fetch_add(batch.events.len() as u64, Ordering::Relaxed);
                self.advance(&**log, tenant, &progress, &batch);
                TurnEnd::after(&batch)
            }
            Err(failure) => {
                self.counts.failed.fetch_add(1, Ordering::Relaxed);
                self.failed(&**log, tenant, &progress, &batch, &failure, begun_at)
            }
        }
    }

    fn read(
        &self,
        log: &dyn TenantLog,
        tenant: &TenantId,
    ) -> Result<(Progress, Batch), foodtrack_tenant_log::ReadError> {
        let known = {
            let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
            progress.get(tenant).cloned()
        };
        let progress = match known {
            Some(progress) => progress,
            None => Progress::at(place::find(log, tenant, &self.key)?),
        };
        let is_alone = progress.place.after < progress.alone_through;
        let events_max = if is_alone { 1 } else { self.events_max };
        let batch = place::read(log, tenant, progress.place, &self.filter, events_max)?;
        Ok((progress, batch))
    }

    /// Goes on behind what was sent, or given up.
    fn advance(&self, log: &dyn TenantLog, tenant: &TenantId, before: &Progress, batch: &Batch) {
        let mut next = Progress { place: batch.next, refusals: 0, ..before.clone() };
        let is_other_log = before.place.epoch.is_some_and(|epoch| Some(epoch) != batch.next.epoch);
        let looked_at = batch.next.after.get().saturating_sub(before.kept.get());
        if is_other_log || looked_at > if batch.events.is_empty() { UNKEPT_MAX } else { 0 } {
            match place::keep(log, tenant, &self.key, batch.next, now_ms()) {
                Ok(()) => next.kept = batch.next.after,
                // After a crash the receiver is sent these events again.
                Err(error) => {
                    tracing::warn!(webhook = self.name, %error, "a webhook's place is not kept");
                }
            }
        }
        self.note(tenant, next);
    }

    /// Notes how far a tenant's turn came, unless somebody moved it meanwhile.
    fn note(&self, tenant: &TenantId, next: Progress) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        if progress.get(tenant).is_none_or(|it| it.moves == next.moves) {
            progress.insert(tenant.clone(), next);
        }
    }

    fn failed(
        &self,
        log: &dyn TenantLog,
        tenant: &TenantId,
        progress: &Progress,
        batch: &Batch,
        failure: &Failure,
        begun_at: Instant,
    ) -> TurnEnd {
        if !failure.is_refusal() {
            if self.health.note_failure(failure, begun_at, |failures| self.delay(failures)) {
                tracing::warn!(webhook = self.name, %failure, "the receiver of a webhook is away: its events wait in the log");
            }
            return TurnEnd::Down;
        }
        self.health.note_refusal(failure);
        let refusals = progress.refusals + 1;
        if refusals < self.retry.attempts_max {
            self.note(tenant, Progress { refusals, ..progress.clone() });
            return TurnEnd::Refused(self.delay(refusals));
        }
        match &batch.places[..] {
            [alone] => {
                self.give_up(log, tenant, *alone, refusals, failure);
                self.advance(log, tenant, progress, batch);
            }
            places => {
                let alone_through = places.last().map_or(Offset::ZERO, |(offset, _)| *offset);
                self.note(tenant, Progress { refusals: 0, alone_through, ..progress.clone() });
            }
        }
        TurnEnd::More
    }

    fn give_up(
        &self,
        log: &dyn TenantLog,
        tenant: &TenantId,
        (offset, id): (Offset, Uuid),
        attempts: u32,
        failure: &Failure,
    ) {
        self.counts.dead_letters.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(webhook = self.name, offset = offset.get(), %failure, "a webhook's event is a dead letter");
        let letter = DeadLetter {
            offset,
            subscriber: self.key.clone(),
            id,
            reason: DeadLetterReason::Failed,
            attempts,
            at_ms: now_ms(),
        };
        if let Err(error) = log.put_dead_letter(tenant, letter) {
            tracing::error!(webhook = self.name, offset = offset.get(), %error, "a dead letter is not kept");
        }
    }
}

impl Progress {
    fn at(place: Place) -> Self {
        Self { place, kept: place.after, moves: 0, refusals: 0, alone_through: Offset::ZERO }
    }
}

impl TurnEnd {
    fn after(batch: &Batch) -> Self {
        if batch.is_last { Self::Done } else { Self::More }
    }
}

/// Milliseconds since the Unix epoch.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
