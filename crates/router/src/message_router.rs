//! The router.

use std::sync::Arc;

use ahash::AHashMap;
use foodtrack_contract::{
    ApplicationSet, ErrorCode, EventGroup, EventName, Permission, PermissionSet, Refusal, Source,
    TenantId,
};

use crate::event_pattern::{group_of, is_reserved};
use crate::table::{CompiledRule, SOURCES, Table};
use crate::{
    About, Audience, Explanation, RULE_ID_CHARACTERS_MAX, RULES_PER_TENANT_MAX, Rule, RuleError,
    default_rules,
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
/// the tenant, where any tenant has rules of its own).
#[derive(Clone, Debug)]
pub struct MessageRouter {
    /// In the order in which they were added.
    rules: Vec<Arc<CompiledRule>>,
    /// For every tenant without rules of its own.
    shared: Table,
    /// The shared rules and the tenant's own.
    tenants: AHashMap<TenantId, Table>,
}

impl Default for MessageRouter {
    fn default() -> Self {
        Self::with_default_rules()
    }
}

impl MessageRouter {
    /// A router without a rule: nobody may send anything.
    pub fn empty() -> Self {
        Self { rules: Vec::new(), shared: Table::new(Vec::new()), tenants: AHashMap::new() }
    }

    /// A router with the contract's rules.
    pub fn with_default_rules() -> Self {
        let mut router = Self::empty();
        for rule in default_rules() {
            let id = rule.id.clone();
            if let Err(error) = router.insert(rule) {
                unreachable!("default rule {id} does not hold: {error}");
            }
        }
        router.rebuild_all();
        router
    }

    /// Every rule, in the order in which they were added.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().map(|compiled| &compiled.rule)
    }

    /// Adds a rule. Rules add up, so their order means nothing.
    ///
    /// # Errors
    /// [`RuleError`] says what is wrong with the rule; nothing changed.
    pub fn add(&mut self, rule: Rule) -> Result<(), RuleError> {
        let tenant = rule.tenant.clone();
        self.insert(rule)?;
        self.rebuild(tenant.as_ref());
        Ok(())
    }

    /// Removes the rule of this id, a default one too, and returns it.
    pub fn remove(&mut self, id: &str) -> Option<Rule> {
        let position = self.rules.iter().position(|compiled| compiled.rule.id == id)?;
        let rule = self.rules.remove(position).rule.clone();
        self.rebuild(rule.tenant.as_ref());
        Some(rule)
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

    fn table(&self, tenant: &TenantId) -> &Table {
        if self.tenants.is_empty() {
            return &self.shared;
        }
        self.tenants.get(tenant).unwrap_or(&self.shared)
    }

    /// Checks and stores a rule; the tables are as before.
    fn insert(&mut self, rule: Rule) -> Result<(), RuleError> {
        let id = || rule.id.clone();
        if rule.id.is_empty() || rule.id.chars().count() > RULE_ID_CHARACTERS_MAX {
            return Err(RuleError::IdMalformed);
        }
        if rule.from.is_empty() {
            return Err(RuleError::NoSource { id: id() });
        }
        if self.rules().any(|other| other.id == rule.id) {
            return Err(RuleError::IdTaken { id: id() });
        }
        if self.rules().filter(|other| other.tenant == rule.tenant).count() >= RULES_PER_TENANT_MAX
        {
            return Err(RuleError::TooMany);
        }
        let id = id();
        let compiled =
            CompiledRule::new(rule).map_err(|source| RuleError::Events { id, source })?;
        self.rules.push(Arc::new(compiled));
        Ok(())
    }

    fn rebuild(&mut self, tenant: Option<&TenantId>) {
        let Some(tenant) = tenant else { return self.rebuild_all() };
        if self.rules().any(|rule| rule.tenant.as_ref() == Some(tenant)) {
            self.tenants.insert(tenant.clone(), self.table_of(Some(tenant)));
        } else {
            self.tenants.remove(tenant);
        }
    }

    fn rebuild_all(&mut self) {
        self.shared = self.table_of(None);
        let tenants: Vec<_> = self.tenants.keys().cloned().collect();
        tenants.iter().for_each(|tenant| self.rebuild(Some(tenant)));
    }

    fn table_of(&self, tenant: Option<&TenantId>) -> Table {
        let holds = |compiled: &&Arc<CompiledRule>| match &compiled.rule.tenant {
            None => true,
            own => own.as_ref() == tenant,
        };
        Table::new(self.rules.iter().filter(holds).cloned().collect())
    }
}

/// What receiving an event takes. A tenant's own event in a built-in group, by its name, takes what the group takes.
pub fn read_permission(event: &EventName) -> Option<Permission> {
    let group: Option<EventGroup> = match event {
        EventName::Builtin(event_type) => Some(event_type.group()),
        EventName::Declared(name) => group_of(name),
    };
    group.and_then(Permission::to_read)
}
