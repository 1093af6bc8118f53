//! The tenant's log as the tenant hears of it: it is opened, it is away, and what became of what was submitted and read.

use std::sync::Arc;

use foodtrack_tenant_log::{Completion, Head, LogEntry, Note, RefusedReason, SubmitError};

use crate::effects::Effects;
use crate::intake::OpenedLog;
use crate::ledger::Opened;
use crate::read_job::{Asker, Found, ReadAnswer};
use crate::replay::Start;
use crate::tenant::Tenant;
use crate::turn::Turn;

/// How soon a log that is away is asked for again, in milliseconds.
const REOPEN_MS: u64 = 1_000;

impl Tenant {
    /// Has the log opened, if nobody has yet.
    pub(crate) fn need_log(&mut self, turn: &mut Turn<'_, impl Effects>) {
        if self.ledger.is_closed() {
            self.ask_for_log(turn);
        }
    }

    /// Asks the store for the log.
    pub(crate) fn ask_for_log(&mut self, turn: &mut Turn<'_, impl Effects>) {
        if self.ledger.is_open() || self.ledger.is_opening() {
            return;
        }
        match turn.effects.open_log(&self.id, turn.now.believed_ms) {
            Ok(()) => self.ledger.asked(),
            Err(SubmitError::Overloaded) => self.log_is_away(turn, RefusedReason::DiskFull),
            Err(_) => self.log_is_away(turn, RefusedReason::Poisoned),
        }
    }

    fn log_is_away(&mut self, turn: &Turn<'_, impl Effects>, reason: RefusedReason) {
        let was_away = self.is_log_away();
        self.ledger.failed(reason, turn.now.monotonic_ms + REOPEN_MS);
        // A log that was open is still known, and waits to be opened again.
        if !was_away && self.is_log_away() {
            turn.counters.logs_away.add(1);
            let tenant = self.id.as_str();
            tracing::error!(tenant, %reason, "a tenant goes on without its log");
        }
    }

    /// Hears what became of what was submitted.
    pub(crate) fn hear_of_log(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        completion: Completion,
    ) {
        match completion {
            Completion::Opened { head, noted_meanwhile, .. } => {
                turn.counters.logs_away.sub(u64::from(self.is_log_away()));
                match noted_meanwhile.notes() {
                    Ok(noted) => self.opened(turn, head, &noted),
                    Err(_) => {
                        self.opened(turn, head, &[]);
                        self.log_is_lost(turn);
                    }
                }
                self.do_waiting_requests(turn);
            }
            Completion::OpenFailed { reason, .. } => {
                self.log_is_away(turn, reason);
                self.do_waiting_requests(turn);
            }
            Completion::Committed { through, reserved_through, .. } => {
                self.committed(turn, through, reserved_through);
            }
            Completion::Refused { from, through, reason, .. } => {
                self.refused(turn, from, through, reason);
            }
            Completion::Answered { ticket, answer, .. } => {
                self.submission_answered(turn, ticket, answer);
            }
            Completion::Grown { through, .. } => self.grown(turn, through),
            Completion::Lost { .. } => self.log_is_lost(turn),
            Completion::Claimed { .. } => self.got_watch(turn),
            Completion::Abandoned { .. } => self.take_up_watch(turn),
            Completion::PassedOn { entry, .. } => self.passed_on(turn, &entry),
            Completion::NotedElsewhere { note, .. } => self.noted_elsewhere(turn, &note),
            Completion::Noted { ticket, .. } => self.noted(turn, ticket),
            Completion::NoteRefused { ticket, reason, .. } => self.not_noted(turn, ticket, reason),
        }
    }

    /// Hears what was read.
    pub(crate) fn hear_of_reading(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        asker: Asker,
        answer: ReadAnswer,
    ) {
        match (asker, answer.0) {
            (Asker::Events(serial), Found::Owner(order, owner)) => {
                self.owner_found(turn, serial, &order, owner);
            }
            (Asker::Events(serial), Found::Assignee(order, assignment)) => {
                self.assignment_found(turn, serial, &order, assignment);
            }
            (Asker::Events(serial), Found::Message(id, found)) => {
                self.message_found(turn, serial, id, found);
            }
            (Asker::Connection(slot, _), Found::Letters { offsets, entries }) => {
                // Who has left meanwhile is sent it after the next start.
                if self.present(slot).is_some() {
                    self.redeliver(turn, slot.place(), offsets, entries);
                }
            }
            (Asker::Connection(slot, serial), found) => {
                if self.present(slot).is_some() {
                    self.read_for(turn, slot.place(), serial, found);
                }
            }
            (Asker::Log(serial), Found::Followed(page)) => self.followed(turn, serial, page),
            (Asker::Log(_), Found::LeftDevices(left)) => self.hear_of_left_devices(turn, left),
            (Asker::Events(_) | Asker::Log(_), _) => {}
        }
    }

    /// Takes up what the store had of the tenant, and behind its notes those that were made since it was asked.
    fn opened(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        mut head: Head,
        noted_meanwhile: &[Note],
    ) {
        if self.ledger.position().is_some_and(|position| position.epoch != head.epoch) {
            self.start_anew(turn);
        }
        let orders = std::mem::take(&mut head.orders);
        let (has_assignments, emissions) =
            (head.has_assignments, std::mem::take(&mut head.emissions));
        let is_shared = turn.effects.is_log_shared();
        let (orders_max, key) = (turn.limits.orders_in_memory_max, turn.emission_key);
        let log = OpenedLog { orders, has_assignments, emissions, is_shared };
        self.intake.opened(log, orders_max, key, turn.now.steady_ms);
        let notes = std::mem::take(&mut head.notes);
        let newest: Vec<_> = std::mem::take(&mut head.tail).into_iter().map(Arc::new).collect();
        match self.ledger.opened(head, is_shared) {
            Opened::Fresh(not_kept) => {
                self.not_kept(turn, not_kept, RefusedReason::Fenced);
                self.restore(turn, &newest, (&notes, noted_meanwhile), is_shared);
            }
            Opened::Behind(through, not_kept) => {
                self.not_kept(turn, not_kept, RefusedReason::Fenced);
                self.read_notes_anew(turn, &notes, noted_meanwhile);
                self.fall_behind(turn, through);
            }
            Opened::GoesOn => self.read_notes_anew(turn, &notes, noted_meanwhile),
        }
        if is_shared {
            self.watch_from_the_start(turn);
            self.say_who_is_here(turn);
        }
        self.hear_of_watches(turn, &notes);
        self.hear_of_watches(turn, noted_meanwhile);
        self.go_on_following(turn);
    }

    fn restore(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        newest: &[Arc<LogEntry>],
        (notes, noted_meanwhile): (&[Note], &[Note]),
        is_shared: bool,
    ) {
        if let Some(position) = self.ledger.position() {
            self.reliability.restore(notes, position.epoch);
        }
        self.restore_rooms(notes, turn.now.wall_ms);
        self.sessions.restore(notes);
        self.watch_again(turn, newest, notes);
        // Other nodes know of their devices.
        if !is_shared {
            self.restore_devices(turn, notes);
        }
        self.take_up_noted_meanwhile(turn, noted_meanwhile);
        // Those who came while the log was away get what they missed before.
        let places: Vec<u32> = self.members.iter().map(|(place, _)| place).collect();
        let returning = std::mem::take(&mut self.returning);
        for place in places {
            let (shown, position) = (returning.get(&place), self.ledger.position());
            let start = shown.zip(position).map(|(shown, it)| self.start_of(shown, &it));
            self.start_catch_up(turn, place, start.unwrap_or(Start::Confirmed));
            self.go_on(turn, place);
        }
    }
}
