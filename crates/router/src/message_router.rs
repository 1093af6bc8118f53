//! The router.

use std::sync::Arc;

use ahash::AHashMap;
use foodtrack_contract::{
    ApplicationSet, ErrorCode, EventName, Permission, PermissionSet, ReadPermission, Refusal,
    Source, TenantId,
};

use crate::event_pattern::{group_of, is_reserved};
use crate::table::{CompiledRule, SOURCES, Table};
use crate::{
    About, Audience, Destination, Explanation, RULE_LIST_MAX, RULES_PER_TENANT_MAX, Rule,
    RuleError, default_rules, is_rule_id,
};

/// Who sends: a source that the session vouches for, and what the token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The connection's application, or what a back end says it speaks for.
    pub source: Source,
    /// The token's permissions.
    pub permissions: PermissionSet,
}

/// Says who may send an event and whom it goes to.
///
/// A plain value: to change the rules of a running server, change a clone and put it in the place of the old one.
/// Lookups are worked out when rules change, so that a built-in event costs an array index (after one hash lookup of
/// the tenant, where any tenant has rules of its own). A change of one tenant's rules costs a pass over that tenant's alone.
#[derive(Clone, Debug)]
pub struct MessageRouter {
    /// The rules for every tenant, in the order in which they were added.
    shared: Arc<Table>,
    /// Of each tenant that has rules of its own: the shared ones, and then those.
    tenants: AHashMap<TenantId, Arc<Table>>,
}

impl Default for MessageRouter {
    fn default() -> Self {
        Self::with_default_rules()
    }
}

impl MessageRouter {
    /// A router without a rule: nobody may send anything.
    pub fn empty() -> Self {
        Self { shared: Arc::new(Table::new(Vec::new())), tenants: AHashMap::new() }
    }

    /// A router with the contract's rules.
    pub fn with_default_rules() -> Self {
        let mut router = Self::empty();
        for rule in default_rules() {
            let id = rule.id.clone();
            if let Err(error) = router.add(rule) {
                unreachable!("default rule {id} does not hold: {error}");
            }
        }
        router
    }

    /// Every rule: those for every tenant in the order in which they were added, then each tenant's own.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        let mut tenants: Vec<_> = self.tenants.iter().collect();
        tenants.sort_unstable_by_key(|(tenant, _)| *tenant);
        self.shared.rules().chain(tenants.into_iter().flat_map(|(_, table)| own(table.rules())))
    }

    /// The rules that this tenant's events follow: those for every tenant, then its own.
    pub fn rules_of(&self, tenant: &TenantId) -> impl Iterator<Item = &Rule> {
        self.table(tenant).rules()
    }

    /// Adds a rule. Rules add up, so their order means nothing. Its id is unique among those that hold for the same tenant: two
    /// tenants may each have one of that id.
    ///
    /// # Errors
    /// [`RuleError`] says what is wrong with the rule; nothing changed.
    pub fn add(&mut self, rule: Rule) -> Result<(), RuleError> {
        let id = || rule.id.clone();
        if !is_rule_id(&rule.id) {
            return Err(RuleError::IdMalformed);
        }
        if rule.from.is_empty() {
            return Err(RuleError::NoSource { id: id() });
        }
        if rule.from.len().max(rule.to.len()) > RULE_LIST_MAX {
            return Err(RuleError::ListTooLong { id: id() });
        }
        let (is_taken, others) = match &rule.tenant {
            Some(tenant) => {
                let is_taken = self.rules_of(tenant).any(|other| other.id == rule.id);
                (is_taken, own(self.rules_of(tenant)).count())
            }
            None => {
                let is_taken = self.rules().any(|other| other.id == rule.id);
                (is_taken, self.shared.rules().count())
            }
        };
        if is_taken {
            return Err(RuleError::IdTaken { id: id() });
        }
        if others >= RULES_PER_TENANT_MAX {
            return Err(RuleError::TooMany);
        }
        let (id, tenant) = (id(), rule.tenant.clone());
        let compiled =
            CompiledRule::new(rule).map_err(|source| RuleError::Events { id, source })?;
        self.change(tenant.as_ref(), |rules| rules.push(Arc::new(compiled)));
        Ok(())
    }

    /// Removes the rule of this id from those of `tenant`, or from those for every tenant, a default one too; returns it.
    pub fn remove(&mut self, tenant: Option<&TenantId>, id: &str) -> Option<Rule> {
        let table = tenant.map_or(&self.shared, |tenant| self.table(tenant));
        let removed =
            table.rules().find(|rule| rule.id == id && rule.tenant.as_ref() == tenant)?.clone();
        self.change(tenant, |rules| {
            rules.retain(|other| other.rule.id != id || other.rule.tenant.as_ref() != tenant);
        });
        Some(removed)
    }

    /// Changes the rules of one tenant, or those for every tenant, and works the tables out that this concerns.
    fn change(
        &mut self,
        tenant: Option<&TenantId>,
        change: impl FnOnce(&mut Vec<Arc<CompiledRule>>),
    ) {
        let Some(tenant) = tenant else {
            let mut shared = self.shared.compiled().to_vec();
            change(&mut shared);
            for table in self.tenants.values_mut() {
                let own = table.compiled().iter().filter(|it| it.rule.tenant.is_some());
                *table = Arc::new(Table::new(shared.iter().chain(own).cloned().collect()));
            }
            self.shared = Arc::new(Table::new(shared));
            return;
        };
        let mut rules = self.table(tenant).compiled().to_vec();
        change(&mut rules);
        if rules.iter().any(|it| it.rule.tenant.is_some()) {
            self.tenants.insert(tenant.clone(), Arc::new(Table::new(rules)));
        } else {
            self.tenants.remove(tenant);
        }
    }

    /// Whether this sender may send this event of this tenant.
    ///
    /// # Errors
    /// - [`ErrorCode::EventReserved`]: the event is the server's own.
    /// - [`ErrorCode::SourceForbidden`]: no rule lets this source send it.
    /// - [`ErrorCode::PermissionDenied`]: a rule does, with a permission that the sender lacks.
    pub fn authorize(
        &self,
        tenant: &TenantId,
        event: &EventName,
        sender: Sender,
    ) -> Result<(), Refusal> {
        let table = self.table(tenant);
        let plan = table.plan(event, sender.source);
        if plan.allows(sender.permissions) {
            return Ok(());
        }
        let (code, sentence) = if is_reserved(event.as_str()) {
            (ErrorCode::EventReserved, format!("{event} comes from the server alone"))
        } else if plan.is_covered {
            let needed: Vec<_> = plan.permissions.iter().map(Permission::as_str).collect();
            let needed = needed.join(" or ");
            (ErrorCode::PermissionDenied, format!("to send {event} a token needs {needed}"))
        } else {
            let allowed: Vec<_> = SOURCES
                .into_iter()
                .filter(|source| table.plan(event, *source).is_covered)
                .map(Source::as_str)
                .collect();
            let source = sender.source;
            let sentence = if allowed.is_empty() {
                format!("no rule lets anyone send {event}; declare a rule that names {source}")
            } else {
                format!("{event} comes from {}, not from {source}", allowed.join(" or "))
            };
            (ErrorCode::SourceForbidden, sentence)
        };
        Err(Refusal::new(code, sentence).of_event(event.as_str()))
    }

    /// Whom an event goes to: the union of what the rules name that cover the event and its source, narrowed by
    /// `target`. Ask [`MessageRouter::authorize`] first; the audience does not know who may send.
    ///
    /// Allocates nothing for up to four rooms. The server's own events have an empty audience: they go to the
    /// connection concerned, which only the server knows.
    pub fn audience<'a>(
        &self,
        tenant: &TenantId,
        event: &EventName,
        source: Source,
        target: Option<ApplicationSet>,
        about: &About<'a>,
    ) -> Audience<'a> {
        let plan = self.table(tenant).plan(event, source);
        let only = target.unwrap_or(ApplicationSet::ALL);
        Audience {
            applications: plan.applications.intersection(only),
            rooms: plan.rooms(about),
            only,
            read: read_permission(event),
        }
    }

    /// Whether an event goes to who its order is assigned to.
    pub fn goes_to_assignee(&self, tenant: &TenantId, event: &EventName, source: Source) -> bool {
        self.table(tenant).plan(event, source).goes_to(Destination::Assignee)
    }

    /// Says in full what [`MessageRouter::authorize`] and [`MessageRouter::audience`] say in short, and by which rules.
    pub fn explain(
        &self,
        tenant: &TenantId,
        event: &EventName,
        sender: Sender,
        target: Option<ApplicationSet>,
        about: &About<'_>,
    ) -> Explanation {
        let refusal = self.authorize(tenant, event, sender).err();
        let covering = self.table(tenant).covering(event.as_str());
        Explanation::new(tenant, event, sender, target, about, refusal, covering)
    }

    fn table(&self, tenant: &TenantId) -> &Arc<Table> {
        if self.tenants.is_empty() {
            return &self.shared;
        }
        self.tenants.get(tenant).unwrap_or(&self.shared)
    }
}

/// Those that are one tenant's own.
fn own<'a>(rules: impl Iterator<Item = &'a Rule>) -> impl Iterator<Item = &'a Rule> {
    rules.filter(|rule| rule.tenant.is_some())
}

/// What receiving an event takes. A tenant's own event in a built-in group, by its name, takes what the group takes.
pub fn read_permission(event: &EventName) -> Option<ReadPermission> {
    match event {
        EventName::Builtin(event_type) => ReadPermission::of_event(*event_type),
        EventName::Declared(name) => group_of(name).and_then(ReadPermission::of_group),
    }
}
