//! Kinds of schemas that are cheap to declare and dear to check, with the payloads that are worst for them.

use foodtrack_contract::{DeliveryClass, EventDeclaration, EventName, Schemas, TenantId};
use serde_json::{Map, Value, json};

/// The event type that all of them declare.
pub(crate) const NAME: &str = "dear:check";

/// A schema that grows with its size, and a payload of about so many bytes for it.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    schema: fn(usize) -> Value,
    payload: fn(usize) -> String,
}

/// The dearest of a kind that is accepted.
pub(crate) struct Case {
    pub(crate) schemas: Schemas,
    #[allow(dead_code, reason = "the measurement prints it")]
    pub(crate) size: usize,
    pub(crate) payload: String,
}

impl Kind {
    /// Grows the schema until it is refused, and the payload until it is.
    pub(crate) fn dearest(&self, tenant: &TenantId) -> Option<Case> {
        let accepted = |size: usize| {
            let mut schemas = Schemas::new();
            let declaration = EventDeclaration {
                name: NAME.to_owned(),
                schema: (self.schema)(size),
                delivery_class: DeliveryClass::Volatile,
                description: None,
            };
            schemas.declare(tenant, declaration).ok().map(|()| schemas)
        };
        let mut size = 1;
        accepted(size)?;
        // To within an eighth of the largest that is accepted.
        while size < 1 << 16 && accepted(size * 2).is_some() {
            size *= 2;
        }
        let step = (size / 8).max(1);
        while size < 1 << 17 && accepted(size + step).is_some() {
            size += step;
        }
        let schemas = accepted(size)?;
        let event = EventName::Declared(NAME.into());
        let mut bytes = 64 * 1024;
        loop {
            let mut payload = (self.payload)(bytes);
            payload.truncate(payload.trim_end().len());
            match schemas.validate(tenant, &event, &payload) {
                Err(refusal)
                    if refusal.code() == foodtrack_contract::ErrorCode::PayloadTooLarge =>
                {
                    bytes -= bytes / 16;
                }
                _ => return Some(Case { schemas, size, payload }),
            }
        }
    }
}

fn list(item: &str, bytes: usize) -> String {
    let mut text = String::from("[");
    while text.len() + item.len() + 2 < bytes {
        text.push_str(item);
        text.push(',');
    }
    text.push_str(item);
    text.push(']');
    text
}

fn members(bytes: usize, value: &str) -> String {
    let mut text = String::from("{");
    let mut i = 0;
    while text.len() + value.len() + 12 < bytes {
        text.push_str(&format!("\"{i:x}\":{value},"));
        i += 1;
    }
    text.push_str(&format!("\"z\":{value}}}"));
    text
}

fn text(bytes: usize, part: &str) -> String {
    format!("\"{}\"", part.repeat(bytes.saturating_sub(2) / part.len()))
}

/// Letters that do not repeat themselves, so that no automaton has seen the state before.
fn random_text(bytes: usize) -> String {
    let mut state = 1_u64;
    let mut letter = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        if state >> 63 == 0 { 'a' } else { 'b' }
    };
    format!("\"{}\"", (2..bytes).map(|_| letter()).collect::<String>())
}

fn object(size: usize, value: impl Fn(usize) -> Value) -> Value {
    (0..size).map(|i| (format!("{i:x}"), value(i))).collect::<Map<String, Value>>().into()
}

pub(crate) const KINDS: &[Kind] = &[
    Kind {
        name: "pattern of many states",
        schema: |size| json!({ "pattern": format!("^(a|b)*a(a|b){{{size}}}$") }),
        payload: |bytes| random_text(bytes),
    },
    Kind {
        name: "pattern of many words",
        schema: |size| {
            let words: Vec<String> = (0..size).map(|i| format!("a+b{i}")).collect();
            json!({ "pattern": words.join("|") })
        },
        payload: |bytes| random_text(bytes),
    },
    Kind {
        name: "patterns for each item",
        schema: |size| {
            let all: Vec<Value> =
                (0..size).map(|i| json!({ "pattern": format!("^[a-z]*[^{i}]$") })).collect();
            json!({ "items": { "allOf": all } })
        },
        payload: |bytes| list("\"a\"", bytes),
    },
    Kind {
        name: "patternProperties",
        schema: |size| {
            let all: Map<String, Value> = (0..size)
                .map(|i| (format!("^[0-9a-z]*{i}?$"), json!({ "type": "number" })))
                .collect();
            json!({ "patternProperties": all })
        },
        payload: |bytes| members(bytes, "1"),
    },
    Kind {
        name: "patterns, no other property",
        schema: |size| {
            let all: Map<String, Value> =
                (0..size).map(|i| (format!("q{i}$"), json!({}))).collect();
            json!({ "patternProperties": all, "additionalProperties": { "type": "number" } })
        },
        payload: |bytes| members(bytes, "1"),
    },
    Kind {
        name: "many parts for each item",
        schema: |size| json!({ "items": { "allOf": vec![json!({ "type": "number" }); size] } }),
        payload: |bytes| list("1", bytes),
    },
    Kind {
        name: "references for each item",
        schema: |size| {
            let one = json!({ "$ref": "#/$defs/a" });
            json!({ "items": { "allOf": vec![one; size] }, "$defs": { "a": { "minimum": 0, "maximum": 9, "multipleOf": 0.5 } } })
        },
        payload: |bytes| list("1", bytes),
    },
    Kind {
        name: "anyOf for each item",
        schema: |size| {
            let mut all: Vec<Value> = (0..size).map(|i| json!({ "minimum": 10 + i })).collect();
            all.push(json!({ "type": "number" }));
            json!({ "items": { "anyOf": all } })
        },
        payload: |bytes| list("1", bytes),
    },
    Kind {
        name: "anyOf that never holds",
        schema: |size| {
            let all: Vec<Value> =
                (0..size).map(|i| json!({ "items": { "minimum": 10 + i } })).collect();
            json!({ "anyOf": all })
        },
        payload: |bytes| list("1", bytes),
    },
    Kind {
        name: "oneOf that holds twice",
        schema: |size| json!({ "oneOf": vec![json!({ "items": { "type": "number" } }); size] }),
        payload: |bytes| list("1", bytes),
    },
    Kind {
        name: "anyOf in anyOf",
        schema: |size| {
            let mut schema = json!({ "items": { "type": "string" } });
            for _ in 0..size {
                schema = json!({ "anyOf": [schema] });
            }
            schema
        },
        payload: |bytes| list("1", bytes),
    },
    Kind {
        name: "contains",
        schema: |size| {
            let all: Vec<Value> =
                (0..size).map(|i| json!({ "contains": { "const": i + 10 } })).collect();
            json!({ "not": { "anyOf": all } })
        },
        payload: |bytes| list("1", bytes),
    },
    Kind {
        name: "contains in contains",
        schema: |size| {
            let mut schema = json!({ "type": "string" });
            for _ in 0..size {
                schema = json!({ "contains": schema });
            }
            schema
        },
        payload: |bytes| list("[[[[[[1]]]]]]", bytes),
    },
    Kind {
        name: "uniqueItems, long lists",
        schema: |size| json!({ "allOf": vec![json!({ "uniqueItems": true }); size] }),
        payload: |bytes| {
            let mut numbers = String::from("[0");
            let mut i = 1;
            while numbers.len() + 8 < bytes {
                numbers.push_str(&format!(",{i}"));
                i += 1;
            }
            numbers + "]"
        },
    },
    Kind {
        name: "uniqueItems, alike items",
        schema: |size| json!({ "allOf": vec![json!({ "uniqueItems": true }); size] }),
        payload: |bytes| {
            let items: Vec<String> =
                (0..15).map(|i| format!("[{}{i}]", "1,".repeat(bytes / 32))).collect();
            format!("[{}]", items.join(","))
        },
    },
    Kind {
        name: "uniqueItems, alike objects",
        schema: |size| json!({ "allOf": vec![json!({ "uniqueItems": true }); size] }),
        payload: |bytes| {
            let members: String = (0..bytes / 140).map(|i| format!("\"{i:x}\":1,")).collect();
            let items: Vec<String> = (0..15).map(|i| format!("{{{members}\"z\":{i}}}")).collect();
            format!("[{}]", items.join(","))
        },
    },
    Kind {
        name: "enum for each item",
        schema: |size| json!({ "items": { "enum": (0..size).rev().collect::<Vec<_>>() } }),
        payload: |bytes| list("0", bytes),
    },
    Kind {
        name: "enum of alike lists",
        schema: |size| {
            let all: Vec<Value> =
                (0..size).map(|i| json!([1, 1, 1, 1, 1, 1, 1, 1, 1, i])).collect();
            json!({ "not": { "items": { "enum": all } } })
        },
        payload: |bytes| list("[1,1,1,1,1,1,1,1,1,\"\"]", bytes),
    },
    Kind {
        name: "const of a large object",
        schema: |size| json!({ "items": { "const": object(size, |i| json!(i)) } }),
        payload: |bytes| list("{\"0\":0,\"1\":1,\"2\":2,\"3\":3}", bytes),
    },
    Kind {
        name: "properties of each item",
        schema: |size| json!({ "items": { "properties": object(size, |_| json!({ "type": "number" })) } }),
        payload: |bytes| list("{\"0\":1}", bytes),
    },
    Kind {
        name: "properties of empty items",
        schema: |size| json!({ "items": { "properties": object(size, |_| json!({ "type": "number" })) } }),
        payload: |bytes| list("{}", bytes),
    },
    Kind {
        name: "properties of a large object",
        schema: |size| json!({ "properties": object(size, |_| json!({ "type": "number", "minimum": 0 })), "additionalProperties": { "type": "number" } }),
        payload: |bytes| members(bytes, "1"),
    },
    Kind {
        name: "required of each item",
        schema: |size| json!({ "items": { "required": (0..size).map(|i| format!("{i:x}")).collect::<Vec<_>>() } }),
        payload: |bytes| list("{\"0\":1,\"1\":1,\"2\":1,\"3\":1}", bytes),
    },
    Kind {
        name: "dependentSchemas",
        schema: |size| json!({ "items": { "dependentSchemas": object(size, |i| json!({ "maxProperties": 9 + i })) } }),
        payload: |bytes| list("{\"0\":1,\"1\":1,\"2\":1,\"3\":1}", bytes),
    },
    Kind {
        name: "dependencies",
        schema: |size| json!({ "items": { "dependencies": object(size, |i| json!({ "maxProperties": 9 + i })) } }),
        payload: |bytes| list("{\"0\":1,\"1\":1,\"2\":1,\"3\":1}", bytes),
    },
    Kind {
        name: "propertyNames",
        schema: |size| {
            let all: Vec<Value> =
                (0..size).map(|i| json!({ "minLength": 1, "maxLength": 9 + i })).collect();
            json!({ "propertyNames": { "allOf": all } })
        },
        payload: |bytes| members(bytes, "1"),
    },
    Kind {
        name: "if, then, else in circles",
        schema: |size| {
            let mut schema = json!({ "items": { "type": "number" } });
            for _ in 0..size {
                schema =
                    json!({ "if": { "items": { "minimum": 0 } }, "then": schema, "else": false });
            }
            schema
        },
        payload: |bytes| list("1", bytes),
    },
    Kind {
        name: "prefixItems",
        schema: |size| json!({ "prefixItems": vec![json!({ "type": "number", "minimum": 0 }); size], "items": { "type": "number" } }),
        payload: |bytes| list("1", bytes),
    },
    Kind {
        name: "lengths of long text",
        schema: |size| json!({ "allOf": (0..size).map(|i| json!({ "minLength": 1 + i })).collect::<Vec<_>>() }),
        payload: |bytes| text(bytes, "é"),
    },
    Kind {
        name: "unevaluatedProperties",
        schema: |size| json!({ "anyOf": vec![json!({ "properties": { "a": true } }); size], "unevaluatedProperties": { "type": "number" } }),
        payload: |bytes| members(bytes, "1"),
    },
    Kind {
        name: "unevaluatedItems",
        schema: |size| json!({ "anyOf": vec![json!({ "contains": { "const": 2 } }); size], "unevaluatedItems": { "type": "number" } }),
        payload: |bytes| list("1", bytes),
    },
    Kind {
        name: "nothing but the payload",
        schema: |_| json!({}),
        payload: |bytes| members(bytes, "[{}]"),
    },
];
