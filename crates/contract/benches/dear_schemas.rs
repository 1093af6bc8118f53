//! The worst checks that accepted declarations allow for: `cargo bench -p foodtrack-contract --bench dear_schemas`.
//!
//! Each kind of schema grows until it is refused; the dearest that is accepted meets the payload that is worst for it, as
//! large as it may be. The best of nine counts, so that a busy machine does not. Ends with an error where a check takes longer than [`WORST_MS`].
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a measurement needs a clock")]

#[path = "../tests/it/dear_schemas/kinds.rs"]
mod kinds;

use std::time::Instant;

use foodtrack_contract::{EventName, Schemas, TenantId};

/// What no check may exceed, in milliseconds.
const WORST_MS: f64 = 5.0;

fn main() {
    let tenant = TenantId::parse("t1").expect("a tenant's id");
    let mut worst_ms = 0.0_f64;
    for kind in kinds::KINDS {
        let Some(case) = kind.dearest(&tenant) else {
            println!("{:28} refused whatever its size", kind.name);
            continue;
        };
        let event = EventName::Declared(kinds::NAME.into());
        let check = |schemas: &Schemas| {
            let start = Instant::now();
            let valid = schemas.validate(&tenant, &event, &case.payload).is_ok();
            (start.elapsed().as_secs_f64() * 1_000.0, valid)
        };
        let mut times: Vec<f64> = (0..9).map(|_| check(&case.schemas).0).collect();
        times.sort_by(f64::total_cmp);
        let estimate = case.schemas.check_us(&tenant, &event, case.payload.len());
        println!(
            "{:28} size {:5} payload {:6} B: best {:.3} ms, estimate {:.3} ms, valid {}",
            kind.name,
            case.size,
            case.payload.len(),
            times[0],
            f64::from(estimate) / 1_000.0,
            check(&case.schemas).1
        );
        worst_ms = worst_ms.max(times[0]);
    }
    println!("worst: {worst_ms:.3} ms");
    assert!(worst_ms < WORST_MS, "a check takes {worst_ms} ms");
}
