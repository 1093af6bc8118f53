//! How urgent a message is.

use serde::{Deserialize, Serialize};

/// A message's priority; the order of the variants is the order of urgency.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Priority {
    /// First to go when a reader is slow.
    Low,
    /// What a message has that names no priority.
    #[default]
    Medium,
    /// Overtakes medium and low in a backlogged queue.
    High,
    /// Overtakes everything in a backlogged queue.
    Urgent,
}

impl Priority {
    /// Every priority, least urgent first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Urgent];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Urgent => "urgent",
        }
    }
}
