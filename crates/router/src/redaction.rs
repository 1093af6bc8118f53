//! A redaction: which fields of an event's payload some of its recipients do not get.

use std::fmt;

use foodtrack_contract::{ApplicationType, TenantId, UserRole};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::EventPatternError;
use crate::rule::tenant_text;

/// How many redactions hold for one tenant: its own and those for every tenant together.
pub const REDACTIONS_PER_TENANT_MAX: usize = 64;
/// How many fields, and how many kinds of recipients, a redaction may name.
pub const REDACTION_LIST_MAX: usize = 32;
/// The longest pointer to a field, in bytes.
pub const REDACTION_POINTER_BYTES_MAX: usize = 256;
/// How deep a pointer to a field may go.
pub const REDACTION_DEPTH_MAX: usize = 16;

/// Fields of the payload of some events that some of those who get the event do not get.
///
/// Redactions add up. In configuration: `{ id, tenant?, events, fields: [..], hideFrom: [..] }`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Redaction {
    /// Unique among the redactions that hold for the same tenant.
    pub id: String,
    /// The one tenant that it is for; every tenant where absent.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "tenant_text")]
    #[schema(value_type = Option<String>)]
    pub tenant: Option<TenantId>,
    /// An event's name, a group such as `order:*`, or `*`.
    pub events: String,
    /// JSON pointers (RFC 6901) into the payload. `*` in the place of a name stands for each element of a list, or for each
    /// member of an object.
    #[schema(example = json!(["/supplierNote", "/items/*/cost"]))]
    pub fields: Vec<String>,
    /// Who does not get them: applications, roles, and `webhooks`.
    #[schema(value_type = Vec<String>, example = json!(["delivery_app", "customer", "webhooks"]))]
    pub hide_from: Vec<HideFrom>,
}

/// A kind of recipient that does not get a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HideFrom {
    /// Connections as this application.
    Application(ApplicationType),
    /// Everybody of this role, whatever the application.
    Role(UserRole),
    /// The receivers of all webhooks.
    Webhooks,
}

/// The one name that is neither an application's nor a role's.
const WEBHOOKS: &str = "webhooks";

impl HideFrom {
    /// The name in configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Application(application) => application.as_str(),
            Self::Role(role) => role.as_str(),
            Self::Webhooks => WEBHOOKS,
        }
    }

    fn from_text(text: &str) -> Option<Self> {
        if text == WEBHOOKS {
            return Some(Self::Webhooks);
        }
        let application = ApplicationType::from_wire(text).map(Self::Application);
        application.or_else(|| UserRole::from_wire(text).map(Self::Role))
    }
}

impl Serialize for HideFrom {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for HideFrom {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = HideFrom;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an application, a role, or webhooks")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<HideFrom, E> {
                HideFrom::from_text(text)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_str(Visitor)
    }
}

/// Why a redaction was not added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedactionError {
    /// The id is empty, too long, or has control characters.
    #[error(
        "a redaction's id is 1 to {max} characters, none of them a control character",
        max = crate::RULE_ID_CHARACTERS_MAX
    )]
    IdMalformed,
    /// A redaction of this id is there.
    #[error("a redaction {id:?} exists already; choose another id")]
    IdTaken {
        /// The id.
        id: String,
    },
    /// `events` is no pattern, or names the server's own events.
    #[error("redaction {id:?}: {source}")]
    Events {
        /// The redaction.
        id: String,
        /// What is wrong with the pattern.
        source: EventPatternError,
    },
    /// Nothing is hidden, or from nobody, or the lists are too long.
    #[error(
        "redaction {id:?}: `fields` and `hideFrom` each name 1 to {REDACTION_LIST_MAX}; without one of them it would hide nothing"
    )]
    Lists {
        /// The redaction.
        id: String,
    },
    /// A field is no JSON pointer into the payload.
    #[error(
        "redaction {id:?}: {field:?} is no pointer to a field of the payload; write it as /supplierNote or /items/*/cost, \
         at most {REDACTION_POINTER_BYTES_MAX} bytes and {REDACTION_DEPTH_MAX} names deep"
    )]
    Field {
        /// The redaction.
        id: String,
        /// What it says.
        field: String,
    },
    /// The limit is reached.
    #[error("there are {REDACTIONS_PER_TENANT_MAX} redactions already that hold for one tenant")]
    TooMany,
}
