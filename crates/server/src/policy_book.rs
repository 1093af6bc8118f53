//! The rules and schemas in force, changed as a whole: a message is judged by the old ones or the new ones.

use std::sync::{Arc, Mutex, PoisonError};

use foodtrack_contract::TenantId;
use foodtrack_router::{Explanation, Rule, RuleError};
use foodtrack_shard::{Policies, Shards};

use crate::explain::{ExplainError, Question};

/// The one place where policies change.
pub(crate) struct PolicyBook {
    /// Held for a moment only: who asks what is in force does not wait for a change, which may wait for the disk.
    current: Mutex<Arc<Policies>>,
    /// Held while a change is made: there is one at a time.
    changing: Mutex<()>,
    shards: Shards,
}

impl PolicyBook {
    pub(crate) fn new(current: Arc<Policies>, shards: Shards) -> Self {
        Self { current: Mutex::new(current), changing: Mutex::new(()), shards }
    }

    /// What is in force.
    pub(crate) fn current(&self) -> Arc<Policies> {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What `change` would give; nothing changes.
    pub(crate) fn rehearse<T, E>(
        &self,
        change: impl FnOnce(&mut Policies) -> Result<T, E>,
    ) -> Result<T, E> {
        change(&mut Policies::clone(&self.current()))
    }

    /// Changes a copy and gives it to every shard; nothing changes when `change` fails.
    pub(crate) fn change<T, E>(
        &self,
        change: impl FnOnce(&mut Policies) -> Result<T, E>,
    ) -> Result<T, E> {
        // Under this lock to the end, so that the shards see changes in the order in which they were made.
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = Policies::clone(&self.current());
        let result = change(&mut next)?;
        let next = Arc::new(next);
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&next);
        self.shards.apply(&next);
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

    /// Removes the rule of this id from those of `tenant`, or from those for every tenant, a default one too; returns it. One that
    /// was added over HTTP is back after a restart.
    pub fn remove(&self, tenant: Option<&TenantId>, id: &str) -> Option<Rule> {
        self.book.change(|policies| policies.router.remove(tenant, id).ok_or(())).ok()
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
