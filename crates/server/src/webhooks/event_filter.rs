//! Which events a webhook is told of.

use foodtrack_contract::HubEvent;

/// Names, groups, or all.
#[derive(Clone, Debug)]
pub(super) struct EventFilter(Vec<Pattern>);

#[derive(Clone, Debug)]
enum Pattern {
    All,
    /// With its colon.
    Group(String),
    Name(String),
}

impl EventFilter {
    /// Of a checked configuration's texts.
    pub(super) fn new(events: &[String]) -> Self {
        let pattern = |event: &String| match event.strip_suffix('*') {
            Some("") => Pattern::All,
            Some(group) => Pattern::Group(group.to_owned()),
            None => Pattern::Name(event.clone()),
        };
        Self(events.iter().map(pattern).collect())
    }

    /// Whether events of this name are among them. Those of the hub's own are named, or not wanted.
    pub(super) fn wants(&self, event: &str) -> bool {
        self.0.iter().any(|pattern| match pattern {
            Pattern::All => HubEvent::from_name(event).is_none(),
            Pattern::Group(group) => event.starts_with(group),
            Pattern::Name(name) => event == name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_groups_and_all() {
        let filter = |events: &[&str]| {
            EventFilter::new(&events.iter().map(|&it| it.into()).collect::<Vec<_>>())
        };
        let some = filter(&["order:*", "delivery:assigned"]);
        assert!(some.wants("order:created") && some.wants("delivery:assigned"));
        assert!(!some.wants("orders:created") && !some.wants("delivery:assigned_again"));
        assert!(filter(&["*"]).wants("loyalty:earned") && !filter(&["*"]).wants("device.online"));
        assert!(filter(&["device.online"]).wants("device.online"));
    }
}
