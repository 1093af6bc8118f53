//! A log that others write to as well: what it answers to what was submitted here, and what others wrote.

use std::sync::Arc;

use foodtrack_contract::{Cursor, Offset, TenantId};
use foodtrack_tenant_log::{Answer, LogEntry, Page, ReadError, RefusedReason};
use foodtrack_wire::LogPlace;

use crate::appending::{accepted, away, meta_of};
use crate::connection_slot::ConnectionSlot;
use crate::effects::{CloseReason, Effects};
use crate::followed_devices::FollowedDevices;
use crate::intake::EmissionKey;
use crate::ledger::{Followed, Pending};
use crate::policies::Policies;
use crate::read_job::{Asker, Job, ReadJob};
use crate::reliability::Reliability;
use crate::replay::{Replay, Start};
use crate::sessions::Sessions;
use crate::tenant::Tenant;
use crate::turn::Turn;

/// How soon a log is read again that could not be read, in milliseconds.
const READ_AGAIN_MS: u64 = 1_000;

impl Tenant {
    /// The store has said what became of what was submitted with a ticket.
    pub(crate) fn submission_answered(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        ticket: u64,
        answer: Answer,
    ) {
        if let Answer::Committed(offset) = answer
            && let Some(entry) = self.ledger.submitted(ticket)
        {
            self.intake.placed(entry, turn.emission_key, offset);
        }
        if let Some(pending) = self.ledger.answered(ticket, answer) {
            match answer {
                // It was read among the others', and delivered.
                Answer::Committed(offset) => self.tell_senders(turn, pending, offset, false),
                Answer::Repeated(offset) => {
                    turn.counters.duplicates.add(1);
                    self.forget_submitted(&pending);
                    self.tell_senders(turn, pending, offset, true);
                }
                Answer::NoNews => {
                    self.devices.is_known(pending.entry.id);
                    self.forget_submitted(&pending);
                }
                Answer::Spooled { is_repeat } => self.spooled(turn, ticket, pending, is_repeat),
                Answer::Refused(reason) => self.not_kept(turn, [pending], reason),
            }
        } else {
            self.unspooled(ticket, answer);
        }
        if answer == Answer::Refused(RefusedReason::Fenced) {
            self.log_is_lost(turn);
        }
        self.go_on_following(turn);
    }

    fn tell_senders(
        &self,
        turn: &mut Turn<'_, impl Effects>,
        pending: Pending,
        offset: Offset,
        is_repeat: bool,
    ) {
        for (reply, is_again) in pending.replies {
            let duplicate = is_again || is_repeat;
            self.answer(turn, reply, Ok(accepted(pending.entry.id, offset, duplicate)));
        }
    }

    /// Tells who sent what is not in the log.
    pub(crate) fn not_kept(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        all: impl IntoIterator<Item = Pending>,
        reason: RefusedReason,
    ) {
        for pending in all {
            self.forget_submitted(&pending);
            self.device_not_told(turn, pending.entry.id);
            let refusal = away(reason).of_event(pending.entry.event.as_str());
            for (reply, _) in pending.replies {
                self.answer(turn, reply, Err(refusal.clone()));
            }
        }
    }

    fn forget_submitted(&mut self, pending: &Pending) {
        self.intake.not_in_log(&pending.entry);
        self.decide_order(&pending.entry);
    }

    /// The log goes on to here.
    pub(crate) fn grown(&mut self, turn: &mut Turn<'_, impl Effects>, through: Offset) {
        self.ledger.grown(through);
        self.read_on(turn);
    }

    /// Looks for what others wrote and nobody told of.
    pub(crate) fn look_at_log(&mut self, turn: &mut Turn<'_, impl Effects>) {
        if self.ledger.look().is_some() {
            self.read_on(turn);
        }
    }

    /// Asks for what is to be read next, if that is not under way.
    pub(crate) fn read_on(&mut self, turn: &mut Turn<'_, impl Effects>) {
        if !self.ledger.is_shared() {
            return;
        }
        let serial = self.next_serial();
        if let Some(next) = self.ledger.next_read(serial, turn.now.monotonic_ms) {
            turn.effects.read(&self.id, Asker::Log(serial), ReadJob(Job::Follow(next)));
        }
    }

    /// Hears what was read of the log.
    pub(crate) fn followed(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        serial: u32,
        page: Result<Page, ReadError>,
    ) {
        let mut page = match page {
            Ok(page) => page,
            Err(error) => {
                tracing::warn!(tenant = self.id.as_str(), %error, "what others wrote cannot be read");
                let again_at_ms = turn.now.monotonic_ms + READ_AGAIN_MS;
                return self.ledger.not_followed(serial, again_at_ms);
            }
        };
        let (policies, key, id) = (turn.policies, turn.emission_key, &self.id);
        let to_pending = |entry| pending_of(policies, key, id, entry);
        match self.ledger.followed(serial, &mut page, to_pending) {
            Followed::Whole => {}
            Followed::Gap(after, through) => self.tell_live_of_gap(turn, after, through),
            Followed::OtherLog => self.log_is_lost(turn),
        }
        self.go_on_following(turn);
    }

    /// Delivers what can be, and what follows from that.
    pub(crate) fn go_on_following(&mut self, turn: &mut Turn<'_, impl Effects>) {
        self.deliver_released(turn);
        self.bring_in_who_is_ahead(turn);
        self.read_on(turn);
        self.go_on_with_lines(turn);
    }

    /// This node was away for so long that the log has let go of what it did not deliver.
    fn tell_live_of_gap(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        after: Offset,
        through: Offset,
    ) {
        self.ledger.trimmed(through);
        let live = self.members.iter().filter(|(_, it)| it.replay.is_none());
        let live: Vec<u32> = live.map(|(place, _)| place).collect();
        for place in live {
            self.tell_gap(turn, place, after, through);
        }
    }

    /// The log has the next entry, whoever wrote it: it says whose an order is, and what repeats it.
    pub(crate) fn take_in(&mut self, turn: &Turn<'_, impl Effects>, entry: &LogEntry) {
        self.intake.in_log(entry, turn.emission_key, turn.now.steady_ms);
        self.decide_order(entry);
    }

    fn decide_order(&mut self, entry: &LogEntry) {
        if let Some(order) = &entry.entity
            && (entry.creates_order.is_some() || entry.by_ref().assignment().is_some())
        {
            self.order_decided(order);
        }
    }

    /// A connection has more than was delivered here: another node is further. It waits until this one is as far, or has
    /// found that the log is not.
    pub(crate) fn wait_ahead(&mut self, turn: &mut Turn<'_, impl Effects>, client: ConnectionSlot) {
        if let Some(look) = self.ledger.look() {
            self.ahead.push((client, look));
            self.read_on(turn);
        }
    }

    fn bring_in_who_is_ahead(&mut self, turn: &mut Turn<'_, impl Effects>) {
        if self.ahead.is_empty() {
            return;
        }
        let Some(position) = self.ledger.position() else { return };
        for (client, look) in std::mem::take(&mut self.ahead) {
            if self.present(client).is_none() {
                continue;
            }
            let is_over = self.ledger.has_looked(look);
            let replay = self.members.get_mut(client.place()).and_then(|it| it.replay.as_mut());
            let Some(replay) = replay else { continue };
            match (replay.reached(&position), is_over, replay.was_away()) {
                (false, false, _) => self.ahead.push((client, look)),
                (true, ..) => self.go_on(turn, client.place()),
                // The log has no more: it went back, or is not where that was read. It is told.
                (false, true, true) => {
                    self.start_catch_up(turn, client.place(), Start::Reset);
                    self.go_on(turn, client.place());
                }
                (false, true, false) => self.end_session_ahead(turn, client),
            }
        }
    }

    /// A session is back that has more than the log: it was told that nothing is missing, and would be shown other events at places
    /// that it has. It ends, and whoever comes back of it is told that something is gone.
    fn end_session_ahead(&mut self, turn: &mut Turn<'_, impl Effects>, client: ConnectionSlot) {
        tracing::info!(
            tenant = self.id.as_str(),
            "a session that came back has more than the log, which may have gone back: it begins anew"
        );
        self.end_session(turn, client.place());
        turn.effects.close(client, CloseReason::ServerClosed);
        self.depart(turn, client.place(), "server_closed");
        turn.effects.release(client);
    }

    /// Another writer has taken the log over, or it was begun anew: it is opened again.
    pub(crate) fn log_is_lost(&mut self, turn: &mut Turn<'_, impl Effects>) {
        if self.ledger.lost() {
            tracing::warn!(tenant = self.id.as_str(), "another writer has taken the log over");
            self.ask_for_log(turn);
        }
    }

    /// The log was taken back, but others wrote meanwhile what is not delivered: live connections, which have everything up to
    /// here, get it from the log.
    pub(crate) fn fall_behind(&mut self, turn: &mut Turn<'_, impl Effects>, through: Offset) {
        let Some(position) = self.ledger.position() else { return };
        let places: Vec<u32> = self.members.iter().map(|(place, _)| place).collect();
        for place in places {
            if self.members.get(place).is_some_and(|it| it.replay.is_none()) {
                let start = Start::Recovered(Cursor::new(position.epoch, through));
                let serial = self.next_serial();
                let now_ms = turn.now.monotonic_ms;
                let replay = Replay::new(serial, &position, start, false, now_ms);
                self.members.set_behind(place, Box::new(replay));
            }
            self.go_on(turn, place);
        }
    }

    /// The log was begun anew: whatever is known of it means nothing any more. Its clients come back by themselves, and are
    /// told.
    pub(crate) fn start_anew(&mut self, turn: &mut Turn<'_, impl Effects>) {
        let clients: Vec<ConnectionSlot> = self.members.iter().map(|(_, it)| it.slot).collect();
        for client in clients {
            turn.effects.close(client, CloseReason::ServerClosed);
            self.let_go(turn, client.place(), "server_closed");
            turn.effects.release(client);
        }
        (self.sessions, self.reliability) = (Sessions::default(), Reliability::default());
        self.intake.log_is_new();
        // Who comes back is news to the new one.
        self.devices = FollowedDevices::default();
    }
}

/// An entry that was read, as it waits to be delivered.
fn pending_of(
    policies: &Policies,
    key: &EmissionKey,
    tenant: &TenantId,
    entry: LogEntry,
) -> Pending {
    let policy = policies.delivery.of(&policies.schemas, tenant, &entry.event);
    let place = LogPlace { offset: entry.offset.get(), is_entry: true };
    let entity = key.order(entry.entity.as_deref());
    let meta = meta_of((policy.class, entry.priority), &entry.event, entity, Some(place));
    Pending {
        entry: Arc::new(entry),
        meta,
        asks_ack: policy.acknowledge,
        watch: policy.watch,
        submitted_ms: None,
        replies: smallvec::SmallVec::new(),
    }
}
