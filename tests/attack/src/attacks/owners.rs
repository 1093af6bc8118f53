//! What a tenant's owner and back end do over HTTP.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

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

/// Asks, waits for the answer, asks again.
struct Asker<F> {
    accepted: usize,
    ask: F,
    token: String,
    turn: usize,
    is_waiting: bool,
}

fn asker(
    ask: impl FnMut(usize) -> (&'static str, String, String) + Send + 'static,
) -> Box<dyn Hostile> {
    Box::new(Asker {
        accepted: 0,
        ask,
        token: back_end(HOSTILE_TENANT),
        turn: 0,
        is_waiting: false,
    })
}

impl<F: FnMut(usize) -> (&'static str, String, String) + Send> Hostile for Asker<F> {
    fn opened(&mut self, _out: &mut Vec<u8>) {
        self.is_waiting = false;
    }

    fn received(&mut self, bytes: &[u8], _out: &mut Vec<u8>) {
        self.is_waiting = false;
        self.accepted += usize::from(bytes.starts_with(b"HTTP/1.1 2"));
    }

    fn accepted(&self) -> usize {
        self.accepted
    }

    fn more(&mut self, _now: Instant, out: &mut Vec<u8>) {
        if !self.is_waiting {
            self.is_waiting = true;
            let (method, path, body) = (self.ask)(self.turn);
            self.turn += 1;
            out.extend_from_slice(api(method, &path, &self.token, &body).as_bytes());
        }
    }

    fn comes_again_after(&self) -> Duration {
        Duration::from_millis(200)
    }
}
