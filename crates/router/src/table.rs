//! The rules that hold for a tenant, worked out in advance.

use std::sync::Arc;

use foodtrack_contract::{
    ApplicationSet, ApplicationType, EventName, EventType, PermissionSet, RoomName, Source,
};
use smallvec::SmallVec;

use crate::event_pattern::EventPattern;
use crate::{About, Destination, EventPatternError, Rule};

/// Every source, at the index that [`source_index`] gives it.
pub(crate) const SOURCES: [Source; 5] = [
    Source::Application(ApplicationType::ClientApp),
    Source::Application(ApplicationType::TenantDashboard),
    Source::Application(ApplicationType::KitchenApp),
    Source::Application(ApplicationType::DeliveryApp),
    Source::System,
];

const fn source_index(source: Source) -> usize {
    match source {
        Source::Application(application) => application as usize,
        Source::System => 4,
    }
}

/// A rule and its parsed pattern.
#[derive(Debug)]
pub(crate) struct CompiledRule {
    pub(crate) rule: Rule,
    pattern: EventPattern,
}

impl CompiledRule {
    pub(crate) fn new(rule: Rule) -> Result<Self, EventPatternError> {
        let pattern = EventPattern::parse(&rule.events)?;
        Ok(Self { rule, pattern })
    }

    pub(crate) fn covers(&self, event: &str) -> bool {
        self.pattern.matches(event)
    }
}

/// What all rules together say about one event from one source.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Plan {
    /// Whether a rule covers it at all.
    pub(crate) is_covered: bool,
    /// Whether one of them takes no permission.
    is_open: bool,
    /// What else opens it: any one of these.
    pub(crate) permissions: PermissionSet,
    pub(crate) applications: ApplicationSet,
    /// A bit for each of [`Destination::ROOMS`].
    rooms: u8,
}

impl Plan {
    fn add(&mut self, rule: &Rule) {
        self.is_covered = true;
        match rule.permission {
            Some(permission) => self.permissions.insert(permission),
            None => self.is_open = true,
        }
        for destination in &rule.to {
            self.applications = self.applications.union(destination.applications());
            if let Some(bit) = Destination::ROOMS.iter().position(|room| room == destination) {
                self.rooms |= 1 << bit;
            }
        }
    }

    pub(crate) fn allows(&self, permissions: PermissionSet) -> bool {
        self.is_covered
            && (self.is_open || self.permissions.iter().any(|needed| permissions.allows(needed)))
    }

    /// Whether one of the rules names this room.
    pub(crate) fn goes_to(&self, room: Destination) -> bool {
        let bit = Destination::ROOMS.iter().position(|it| *it == room);
        bit.is_some_and(|bit| self.rooms & 1 << bit != 0)
    }

    pub(crate) fn rooms<'a>(&self, about: &About<'a>) -> SmallVec<[RoomName<'a>; 4]> {
        let mut rooms = SmallVec::new();
        let mut bits = self.rooms;
        while bits != 0 {
            let destination = Destination::ROOMS[bits.trailing_zeros() as usize];
            bits &= bits - 1;
            // An order's customer may be its assignee; they still hear of it once.
            if let Some(room) = destination.room(about)
                && !rooms.contains(&room)
            {
                rooms.push(room);
            }
        }
        rooms
    }
}

/// The rules of one tenant, or those of every tenant that has none of its own.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    rules: Vec<Arc<CompiledRule>>,
    /// By event type and source.
    plans: Box<[[Plan; SOURCES.len()]]>,
}

impl Table {
    pub(crate) fn new(rules: Vec<Arc<CompiledRule>>) -> Self {
        let plans = EventType::ALL
            .iter()
            .map(|event_type| SOURCES.map(|source| plan(&rules, event_type.as_str(), source)))
            .collect();
        Self { rules, plans }
    }

    pub(crate) fn compiled(&self) -> &[Arc<CompiledRule>] {
        &self.rules
    }

    pub(crate) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().map(|compiled| &compiled.rule)
    }

    /// Cost: an array index for a built-in event, a pass over the tenant's rules for its own.
    pub(crate) fn plan(&self, event: &EventName, source: Source) -> Plan {
        match event {
            EventName::Builtin(event_type) => {
                self.plans[*event_type as usize][source_index(source)]
            }
            EventName::Declared(name) => plan(&self.rules, name, source),
        }
    }

    pub(crate) fn covering<'a>(&'a self, event: &'a str) -> impl Iterator<Item = &'a Rule> {
        self.rules.iter().filter(|rule| rule.covers(event)).map(|compiled| &compiled.rule)
    }
}

fn plan(rules: &[Arc<CompiledRule>], event: &str, source: Source) -> Plan {
    let mut plan = Plan::default();
    rules
        .iter()
        .filter(|compiled| compiled.rule.from.contains(&source) && compiled.covers(event))
        .for_each(|compiled| plan.add(&compiled.rule));
    plan
}
