//! Event types that tenants declare.

use jsonschema::{PatternOptions, Validator};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{DeliveryClass, ErrorCode, EventType, Refusal};

/// The longest name of a declared event type.
pub const EVENT_NAME_BYTES_MAX: usize = 64;
/// The largest schema of a declared event type, as JSON text.
pub const SCHEMA_BYTES_MAX: usize = 64 * 1024;
/// How many parts a schema may have once every reference is followed: what one value costs to check.
pub const SCHEMA_PARTS_MAX: usize = 16 * 1024;
/// How much a schema's regular expression may take, compiled.
const PATTERN_BYTES_MAX: usize = 1024 * 1024;

/// An event type of a tenant's own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventDeclaration {
    /// `group:name`, of `a-z 0-9 _ : . -`, at most 64 characters.
    pub name: String,
    /// The JSON Schema (2020-12) of the payload. It stands for itself: it refers to nothing outside, nor to itself in a
    /// circle. Patterns are regular expressions without look-around and back-references.
    pub schema: Value,
    /// How the events travel.
    #[serde(default = "recoverable")]
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
    pub(crate) fn compile(&self) -> Result<Validator, Refusal> {
        self.check_name()?;
        self.check_schema()?;
        jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES_MAX))
            .offline()
            .build(&self.schema)
            .map_err(|error| {
                let pointer = format!("/schema{}", error.instance_path().as_str());
                let message = "the schema does not compile as JSON Schema 2020-12";
                self.invalid(message).at(pointer, error.kind().keyword().to_owned())
            })
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

    fn check_schema(&self) -> Result<(), Refusal> {
        if !self.schema.is_object() {
            return Err(self.invalid("a schema is an object").at("/schema", "type"));
        }
        let bytes = serde_json::to_vec(&self.schema).map_or(usize::MAX, |text| text.len());
        if bytes > SCHEMA_BYTES_MAX {
            let message = "a schema is at most 65536 bytes of JSON";
            return Err(self.invalid(message).at("/schema", "maxLength"));
        }
        let mut parts = Parts { root: &self.schema, open: Vec::new(), left: SCHEMA_PARTS_MAX };
        parts
            .count(&self.schema)
            .map_err(|(rule, message)| self.invalid(message).at("/schema", rule))
    }

    fn invalid(&self, message: &'static str) -> Refusal {
        let name: String = self.name.chars().take(EVENT_NAME_BYTES_MAX).collect();
        Refusal::new(ErrorCode::DeclarationInvalid, message).of_event(name)
    }
}

/// Follows every reference of a schema within a budget. A schema that refers to itself, or that doubles itself at each
/// level, would cost more to check than any limit on the payload allows for.
struct Parts<'a> {
    root: &'a Value,
    open: Vec<&'a str>,
    left: usize,
}

impl<'a> Parts<'a> {
    fn count(&mut self, part: &'a Value) -> Result<(), (&'static str, &'static str)> {
        self.left = self
            .left
            .checked_sub(1)
            .ok_or(("$ref", "the schema grows too large once its references are followed"))?;
        match part {
            Value::Array(list) => list.iter().try_for_each(|part| self.count(part)),
            Value::Object(fields) => fields.iter().try_for_each(|(key, part)| match part {
                Value::String(target) => self.follow(key, target),
                part => self.count(part),
            }),
            _ => Ok(()),
        }
    }

    fn follow(&mut self, key: &str, target: &'a str) -> Result<(), (&'static str, &'static str)> {
        match key {
            "$ref" => {
                let pointer = target.strip_prefix('#').filter(|rest| {
                    rest.is_empty() || (rest.starts_with('/') && !rest.contains('%'))
                });
                let part = pointer.and_then(|pointer| self.root.pointer(pointer)).ok_or((
                    "$ref",
                    "a reference must point into the schema itself, as in #/$defs/name",
                ))?;
                if self.open.contains(&target) {
                    return Err(("$ref", "a schema must not refer to itself in a circle"));
                }
                self.open.push(target);
                let counted = self.count(part);
                self.open.pop();
                counted
            }
            // They move what references mean, out of reach of the count.
            "$id" | "$anchor" | "$dynamicRef" | "$dynamicAnchor" | "$recursiveRef" | "id" => {
                Err(("$id", "a schema must not use $id, $anchor, $dynamicRef or $dynamicAnchor"))
            }
            "$schema" if target != "https://json-schema.org/draft/2020-12/schema" => {
                Err(("$schema", "a schema is of draft 2020-12"))
            }
            _ => Ok(()),
        }
    }
}
