//! What the keys in Redis are called. In a Redis Cluster the prefix is in braces, and is the hash tag of all of them: whatever is asked
//! together is at one of its masters.

use foodtrack_contract::TenantId;

use super::document_kind::DocumentKind;
use crate::{Duty, NoteKind};

/// The names under one prefix.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    prefix: String,
}

/// What there is of a tenant.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    /// The log's incarnation and where it stands: a hash.
    Head,
    /// The entries, by their offsets: a stream.
    Log,
    /// A sorted set by offset.
    DeadLetters,
    /// The newest messages' ids: two hashes that take turns, and so the next two.
    Ids,
    Emissions,
    Assignments,
    /// Whose the orders are: a hash.
    Orders,
    /// How far subscribers have confirmed: a hash.
    Cursors,
    /// At which nodes devices are: a hash.
    Devices,
    /// How far webhooks are, which of them pause, and how often they were moved: a hash.
    Webhooks,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    fn of(&self, tenant: &TenantId, name: &str) -> String {
        format!("{}:{{{}}}:{name}", self.prefix, tenant.as_str())
    }

    pub(super) fn part(&self, tenant: &TenantId, part: Part) -> String {
        self.of(
            tenant,
            match part {
                Part::Head => "head",
                Part::Log => "log",
                Part::DeadLetters => "dead-letters",
                Part::Ids => "ids:0",
                Part::Emissions => "emissions:0",
                Part::Assignments => "assignments:0",
                Part::Orders => "orders",
                Part::Cursors => "cursors",
                Part::Devices => "devices",
                Part::Webhooks => "webhooks",
            },
        )
    }

    /// A table of which there are two that take turns.
    pub(super) fn pair(&self, tenant: &TenantId, part: Part) -> [String; 2] {
        let first = self.part(tenant, part);
        let second = format!("{}1", first.trim_end_matches('0'));
        [first, second]
    }

    pub(super) fn notes(&self, tenant: &TenantId, kind: NoteKind) -> String {
        self.of(tenant, &format!("notes:{}", kind.as_str()))
    }

    /// Where a tenant's followers are told of news.
    pub(super) fn channel(&self, tenant: &TenantId) -> String {
        self.of(tenant, "news")
    }

    /// What all nodes of a cluster know.
    pub(super) fn secret(&self) -> String {
        format!("{}:secret", self.prefix)
    }

    /// Which version of the hub's format all of this is of.
    pub(super) fn format(&self) -> String {
        format!("{}:format", self.prefix)
    }

    /// The nodes that live: a hash.
    pub(super) fn nodes(&self) -> String {
        format!("{}:nodes", self.prefix)
    }

    /// A key that never is: who takes it away changes nothing, and is refused where nothing may be changed.
    pub(super) fn probe(&self) -> String {
        format!("{}:probe", self.prefix)
    }

    /// Who has a duty of a tenant.
    pub(super) fn lease(&self, tenant: &TenantId, duty: &Duty) -> String {
        self.of(tenant, &format!("lease:{}", duty.name()))
    }

    /// What the keys of who tells webhooks begin with; the webhook's own key comes behind it.
    pub(super) fn leases_of_webhooks(&self, tenant: &TenantId) -> String {
        self.of(tenant, "lease:webhooks:")
    }

    /// The tokens that were given out with a tenant's leases: a hash by duty.
    pub(super) fn tokens(&self, tenant: &TenantId) -> String {
        self.of(tenant, "tokens")
    }

    /// The leases of all tenants, by when they end: a sorted set. No tenant is called so.
    pub(super) fn leases(&self) -> String {
        format!("{}:{{!}}:leases", self.prefix)
    }

    /// The nodes' logs, by when they are taken for gone: a sorted set.
    pub(super) fn alive(&self) -> String {
        format!("{}:{{!}}:alive", self.prefix)
    }

    /// Which node applies retention.
    pub(super) fn retention(&self) -> String {
        format!("{}:retention", self.prefix)
    }

    /// Every webhook that there ever was: a set.
    pub(super) fn webhooks(&self) -> String {
        format!("{}:webhooks", self.prefix)
    }

    /// Documents of this kind: the order of changes, the documents, and which order it is. No tenant has a colon in its name.
    pub(super) fn documents(&self, kind: DocumentKind) -> [String; 3] {
        let kind = kind.as_str();
        ["order", "documents", "epoch"].map(|name| format!("{}:{{{kind}:}}:{name}", self.prefix))
    }

    /// Every tenant that has a log: a set.
    pub(super) fn tenants(&self) -> String {
        format!("{}:tenants", self.prefix)
    }

    /// Every tenant of which a note of this kind was ever kept: a set.
    pub(super) fn noted(&self, kind: NoteKind) -> String {
        format!("{}:noted:{}", self.prefix, kind.as_str())
    }
}
