//! The contract's promises, through its public names.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod dear_schemas;
mod declarations;
mod envelopes;
mod messages;
mod payloads;

use foodtrack_contract::{Refusal, TenantId};

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

/// The code, the pointer and the rule: what a client's program can act on.
fn facts(refusal: &Refusal) -> (&'static str, &str, &str) {
    (refusal.code().as_str(), refusal.pointer().unwrap_or("-"), refusal.rule().unwrap_or("-"))
}
