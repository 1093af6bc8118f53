//! An event on its way: checked, and then taken into the log or given straight to everyone it is for.

use foodtrack_contract::Refusal;

use crate::appending::Checked;
use crate::effects::Effects;
use crate::intake::{Circumstances, Emitted, Publisher, Question, Stopped, log_unknown};
use crate::reply_to::ReplyTo;
use crate::tenant::Tenant;
use crate::turn::Turn;

/// An event that cannot be published before the log has said something. Nothing was done.
#[derive(Debug)]
pub(crate) struct WaitsForLog {
    pub(crate) question: Question,
    pub(crate) reply: ReplyTo,
}

impl Tenant {
    /// Takes an event, and tells who sent it what became of it, now or when the log has said so.
    ///
    /// # Errors
    /// [`WaitsForLog`]: nothing was done, and nobody was told.
    pub(crate) fn publish(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        publisher: Publisher<'_>,
        emitted: Emitted<'_>,
        reply: ReplyTo,
    ) -> Result<(), WaitsForLog> {
        let checked = loop {
            match self.check(turn, publisher, emitted) {
                // What it has answered it need not be asked again.
                Err(Stopped::Asks(question))
                    if turn.effects.is_log_in_memory() && !self.intake.is_being_said(&question) =>
                {
                    self.look_up_in_memory(turn, &question);
                }
                checked => break checked,
            }
        };
        self.lookups.forget_absent();
        match checked {
            Ok(checked) => {
                match self.intake.first_of(&checked, turn.now.steady_ms) {
                    // It can be read here, and whether enough replicas have it the store alone can say.
                    Some((_, Some(_))) if checked.must_be_replicated(turn) => {
                        self.take(turn, &checked, reply);
                    }
                    Some((id, offset)) => self.answer_repeat(turn, id, offset, reply),
                    None => self.take(turn, &checked, reply),
                }
                self.intake.done(checked);
            }
            Err(Stopped::Refused(refusal)) => self.answer(turn, reply, Err(refusal)),
            Err(Stopped::Asks(question)) => return Err(WaitsForLog { question, reply }),
        }
        Ok(())
    }

    fn check<'a>(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        publisher: Publisher<'_>,
        emitted: Emitted<'a>,
    ) -> Result<Checked<'a>, Stopped> {
        let circumstances = Circumstances {
            tenant: &self.id,
            policies: turn.policies,
            emission_key: turn.emission_key,
            now_ms: turn.now.monotonic_ms,
            timestamp: turn.now.text,
            log: self.ledger.availability(),
            must_ask_for: &|id| self.ledger.must_ask(id) && !self.lookups.is_absent(id),
        };
        self.intake.check(&circumstances, publisher, emitted, turn.effects)
    }

    /// Sees to it that the intake knows whose an order is.
    ///
    /// # Errors
    /// [`Stopped::Asks`] where the log must be asked first.
    pub(crate) fn find_owner(
        &mut self,
        turn: &mut Turn<'_, impl Effects>,
        order: &str,
    ) -> Result<(), Stopped> {
        if !self.intake.must_ask(order, self.ledger.availability()) {
            return Ok(());
        }
        let question = Question::OwnerOf(order.into());
        if !turn.effects.is_log_in_memory() {
            return Err(Stopped::Asks(question));
        }
        self.look_up_in_memory(turn, &question);
        match self.intake.is_being_said(&question) {
            true => Err(Stopped::Asks(question)),
            false => Ok(()),
        }
    }

    /// A log in memory keeps nobody waiting.
    fn look_up_in_memory(&mut self, turn: &mut Turn<'_, impl Effects>, question: &Question) {
        match question {
            Question::OwnerOf(order) => {
                let owner = turn.effects.order_owner(&self.id, order);
                self.intake.learn(order, owner.map(|owner| owner.customer));
            }
            Question::AssigneeOf(order) => {
                let assignment = turn.effects.assignment(&self.id, order);
                self.intake.learn_assignment(order, assignment);
            }
            Question::Message(id) => {
                let found = turn.effects.find_message(&self.id, *id);
                self.learn_message(*id, found);
            }
            // That is not in a log.
            Question::Permit(_) => {}
        }
    }

    /// Why nobody can say what the log knows.
    pub(crate) fn log_unknown(&self) -> Refusal {
        log_unknown(self.ledger.availability())
    }
}
