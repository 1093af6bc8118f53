//! What leaving hidden fields out of a message costs: `cargo bench -p foodtrack-router --bench redaction`.
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a bench reads what it took")]

use std::hint::black_box;

use foodtrack_contract::{ApplicationType, EventName, EventType, TenantId, UserRole};
use foodtrack_router::{HideFrom, Redaction, Redactions, Viewer};

const ROUNDS: u32 = 300_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut redactions = Redactions::default();
    redactions.add(Redaction {
        id: "costs".into(),
        tenant: None,
        events: "delivery:*".into(),
        fields: vec!["/supplierNote".into(), "/items/*/cost".into()],
        hide_from: vec![HideFrom::Application(ApplicationType::DeliveryApp)],
    })?;
    let without = r#"{"orderId":"4711","reason":"00001234567890"}"#;
    let quoting = r#"{"orderId":"4711","reason":"says \"ring twice\""}"#;
    let items = [r#"{"name":"pizza","cost":3.20,"count":2}"#; 5].join(",");
    let with = format!(r#"{{"orderId":"4711","supplierNote":"cheap","items":[{items}]}}"#);
    measure("none of the fields", &redactions, without)?;
    measure("none of the fields, and a quote in a text", &redactions, quoting)?;
    measure("a note and five costs", &redactions, &with)
}

fn measure(
    what: &str,
    redactions: &Redactions,
    payload: &str,
) -> Result<(), Box<dyn std::error::Error>> {
    let message = format!(
        r#"{{"id":"019ad5c0-5f6e-7c43-9d0e-3f4a5b6c7d8e","type":"delivery:in_transit","tenantId":"tenant-1","timestamp":"2026-11-23T12:00:00.000Z","source":"delivery_app","payload":{payload},"priority":"medium","retryCount":0,"encrypted":false}}"#
    );
    let (tenant, event) =
        (TenantId::parse("tenant-1")?, EventName::from(EventType::DeliveryInTransit));
    let viewer =
        Viewer::connection(Some(ApplicationType::DeliveryApp), UserRole::DeliveryPersonnel);
    let mut best_ns = f64::MAX;
    for _ in 0..5 {
        let start = worked_ns()?;
        for _ in 0..ROUNDS {
            let about = black_box(redactions).of(&tenant, black_box(&event));
            let hidden = about.hidden_from(black_box(viewer));
            black_box(about.redact(hidden, black_box(message.as_bytes()), &[]))?;
        }
        best_ns = best_ns.min((worked_ns()? - start) / f64::from(ROUNDS));
    }
    println!(
        "{what}: {best_ns:.0} ns for one view (best of 5 x {ROUNDS}), {} bytes",
        message.len()
    );
    Ok(())
}

/// How long this thread has run on a core.
fn worked_ns() -> Result<f64, Box<dyn std::error::Error>> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(stat.split_whitespace().next().ok_or("no schedstat")?.parse()?)
}
