//! What reading, checking and writing one message costs: `cargo bench -p foodtrack-contract`.
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a measurement needs a clock")]

use std::hint::black_box;
use std::time::Instant;

use foodtrack_contract::{EventType, Message, Priority, Schemas, Source, TenantId, read_envelope};
use uuid::Uuid;

const ROUNDS: u32 = 200_000;

fn measure(what: &str, mut work: impl FnMut()) {
    let best_ns = (0..7)
        .map(|_| {
            let start = Instant::now();
            (0..ROUNDS).for_each(|_| work());
            start.elapsed().as_nanos() / u128::from(ROUNDS)
        })
        .min();
    println!("{what}: {} ns", best_ns.unwrap_or_default());
}

fn main() {
    let (schemas, tenant) = (Schemas::new(), TenantId::parse("t1").expect("a tenant's id"));
    let payload = concat!(
        r#"{"orderId":"ord-2024-000123","customerId":"cust-9981","status":"preparing","#,
        r#""previousStatus":"accepted","totalAmount":42.5,"items":[{"productId":"p1","quantity":2},"#,
        r#"{"productId":"p7","quantity":1}],"notes":"no onions, please"}"#
    );
    let event = EventType::OrderStatusChanged.into();
    let message = Message {
        id: Uuid::nil(),
        event: "order:status_changed",
        tenant: &tenant,
        timestamp: "2024-07-01T12:00:00.000Z",
        source: Source::System,
        target: None,
        payload,
        priority: Priority::High,
        retry_count: 0,
        encrypted: false,
    };
    let mut whole = Vec::new();
    message.write_json(&mut whole);
    let whole = String::from_utf8(whole).expect("JSON is UTF-8");
    println!("payload {} bytes, message {} bytes", payload.len(), whole.len());

    measure("validate", || {
        let _ = black_box(schemas.validate(&tenant, &event, black_box(payload)));
    });
    measure("read_envelope, payload alone", || {
        let _ = black_box(read_envelope("order:status_changed", black_box(payload)));
    });
    measure("read_envelope, whole message", || {
        let _ = black_box(read_envelope("order:status_changed", black_box(&whole)));
    });
    let mut out = Vec::with_capacity(1024);
    measure("write_json", || {
        out.clear();
        message.write_json(&mut out);
        black_box(&out);
    });
}
