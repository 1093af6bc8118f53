//! Why a message went where it went.

use std::fmt;

use foodtrack_contract::{
    ApplicationSet, EventName, Permission, PermissionSet, ReadPermission, Refusal, RoomName,
    TenantId,
};
use serde::Serialize;

use crate::message_router::read_permission;
use crate::{About, Destination, EventRedactions, Redaction, Rule, Sender};

/// Which rules cover an event, why its sender may send it or not, and each destination with the rules that named it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The tenant.
    pub tenant: String,
    /// The event.
    pub event: String,
    /// The source, by its name on the wire.
    pub source: &'static str,
    /// Whether the sender may send it.
    pub is_allowed: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub refusal: Option<Refusal>,
    /// Every rule that covers the event, whoever sends it.
    pub rules: Vec<ExplainedRule>,
    /// Where the rules for this source send it, each place once.
    pub destinations: Vec<ExplainedDestination>,
    /// What the message's `target` leaves of the applications; absent where it names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<foodtrack_contract::ApplicationType>>)]
    pub target: Option<ApplicationSet>,
    /// The applications that the rules name and the target removed.
    #[schema(value_type = Vec<foodtrack_contract::ApplicationType>)]
    pub removed_by_target: ApplicationSet,
    /// What receiving takes: one of these permissions; absent where everyone of the tenant may.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Permission>>)]
    pub read: Option<ReadPermission>,
    /// The fields that some of those do not get whom it goes to; absent where all get all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub redactions: Vec<Redaction>,
}

/// A rule that covers the event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedRule {
    /// The rule.
    pub id: String,
    /// Whether it is for this source.
    pub is_for_source: bool,
    /// The permission that it takes and the sender lacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lacking: Option<Permission>,
}

/// A destination that the rules for this source name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedDestination {
    /// The destination as rules spell it.
    #[schema(value_type = String)]
    pub to: Destination,
    /// The room's whole name, where it is one and the event names what the room is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
    /// The rules that named it.
    pub rules: Vec<String>,
    /// Why nobody is reached by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
}

impl Explanation {
    pub(crate) fn new<'r>(
        tenant: &TenantId,
        event: &EventName,
        sender: Sender,
        target: Option<ApplicationSet>,
        about: &About<'_>,
        refusal: Option<Refusal>,
        covering: impl Iterator<Item = &'r Rule>,
    ) -> Self {
        let only = target.unwrap_or(ApplicationSet::ALL);
        let mut rules = Vec::new();
        let mut destinations: Vec<ExplainedDestination> = Vec::new();
        let mut named = ApplicationSet::EMPTY;
        for rule in covering {
            let is_for_source = rule.from.contains(&sender.source);
            rules.push(ExplainedRule {
                id: rule.id.clone(),
                is_for_source,
                lacking: lacking(rule, sender.permissions),
            });
            for destination in rule.to.iter().copied().filter(|_| is_for_source) {
                named = named.union(destination.applications());
                match destinations.iter_mut().find(|known| known.to == destination) {
                    Some(known) => known.rules.push(rule.id.clone()),
                    None => destinations.push(ExplainedDestination {
                        to: destination,
                        room: destination.room(about).map(|room| name_of(room, tenant)),
                        rules: vec![rule.id.clone()],
                        left_out: left_out(destination, only, about),
                    }),
                }
            }
        }
        Self {
            tenant: tenant.to_string(),
            event: event.to_string(),
            source: sender.source.as_str(),
            is_allowed: refusal.is_none(),
            refusal,
            rules,
            destinations,
            target,
            removed_by_target: named.iter().filter(|one| !only.contains(*one)).collect(),
            read: read_permission(event),
            redactions: Vec::new(),
        }
    }

    /// With what is hidden from some.
    #[must_use]
    pub fn with_redactions(mut self, redactions: &EventRedactions<'_>) -> Self {
        self.redactions = redactions.iter().cloned().collect();
        self
    }
}

fn lacking(rule: &Rule, permissions: PermissionSet) -> Option<Permission> {
    rule.permission.filter(|needed| !permissions.allows(*needed))
}

fn name_of(room: RoomName<'_>, tenant: &TenantId) -> String {
    room.of(tenant).to_string()
}

fn left_out(destination: Destination, only: ApplicationSet, about: &About<'_>) -> Option<String> {
    match destination.needs() {
        Some(what) if destination.room(about).is_none() => {
            Some(format!("the event names no {what}"))
        }
        None if destination.applications().intersection(only).is_empty() => {
            Some(String::from("the message's target does not name it"))
        }
        Some(_) if only.is_empty() => Some(String::from("the message's target is empty")),
        _ => None,
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenant, event, source, .. } = self;
        match &self.refusal {
            None => writeln!(f, "{source} may send {event} in tenant {tenant}")?,
            Some(refusal) => {
                writeln!(f, "{source} may not send {event} in tenant {tenant}: {refusal}")?;
            }
        }
        writeln!(f, "rules that cover it:{}", if self.rules.is_empty() { " none" } else { "" })?;
        for rule in &self.rules {
            write!(f, "  {}", rule.id)?;
            if !rule.is_for_source {
                write!(f, ": not for {source}")?;
            } else if let Some(lacking) = rule.lacking {
                write!(f, ": the sender lacks {}", lacking.as_str())?;
            }
            writeln!(f)?;
        }
        let none = if self.destinations.is_empty() { " nobody" } else { "" };
        writeln!(f, "{} to:{none}", if self.is_allowed { "goes" } else { "would go" })?;
        for destination in &self.destinations {
            write!(f, "  {}", destination.to)?;
            if let Some(room) = &destination.room {
                write!(f, " ({room})")?;
            }
            write!(f, ", by {}", destination.rules.join(" and "))?;
            match &destination.left_out {
                Some(why) => writeln!(f, "; left out: {why}")?,
                None => writeln!(f)?,
            }
        }
        if !self.removed_by_target.is_empty() {
            let removed: Vec<_> =
                self.removed_by_target.iter().map(|application| application.as_str()).collect();
            writeln!(f, "removed by the message's target: {}", removed.join(", "))?;
        }
        match self.read {
            Some(read) => write!(f, "to receive it a token needs {}", read.as_str())?,
            None => write!(f, "everyone of the tenant may receive it")?,
        }
        for redaction in &self.redactions {
            let from: Vec<_> = redaction.hide_from.iter().map(|it| it.as_str()).collect();
            let (fields, from) = (redaction.fields.join(", "), from.join(", "));
            write!(f, "\nhidden from {from}, by {}: {fields}", redaction.id)?;
        }
        Ok(())
    }
}
