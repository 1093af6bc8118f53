//! Telling what became of entries in memory: at once, or later, or not as was hoped.

use std::collections::VecDeque;

use crate::{Completion, OnCompletion, RefusedReason};

/// One log's.
pub(super) struct Answers {
    on_completion: OnCompletion,
    /// What is told later; `None` where nothing is held back.
    held: Option<Vec<Completion>>,
    /// Why the next entries are refused.
    refusals: VecDeque<RefusedReason>,
    tickets: u64,
}

impl Answers {
    pub(super) fn new(on_completion: OnCompletion) -> Self {
        Self { on_completion, held: None, refusals: VecDeque::new(), tickets: 0 }
    }

    pub(super) fn tell(&mut self, completion: Completion) {
        match &mut self.held {
            Some(held) => held.push(completion),
            None => (self.on_completion)(completion),
        }
    }

    pub(super) fn hold(&mut self) {
        self.held.get_or_insert_default();
    }

    pub(super) fn release(&mut self) {
        self.held.take().into_iter().flatten().for_each(&self.on_completion);
    }

    pub(super) fn refuse_next(&mut self, reason: RefusedReason) {
        self.refusals.push_back(reason);
    }

    pub(super) fn take_refusal(&mut self) -> Option<RefusedReason> {
        self.refusals.pop_front()
    }

    pub(super) fn next_ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }
}
