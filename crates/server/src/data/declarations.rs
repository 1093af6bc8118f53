//! Event types, rules and redactions that tenants declare while the server runs.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foodtrack_contract::{ErrorCode, EventDeclaration, EventType, Refusal, TenantId, nearest};
use foodtrack_router::{Redaction, RedactionError, Rule, RuleError};
use foodtrack_shard::Policies;
use foodtrack_tenant_log::DocumentError;

use super::declaration_store::KeepError;
use super::document_follower::Followed;
use super::{DataDirError, DeclarationStore};
use crate::policy_book::PolicyBook;

/// How often a change is tried anew that other nodes came before.
const ATTEMPTS_MAX: usize = 16;

/// Declares and withdraws, on the disk first where there is a data directory, in the cluster's Redis where there is one. Changes block for the disk: not for shards, nor
/// for a thread that answers others.
pub(crate) struct Declarations {
    book: Arc<PolicyBook>,
    /// Here and not in the book, which outlives the server in its handles: the directory must be free once it stopped.
    store: Mutex<DeclarationStore>,
}

impl Declarations {
    pub(crate) fn new(book: Arc<PolicyBook>, store: DeclarationStore) -> Self {
        Self { book, store: Mutex::new(store) }
    }

    /// What `tenant` declared, by name.
    pub(crate) fn of(&self, tenant: &TenantId) -> Vec<EventDeclaration> {
        self.book.current().schemas.declared(tenant).cloned().collect()
    }

    /// Declares an event type, or replaces its declaration; gives what is in force.
    ///
    /// # Errors
    /// [`ErrorCode::DeclarationInvalid`], and [`ErrorCode::Degraded`] where it cannot be kept; nothing changed.
    pub(crate) fn declare(
        &self,
        tenant: &TenantId,
        declaration: &EventDeclaration,
    ) -> Result<EventDeclaration, Refusal> {
        self.change(|policies, store| store.declare(policies, tenant, declaration))
    }

    /// What [`Declarations::declare`] would give; nothing changes.
    ///
    /// # Errors
    /// [`ErrorCode::DeclarationInvalid`]
    pub(crate) fn rehearse_declaration(
        &self,
        tenant: &TenantId,
        declaration: &EventDeclaration,
    ) -> Result<EventDeclaration, Refusal> {
        let checked =
            self.book.rehearse(|policies| self.store().check(policies, tenant, declaration));
        checked.map(|(_, read_back)| read_back)
    }

    /// Takes a declaration back.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`], and [`ErrorCode::Degraded`] where that cannot be kept; nothing changed.
    pub(crate) fn withdraw(&self, tenant: &TenantId, name: &str) -> Result<(), Refusal> {
        self.change(|policies, store| {
            if !policies.schemas.withdraw(tenant, name) {
                let message = "the tenant declared no event type of this name";
                return Err(Refusal::new(ErrorCode::NotFound, message).into());
            }
            store.withdraw(policies, tenant, name)
        })
    }

    /// Adds a rule for event types of the tenant's own, or replaces the one of its id; gives what is in force.
    ///
    /// # Errors
    /// - [`ErrorCode::TenantMismatch`]: the rule names another tenant.
    /// - [`ErrorCode::DeclarationInvalid`]: it does not hold, or is about what the tenant did not declare.
    /// - [`ErrorCode::Conflict`]: a rule of this id is there that was not added over HTTP.
    /// - [`ErrorCode::Degraded`]: it cannot be kept.
    ///
    /// Nothing changed then.
    pub(crate) fn add_rule(&self, tenant: &TenantId, mut rule: Rule) -> Result<Rule, Refusal> {
        own(&mut rule.tenant, tenant)?;
        self.change(|policies, store| {
            put_rule(policies, store, tenant, &rule)?;
            store.keep_rule(tenant, rule.clone())
        })?;
        Ok(rule)
    }

    /// What [`Declarations::add_rule`] would give; nothing changes.
    ///
    /// # Errors
    /// As there, but for [`ErrorCode::Degraded`].
    pub(crate) fn rehearse_rule(&self, tenant: &TenantId, mut rule: Rule) -> Result<Rule, Refusal> {
        own(&mut rule.tenant, tenant)?;
        self.book.rehearse(|policies| put_rule(policies, &self.store(), tenant, &rule))?;
        Ok(rule)
    }

    /// Takes a rule away that was added over HTTP.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`], and [`ErrorCode::Degraded`] where that cannot be kept; nothing changed.
    pub(crate) fn remove_rule(&self, tenant: &TenantId, id: &str) -> Result<(), Refusal> {
        self.change(|policies, store| {
            if !store.keeps_rule(tenant, id) {
                let message = "the tenant added no rule of this id; those of the configuration and the default ones stay";
                return Err(Refusal::new(ErrorCode::NotFound, message).into());
            }
            policies.router.remove(Some(tenant), id);
            store.forget_rule(tenant, id)
        })
    }

    /// Hides fields of the tenant's events from some, or puts it in the place of the redaction of its id; gives what is in force.
    ///
    /// # Errors
    /// - [`ErrorCode::TenantMismatch`]: it names another tenant.
    /// - [`ErrorCode::DeclarationInvalid`]: it does not hold, or is about an event type that there is not.
    /// - [`ErrorCode::Conflict`]: a redaction of this id is there that was not added over HTTP.
    /// - [`ErrorCode::Degraded`]: it cannot be kept.
    ///
    /// Nothing changed then.
    pub(crate) fn add_redaction(
        &self,
        tenant: &TenantId,
        mut redaction: Redaction,
    ) -> Result<Redaction, Refusal> {
        own(&mut redaction.tenant, tenant)?;
        self.change(|policies, store| {
            put_redaction(policies, store, tenant, &redaction)?;
            store.keep_redaction(tenant, redaction.clone())
        })?;
        Ok(redaction)
    }

    /// What [`Declarations::add_redaction`] would give; nothing changes.
    ///
    /// # Errors
    /// As there, but for [`ErrorCode::Degraded`].
    pub(crate) fn rehearse_redaction(
        &self,
        tenant: &TenantId,
        mut redaction: Redaction,
    ) -> Result<Redaction, Refusal> {
        own(&mut redaction.tenant, tenant)?;
        self.book
            .rehearse(|policies| put_redaction(policies, &self.store(), tenant, &redaction))?;
        Ok(redaction)
    }

    /// Shows again what a redaction hid that was added over HTTP.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`], and [`ErrorCode::Degraded`] where that cannot be kept; nothing changed.
    pub(crate) fn remove_redaction(&self, tenant: &TenantId, id: &str) -> Result<(), Refusal> {
        self.change(|policies, store| {
            if !store.keeps_redaction(tenant, id) {
                let message =
                    "the tenant added no redaction of this id; those of the configuration stay";
                return Err(Refusal::new(ErrorCode::NotFound, message).into());
            }
            Arc::make_mut(&mut policies.redactions).remove(tenant, id);
            store.forget_redaction(tenant, id)
        })
    }

    /// Takes back all that a tenant declared over HTTP: event types, rules and redactions.
    ///
    /// # Errors
    /// [`ErrorCode::Degraded`] where that cannot be kept; nothing changed.
    pub(crate) fn forget(&self, tenant: &TenantId) -> Result<(), Refusal> {
        self.change(|policies, store| store.forget(policies, tenant))
    }

    /// Puts another configuration's event types, rules, redactions and what is promised of events in the place of those in force, and over
    /// them what tenants declared.
    ///
    /// # Errors
    /// [`DataDirError`]: a tenant declared what does not hold beside them; nothing changed.
    pub(crate) fn reconfigure(&self, configured: &Policies) -> Result<(), DataDirError> {
        self.book.change(|policies| self.store().reconfigure(policies, configured))
    }

    /// Makes a change, of what other nodes left where there are any: there is one order of all changes, and each is made of the one
    /// before.
    fn change<T>(
        &self,
        change: impl Fn(&mut Policies, &mut DeclarationStore) -> Result<T, KeepError>,
    ) -> Result<T, Refusal> {
        for _ in 0..ATTEMPTS_MAX {
            if let Err(error) = self.take_over() {
                tracing::warn!(%error, "a declaration or a rule cannot be kept");
                let sentence = "what was declared cannot be kept; nothing changed";
                return Err(Refusal::new(ErrorCode::Degraded, sentence));
            }
            match self.book.change(|policies| change(policies, &mut self.store())) {
                Ok(changed) => return Ok(changed),
                Err(KeepError::Refused(refusal)) => return Err(refusal),
                Err(KeepError::Outdated) => {}
            }
        }
        let sentence = "other nodes change what the tenant declares at the same time, or in a way that this version does not know; try again";
        Err(Refusal::new(ErrorCode::Conflict, sentence))
    }

    fn store(&self) -> MutexGuard<'_, DeclarationStore> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Followed for Declarations {
    fn take_over(&self) -> Result<(), DocumentError> {
        let news = self.store().news()?;
        if let Some(news) = news.filter(|it| it.is_reset || !it.documents.is_empty()) {
            let take_over = |policies: &mut Policies| {
                self.store().take_over(policies, news);
                Ok::<(), Infallible>(())
            };
            let Ok(()) = self.book.change(take_over);
        }
        Ok(())
    }
}

/// Makes a rule or a redaction, which names this tenant or none, this tenant's.
fn own(named: &mut Option<TenantId>, tenant: &TenantId) -> Result<(), Refusal> {
    if named.get_or_insert_with(|| tenant.clone()) == tenant {
        return Ok(());
    }
    let message = "it names another tenant than the token's; leave `tenant` out";
    Err(Refusal::new(ErrorCode::TenantMismatch, message).at("/tenant", "const"))
}

/// Puts a rule in the place of the one of its id that was added over HTTP.
fn put_rule(
    policies: &mut Policies,
    store: &DeclarationStore,
    tenant: &TenantId,
    rule: &Rule,
) -> Result<(), Refusal> {
    check_events(policies, tenant, &rule.events)?;
    if store.keeps_rule(tenant, &rule.id) {
        policies.router.remove(Some(tenant), &rule.id);
    }
    policies.router.add(rule.clone()).map_err(|error| refusal(&error))
}

/// Puts a redaction in the place of the one of its id that was added over HTTP.
fn put_redaction(
    policies: &mut Policies,
    store: &DeclarationStore,
    tenant: &TenantId,
    redaction: &Redaction,
) -> Result<(), Refusal> {
    if EventType::from_wire(&redaction.events).is_none() && redaction.events != "*" {
        check_declared(policies, tenant, &redaction.events)?;
    }
    let redactions = Arc::make_mut(&mut policies.redactions);
    if store.keeps_redaction(tenant, &redaction.id) {
        redactions.remove(tenant, &redaction.id);
    }
    redactions.add(redaction.clone()).map_err(|error| redaction_refusal(&error))
}

/// A tenant routes what it declared, and nothing else: how the built-in events travel is the operator's to say.
fn check_events(policies: &Policies, tenant: &TenantId, events: &str) -> Result<(), Refusal> {
    let invalid = |message: String| {
        Err(Refusal::new(ErrorCode::DeclarationInvalid, message).at("/events", "enum"))
    };
    let builtin = |name: &str| EventType::ALL.iter().any(|event| event.as_str() == name);
    let group_of = |name: &str| name.split(':').next().unwrap_or_default().to_owned();
    if let Some(group) = events.strip_suffix(":*") {
        if EventType::ALL.iter().any(|event| group_of(event.as_str()) == group) {
            return invalid(format!(
                "{events} covers built-in event types, which the operator routes; name event types that the tenant declared"
            ));
        }
        return Ok(());
    }
    if events == "*" || builtin(events) {
        return invalid(format!(
            "{events} is routed by the operator; name an event type that the tenant declared, or a group of its own"
        ));
    }
    check_declared(policies, tenant, events)
}

/// Whether the tenant declared this event type; groups and what is no name at all are not looked at.
fn check_declared(policies: &Policies, tenant: &TenantId, events: &str) -> Result<(), Refusal> {
    let invalid = |message: String| {
        Err(Refusal::new(ErrorCode::DeclarationInvalid, message).at("/events", "enum"))
    };
    let declared = || policies.schemas.declared(tenant).map(|one| one.name.as_str());
    if declared().any(|name| name == events) || events.ends_with(":*") || !events.contains(':') {
        // What is no pattern at all is refused with the rule or the redaction.
        return Ok(());
    }
    match nearest(events, declared()) {
        Some(nearest) => invalid(format!(
            "the tenant declared no event type of this name; did you mean {nearest}?"
        )),
        None => invalid("the tenant declared no event type of this name; declare it first".into()),
    }
}

fn refusal(error: &RuleError) -> Refusal {
    let (code, pointer) = match error {
        RuleError::IdTaken { .. } => (ErrorCode::Conflict, "/id"),
        RuleError::IdMalformed => (ErrorCode::DeclarationInvalid, "/id"),
        RuleError::Events { .. } => (ErrorCode::DeclarationInvalid, "/events"),
        RuleError::NoSource { .. } => (ErrorCode::DeclarationInvalid, "/from"),
        RuleError::ListTooLong { .. } | RuleError::TooMany => (ErrorCode::DeclarationInvalid, ""),
    };
    let refusal = Refusal::new(code, error.to_string());
    if pointer.is_empty() { refusal } else { refusal.at(pointer, "rule") }
}

fn redaction_refusal(error: &RedactionError) -> Refusal {
    let (code, pointer) = match error {
        RedactionError::IdTaken { .. } => (ErrorCode::Conflict, "/id"),
        RedactionError::IdMalformed => (ErrorCode::DeclarationInvalid, "/id"),
        RedactionError::Events { .. } => (ErrorCode::DeclarationInvalid, "/events"),
        RedactionError::Field { .. } => (ErrorCode::DeclarationInvalid, "/fields"),
        RedactionError::Lists { .. } | RedactionError::TooMany => {
            (ErrorCode::DeclarationInvalid, "")
        }
    };
    let refusal = Refusal::new(code, error.to_string());
    if pointer.is_empty() { refusal } else { refusal.at(pointer, "redaction") }
}
