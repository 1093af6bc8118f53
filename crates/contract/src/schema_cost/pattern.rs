//! What a pattern costs: its automaton is linear in the text, and larger the more states the pattern has.

use jsonschema::PatternOptions;
use serde_json::json;

use super::{PATTERN_COMPILED_BYTES_MAX, count};

/// To begin a match.
pub(super) const MATCH_NS: f64 = 80.0;

/// At worst each byte makes a new set of all the states that the compiled pattern has.
pub(super) fn pattern_ns_per_byte(compiled_bytes: usize) -> f64 {
    2.0 + count(compiled_bytes) / 3.0
}

/// How much memory the pattern takes once it is compiled, as the next power of two; `None` where it does not compile,
/// which whoever compiles the schema says.
pub(super) fn compiled_bytes(pattern: &str) -> Option<usize> {
    let schema = json!({ "pattern": pattern });
    let mut bytes = 512;
    while bytes <= PATTERN_COMPILED_BYTES_MAX {
        let options = PatternOptions::regex().size_limit(bytes);
        if jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .with_pattern_options(options)
            .offline()
            .build(&schema)
            .is_ok()
        {
            return Some(bytes);
        }
        bytes *= 2;
    }
    None
}
