//! A rule: who may send which events, and where they go.

use foodtrack_contract::{Permission, Source, TenantId};
use serde::{Deserialize, Serialize};

use crate::{Destination, EventPatternError};

/// The longest identifier of a rule, in characters.
pub const RULE_ID_CHARACTERS_MAX: usize = 128;
/// How many sources, and how many destinations, a rule may name.
pub const RULE_LIST_MAX: usize = 16;
/// How many rules a tenant may have of its own, and how many may be shared by all.
pub const RULES_PER_TENANT_MAX: usize = 256;

/// Whether this is an id that a rule or a redaction may have.
pub(crate) fn is_rule_id(id: &str) -> bool {
    (1..=RULE_ID_CHARACTERS_MAX).contains(&id.chars().count()) && !id.contains(char::is_control)
}

/// A rule lets some sources send some events, and names whom these go to.
///
/// Rules add up: an event goes to the union of what every rule names that covers it and its source. In configuration
/// and over HTTP: `{ id, tenant?, events, from: [..], permission?, to: [..] }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// Unique among the rules that hold for the same tenant.
    pub id: String,
    /// The one tenant that the rule is for; every tenant where absent.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "tenant_text")]
    #[schema(value_type = Option<String>)]
    pub tenant: Option<TenantId>,
    /// An event's name, a group such as `order:*`, or `*`.
    pub events: String,
    /// Who may send them, by the names on the wire.
    #[serde(with = "source_texts")]
    #[schema(value_type = Vec<String>, example = json!(["tenant_dashboard", "system"]))]
    pub from: Vec<Source>,
    /// What sending takes besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission: Option<Permission>,
    /// Where they go.
    #[schema(value_type = Vec<String>, example = json!(["client_app", "order_room"]))]
    pub to: Vec<Destination>,
}

/// Why a rule was not added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// A rule of this id is there; remove it first.
    #[error("a rule {id:?} exists already; remove it first, or choose another id")]
    IdTaken {
        /// The id.
        id: String,
    },
    /// The id is empty, too long, or has control characters.
    #[error(
        "a rule's id is 1 to {RULE_ID_CHARACTERS_MAX} characters, none of them a control character"
    )]
    IdMalformed,
    /// `events` is no pattern, or one of the server's own events.
    #[error("rule {id:?}: {source}")]
    Events {
        /// The rule.
        id: String,
        /// What is wrong with the pattern.
        source: EventPatternError,
    },
    /// Nobody may send by this rule, so it says nothing.
    #[error(
        "rule {id:?} names no source in `from`; name client_app, tenant_dashboard, kitchen_app, delivery_app or system"
    )]
    NoSource {
        /// The rule.
        id: String,
    },
    /// `from` or `to` is longer than it can be of use.
    #[error("rule {id:?} names more than {RULE_LIST_MAX} sources or destinations; name each once")]
    ListTooLong {
        /// The rule.
        id: String,
    },
    /// The limit is reached.
    #[error("there are {RULES_PER_TENANT_MAX} rules of this scope already; remove one first")]
    TooMany,
}

/// A tenant's id, or nothing, as text.
pub(crate) mod tenant_text {
    use foodtrack_contract::TenantId;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(
        tenant: &Option<TenantId>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match tenant {
            Some(tenant) => serializer.serialize_str(tenant.as_str()),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<TenantId>, D::Error> {
        Option::<String>::deserialize(deserializer)?
            .map(|text| TenantId::parse(&text).map_err(D::Error::custom))
            .transpose()
    }
}

mod source_texts {
    use foodtrack_contract::Source;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(
        sources: &[Source],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(sources.iter().map(|source| source.as_str()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Source>, D::Error> {
        let unknown = || {
            D::Error::custom(
                "a source is client_app, tenant_dashboard, kitchen_app, delivery_app or system",
            )
        };
        Vec::<String>::deserialize(deserializer)?
            .iter()
            .map(|text| Source::from_wire(text).ok_or_else(unknown))
            .collect()
    }
}
