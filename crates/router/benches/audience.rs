//! What routing costs: `cargo bench -p foodtrack-router`.
#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a bench reads the clock")]

use std::hint::black_box;
use std::time::Instant;

use foodtrack_contract::{
    ApplicationType, EventName, EventType, IdentifierError, PermissionSet, Source, TenantId,
};
use foodtrack_router::{About, Destination, MessageRouter, Rule, Sender};

const ROUNDS: u32 = 1_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tenant = TenantId::parse("tenant-1")?;
    let built_in = MessageRouter::with_default_rules();
    let mut own = built_in.clone();
    for n in 0..100 {
        own.add(rule(&format!("tenant-{n}"))?)?;
    }
    let created = EventName::from(EventType::OrderCreated);
    let opened = EventName::Declared("table:opened".into());
    measure("built-in event, default rules", &built_in, &tenant, &created);
    measure("built-in event, 100 tenants with rules", &own, &tenant, &created);
    measure("declared event, 100 tenants with rules", &own, &tenant, &opened);
    Ok(())
}

fn rule(tenant: &str) -> Result<Rule, IdentifierError> {
    Ok(Rule {
        id: format!("tables of {tenant}"),
        tenant: Some(TenantId::parse(tenant)?),
        events: "table:*".into(),
        from: vec![Source::Application(ApplicationType::ClientApp)],
        permission: None,
        to: vec![Destination::Application(ApplicationType::TenantDashboard)],
    })
}

fn measure(what: &str, router: &MessageRouter, tenant: &TenantId, event: &EventName) {
    let source = Source::Application(ApplicationType::ClientApp);
    let sender = Sender { source, permissions: PermissionSet::ALL };
    let about = About { order: Some("42"), customer: Some("c1"), ..About::default() };
    let mut best_ns = f64::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        for _ in 0..ROUNDS {
            let router = black_box(router);
            let is_allowed = router.authorize(tenant, black_box(event), sender).is_ok();
            black_box((
                is_allowed,
                router.audience(tenant, event, source, None, black_box(&about)),
            ));
        }
        best_ns = best_ns.min(start.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS));
    }
    println!("{what}: {best_ns:.1} ns to authorize and route (best of 5 x {ROUNDS})");
}
