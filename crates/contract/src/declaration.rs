//! Event types that tenants declare.

use jsonschema::{PatternOptions, Validator};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::schema_cost::{self, PATTERN_CACHE_BYTES_MAX, PATTERN_COMPILED_BYTES_MAX, SchemaCost};
use crate::violation::POINTER_BYTES_MAX;
use crate::{DeliveryClass, ErrorCode, EventType, Refusal};

/// The longest name of a declared event type.
pub const EVENT_NAME_BYTES_MAX: usize = 64;
/// The largest schema of a declared event type, as JSON text.
pub const SCHEMA_BYTES_MAX: usize = 64 * 1024;
/// What the check of one payload may cost at worst, in nanoseconds; a dearer schema takes smaller payloads.
pub const CHECK_NS_MAX: u64 = 2_000_000;
/// A schema that would cost more than [`CHECK_NS_MAX`] for so small a payload is refused.
pub const DECLARED_PAYLOAD_BYTES_MIN: usize = 1024;

/// An event type of a tenant's own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventDeclaration {
    /// `group:name`, of `a-z 0-9 _ : . -`, at most 64 characters.
    pub name: String,
    /// The JSON Schema (2020-12) of the payload. It stands for itself: it refers to nothing outside, nor to itself in a
    /// circle. Patterns are regular expressions without look-around and back-references. What it costs to check bounds how
    /// large a payload may be.
    pub schema: Value,
    /// How the events travel.
    #[serde(default = "recoverable")]
    #[schema(value_type = String, example = "recoverable")]
    pub delivery_class: DeliveryClass,
    /// What the event is for, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

fn recoverable() -> DeliveryClass {
    DeliveryClass::Recoverable
}

impl EventDeclaration {
    /// Checks the name and compiles the schema.
    pub(crate) fn compile(&self) -> Result<(Validator, SchemaCost), Refusal> {
        self.check_name()?;
        let cost = self.check_schema()?;
        let patterns = PatternOptions::regex()
            .size_limit(PATTERN_COMPILED_BYTES_MAX)
            .dfa_size_limit(PATTERN_CACHE_BYTES_MAX);
        let validator = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .with_pattern_options(patterns)
            .offline()
            .build(&self.schema)
            .map_err(|error| {
                let pointer = format!("/schema{}", error.instance_path().as_str());
                let message = "the schema does not compile as JSON Schema 2020-12";
                self.invalid(message).at(pointer, error.kind().keyword().to_owned())
            })?;
        Ok((validator, cost))
    }

    fn check_name(&self) -> Result<(), Refusal> {
        let name = self.name.as_str();
        let allowed = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_:.-".contains(&byte)
        };
        // The names that Socket.IO keeps for itself, and the control events without a group, have no colon.
        let grouped =
            name.split_once(':').is_some_and(|(group, rest)| !group.is_empty() && !rest.is_empty());
        if !grouped || name.len() > EVENT_NAME_BYTES_MAX || !name.bytes().all(allowed) {
            let message =
                "a name is group:name, of a-z, 0-9, '_', ':', '.' and '-', at most 64 characters";
            return Err(self.invalid(message).at("/name", "pattern"));
        }
        if EventType::from_wire(name).is_some() {
            return Err(self.invalid("the name is a built-in event type's").at("/name", "not"));
        }
        if ["system:", "subscribe:", "unsubscribe:"].iter().any(|prefix| name.starts_with(prefix)) {
            let message =
                "names that begin with system:, subscribe: or unsubscribe: are the server's";
            return Err(self.invalid(message).at("/name", "not"));
        }
        Ok(())
    }

    fn check_schema(&self) -> Result<SchemaCost, Refusal> {
        if !self.schema.is_object() {
            return Err(self.invalid("a schema is an object").at("/schema", "type"));
        }
        if self.schema_bytes() > SCHEMA_BYTES_MAX {
            let message = "a schema is at most 65536 bytes of JSON";
            return Err(self.invalid(message).at("/schema", "maxLength"));
        }
        let told = |pointer: &str, rule, message| {
            let mut pointer = format!("/schema{pointer}");
            if pointer.len() > POINTER_BYTES_MAX {
                pointer = String::from("/schema");
            }
            self.invalid(message).at(pointer, rule)
        };
        let cost = schema_cost::measure(&self.schema)
            .map_err(|refused| told(&refused.pointer, refused.rule, refused.message))?;
        if cost.payload_bytes_max() < DECLARED_PAYLOAD_BYTES_MIN {
            let message = "the schema is too dear to check: a payload of 1 KiB could take over 2 ms; make the part that the pointer names simpler";
            return Err(told(&cost.dearest, "cost", message));
        }
        Ok(cost)
    }

    /// The schema's length as JSON text, in bytes.
    pub(crate) fn schema_bytes(&self) -> usize {
        serde_json::to_vec(&self.schema).map_or(usize::MAX, |text| text.len())
    }

    fn invalid(&self, message: &'static str) -> Refusal {
        let name: String = self.name.chars().take(EVENT_NAME_BYTES_MAX).collect();
        Refusal::new(ErrorCode::DeclarationInvalid, message).of_event(name)
    }
}
