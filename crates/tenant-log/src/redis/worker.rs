//! The one task that changes what is in Redis: whatever waits goes there in one pipeline, and is answered in its order.

mod spooling;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ahash::AHashSet;
use foodtrack_contract::{Offset, TenantId};
use redis::{Pipeline, RedisError, Value};
use tokio::sync::mpsc::UnboundedReceiver;

use super::appended::{read_appended, reason};
use super::batch::{Batch, Step};
use super::full_tenants::FullTenants;
use super::known_places::{KnownPlace, KnownPlaces};
use super::link::{Link, is_again};
use super::log_admin::members;
use super::opening;
use super::owed_cursors::OwedCursors;
use super::pipeline::CommandBuilder;
use super::queue::{Command, Gauge, Opening};
use super::refreshes::Refreshes;
use super::replicas::Replicas;
use super::row::Row;
use super::spool::Spool;
use super::values::{array, tenants, text};
use crate::{Answer, Completion, Duty, Head, NoteKind, OnCompletion, RefusedReason, SubscriberKey};

/// How many commands go together at most.
const COMMANDS_TOGETHER_MAX: usize = 4_096;
/// And how many bytes of them.
const BYTES_TOGETHER_MAX: usize = 1 << 20;
/// How often it is looked whether Redis answers again, and whether it still does where nothing else is asked of it.
const PROBE_EVERY: Duration = Duration::from_millis(300);
const CANARY_EVERY: Duration = Duration::from_secs(1);
/// For how long the node that applied retention is the one that does it next. It is asked for about every minute.
const RETENTION_LEASE_MS: u64 = 150_000;
/// How many tenants are looked at together for retention.
const TRIMMED_TOGETHER_MAX: usize = 256;

/// Told on the runtime's thread, by the worker and by the follower.
#[derive(Clone)]
pub(super) struct Tell(Arc<Mutex<OnCompletion>>);

impl Tell {
    pub(super) fn new(on_completion: OnCompletion) -> Self {
        Self(Arc::new(Mutex::new(on_completion)))
    }

    pub(super) fn tell(&self, completion: Completion) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)(completion);
    }
}

/// Nobody is left who could send a command.
struct Ended;

pub(super) struct Worker {
    builder: CommandBuilder,
    link: Link,
    replicas: Replicas,
    commands: UnboundedReceiver<Command>,
    gauge: Arc<Gauge>,
    tell: Tell,
    full: Arc<FullTenants>,
    known: Arc<KnownPlaces>,
    refreshes: Refreshes,
    /// What the sets of tenants with notes have from here.
    noted: AHashSet<(NoteKind, TenantId)>,
    /// What waits on disk until Redis has it; `None` where nothing is kept there.
    spool: Option<Spool>,
    owed_cursors: OwedCursors,
    /// When it was looked last whether Redis answers, while entries are kept on disk.
    probed_at: Option<Instant>,
}

impl Worker {
    pub(super) fn new(
        builder: CommandBuilder,
        link: Link,
        (commands, gauge): (UnboundedReceiver<Command>, Arc<Gauge>),
        tell: Tell,
        (known, full): (Arc<KnownPlaces>, Arc<FullTenants>),
        (refreshes, spool): (Refreshes, Option<Spool>),
    ) -> Self {
        let noted = AHashSet::new();
        let options = &builder.options;
        let replicas = Replicas::new(options.wait_replicas, options.patience / 2);
        if let Some(spool) = &spool {
            gauge.spool.note(spool);
        }
        let probed_at = None;
        Self {
            builder,
            link,
            replicas,
            commands,
            gauge,
            tell,
            full,
            known,
            refreshes,
            noted,
            spool,
            owed_cursors: OwedCursors::default(),
            probed_at,
        }
    }

    /// Ends when the log is stopped and what came before is done.
    pub(super) async fn run(mut self) {
        let mut is_stopped = false;
        while !is_stopped {
            let first = match self.next_command().await {
                Ok(Some(first)) => first,
                Ok(None) => continue,
                Err(Ended) => return,
            };
            let mut bytes = first.waiting_bytes();
            let mut commands = vec![first];
            // What comes behind a trim comes after it.
            while commands.len() < COMMANDS_TOGETHER_MAX
                && bytes < BYTES_TOGETHER_MAX
                && !matches!(commands.last(), Some(Command::Trim { .. }))
                && let Ok(next) = self.commands.try_recv()
            {
                bytes += next.waiting_bytes();
                commands.push(next);
            }
            commands.iter().for_each(|command| self.gauge.taken(command));
            is_stopped = commands.iter().any(|it| matches!(it, Command::Stop));
            self.carry_out(Batch::of(commands)).await;
        }
        if self.is_spooling() {
            tracing::warn!(
                "durable events wait on this node's disk: start it again with the same data directory"
            );
        }
    }

    async fn carry_out(&mut self, steps: Vec<Step>) {
        let steps = self.spool_steps(steps);
        let mut pipeline = redis::pipe();
        pipeline.ignore_errors();
        let mut counted = Vec::with_capacity(steps.len());
        let mut trims = None;
        for step in steps {
            match &step {
                Step::Close { tenant } => _ = self.known.remove(tenant),
                Step::Trim { now_ms } => trims = Some(*now_ms),
                Step::SaveNote { tenant, note, .. }
                    if self.noted.insert((note.kind, tenant.clone())) =>
                {
                    pipeline.add_command(self.builder.noted(tenant, note.kind)).ignore();
                }
                _ => {}
            }
            let known = step.tenant().and_then(|tenant| self.known.get(tenant));
            let before = pipeline.len();
            self.builder.add(&mut pipeline, &step, known);
            counted.push((step, pipeline.len() - before, known));
        }
        let is_for_replicas = counted.iter().any(|(step, ..)| Replicas::is_for(step));
        let is_waiting = self.replicas.wait_behind(&mut pipeline, is_for_replicas);
        let sent = match pipeline.is_empty() {
            true => Ok((Vec::new(), false)),
            false => self.send(&pipeline).await,
        };
        match sent {
            Ok((mut answers, was_sent_before)) => {
                if is_waiting {
                    self.hear_of_replicas(answers.pop().as_ref());
                }
                let mut answers = answers.into_iter();
                for (step, count, known) in counted {
                    let known = (known, was_sent_before);
                    self.answered(step, answers.by_ref().take(count).collect(), known);
                }
            }
            Err(reason) => counted.into_iter().for_each(|(step, ..)| self.refuse(step, reason)),
        }
        if let Some(now_ms) = trims {
            self.trim(now_ms).await;
        }
    }

    fn hear_of_replicas(&mut self, answer: Option<&Result<Value, RedisError>>) {
        self.replicas.heard(answer);
        let is_lacking = self.replicas.is_lacking();
        match (self.gauge.set_unreplicated(is_lacking), is_lacking) {
            (false, true) => tracing::warn!(
                "fewer replicas than redis.waitReplicas have what was written: durable events are answered with timeout until they do"
            ),
            (true, false) => tracing::info!("enough replicas have what is written again"),
            _ => {}
        }
    }

    /// Sends a pipeline until it is answered, or nobody should wait any longer. All of it can be sent again: entries are known by
    /// their ids, and the rest says what is to be, whatever was. Returns the answers, and whether it was sent before those.
    async fn send(
        &mut self,
        pipeline: &Pipeline,
    ) -> Result<(Vec<Result<Value, RedisError>>, bool), RefusedReason> {
        let patience = self.builder.options.patience;
        let give_up = Instant::now() + if self.gauge.is_away() { Duration::ZERO } else { patience };
        let mut was_sent = false;
        loop {
            if let Some(at) = self.link.next_attempt() {
                if self.gauge.is_away() && at > Instant::now() {
                    return Err(self.gone_away(was_sent, None));
                }
                tokio::time::sleep_until(at.min(give_up).into()).await;
            }
            if let Err(error) = self.link.connect().await {
                tracing::debug!(%error, "Redis cannot be reached");
                if Instant::now() >= give_up {
                    return Err(self.gone_away(was_sent, Some(&error)));
                }
                continue;
            }
            let was_sent_before = std::mem::replace(&mut was_sent, true);
            let began = Instant::now();
            match self.link.run(pipeline).await {
                Ok(answers) if !answers.iter().any(is_again) => {
                    if self.gauge.answered(began.elapsed()) {
                        tracing::info!("Redis answers again");
                        self.refreshes.redis_answers();
                    }
                    return Ok((answers, was_sent_before));
                }
                Ok(answers) if Instant::now() >= give_up => {
                    let error = answers.iter().find(|it| is_again(it)).map(|it| it.as_ref().err());
                    self.set_away(error.flatten());
                    return Ok((answers, was_sent_before));
                }
                Ok(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                Err(error) => {
                    tracing::debug!(%error, "Redis does not answer");
                    if Instant::now() >= give_up {
                        return Err(self.gone_away(was_sent, Some(&error)));
                    }
                }
            }
        }
    }

    /// Redis takes nothing that must be kept.
    fn set_away(&self, error: Option<&RedisError>) {
        if !self.gauge.set_away(true) {
            let error = error.map(ToString::to_string).unwrap_or_default();
            tracing::warn!(
                error,
                "Redis takes nothing: what must be kept is refused until it does"
            );
        }
    }

    fn gone_away(&self, was_sent: bool, error: Option<&RedisError>) -> RefusedReason {
        self.set_away(error);
        // What was sent may have come through.
        if was_sent { RefusedReason::Unknown } else { RefusedReason::Away }
    }

    fn answered(
        &mut self,
        step: Step,
        answers: Vec<Result<Value, RedisError>>,
        known: (Option<KnownPlace>, bool),
    ) {
        match step {
            Step::Open { tenant, opening } => self.opened(tenant, answers, opening),
            Step::Append { tenant, entries } => self.appended(&tenant, entries, answers, known),
            Step::SaveNote { tenant, ticket: Some(ticket), .. } => {
                let refused = match answers.into_iter().next() {
                    Some(Ok(Value::Int(1))) => None,
                    Some(Err(error)) => Some(reason(&error)),
                    _ => Some(RefusedReason::OutOfSequence),
                };
                self.tell.tell(match refused {
                    None => Completion::Noted { tenant, ticket },
                    Some(reason) => Completion::NoteRefused { tenant, ticket, reason },
                });
            }
            step => {
                let mut errors = answers.iter().filter_map(|it| it.as_ref().err()).peekable();
                let is_refused = errors.peek().is_some();
                for error in errors {
                    tracing::warn!(%error, "Redis did not keep what stands beside a log");
                }
                if let (Step::SaveCursors { tenant, cursors }, true) = (step, is_refused) {
                    self.owed_cursors.keep(&tenant, cursors, Instant::now());
                }
            }
        }
    }

    fn opened(
        &mut self,
        tenant: TenantId,
        answers: Vec<Result<Value, RedisError>>,
        opening: Opening,
    ) {
        let answers: Result<Vec<Value>, RedisError> = answers.into_iter().collect();
        let head = match &answers {
            Ok(answers) => opening::read(&tenant, answers, opening.now_ms).ok_or_else(|| {
                tracing::error!(
                    tenant = tenant.as_str(),
                    "what stands in Redis under the tenant's keys is no log of this version"
                );
                RefusedReason::Away
            }),
            Err(error) => Err(reason(error)),
        };
        match head {
            Ok(head) => self.tell_opened(tenant, head, opening),
            // The follower tries again.
            Err(_) if opening.is_refresh => self.refreshes.refused(),
            Err(reason) => self.tell.tell(Completion::OpenFailed { tenant, reason }),
        }
    }

    fn tell_opened(&self, tenant: TenantId, head: Head, opening: Opening) {
        if opening.is_refresh && self.known.get(&tenant).is_none_or(|it| it.epoch != head.epoch) {
            // What its tenant submits meanwhile is of the log that it knows: it opens the other one itself.
            if self.known.remove(&tenant) {
                self.tell.tell(Completion::Lost { tenant });
            }
            return;
        }
        let last = Offset::ZERO.plus(head.next.get().saturating_sub(1));
        let id = head.tail.last().filter(|it| it.offset == last).map(|it| it.id);
        let heard_since = opening.heard_since;
        let place = KnownPlace { epoch: head.epoch, last, id, heard_since };
        let name = tenant.clone();
        let noted_meanwhile = opening.noted_meanwhile;
        self.tell.tell(Completion::Opened { tenant, head, noted_meanwhile });
        // Behind it: who waits until all is heard has heard what it was opened with.
        self.known.set(&name, place);
        self.refreshes.opened(heard_since);
    }

    fn appended(
        &mut self,
        tenant: &TenantId,
        entries: Vec<(u64, Row)>,
        answers: Vec<Result<Value, RedisError>>,
        (known, was_sent_before): (Option<KnownPlace>, bool),
    ) {
        let answer = answers.into_iter().next();
        let appended = match (&answer, known) {
            (Some(Ok(value)), Some(known)) => read_appended(value, known),
            (Some(Err(error)), _) => {
                tracing::debug!(%error, tenant = tenant.as_str(), "Redis did not append");
                Err(reason(error))
            }
            _ => Err(RefusedReason::OutOfSequence),
        };
        let appended = match appended {
            Ok(appended) => appended,
            Err(reason) => {
                if reason == RefusedReason::Fenced {
                    self.known.remove(tenant);
                }
                return self.refuse_entries(tenant, entries, reason);
            }
        };
        self.full.note(tenant, appended.orders);
        let last = known.map_or(Offset::ZERO, |known| known.last);
        let mut in_doubt = None;
        for (place, (ticket, row)) in entries.into_iter().enumerate() {
            let answer = match appended.entries.get(place) {
                // It came through when it was sent first, and the answer was lost.
                Some(Answer::Repeated(offset)) if was_sent_before && *offset > last => {
                    Answer::Committed(*offset)
                }
                Some(answer) => *answer,
                None => Answer::Refused(RefusedReason::Away),
            };
            if let (Answer::Committed(last), Some(known)) = (answer, known) {
                let id = Some(row.id());
                self.known.advance(tenant, KnownPlace { last, id, ..known });
                self.known.end_doubt(tenant);
            }
            let answer = match answer {
                Answer::Committed(offset) | Answer::Repeated(offset)
                    if row.is_durable() && self.replicas.is_lacking() =>
                {
                    in_doubt = in_doubt.max(Some(offset));
                    Answer::Refused(RefusedReason::Unknown)
                }
                answer => answer,
            };
            self.tell.tell(Completion::Answered { tenant: tenant.clone(), ticket, answer });
        }
        // It is in the log, as far as anybody can see: it is delivered as what others wrote.
        if let Some(through) = in_doubt {
            self.tell.tell(Completion::Grown { tenant: tenant.clone(), through });
        }
    }

    fn refuse(&mut self, step: Step, reason: RefusedReason) {
        match step {
            Step::Open { opening, .. } if opening.is_refresh => self.refreshes.refused(),
            Step::Open { tenant, .. } => self.tell.tell(Completion::OpenFailed { tenant, reason }),
            Step::Append { tenant, entries } => self.spool_or_refuse(&tenant, entries, reason),
            Step::SaveNote { tenant, ticket: Some(ticket), .. } => {
                self.tell.tell(Completion::NoteRefused { tenant, ticket, reason });
            }
            Step::SaveCursors { tenant, cursors } => {
                self.owed_cursors.keep(&tenant, cursors, Instant::now());
            }
            _ => {}
        }
    }

    /// Applies retention to every tenant, where no other node does.
    async fn trim(&mut self, now_ms: u64) {
        match self.claims_retention().await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => return tracing::warn!(%error, "retention waits for Redis"),
        }
        let (mut tenants, webhooks) = match self.what_to_trim().await {
            Ok(found) => found,
            Err(error) => return tracing::warn!(%error, "retention waits for Redis"),
        };
        while !tenants.is_empty() {
            let mut pipeline = redis::pipe();
            pipeline.ignore_errors();
            let some: Vec<_> = tenants.drain(..tenants.len().min(TRIMMED_TOGETHER_MAX)).collect();
            for tenant in &some {
                pipeline.add_command(self.builder.trim(tenant, now_ms, &webhooks));
            }
            match self.link.run(&pipeline).await {
                // Those that have more to let go have another turn.
                Ok(answers) => tenants.extend(
                    some.into_iter()
                        .zip(answers)
                        .filter(|(tenant, answer)| self.trimmed(tenant, answer))
                        .map(|(tenant, _)| tenant),
                ),
                Err(error) => return tracing::warn!(%error, "retention waits for Redis"),
            }
        }
    }

    /// Hears what came of it: returns whether there is more to let go.
    fn trimmed(&self, tenant: &TenantId, answer: &Result<Value, RedisError>) -> bool {
        let answer = match answer {
            Ok(answer) => array(answer).unwrap_or_default(),
            Err(error) => {
                tracing::warn!(%error, tenant = tenant.as_str(), "retention is not applied");
                return false;
            }
        };
        let [has_more, untold @ ..] = answer else { return false };
        let has_more = *has_more == Value::Int(1);
        if !has_more {
            for webhook in untold.iter().filter_map(text).filter_map(SubscriberKey::new) {
                let (tenant, duty) = (tenant.clone(), Duty::Webhook(webhook));
                self.tell.tell(Completion::Abandoned { tenant, duty });
            }
        }
        has_more
    }

    /// Whether it is this node that applies retention. It goes on as long as it does. Two at once would do no harm.
    async fn claims_retention(&mut self) -> Result<bool, RedisError> {
        let (key, name) = (self.builder.keys.retention(), self.builder.node_name());
        let mut pipeline = redis::pipe();
        pipeline.ignore_errors();
        pipeline.cmd("SET").arg(&key).arg(&name).arg("NX").arg("PX").arg(RETENTION_LEASE_MS);
        pipeline.cmd("GET").arg(&key);
        let mut answers = self.link.run(&pipeline).await?.into_iter().skip(1);
        let holder = answers.next().unwrap_or(Ok(Value::Nil))?;
        if text(&holder) != Some(&name) {
            return Ok(false);
        }
        let mut longer = redis::pipe();
        longer.ignore_errors().cmd("PEXPIRE").arg(&key).arg(RETENTION_LEASE_MS);
        self.link.run(&longer).await?;
        Ok(true)
    }

    /// All tenants, and all webhooks.
    async fn what_to_trim(&mut self) -> Result<(Vec<TenantId>, Vec<SubscriberKey>), RedisError> {
        let mut pipeline = redis::pipe();
        pipeline.ignore_errors();
        for key in [self.builder.keys.tenants(), self.builder.keys.webhooks()] {
            pipeline.add_command(members(key));
        }
        let mut answers = self.link.run(&pipeline).await?.into_iter();
        let names = answers.next().unwrap_or(Ok(Value::Nil))?;
        let webhooks = answers.next().unwrap_or(Ok(Value::Nil))?;
        let webhooks = array(&webhooks).unwrap_or_default().iter().filter_map(text);
        Ok((tenants(&names), webhooks.filter_map(SubscriberKey::new).collect()))
    }
}
