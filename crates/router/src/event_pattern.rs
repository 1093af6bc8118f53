//! Which events a rule is about.

use foodtrack_contract::EventGroup;

/// The longest pattern, in bytes.
pub const EVENT_PATTERN_BYTES_MAX: usize = 64;

/// What every event of the server begins with; rules never touch them.
const RESERVED_PREFIX: &str = "system:";

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventPatternError {
    /// Neither of the three forms.
    #[error(
        "a rule's `events` is an event's name such as order:created, a group such as order:*, or * for all; \
         at most 64 of a-z, 0-9, '_', '-', '.' and ':'"
    )]
    Malformed,
    /// `system:` events come from the server alone.
    #[error("system:* events come from the server alone and are not routed by rules")]
    Reserved,
}

/// A parsed pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EventPattern {
    /// One event.
    Exact(Box<str>),
    /// Every event whose name begins so; ends with a colon.
    Group(Box<str>),
    /// Every event.
    All,
}

impl EventPattern {
    /// Parses `*`, `group:*` or `group:name`.
    pub(crate) fn parse(text: &str) -> Result<Self, EventPatternError> {
        if text == "*" {
            return Ok(Self::All);
        }
        let name = text.strip_suffix('*').unwrap_or(text);
        let allowed = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.:".contains(&byte)
        };
        let grouped = name.split_once(':').is_some_and(|(group, _)| !group.is_empty());
        if text.len() > EVENT_PATTERN_BYTES_MAX || !grouped || !name.bytes().all(allowed) {
            return Err(EventPatternError::Malformed);
        }
        if is_reserved(name) {
            return Err(EventPatternError::Reserved);
        }
        let is_group = name.len() < text.len();
        // `order:created*` would be neither, and `order:` alone a name that no event has.
        match (is_group, name.ends_with(':')) {
            (true, true) => Ok(Self::Group(name.into())),
            (false, false) => Ok(Self::Exact(name.into())),
            _ => Err(EventPatternError::Malformed),
        }
    }

    /// Whether the pattern covers the event of this name.
    pub(crate) fn matches(&self, event: &str) -> bool {
        !is_reserved(event)
            && match self {
                Self::Exact(name) => **name == *event,
                Self::Group(prefix) => event.starts_with(&**prefix),
                Self::All => true,
            }
    }
}

/// Whether the event is one of the server's own.
pub(crate) fn is_reserved(event: &str) -> bool {
    event.starts_with(RESERVED_PREFIX)
}

/// The built-in group that a tenant's own event puts itself in by its name.
pub(crate) fn group_of(event: &str) -> Option<EventGroup> {
    Some(match event.split_once(':')?.0 {
        "order" => EventGroup::Order,
        "kitchen" => EventGroup::Kitchen,
        "delivery" => EventGroup::Delivery,
        "inventory" => EventGroup::Inventory,
        "product" => EventGroup::Product,
        "quality" => EventGroup::Quality,
        "station" => EventGroup::Station,
        "notification" => EventGroup::Notification,
        "tenant" => EventGroup::Tenant,
        "system" => EventGroup::System,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_name_a_group_or_a_star() {
        let exact = |name: &str| Ok(EventPattern::Exact(name.into()));
        assert_eq!(EventPattern::parse("*"), Ok(EventPattern::All));
        assert_eq!(EventPattern::parse("order:*"), Ok(EventPattern::Group("order:".into())));
        assert_eq!(EventPattern::parse("order:created"), exact("order:created"));
        assert_eq!(EventPattern::parse("table:3.opened"), exact("table:3.opened"));
        let long = format!("a:{}", "b".repeat(EVENT_PATTERN_BYTES_MAX));
        for bad in
            ["", ":", ":*", "order", "order:", "order:cr*", "o*", "**", "Order:x", "a:b c", &long]
        {
            assert_eq!(EventPattern::parse(bad), Err(EventPatternError::Malformed), "{bad}");
        }
        for reserved in ["system:*", "system:error", "system:mine"] {
            assert_eq!(EventPattern::parse(reserved), Err(EventPatternError::Reserved));
        }
    }

    #[test]
    fn no_pattern_covers_the_server_s_own_events() {
        assert!(!EventPattern::All.matches("system:error"));
        assert!(EventPattern::All.matches("order:created"));
    }
}
