//! What is kept on this node's disk while Redis is away, and how it comes to Redis.

use std::time::Instant;

use foodtrack_contract::{Offset, TenantId};
use tokio::sync::mpsc::error::TryRecvError;

use super::super::appended::{read_appended, reason};
use super::super::batch::Step;
use super::super::follower::UNHEARD;
use super::super::head::{HEAD_FIELDS, StoredHead};
use super::super::keys::Part;
use super::super::known_places::KnownPlace;
use super::super::queue::Command;
use super::super::row::Row;
use super::super::spool_file::Spooled;
use super::{CANARY_EVERY, Ended, PROBE_EVERY, Worker};
use crate::{Answer, Completion, RefusedReason};

impl Worker {
    /// The next command; `None` where there was something else to do.
    ///
    /// # Errors
    /// Nobody is left who could send one.
    pub(super) async fn next_command(&mut self) -> Result<Option<Command>, Ended> {
        let owes_cursors = !self.gauge.is_away() && self.owed_cursors.is_due(Instant::now());
        if owes_cursors || self.has_spooled() {
            if owes_cursors {
                let steps = self.owed_cursors.take();
                self.carry_out(steps).await;
            }
            if self.has_spooled() {
                self.append_spooled().await;
            }
            return match self.commands.try_recv() {
                Err(TryRecvError::Disconnected) => Err(Ended),
                command => Ok(command.ok()),
            };
        }
        let is_well = !self.gauge.is_away() && !self.gauge.is_unreplicated();
        let quiet_max = if is_well && !self.is_spooling() { CANARY_EVERY } else { PROBE_EVERY };
        let Ok(command) = tokio::time::timeout(quiet_max, self.commands.recv()).await else {
            // Nothing must be kept meanwhile, and somebody has to find out whether it could be.
            self.carry_out(vec![Step::Probe]).await;
            return Ok(None);
        };
        command.map(Some).ok_or(Ended)
    }

    /// Whether something waits on disk that Redis may take now.
    pub(super) fn has_spooled(&self) -> bool {
        !self.gauge.is_away() && self.spool.as_ref().is_some_and(|it| it.is_due(Instant::now()))
    }

    /// Whether something waits on disk.
    pub(super) fn is_spooling(&self) -> bool {
        self.spool.as_ref().is_some_and(|it| !it.is_empty())
    }

    /// Keeps on disk what must be kept while Redis is away, and what comes behind that; returns what is left to be sent.
    pub(super) fn spool_steps(&mut self, steps: Vec<Step>) -> Vec<Step> {
        let is_away = self.gauge.is_away();
        let Some(spool) = &self.spool else { return steps };
        if !is_away && spool.is_empty() {
            return steps;
        }
        let (mut left, mut entries) = (Vec::with_capacity(steps.len() + 1), Vec::new());
        for step in steps {
            match step {
                Step::Append { tenant, entries: these } if is_away || spool.has(&tenant) => {
                    entries.extend(
                        these.into_iter().map(|(ticket, row)| (tenant.clone(), ticket, row)),
                    );
                }
                // What waits is of its log: who comes in finds it there.
                Step::Open { tenant, opening } if !opening.is_refresh && spool.has(&tenant) => {
                    let reason = RefusedReason::Away;
                    self.tell.tell(Completion::OpenFailed { tenant, reason });
                }
                step => left.push(step),
            }
        }
        let kept_some = !entries.is_empty();
        self.spool_entries(entries);
        // Who keeps entries on disk would not find out that Redis answers.
        if is_away && kept_some && self.probed_at.is_none_or(|it| it.elapsed() >= PROBE_EVERY) {
            self.probed_at = Some(Instant::now());
            left.push(Step::Probe);
        }
        left
    }

    /// Keeps entries on disk that were not sent, where Redis is away; says of others why they are not kept.
    pub(super) fn spool_or_refuse(
        &mut self,
        tenant: &TenantId,
        entries: Vec<(u64, Row)>,
        reason: RefusedReason,
    ) {
        if reason == RefusedReason::Away && self.gauge.is_away() && self.spool.is_some() {
            let entries = entries.into_iter().map(|(ticket, row)| (tenant.clone(), ticket, row));
            return self.spool_entries(entries.collect());
        }
        self.refuse_entries(tenant, entries, reason);
    }

    /// Says why entries are not kept. What Redis itself refused is not spooled either: it may have taken what came behind it.
    pub(super) fn refuse_entries(
        &mut self,
        tenant: &TenantId,
        entries: Vec<(u64, Row)>,
        reason: RefusedReason,
    ) {
        if reason == RefusedReason::Unknown {
            self.known.doubt(tenant);
        }
        for (ticket, _) in entries {
            let (tenant, answer) = (tenant.clone(), Answer::Refused(reason));
            self.tell.tell(Completion::Answered { tenant, ticket, answer });
        }
    }

    /// Keeps on disk what can be; answers all, in their order.
    fn spool_entries(&mut self, entries: Vec<(TenantId, u64, Row)>) {
        let Some(spool) = &mut self.spool else { return };
        if entries.is_empty() {
            return;
        }
        let (takes, was_empty) = (spool.takes_entries(), spool.is_empty());
        let (kept, refused): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|(_, _, row)| takes && row.may_be_spooled());
        let answers = spool.keep(&kept);
        if was_empty && !spool.is_empty() {
            tracing::warn!(
                "Redis takes nothing: durable events are kept on this node's disk until it does"
            );
        }
        self.note_spooled();
        let refused = refused.into_iter().map(|it| (it, Answer::Refused(RefusedReason::Away)));
        let mut all: Vec<_> = kept.into_iter().zip(answers).chain(refused).collect();
        // Tickets grow.
        all.sort_by_key(|((_, ticket, _), _)| *ticket);
        for ((tenant, ticket, _), answer) in all {
            self.tell.tell(Completion::Answered { tenant, ticket, answer });
        }
    }

    fn note_spooled(&self) {
        if let Some(spool) = &self.spool {
            self.gauge.spool.note(spool);
        }
    }

    /// Appends some of what waits on disk.
    pub(super) async fn append_spooled(&mut self) {
        let now = Instant::now();
        let Some(spool) = &mut self.spool else { return };
        let some = spool.next(now);
        // It is tried again when Redis answers.
        let Ok(places) = self.places_of(&some).await else { return };
        let mut pipeline = redis::pipe();
        pipeline.ignore_errors();
        let mut sent = Vec::new();
        for ((tenant, entries), known) in some.into_iter().zip(places) {
            let Some(known) = known else {
                self.postpone(
                    &tenant,
                    "what stands in Redis under its keys is no log of this version",
                );
                continue;
            };
            let numbered = entries.into_iter().map(|(seq, row)| (seq.cast_unsigned(), row));
            let step = Step::Append { tenant: tenant.clone(), entries: numbered.collect() };
            self.builder.add(&mut pipeline, &step, Some(known));
            if let Step::Append { entries, .. } = step {
                sent.push((tenant, entries, known));
            }
        }
        if sent.is_empty() {
            return;
        }
        let is_waiting = self.replicas.wait_behind(&mut pipeline, true);
        let Ok((mut answers, _)) = self.send(&pipeline).await else { return };
        if is_waiting {
            self.hear_of_replicas(answers.pop().as_ref());
        }
        for ((tenant, entries, known), answer) in sent.into_iter().zip(answers) {
            let entries = entries.into_iter().map(|(seq, row)| (seq.cast_signed(), row)).collect();
            let appended = match &answer {
                Ok(value) => read_appended(value, known),
                Err(error) => Err(reason(error)),
            };
            match appended {
                Ok(appended) => {
                    self.full.note(&tenant, appended.orders);
                    self.unspool(&tenant, entries, &appended.entries, known);
                }
                Err(RefusedReason::Fenced) => {
                    // It is begun anew, and they are appended to that.
                    if self.known.remove(&tenant) {
                        self.tell.tell(Completion::Lost { tenant });
                    }
                }
                Err(reason) => self.postpone(&tenant, &reason.to_string()),
            }
        }
        self.note_spooled();
        if !self.is_spooling() {
            tracing::info!("what waited on this node's disk is in the log");
        }
    }

    /// Where the logs of these stand: as is known of those that are open, as Redis says of the others. `None` of what is no log.
    async fn places_of(
        &mut self,
        some: &[(TenantId, Vec<Spooled>)],
    ) -> Result<Vec<Option<KnownPlace>>, RefusedReason> {
        let mut places: Vec<_> = some.iter().map(|(tenant, _)| self.known.get(tenant)).collect();
        let mut pipeline = redis::pipe();
        pipeline.ignore_errors();
        let unknown: Vec<usize> = (0..some.len()).filter(|it| places[*it].is_none()).collect();
        for at in &unknown {
            let tenant = &some[*at].0;
            pipeline.cmd("SADD").arg(self.builder.keys.tenants()).arg(tenant.as_str());
            pipeline.add_command(self.builder.open(tenant, None));
            let head = self.builder.keys.part(tenant, Part::Head);
            pipeline.cmd("HMGET").arg(head).arg(&HEAD_FIELDS);
        }
        if !unknown.is_empty() {
            let (answers, _) = self.send(&pipeline).await?;
            for (at, answers) in unknown.into_iter().zip(answers.chunks(3)) {
                let head = answers.last().and_then(|it| it.as_ref().ok());
                places[at] = head.and_then(StoredHead::read).map(|head| KnownPlace {
                    epoch: head.epoch,
                    last: Offset::ZERO,
                    id: None,
                    heard_since: UNHEARD,
                });
            }
        }
        Ok(places)
    }

    /// Redis has these: they are taken off the disk, and who is here is told where they are.
    fn unspool(
        &mut self,
        tenant: &TenantId,
        entries: Vec<Spooled>,
        answers: &[Answer],
        known: KnownPlace,
    ) {
        if self.replicas.is_lacking() {
            return self.postpone(tenant, "fewer replicas than redis.waitReplicas have it");
        }
        let Some(spool) = &mut self.spool else { return };
        let tickets = match spool.remove(tenant, &entries) {
            Ok(tickets) => tickets,
            Err(error) => return self.postpone(tenant, &error.to_string()),
        };
        for (((_, row), ticket), answer) in entries.into_iter().zip(tickets).zip(answers) {
            match *answer {
                Answer::Committed(last) => {
                    let id = Some(row.id());
                    self.known.advance(tenant, KnownPlace { last, id, ..known });
                }
                // Its sender was told that it is kept.
                Answer::Refused(reason) => {
                    let (tenant, message) = (tenant.as_str(), row.id());
                    tracing::warn!(tenant, %message, %reason, "what waited on this node's disk is refused by the log");
                }
                _ => {}
            }
            if let Some(ticket) = ticket {
                let (tenant, answer) = (tenant.clone(), *answer);
                self.tell.tell(Completion::Answered { tenant, ticket, answer });
            }
        }
    }

    fn postpone(&mut self, tenant: &TenantId, reason: &str) {
        let Some(spool) = &mut self.spool else { return };
        if spool.postpone(tenant, Instant::now()) {
            tracing::warn!(
                tenant = tenant.as_str(),
                reason,
                "what waits on this node's disk is not in the log yet: it is tried again every second"
            );
        }
    }
}
