//! What a declared schema can cost to check at worst, as a function of the payload's length. A payload is checked on the
//! thread that serves every tenant, so the worst case is bounded when the schema is declared.
//!
//! The bound is `fixed + per_byte * bytes` nanoseconds. A schema that is applied to each item of a list costs its fixed
//! part once for each item, and an item takes at least two bytes; so its fixed part becomes a part by the byte. Named
//! properties lie in different bytes of the payload, so only the dearest of them counts by the byte. What applies to the
//! same bytes adds up. The constants were measured with the worst payloads that `benches/dear_schemas.rs` sends, with a margin.

mod bound;
mod part;
mod pattern;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::CHECK_NS_MAX;

pub(crate) use bound::Bound;
use bound::Line;
use part::{Part, simple};
use pattern::{MATCH_NS, compiled_bytes, pattern_ns_per_byte};

/// How many parts a schema may have once every reference is followed.
pub const SCHEMA_PARTS_MAX: usize = 4_096;
/// How deep a schema may nest once every reference is followed: each level is a call when a payload is checked.
pub const SCHEMA_DEPTH_MAX: usize = 32;
/// How many different patterns a schema may have, those of `patternProperties` included.
pub const SCHEMA_PATTERNS_MAX: usize = 32;
/// The longest pattern.
pub const PATTERN_BYTES_MAX: usize = 1_024;
/// How much memory a compiled pattern may take.
pub(crate) const PATTERN_COMPILED_BYTES_MAX: usize = 64 * 1024;
/// How much memory the state of a pattern's automaton may take while it matches.
pub(crate) const PATTERN_CACHE_BYTES_MAX: usize = 256 * 1024;

/// Why a schema is refused: the keyword and a sentence. The pointer says which part.
#[derive(Debug)]
pub(crate) struct TooDear {
    pub(crate) pointer: String,
    pub(crate) rule: &'static str,
    pub(crate) message: &'static str,
}

/// What a schema costs.
#[derive(Clone, Debug, Default)]
pub(crate) struct SchemaCost {
    /// To say whether a payload is valid.
    pub(crate) check: Bound,
    /// To say what is wrong with it: alternatives collect all their errors.
    pub(crate) explain: Bound,
    /// The part that costs most.
    pub(crate) dearest: String,
    /// How many patterns it has.
    pub(crate) patterns: usize,
}

impl SchemaCost {
    /// How large a payload may be so that its check takes at most [`CHECK_NS_MAX`], in bytes.
    pub(crate) fn payload_bytes_max(&self) -> usize {
        self.check.bytes_within(count_ns(CHECK_NS_MAX))
    }

    /// Whether it may also be said what is wrong with a payload of so many bytes.
    pub(crate) fn explains(&self, bytes: usize) -> bool {
        self.explain.ns(bytes) <= count_ns(CHECK_NS_MAX)
    }

    /// What the check of a payload of so many bytes costs at worst, in microseconds, with reading it into a tree.
    pub(crate) fn check_us(&self, bytes: usize) -> u32 {
        let ns = self.check.ns(bytes) + Bound::per_byte(READ_NS).ns(bytes);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let us = (ns / 1_000.0).ceil() as u32;
        us
    }
}

fn count_ns(ns: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds are far below 2^52 ns")]
    let ns = ns as f64;
    ns
}

/// To read one byte of a payload into a tree.
const READ_NS: f64 = 45.0;
/// What one instance of a keyword costs to look at: a call, and a look at the value's type.
const LOOK_NS: f64 = 8.0;
/// To divide a number by one that is not whole.
const MULTIPLE_NS: f64 = 300.0;
/// To find a member by name in an object.
const MEMBER_NS: f64 = 25.0;
/// To compare a byte's worth of a list or object with another.
const COMPARE_NS: f64 = 8.0;
/// To write down one error, with its place.
const ERROR_NS: f64 = 400.0;
/// To copy one byte of what the schema names into an error.
const COPY_NS: f64 = 10.0;
/// The shortest item of a list: `1,`.
const ITEM_BYTES: f64 = 2.0;
/// The shortest member of an object: `"":1,`.
const MEMBER_BYTES: f64 = 5.0;

/// Measures `schema`, of draft 2020-12.
///
/// # Errors
/// [`TooDear`]: it has too many parts or patterns, refers to itself in a circle, or uses a keyword whose cost has no bound.
pub(crate) fn measure(schema: &Value) -> Result<SchemaCost, TooDear> {
    let mut walk = Walk {
        root: schema,
        open: Vec::new(),
        left: SCHEMA_PARTS_MAX,
        depth: 0,
        patterns: BTreeMap::new(),
    };
    let part = walk.schema(schema, String::new())?;
    Ok(SchemaCost {
        check: part.check,
        explain: part.explain,
        dearest: part.dearest,
        patterns: walk.patterns.len(),
    })
}

struct Walk<'a> {
    root: &'a Value,
    open: Vec<&'a str>,
    left: usize,
    depth: usize,
    /// What each pattern costs a byte.
    patterns: BTreeMap<&'a str, f64>,
}

fn too_dear(
    pointer: impl Into<String>,
    rule: &'static str,
    message: &'static str,
) -> Result<Part, TooDear> {
    Err(TooDear { pointer: pointer.into(), rule, message })
}

impl<'a> Walk<'a> {
    fn schema(&mut self, schema: &'a Value, at: String) -> Result<Part, TooDear> {
        if self.depth == SCHEMA_DEPTH_MAX {
            return too_dear(
                at,
                "$ref",
                "a schema nests at most 32 levels deep, references followed",
            );
        }
        self.depth += 1;
        let part = self.fields(schema, at);
        self.depth -= 1;
        part
    }

    fn fields(&mut self, schema: &'a Value, at: String) -> Result<Part, TooDear> {
        self.count(1, &at)?;
        let mut parts = Vec::new();
        if let Value::Object(fields) = schema {
            for (keyword, value) in fields {
                let at = join(&at, keyword);
                if let Some(part) = self.keyword(keyword, value, fields, at)? {
                    parts.push(part);
                }
            }
        }
        let sum = |of: fn(&Part) -> Bound| parts.iter().map(of).fold(Bound::default(), Bound::plus);
        let check = sum(|part| part.check).plus(Bound::fixed(LOOK_NS));
        let explain = sum(|part| part.explain).plus(Bound::fixed(LOOK_NS + ERROR_NS));
        // One part that is most of the cost is what to change.
        let weight = |cost: Bound| cost.ns(4_096);
        let dearest = parts
            .into_iter()
            .find(|part| weight(part.check) * 2.0 > weight(check))
            .map_or(at, |part| part.dearest);
        Ok(Part { check, explain, dearest })
    }

    fn count(&mut self, parts: usize, at: &str) -> Result<(), TooDear> {
        let Some(left) = self.left.checked_sub(parts) else {
            return Err(TooDear {
                pointer: at.to_owned(),
                rule: "$ref",
                message: "the schema has too many parts once its references are followed: at most 4096",
            });
        };
        self.left = left;
        Ok(())
    }

    /// What a keyword costs beside the others; `None` for those that say nothing about payloads.
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn keyword(
        &mut self,
        keyword: &str,
        value: &'a Value,
        beside: &'a Map<String, Value>,
        at: String,
    ) -> Result<Option<Part>, TooDear> {
        let part = match keyword {
            "$ref" => self.reference(value, at)?,
            "$id" | "$anchor" | "$dynamicRef" | "$dynamicAnchor" | "$recursiveRef"
            | "$recursiveAnchor" | "id" => {
                let message = "a schema must not use $id, $anchor, $dynamicRef or $dynamicAnchor";
                return too_dear(at, "$id", message).map(Some);
            }
            "$schema" if value != "https://json-schema.org/draft/2020-12/schema" => {
                return too_dear(at, "$schema", "a schema is of draft 2020-12").map(Some);
            }
            "unevaluatedProperties" | "unevaluatedItems" => {
                let message = "what unevaluatedProperties and unevaluatedItems cost has no bound: use additionalProperties or items";
                return too_dear(at, "unevaluated", message).map(Some);
            }
            "allOf" | "anyOf" | "oneOf" => self.alternatives(value, keyword != "allOf", &at)?,
            "not" | "if" | "then" | "else" => self.schema(value, at)?.twice(),
            "items" | "contains" | "additionalItems" if !value.is_array() => {
                self.schema(value, at)?.of_each(ITEM_BYTES)
            }
            // They lie in different bytes: the dearest counts.
            "prefixItems" | "items" | "additionalItems" => {
                let parts = value.as_array().into_iter().flatten().enumerate();
                let mut all = simple(LOOK_NS, at.clone());
                for (i, part) in parts {
                    let part = self.schema(part, join(&at, &i.to_string()))?;
                    all = part.beside(all, ITEM_BYTES);
                }
                all
            }
            "properties" => self.properties(value, at)?,
            "additionalProperties" => {
                let named = beside.get("properties").and_then(Value::as_object).map_or(0, Map::len);
                let look = if named == 0 { 0.0 } else { MEMBER_NS };
                let patterns = self.patterns_of(beside.get("patternProperties"), &at)?;
                let each = patterns.plus(Bound::fixed(look));
                self.schema(value, at)?.plus(each).of_each(MEMBER_BYTES)
            }
            "patternProperties" => {
                let patterns = self.patterns_of(Some(value), &at)?;
                let mut all = simple(LOOK_NS, at.clone()).plus(patterns.of_each(MEMBER_BYTES));
                for (pattern, part) in value.as_object().into_iter().flatten() {
                    let part = self.schema(part, join(&at, pattern))?;
                    all = all.and(part.of_each(MEMBER_BYTES));
                }
                all
            }
            "propertyNames" => {
                self.schema(value, at)?.plus(Bound::fixed(MEMBER_NS)).of_each(MEMBER_BYTES)
            }
            "dependentSchemas" | "dependencies" => {
                let mut all = simple(LOOK_NS, at.clone());
                for (name, part) in value.as_object().into_iter().flatten() {
                    let part = match part {
                        Value::Array(names) => simple(member_ns(names.len() + 1), join(&at, name)),
                        part => self.schema(part, join(&at, name))?,
                    };
                    all = all.and(part.plus(Bound::fixed(MEMBER_NS)));
                }
                all
            }
            "required" => simple(member_ns(value.as_array().map_or(0, Vec::len)), at),
            "dependentRequired" => {
                let names = |list: &Value| 1 + list.as_array().map_or(0, Vec::len);
                let names = value.as_object().into_iter().flatten().map(|(_, list)| names(list));
                simple(member_ns(names.sum()), at)
            }
            "enum" => self.listed(value.as_array().map_or(&[], Vec::as_slice), at)?,
            "const" => self.listed(std::slice::from_ref(value), at)?,
            "pattern" => {
                let pattern = value.as_str().unwrap_or_default();
                let per_byte = self.pattern(pattern, &at)?;
                simple(MATCH_NS, at).plus(Bound::per_byte(per_byte))
            }
            // Equal items are found by comparing up to 15 with each other, and by a hash of each beyond that.
            "uniqueItems" => simple(LOOK_NS, at).plus(Bound::per_byte(10.0 * COMPARE_NS)),
            "minLength" | "maxLength" => simple(LOOK_NS, at).plus(Bound::per_byte(1.0)),
            "minProperties" | "maxProperties" | "minItems" | "maxItems" | "minimum" | "maximum"
            | "exclusiveMinimum" | "exclusiveMaximum" | "type" | "minContains" | "maxContains" => {
                simple(LOOK_NS, at)
            }
            "multipleOf" => simple(MULTIPLE_NS, at),
            _ => {
                // Definitions, annotations and what nobody knows: they cost nothing unless something refers to them.
                return Ok(None);
            }
        };
        Ok(Some(part))
    }

    fn reference(&mut self, value: &'a Value, at: String) -> Result<Part, TooDear> {
        let target = value.as_str().unwrap_or_default();
        let pointer = target
            .strip_prefix('#')
            .filter(|rest| rest.is_empty() || (rest.starts_with('/') && !rest.contains('%')));
        let Some((pointer, part)) =
            pointer.and_then(|pointer| Some((pointer, self.root.pointer(pointer)?)))
        else {
            let message = "a reference must point into the schema itself, as in #/$defs/name";
            return too_dear(at, "$ref", message);
        };
        if self.open.contains(&target) {
            return too_dear(at, "$ref", "a schema must not refer to itself in a circle");
        }
        self.open.push(target);
        let part = self.schema(part, pointer.to_owned());
        self.open.pop();
        part
    }

    fn alternatives(
        &mut self,
        value: &'a Value,
        collects: bool,
        at: &str,
    ) -> Result<Part, TooDear> {
        let mut all = simple(LOOK_NS, at.to_owned());
        let mut dearest_ns = 0.0_f64;
        for (i, part) in value.as_array().into_iter().flatten().enumerate() {
            let part = self.schema(part, join(at, &i.to_string()))?;
            let all_of_part = part.check.ns(4_096);
            all = all.and(if collects { part.twice() } else { part });
            dearest_ns = dearest_ns.max(all_of_part);
        }
        // Many parts alike: it is their number that is dear.
        if dearest_ns * 2.0 < all.check.ns(4_096) {
            all.dearest = at.to_owned();
        }
        Ok(all)
    }

    fn properties(&mut self, value: &'a Value, at: String) -> Result<Part, TooDear> {
        let Some(fields) = value.as_object() else { return Ok(simple(LOOK_NS, at)) };
        // Each name is looked for in the object, or each member of a small object among the names.
        let names = count(fields.len());
        let look = Bound {
            once: Line { fixed: LOOK_NS + MEMBER_NS * names, per_byte: MEMBER_NS / MEMBER_BYTES },
            many: Line {
                fixed: LOOK_NS + 4.0 * names,
                per_byte: (MEMBER_NS * names / (2.0 * MEMBER_BYTES)).min(MEMBER_NS),
            },
        };
        let mut all = Part { check: look, explain: look, dearest: at.clone() };
        for (name, part) in fields {
            let part = self.schema(part, join(&at, name))?;
            all = part.beside(all, count(name.len()) + 4.0);
        }
        Ok(all)
    }

    /// What it costs to compare with each of `values`.
    fn listed(&mut self, values: &[Value], at: String) -> Result<Part, TooDear> {
        let nested = values.iter().filter(|value| value.is_object() || value.is_array()).count();
        let bytes: usize = values.iter().map(json_bytes).sum();
        self.count(values.len(), &at)?;
        let check = Bound::of(
            LOOK_NS + 3.0 * count(values.len()),
            COMPARE_NS * count(nested) + 0.1 * count(values.len()).min(64.0),
        );
        let explain = check.plus(Bound::fixed(ERROR_NS + COPY_NS * count(bytes)));
        Ok(Part { check, explain, dearest: at })
    }

    /// What it costs to match a name against each pattern of `patternProperties`.
    fn patterns_of(&mut self, value: Option<&'a Value>, at: &str) -> Result<Bound, TooDear> {
        let mut all = Bound::default();
        for pattern in value.and_then(Value::as_object).into_iter().flat_map(Map::keys) {
            let per_byte = self.pattern(pattern, at)?;
            all = all.plus(Bound::of(MATCH_NS, per_byte));
        }
        Ok(all)
    }

    /// What a pattern costs a byte, at worst.
    fn pattern(&mut self, pattern: &'a str, at: &str) -> Result<f64, TooDear> {
        if let Some(per_byte) = self.patterns.get(pattern) {
            return Ok(*per_byte);
        }
        let refused = |message| TooDear { pointer: at.to_owned(), rule: "pattern", message };
        if pattern.len() > PATTERN_BYTES_MAX {
            return Err(refused("a pattern is at most 1024 bytes"));
        }
        if self.patterns.len() >= SCHEMA_PATTERNS_MAX {
            return Err(refused("a schema has at most 32 different patterns"));
        }
        let per_byte = compiled_bytes(pattern).map_or(0.0, pattern_ns_per_byte);
        self.patterns.insert(pattern, per_byte);
        Ok(per_byte)
    }
}

fn member_ns(names: usize) -> f64 {
    LOOK_NS + MEMBER_NS * count(names)
}

fn count(number: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "schemas are at most 64 KiB")]
    let number = number as f64;
    number
}

fn json_bytes(value: &Value) -> usize {
    serde_json::to_vec(value).map_or(0, |text| text.len())
}

fn join(at: &str, segment: &str) -> String {
    format!("{at}/{}", segment.replace('~', "~0").replace('/', "~1"))
}
