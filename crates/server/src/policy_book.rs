//! The rules and schemas in force, changed as a whole: a message is judged by the old ones or the new ones.

use std::sync::{Arc, Mutex, PoisonError};

use foodtrack_contract::TenantId;
use foodtrack_router::{Explanation, Rule, RuleError};
use foodtrack_shard::{Policies, Shards};

use crate::explain::{ExplainError, Question};

/// The one place where policies change.
pub(crate) struct PolicyBook {
    current: Mutex<Arc<Policies>>,
    shards: Shards,
}

impl PolicyBook {
    pub(crate) fn new(current: Arc<Policies>, shards: Shards) -> Self {
        Self { current: Mutex::new(current), shards }
    }

    /// What is in force.
    pub(crate) fn current(&self) -> Arc<Policies> {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes a copy and gives it to every shard; nothing changes when `change` fails.
    pub(crate) fn change<T, E>(
        &self,
        change: impl FnOnce(&mut Policies) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = Policies::clone(&current);
        let result = change(&mut next)?;
        *current = Arc::new(next);
        // Under the lock, so that the shards see changes in the order in which they were made.
        self.shards.apply(&current);
        Ok(result)
    }
}

/// The routing rules of a running server: read, add and remove them. Cheap to clone.
#[derive(Clone)]
pub struct RoutingRules {
    book: Arc<PolicyBook>,
}

impl RoutingRules {
    pub(crate) fn new(book: Arc<PolicyBook>) -> Self {
        Self { book }
    }

    /// Every rule in force, of every tenant.
    pub fn rules(&self) -> Vec<Rule> {
        self.book.current().router.rules().cloned().collect()
    }

    /// Adds a rule; events that arrive from now on follow it.
    ///
    /// # Errors
    /// [`RuleError`] says what is wrong with the rule; nothing changed.
    pub fn add(&self, rule: Rule) -> Result<(), RuleError> {
        self.book.change(|policies| policies.router.add(rule))
    }

    /// Removes the rule of this id, a default one too, and returns it.
    pub fn remove(&self, id: &str) -> Option<Rule> {
        self.book.change(|policies| policies.router.remove(id).ok_or(())).ok()
    }

    /// Says where an event would go, and why.
    ///
    /// # Errors
    /// [`ExplainError`] names what in the question is unknown.
    pub fn explain(
        &self,
        tenant: &TenantId,
        question: &Question,
    ) -> Result<Explanation, ExplainError> {
        question.answer(tenant, &self.book.current())
    }
}
