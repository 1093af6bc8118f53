//! A JSON Schema as a type of TypeScript and as a schema of zod.

use serde_json::Value;

/// What one schema is in both languages.
#[derive(Debug, PartialEq)]
pub(super) struct Shape {
    pub(super) typescript: String,
    pub(super) zod: String,
}

impl Shape {
    fn new(typescript: impl Into<String>, zod: impl Into<String>) -> Self {
        Self { typescript: typescript.into(), zod: zod.into() }
    }

    /// The shape of `schema`. Keywords that the contract's types do not make are refused by a panic: a generator that
    /// passes over one would make schemas that are too lenient.
    pub(super) fn of(schema: &Value) -> Self {
        if let Some(choices) = schema.get("anyOf").or_else(|| schema.get("oneOf")) {
            return Self::one_of(choices.as_array().map_or(&[], Vec::as_slice));
        }
        match schema.get("type") {
            None => Self::new("unknown", "z.unknown()"),
            Some(Value::Array(types)) => {
                let is_null = |it: &&Value| it.as_str() == Some("null");
                let others: Vec<&str> =
                    types.iter().filter(|it| !is_null(it)).filter_map(Value::as_str).collect();
                assert!(others.len() == 1 && types.len() == 2, "one type, or null: {schema}");
                let Self { typescript, zod } = Self::of_type(others[0], schema);
                Self::new(format!("{typescript} | null"), format!("{zod}.nullable()"))
            }
            Some(kind) => Self::of_type(kind.as_str().unwrap_or_default(), schema),
        }
    }

    fn of_type(kind: &str, schema: &Value) -> Self {
        match kind {
            "string" => Self::of_string(schema),
            "number" => Self::new("number", format!("z.number(){}", range(schema))),
            "integer" => Self::new("number", format!("z.int(){}", range(schema))),
            "boolean" => Self::new("boolean", "z.boolean()"),
            "null" => Self::new("null", "z.null()"),
            "object" => Self::new("Record<string, unknown>", "z.record(z.string(), z.unknown())"),
            "array" => {
                let Self { typescript, zod } =
                    Self::of(schema.get("items").unwrap_or(&Value::Null));
                let least =
                    schema.get("minItems").map_or(String::new(), |it| format!(".min({it})"));
                let item =
                    if typescript.contains('|') { format!("({typescript})") } else { typescript };
                Self::new(format!("{item}[]"), format!("z.array({zod}){least}"))
            }
            other => panic!("a type that TypeScript's generator does not know: {other}"),
        }
    }

    fn of_string(schema: &Value) -> Self {
        if let Some(Value::Array(names)) = schema.get("enum") {
            return Self::names(&names.iter().filter_map(Value::as_str).collect::<Vec<_>>());
        }
        if let Some(Value::String(name)) = schema.get("const") {
            return Self::new(format!("'{name}'"), format!("z.literal('{name}')"));
        }
        if schema.get("minLength").is_some() || schema.get("maxLength").is_some() {
            // Lengths are in characters, and JavaScript counts halves of surrogate pairs.
            return Self::new("string", "identifier");
        }
        if let Some(Value::String(pattern)) = schema.get("pattern") {
            return Self::new("string", format!("z.string().regex(/{pattern}/)"));
        }
        match schema.get("format").and_then(Value::as_str) {
            None => Self::new("string", "z.string()"),
            // Any of the hyphenated form, whatever its version.
            Some("uuid") => Self::new("string", "z.guid()"),
            Some("date-time") => Self::new("string", "z.iso.datetime()"),
            Some(other) => panic!("a format that TypeScript's generator does not know: {other}"),
        }
    }

    fn one_of(choices: &[Value]) -> Self {
        let constants: Vec<&str> =
            choices.iter().filter_map(|it| it.get("const").and_then(Value::as_str)).collect();
        if constants.len() == choices.len() {
            return Self::names(&constants);
        }
        let shapes: Vec<Self> = choices.iter().map(Self::of).collect();
        let join = |texts: Vec<&str>, by: &str| texts.join(by);
        Self::new(
            join(shapes.iter().map(|it| &*it.typescript).collect(), " | "),
            format!("z.union([{}])", join(shapes.iter().map(|it| &*it.zod).collect(), ", ")),
        )
    }

    fn names(names: &[&str]) -> Self {
        let quoted: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
        Self::new(quoted.join(" | "), format!("z.enum([{}])", quoted.join(", ")))
    }
}

/// The fields of an object's schema: name, what it is about, shape, and whether it must be there.
pub(super) fn fields(schema: &Value) -> Vec<(&str, &str, Shape, bool)> {
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map_or(Vec::new(), |names| names.iter().filter_map(Value::as_str).collect());
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.map_or(Vec::new(), |properties| {
        properties
            .iter()
            .map(|(name, field)| {
                let about = field.get("description").and_then(Value::as_str).unwrap_or_default();
                (name.as_str(), about, Shape::of(field), required.contains(&name.as_str()))
            })
            .collect()
    })
}

fn range(schema: &Value) -> String {
    let bound = |keyword: &str, method: &str| {
        schema.get(keyword).map_or(String::new(), |it| format!(".{method}({it})"))
    };
    bound("minimum", "min") + &bound("maximum", "max")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(schema: &Value, typescript: &str, zod: &str) {
        assert_eq!(Shape::of(schema), Shape::new(typescript, zod), "{schema}");
    }

    #[test]
    fn a_schema_is_a_type_and_a_zod_schema() {
        check(&json!({ "type": "string" }), "string", "z.string()");
        check(
            &json!({ "type": ["string", "null"], "maxLength": 8 }),
            "string | null",
            "identifier.nullable()",
        );
        check(
            &json!({ "type": "number", "minimum": -90, "maximum": 90 }),
            "number",
            "z.number().min(-90).max(90)",
        );
        check(
            &json!({ "oneOf": [{ "const": "a" }, { "const": "b" }] }),
            "'a' | 'b'",
            "z.enum(['a', 'b'])",
        );
        let list = json!({ "type": "array", "items": { "type": "string", "enum": ["a", "b"] }, "minItems": 1 });
        check(&list, "('a' | 'b')[]", "z.array(z.enum(['a', 'b'])).min(1)");
        let either = json!({ "anyOf": [{ "type": "boolean" }, { "type": "null" }] });
        check(&either, "boolean | null", "z.union([z.boolean(), z.null()])");
        check(&json!({}), "unknown", "z.unknown()");
    }

    #[test]
    #[should_panic(expected = "does not know")]
    fn a_format_that_is_not_known_is_not_passed_over() {
        let _ = Shape::of(&json!({ "type": "string", "format": "ipv4" }));
    }
}
