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

An unknown key, a value of the wrong type, an event type, application or permission that does not exist, and limits that
contradict each other are all listed at once, each with its file and line, its variable or its flag, and with the nearest known
name; the server does not start. `foodtrack-websocket check-config --config hub.toml` says what a configuration amounts to.

`serve` needs one of `security.jwtSecret`, `security.publicKey`, `security.jwks` and `security.jwksUrl`, or `[[issuers]]`. With one of
`security.encryptionKey`, `encryptionKeyFile` and `encryptionKeyCommand` the log is sealed (`docs/operating/encryption.md`).
";

/// The tables' shapes.
const TABLES: &str = "
## Rules

Each `[[rules]]` adds to the default rules: who may send events of a type, and where they go. Rules add up; an event goes to the
union of what every rule names that covers it and its sender. `GET /api/v1/rules` shows all of them in this shape, and
`foodtrack-websocket explain` says where an event would go.

| key | |
| --- | --- |
| `id` | 1 to 128 characters, unique among the default rules, those for every tenant and the tenant's own |
| `tenant` | the one tenant that it is for; every tenant where absent |
| `events` | an event type that is built in or in `[[events]]`, a group such as `order:*`, or `*` |
| `from` | who may send: a list of `client_app`, `tenant_dashboard`, `kitchen_app`, `delivery_app`, `system` |
| `permission` | what sending takes besides, such as `write:orders`; nothing where absent |
| `to` | where it goes: a list of applications, `every_application`, `order_room`, `customer`, `assignee`, `station_room`, `route_room` |

A tenant's administrators add rules for their own event types over HTTP, without a restart: see [http.md](http.md).

## Redactions

Each `[[redactions]]` names fields of a payload that some of those who get the event do not get: a courier no note to the supplier, a
customer no name of the staff. The fields are left out for them wherever the event comes to them: live, after an absence, in a retry, over
`/events` and `/ws`, in a webhook, and in what the HTTP API tells of the log. The log itself has everything. Redactions add up.

| key | |
| --- | --- |
| `id` | 1 to 128 characters, unique among those for every tenant and the tenant's own |
| `tenant` | the one tenant that it is for; every tenant where absent |
| `events` | an event type that is built in or in `[[events]]`, a group such as `order:*`, or `*` |
| `fields` | JSON pointers (RFC 6901) into the payload, such as `/supplierNote`; `*` in the place of a name stands for each element of a list, or each member of an object: `/items/*/cost`. Up to 32, each up to 256 bytes and 16 names deep |
| `hideFrom` | who does not get them: applications (`client_app`, ..), roles (`customer`, `chef`, ..) and `webhooks`. Up to 32 |

A connection is one application. Who asks over HTTP with a token for several applications gets what one of them gets, unless the role is
named. A payload that is a ciphertext cannot be redacted: it is not for those from whom a part of the event is hidden, who do not get the
event; webhooks and the HTTP API tell of it with `message: null`. Name no field that a schema requires: applications that check what they
get would refuse the event. `foodtrack-websocket explain` and `GET /api/v1/redactions` say what is hidden from whom. At most 64 hold for one
tenant. Where a tenant has none, nothing costs more. A tenant's administrators add redactions of their own over HTTP, without a restart: see
[http.md](http.md#redactions).

## Issuers

Each `[[issuers]]` signs tokens that the hub takes, beside those of `security`: `docs/operating/keys-and-tokens.md`. At most 32.

| key | |
| --- | --- |
| `name` | its name in log lines, metrics and `/health`: letters, digits, `-` and `_`, at most 64 |
| `issuer` | the `iss` of its tokens |
| `jwtSecret`, `publicKey`, `jwks`, `jwksUrl`, `discovery = true` | one of them: a shared secret, a file with a public key as PEM, a file with a JWKS, where a JWKS is fetched from, or OpenID Connect discovery below `issuer` |
| `algorithms` | what its tokens may be signed with; where absent HS256 with a secret, and RS256, ES256 and EdDSA with a JWKS. A `publicKey` needs it |
| `audience` | the `aud` values of which its tokens must have one; any where absent |
| `tenants` | the tenants that its tokens may be of: names, and beginnings such as `chain-*`; all where absent |
| `leewaySeconds`, `lifetimeSecondsMax` | as `security.leewaySeconds` and `security.tokenLifetimeSecondsMax`, which hold where absent |
";

/// A test reads it as the server would.
const EXAMPLE: &str = "\
[[events]]
tenant = \"pizza-roma\"
name = \"loyalty:points_earned\"
schema = { type = \"object\", required = [\"points\"] }

[[rules]]
id = \"loyalty\"
tenant = \"pizza-roma\"
events = \"loyalty:points_earned\"
from = [\"tenant_dashboard\", \"system\"]
to = [\"client_app\", \"tenant_dashboard\"]

[[rules]]
id = \"customers-hear-of-delays\"
events = \"delivery:delayed\"
from = [\"delivery_app\"]
permission = \"write:delivery\"
to = [\"client_app\"]

[[issuers]]
name = \"login\"
issuer = \"https://login.example\"
discovery = true
audience = [\"hub\"]
tenants = [\"pizza-roma\", \"chain-*\"]

[[redactions]]
id = \"costs\"
events = \"order:*\"
fields = [\"/supplierNote\", \"/items/*/cost\"]
hideFrom = [\"delivery_app\", \"customer\", \"webhooks\"]
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
    let _ = write!(page, "{TABLES}\n```toml\n{EXAMPLE}```\n");
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
    use foodtrack_server::config::{Layers, load_checked};

    use super::*;

    #[test]
    fn the_example_is_a_configuration_that_a_server_starts_with() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("hub.toml");
        std::fs::write(&file, EXAMPLE).unwrap();
        let secret = "no secret at all: for examples and tests alone";
        let environment = vec![("JWT_SECRET".into(), secret.into())];
        let layers = Layers { file: Some(file), environment, ..Layers::default() };
        let config = load_checked(&layers, |_| {}).unwrap();
        assert_eq!(config.said().rules.len(), 2);
        assert!(page().contains(EXAMPLE));
    }

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
