//! `configuration.md`, from the table of keys and the defaults.

use std::fmt::Write as _;

use foodtrack_server::WebSocketConfig;
use foodtrack_server::config::keys::KEYS;
use serde_json::Value;

const INTRODUCTION: &str = "\
# Configuration

Made by `cargo xtask codegen`; do not edit.

A key is said in a TOML file (`serve --config hub.toml`), in the environment, or as a flag (`--host`, `--port`,
`--data-dir`). The flag goes before the environment, that before the file, that before the default. Every key but the
tables has a name in the environment: `FOODTRACK__` and the key, with `__` between sections, so `heartbeat.intervalMs` is
`FOODTRACK__HEARTBEAT__INTERVAL_MS`. Some have the platform's own name beside it. Lists are separated by commas there.

An unknown key, a value of the wrong type, and limits that contradict each other are all listed at once, and the server
does not start. `foodtrack-websocket check-config --config hub.toml` says what a configuration amounts to.

`serve` needs `security.jwtSecret`, `security.publicKey` or `security.jwks`. `redis` and `security.encryptionKey` are
known names of parts that this version does not have: the server refuses to start with them.
";

/// The page.
pub(crate) fn page() -> String {
    let defaults = serde_json::to_value(WebSocketConfig::default()).unwrap_or_default();
    let mut page = String::from(INTRODUCTION);
    page.push_str("\n| key | default | environment | meaning |\n| --- | --- | --- | --- |\n");
    for key in KEYS {
        let default = default_of(&defaults, key.path);
        let environment =
            key.environment.map_or_else(String::new, |environment| format!("`{environment}`"));
        // Writing to memory does not fail.
        let _ =
            writeln!(page, "| `{}` | {default} | {environment} | {} |", key.path, cell(key.about));
    }
    page
}

fn default_of(defaults: &Value, path: &str) -> String {
    let pointer = format!("/{}", path.replace('.', "/"));
    match defaults.pointer(&pointer) {
        None | Some(Value::Null) => String::from("none"),
        Some(Value::String(text)) => format!("`{text}`"),
        Some(Value::Array(items)) if items.is_empty() => String::from("none"),
        Some(Value::Array(items)) => items.iter().map(code).collect::<Vec<_>>().join(", "),
        Some(value) => code(value),
    }
}

fn code(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`"),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_row_with_its_default() {
        let page = page();
        for key in KEYS {
            assert!(page.contains(&format!("\n| `{}` | ", key.path)), "{}", key.path);
        }
        assert!(page.contains("| `port` | `4001` | `WEBSOCKET_PORT` |"), "{page}");
        assert!(page.contains("| `security.jwtSecret` | none | `JWT_SECRET` |"), "{page}");
    }
}
