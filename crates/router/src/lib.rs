//! Message to [`Audience`]: who may send an event, whom it goes to, and which of its fields each of them gets.
//!
//! Pure rules: no clock, no lock, no I/O; `clippy.toml` beside this crate forbids them. The same event from the same
//! source about the same things always has the same audience.

mod audience;
mod default_rules;
mod destination;
mod event_pattern;
mod explanation;
mod message_router;
mod redacted_message;
mod redaction;
mod redactions;
mod rule;
mod table;
mod viewer;

pub use audience::{About, Audience};
pub use default_rules::default_rules;
pub use destination::{Destination, DestinationError};
pub use event_pattern::{EVENT_PATTERN_BYTES_MAX, EventPatternError};
pub use explanation::{ExplainedDestination, ExplainedRule, Explanation};
pub use message_router::{MessageRouter, Sender, read_permission};
pub use redacted_message::RedactedMessage;
pub use redaction::{
    HideFrom, REDACTION_DEPTH_MAX, REDACTION_LIST_MAX, REDACTION_POINTER_BYTES_MAX,
    REDACTIONS_PER_TENANT_MAX, Redaction, RedactionError,
};
pub use redactions::{EventRedactions, Hidden, NotRedactable, Redactions};
pub(crate) use rule::is_rule_id;
pub use rule::{RULE_ID_CHARACTERS_MAX, RULE_LIST_MAX, RULES_PER_TENANT_MAX, Rule, RuleError};
pub use viewer::Viewer;
