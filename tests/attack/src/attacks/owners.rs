//! What a tenant's owner and back end do over HTTP.

use serde_json::{Value, json};

use crate::asker::Asker;
use crate::attack::{Attack, Demand, Hostile};
use crate::people::{HOSTILE_TENANT, back_end};
use crate::request::api;

/// A part of what a schema alone may be.
const SCHEMA_PARTS: usize = 2_000;
const ITEMS: usize = 100_000;

/// What the hub's defaults allow one token: `limits.apiRequestsBurstPerToken` and `..PerSecondPerToken`.
const DECLARATIONS: Demand = Demand::AcceptedAtMost { burst: 100, per_second: 20 };

pub(super) fn all() -> Vec<Attack> {
    let metadata =
        Attack::new("room-metadata", "metadata of 0.9 MB for ever new rooms", 20, |number| {
            let body = json!({ "description": "d".repeat(900_000) }).to_string();
            asker(move |turn| {
                ("PUT", format!("/api/v1/rooms/order:room-{number}-{turn}"), body.clone())
            })
        });
    let declaring = Attack::new("declaring", "event types declared in a loop", 20, |number| {
        asker(move |turn| {
            let name = format!("loop:event-{}", number % 16);
            let schema = json!({ "type": "object", "description": format!("{turn}") });
            let body = json!({ "name": name, "schema": schema }).to_string();
            ("POST", String::from("/api/v1/events"), body)
        })
    });
    vec![
        Attack::new("dear-schemas", "schemas cheap to declare and dear to check", 8, |number| {
            let name = format!("dear:event-{number}");
            let mut declaration = Some(json!({ "name": name, "schema": dear_schema(number) }));
            let publication = json!({ "type": name, "payload": dear_payload(number) }).to_string();
            asker(move |_| match declaration.take() {
                Some(declaration) => {
                    ("POST", String::from("/api/v1/events"), declaration.to_string())
                }
                None => ("POST", String::from("/api/v1/publish"), publication.clone()),
            })
        }),
        Attack { demand: Some(Demand::AcceptedAtMost { burst: 0, per_second: 0 }), ..metadata },
        Attack { demand: Some(DECLARATIONS), ..declaring },
    ]
}

/// Each of the forms that were dear.
fn dear_schema(number: usize) -> Value {
    match number % 4 {
        0 => json!({ "properties": { "s": { "type": "string", "pattern": "^(a?){64}a{64}$" } } }),
        1 => {
            let parts: Vec<Value> =
                (0..SCHEMA_PARTS).map(|part| json!({ "const": part })).collect();
            json!({ "properties": { "list": { "items": { "not": { "anyOf": parts } } } } })
        }
        2 => json!({ "patternProperties": { "^(a|b|ab)*c$": { "type": "number" } } }),
        _ => json!({ "properties": { "list": { "contains": { "const": "nowhere" } } } }),
    }
}

fn dear_payload(number: usize) -> Value {
    match number % 4 {
        0 => json!({ "s": "a".repeat(200_000) }),
        2 => {
            let names = (0..ITEMS / 20).map(|item| (format!("ababababab{item}"), json!(1)));
            Value::Object(names.collect())
        }
        _ => json!({ "list": vec![-1; ITEMS] }),
    }
}

/// A back end that asks by method, path and body.
fn asker(
    mut ask: impl FnMut(usize) -> (&'static str, String, String) + Send + 'static,
) -> Box<dyn Hostile> {
    let token = back_end(HOSTILE_TENANT);
    Asker::boxed(move |turn| {
        let (method, path, body) = ask(turn);
        api(method, &path, &token, &body)
    })
}
