//! One webhook: what it wants, how far it is with each tenant, and one turn of sending.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use foodtrack_contract::{Offset, TenantId};
use foodtrack_shard::RetryPolicy;
use foodtrack_tenant_log::{
    DeadLetter, DeadLetterReason, Duty, Lease, ReadError, SavedCursor, SubscriberKey, TenantLog,
    WebhookPlace, WebhookStep,
};
use opentelemetry::trace::SpanKind;
use tokio::sync::{Notify, Semaphore};
use uuid::Uuid;

use super::place::{self, Batch, Place};
use super::progress::Progress;
use super::receiver::{Delivery, Exchange, Failure, Receiver};
use super::receiver_health::ReceiverHealth;
use super::terms::Terms;
use super::turns::Turns;
use crate::log_report::Reports;
use crate::telemetry::{Span, Telemetry};

/// So many entries that nobody wants may be looked at again after a restart.
const UNKEPT_MAX: u64 = 1_000;

/// What a turn begins with.
enum Ready {
    /// These are next.
    With(Progress, Batch),
    /// It is told nothing for now.
    Paused,
    /// Another node tells it; whether it has not told it of all yet.
    Elsewhere { is_behind: bool },
}

/// How soon a log is read again that could not be read.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// A webhook that runs.
pub(super) struct Webhook {
    pub(super) name: String,
    pub(super) key: SubscriberKey,
    /// Telling it.
    pub(super) duty: Duty,
    pub(super) turns: Turns,
    pub(super) health: ReceiverHealth,
    pub(super) counts: Counts,
    /// One dead letter is posted at once.
    pub(super) letters: Semaphore,
    terms: ArcSwap<Terms>,
    /// Its terms are other ones, or it is gone.
    changed: Notify,
    is_gone: AtomicBool,
    retry: RetryPolicy,
    progress: Mutex<HashMap<TenantId, Progress>>,
    telemetry: Arc<Telemetry>,
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
    /// Another node tells it, and has not told it of all yet.
    Elsewhere,
}

impl Webhook {
    /// # Errors
    /// The name is none.
    pub(super) fn new(
        terms: Terms,
        retry: RetryPolicy,
        telemetry: &Arc<Telemetry>,
    ) -> io::Result<Self> {
        let name = terms.said.name.clone();
        let key = place::key(&name).ok_or_else(|| io::Error::other("the name is no key"))?;
        Ok(Self {
            name,
            duty: Duty::Webhook(key.clone()),
            key,
            turns: Turns::default(),
            health: ReceiverHealth::default(),
            counts: Counts::default(),
            letters: Semaphore::new(1),
            terms: ArcSwap::from_pointee(terms),
            changed: Notify::new(),
            is_gone: AtomicBool::new(false),
            retry,
            progress: Mutex::default(),
            telemetry: Arc::clone(telemetry),
        })
    }

    /// What it goes by now.
    pub(super) fn terms(&self) -> Arc<Terms> {
        self.terms.load_full()
    }

    /// Goes by others from its next turn on. A receiver that was away is asked at once: it may be another one.
    pub(super) fn change(&self, terms: Arc<Terms>) {
        self.terms.store(terms);
        self.health.end_rest();
        self.changed.notify_one();
    }

    /// It is told nothing any more, once the turns that are under way have ended.
    pub(super) fn end(&self) {
        self.is_gone.store(true, Ordering::Relaxed);
        self.changed.notify_one();
    }

    pub(super) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Relaxed)
    }

    /// The next tenant with news, once its receiver is not to be left alone; `None` once the webhook is gone. For one task.
    pub(super) async fn next(&self) -> Option<TenantId> {
        let mut next = None;
        while !self.is_gone() {
            let Some(tenant) = next.take() else {
                tokio::select! {
                    tenant = self.turns.next() => next = Some(tenant),
                    () = self.changed.notified() => {}
                }
                continue;
            };
            let rest = self.health.rest();
            if rest.is_zero() {
                return Some(tenant);
            }
            next = Some(tenant);
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                () = self.changed.notified() => {}
            }
        }
        None
    }

    /// Posts a batch, as a part of the trace of its first event that is a part of one.
    async fn post(
        &self,
        receiver: &Receiver,
        tenant: &TenantId,
        batch: &Batch,
        delivery: &Delivery<'_>,
    ) -> Exchange {
        let trace_of = |(_, id): &(Offset, Uuid)| self.telemetry.trace_of(tenant, *id);
        let parent = batch.places.iter().find_map(trace_of);
        let mut span = self.telemetry.span("tell a webhook", SpanKind::Client, parent);
        if let Some(span) = &mut span {
            span.note("foodtrack.webhook", self.name.clone());
            span.note("foodtrack.tenant", tenant.as_str().to_owned());
        }
        let headers = span.as_ref().map(Span::headers).unwrap_or_default();
        let exchange = receiver.post(delivery, headers).await;
        if exchange.outcome.is_err()
            && let Some(span) = &mut span
        {
            span.fail("not_taken");
        }
        exchange
    }

    /// Whether it is told of this tenant's events.
    pub(super) fn covers(&self, tenant: &TenantId) -> bool {
        self.terms.load().covers(tenant)
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

    /// Sends one tenant's next events, as they are to be told.
    pub(super) async fn turn(
        self: &Arc<Self>,
        log: &Arc<dyn TenantLog>,
        reports: Reports,
    ) -> TurnEnd {
        let begun_at = Instant::now();
        let (tenant, terms) = (&reports.tenant().clone(), self.terms());
        let (webhook, store, by) = (Arc::clone(self), Arc::clone(log), Arc::clone(&terms));
        // It waits for the disk.
        let read = tokio::task::spawn_blocking(move || webhook.read(&*store, &reports, &by)).await;
        let (progress, batch) = match read {
            Ok(Ok(Ready::With(progress, batch))) => (progress, batch),
            Ok(Ok(Ready::Elsewhere { is_behind: true })) => return TurnEnd::Elsewhere,
            Ok(Ok(Ready::Elsewhere { .. } | Ready::Paused)) => return TurnEnd::Done,
            Ok(Err(ReadError::UnknownTenant(_))) => return TurnEnd::Done,
            Ok(Err(error)) => {
                tracing::warn!(webhook = self.name, %error, "a webhook cannot read the log");
                return TurnEnd::Refused(READ_AGAIN);
            }
            // The runtime ends.
            Err(_) => return TurnEnd::Done,
        };
        if batch.events.is_empty() {
            self.advance(log, tenant, &progress, (&batch, None)).await;
            return if batch.is_last { TurnEnd::Unwanted } else { TurnEnd::More };
        }
        let delivery = Delivery {
            webhook: &self.name,
            tenant_id: tenant.as_str(),
            is_test: false,
            is_after_gap: batch.is_after_gap,
            events: &batch.events,
        };
        // Reading may have taken its time.
        if !progress.lease.is_valid_at(Instant::now()) {
            return TurnEnd::More;
        }
        let Exchange { outcome, .. } = self.post(&terms.receiver, tenant, &batch, &delivery).await;
        match outcome {
            Ok(()) => {
                if self.health.note_success(now_ms()) {
                    tracing::info!(webhook = self.name, "the receiver of a webhook answers again");
                }
                self.counts.delivered.fetch_add(batch.events.len() as u64, Ordering::Relaxed);
                self.advance(log, tenant, &progress, (&batch, None)).await;
                TurnEnd::after(&batch)
            }
            Err(failure) => {
                self.counts.failed.fetch_add(1, Ordering::Relaxed);
                self.failed(log, tenant, (&progress, &batch), &failure, begun_at).await
            }
        }
    }

    fn read(
        &self,
        log: &dyn TenantLog,
        reports: &Reports,
        terms: &Terms,
    ) -> Result<Ready, ReadError> {
        let tenant = reports.tenant();
        let known = {
            let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
            progress.get(tenant).cloned()
        };
        let progress = match (log.webhook_places(), known) {
            (Some(places), known) => {
                let lease = log.claim(tenant, &self.duty)?;
                // Behind the claim: nobody else moves on from it.
                let kept = places.place(tenant, &self.key)?;
                if kept.is_paused {
                    return Ok(Ready::Paused);
                }
                let Some(lease) = lease else {
                    return Ok(Ready::Elsewhere { is_behind: is_behind(log, tenant, &kept)? });
                };
                let place = kept.cursor.as_ref().map_or(Place::BEGINNING, Place::from);
                match known.filter(|it| it.is_as_kept(lease, &kept)) {
                    Some(known) => Progress { lease, ..known },
                    None => Progress::under(lease, place, kept.moves),
                }
            }
            (None, Some(progress)) => progress,
            (None, None) => Progress::at(place::find(log, tenant, &self.key)?),
        };
        let is_alone = progress.place.after < progress.alone_through;
        let events_max = if is_alone { 1 } else { terms.events_max };
        let batch = place::read(log, reports, progress.place, &terms.filter, events_max)?;
        Ok(Ready::With(progress, batch))
    }

    /// Goes on behind what was sent, or given up.
    async fn advance(
        self: &Arc<Self>,
        log: &Arc<dyn TenantLog>,
        tenant: &TenantId,
        before: &Progress,
        (batch, letter): (&Batch, Option<DeadLetter>),
    ) {
        let place = batch.next;
        let mut next = Progress { place, refusals: 0, is_fresh: false, ..before.clone() };
        let is_other_log = before.place.epoch.is_some_and(|epoch| Some(epoch) != place.epoch);
        let looked_at = place.after.get().saturating_sub(before.kept.after.get());
        // Who took a duty over says how far it is: it may be looked for.
        let unkept_max = if batch.events.is_empty() && !before.is_fresh { UNKEPT_MAX } else { 0 };
        if is_other_log || looked_at > unkept_max {
            match self.keep(log, tenant, before, place, letter).await {
                Ok(true) => next.kept = place,
                // Another node tells it, or somebody moved it: it is looked up again.
                Ok(false) => return self.forget(tenant),
                // After a crash the receiver is sent these events again.
                Err(error) => {
                    tracing::warn!(webhook = self.name, %error, "a webhook's place is not kept");
                    if before.lease != Lease::ALONE {
                        return self.forget(tenant);
                    }
                }
            }
        }
        self.note(tenant, next);
    }

    /// Keeps how far it is, and what was given up. Returns whether that is still this node's to say.
    async fn keep(
        self: &Arc<Self>,
        log: &Arc<dyn TenantLog>,
        tenant: &TenantId,
        before: &Progress,
        place: Place,
        letter: Option<DeadLetter>,
    ) -> Result<bool, Box<dyn std::error::Error>> {
        let Some(cursor) = place.cursor() else { return Ok(true) };
        if log.webhook_places().is_none() {
            if let Some(letter) = letter {
                log.put_dead_letter(tenant, letter)?;
            }
            place::keep(&**log, tenant, &self.key, place, now_ms())?;
            return Ok(true);
        }
        let to = SavedCursor { cursor, updated_at_ms: now_ms() };
        let step = WebhookStep { lease: before.lease, moves: before.moves, to, letter };
        let (webhook, log, tenant) = (Arc::clone(self), Arc::clone(log), tenant.clone());
        // It waits for the answer.
        let kept = tokio::task::spawn_blocking(move || match log.webhook_places() {
            Some(places) => places.step(&tenant, &webhook.key, &step),
            None => Ok(true),
        });
        Ok(kept.await??)
    }

    fn forget(&self, tenant: &TenantId) {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).remove(tenant);
    }

    /// Notes how far a tenant's turn came, unless somebody moved it meanwhile.
    fn note(&self, tenant: &TenantId, next: Progress) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let is_shared = next.lease != Lease::ALONE;
        if is_shared || progress.get(tenant).is_none_or(|it| it.moves == next.moves) {
            progress.insert(tenant.clone(), next);
        }
    }

    async fn failed(
        self: &Arc<Self>,
        log: &Arc<dyn TenantLog>,
        tenant: &TenantId,
        (progress, batch): (&Progress, &Batch),
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
                let letter = self.give_up(*alone, refusals, failure);
                self.advance(log, tenant, progress, (batch, Some(letter))).await;
            }
            places => {
                let alone_through = places.last().map_or(Offset::ZERO, |(offset, _)| *offset);
                self.note(tenant, Progress { refusals: 0, alone_through, ..progress.clone() });
            }
        }
        TurnEnd::More
    }

    /// The letter of an event that the receiver does not take.
    fn give_up(
        &self,
        (offset, id): (Offset, Uuid),
        attempts: u32,
        failure: &Failure,
    ) -> DeadLetter {
        self.counts.dead_letters.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(webhook = self.name, offset = offset.get(), %failure, "a webhook's event is a dead letter");
        DeadLetter {
            offset,
            subscriber: self.key.clone(),
            id,
            reason: DeadLetterReason::Failed,
            attempts,
            at_ms: now_ms(),
        }
    }
}

/// Whether somebody has not told a webhook of all yet.
fn is_behind(
    log: &dyn TenantLog,
    tenant: &TenantId,
    kept: &WebhookPlace,
) -> Result<bool, ReadError> {
    let last = log.stats(tenant)?.last;
    Ok(kept
        .cursor
        .as_ref()
        .is_none_or(|it| it.epoch() != last.epoch() || it.through() < last.through()))
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
