//! What breaks which rule where, in words that give nothing of the payload away.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};

use crate::{ErrorCode, EventName, PAYLOAD_DEPTH_MAX, Refusal};

/// The longest pointer that is told; keys are the sender's words and may be long.
pub(crate) const POINTER_BYTES_MAX: usize = 256;

/// Whether the JSON text is an object.
pub(crate) fn is_object(json: &str) -> bool {
    json.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{')
}

/// One broken rule of a schema.
#[derive(Debug)]
pub(crate) struct Violation {
    pointer: String,
    rule: String,
    /// What was expected, as the end of a sentence that begins with the place.
    expected: String,
}

impl Violation {
    /// The text is not JSON that this place could take.
    pub(crate) fn syntax() -> Self {
        Self {
            pointer: String::new(),
            rule: String::from("syntax"),
            expected: String::from("does not read as JSON"),
        }
    }

    /// An identifier has half of a surrogate pair: no text, so it cannot be a key.
    pub(crate) fn half_character(field: &str) -> Self {
        Self {
            pointer: format!("/{field}"),
            rule: String::from("unicode"),
            expected: String::from("has half of a surrogate pair, and must be whole characters"),
        }
    }

    /// It is nested deeper than payloads may be.
    pub(crate) fn too_deep(pointer: String) -> Self {
        Self {
            pointer,
            rule: String::from("depth"),
            expected: format!("is nested deeper than {PAYLOAD_DEPTH_MAX} levels"),
        }
    }

    /// It breaks the schema, and to find out where would cost more than to check it may.
    pub(crate) fn unexplained() -> Self {
        Self {
            pointer: String::new(),
            rule: String::from("schema"),
            expected: String::from(
                "breaks its schema; it is too large to say where, a smaller one is told",
            ),
        }
    }

    /// What a JSON Schema says. A field that is missing is pointed at where it should be.
    pub(crate) fn of_schema(error: &ValidationError<'_>) -> Self {
        let mut pointer = error.instance_path().as_str().to_owned();
        if let Kind::Required { property } = error.kind()
            && let Some(property) = property.as_str()
        {
            push_segment(&mut pointer, property);
        }
        Self {
            pointer,
            rule: error.kind().keyword().to_owned(),
            expected: expectation(error.kind()),
        }
    }

    /// What reading straight into a type says, where a JSON Schema has no word for it: a field that is there twice, or
    /// text that no tree can be built from. Serde's own words are not passed on: they quote the payload.
    pub(crate) fn of_reading(error: &serde_path_to_error::Error<serde_json::Error>) -> Self {
        use serde_path_to_error::Segment;
        let mut pointer = String::new();
        for segment in error.path() {
            match segment {
                Segment::Seq { index } => push_segment(&mut pointer, &index.to_string()),
                Segment::Map { key } => push_segment(&mut pointer, key),
                Segment::Enum { variant } => push_segment(&mut pointer, variant),
                Segment::Unknown => {}
            }
        }
        let words = error.inner().to_string();
        if let Some(rest) = words.strip_prefix("duplicate field `")
            && let Some((field, _)) = rest.split_once('`')
        {
            // Depending on when it was noticed, the path ends at the object or at the field.
            if !pointer.ends_with(&format!("/{field}")) {
                push_segment(&mut pointer, field);
            }
            return Self {
                pointer,
                rule: String::from("duplicate"),
                expected: String::from("is there twice; once is enough"),
            };
        }
        let expected = String::from("does not read as what the event's type asks for");
        let rule = if error.inner().is_data() { "type" } else { "syntax" };
        Self { pointer, rule: rule.to_owned(), expected }
    }

    /// The refusal of `event` for this.
    pub(crate) fn refusal(self, event: &EventName) -> Refusal {
        let Self { mut pointer, rule, expected } = self;
        if pointer.len() > POINTER_BYTES_MAX {
            // Cut between segments: half a key would point elsewhere.
            let end = pointer
                .char_indices()
                .rfind(|(at, character)| *at <= POINTER_BYTES_MAX && *character == '/');
            pointer.truncate(end.map_or(0, |(at, _)| at));
        }
        let message = if pointer.is_empty() {
            format!("the payload of {event} {expected}")
        } else {
            format!("the payload of {event} breaks a rule at {pointer}: it {expected}")
        };
        Refusal::new(ErrorCode::PayloadInvalid, message).of_event(event.as_str()).at(pointer, rule)
    }
}

pub(crate) fn push_segment(pointer: &mut String, segment: &str) {
    pointer.push('/');
    pointer.push_str(&segment.replace('~', "~0").replace('/', "~1"));
}

fn expectation(kind: &Kind) -> String {
    match kind {
        Kind::Required { .. } => String::from("is required"),
        Kind::Type { kind: TypeKind::Single(one) } => format!("must be of type {one}"),
        Kind::Type { kind: TypeKind::Multiple(many) } => {
            let names: Vec<String> = many.iter().map(|one| one.to_string()).collect();
            format!("must be of type {}", names.join(" or "))
        }
        Kind::MinLength { limit } => format!("must have at least {limit} characters"),
        Kind::MaxLength { limit } => format!("must have at most {limit} characters"),
        Kind::Minimum { limit } => format!("must be at least {limit}"),
        Kind::Maximum { limit } => format!("must be at most {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
        Kind::MultipleOf { multiple_of } => format!("must be a multiple of {multiple_of}"),
        Kind::MinItems { limit } => format!("must have at least {limit} items"),
        Kind::MaxItems { limit } => format!("must have at most {limit} items"),
        Kind::MinProperties { limit } => format!("must have at least {limit} fields"),
        Kind::MaxProperties { limit } => format!("must have at most {limit} fields"),
        Kind::UniqueItems => String::from("must not have an item twice"),
        Kind::Enum { .. } => String::from("must be one of the values that the schema lists"),
        Kind::Constant { .. } => String::from("must be the one value that the schema names"),
        Kind::Format { format } => format!("must be of the format {format}"),
        Kind::Pattern { .. } => String::from("must match the schema's pattern"),
        Kind::AdditionalProperties { .. } | Kind::UnevaluatedProperties { .. } => {
            String::from("must not have fields that the schema does not name")
        }
        Kind::AdditionalItems { .. } | Kind::UnevaluatedItems { .. } => {
            String::from("must not have items that the schema does not name")
        }
        Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => {
            String::from("must be one of the schema's alternatives")
        }
        Kind::OneOfMultipleValid { .. } => {
            String::from("must be just one of the schema's alternatives, and is several")
        }
        _ => String::from("must keep the rule"),
    }
}
