//! What tenants keep in memory of the orders that they had.

use super::client::Client;
use super::{Fixture, Snapshot, WorkloadError, settle};
use crate::latencies::Latencies;
use crate::metric::{Cell, Metric};

/// Orders of each tenant.
const ORDERS: usize = 10_000;
/// Tenants whose customers order at the same time: the disk is waited for once for all of them.
const TENANTS_AT_ONCE: usize = 50;
/// Orders of each of them that wait for an answer.
const IN_FLIGHT: usize = 200;

/// `tenants` tenants, each with one customer who makes 10 000 orders and goes.
pub(crate) fn run(fixture: &mut Fixture, tenants: usize) -> Result<Vec<Cell>, WorkloadError> {
    settle(fixture, std::time::Duration::from_millis(500))?;
    let rss_before_kib = fixture.server.rss_kib()?;
    let start = Snapshot::take(fixture)?;
    for first in (0..tenants).step_by(TENANTS_AT_ONCE) {
        order(fixture, first..tenants.min(first + TENANTS_AT_ONCE))?;
    }
    let ordering = start.until_now(fixture)?;
    settle(fixture, std::time::Duration::from_secs(2))?;
    let rss_kib = fixture.server.rss_kib()?.saturating_sub(rss_before_kib);
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let (rss_kib, tenants_f, orders) = (rss_kib as f64, tenants as f64, (tenants * ORDERS) as f64);
    let cell = ordering
        .cell(format!("{tenants} tenants with {ORDERS} orders"), &mut Latencies::default())
        .with(Metric::RssKibPerTenant, rss_kib / tenants_f)
        .with(Metric::RssMib, rss_kib / 1024.0)
        .with(Metric::CpuUsPerRequest, ordering.server.total_us() / orders);
    Ok(vec![cell])
}

fn order(fixture: &Fixture, tenants: std::ops::Range<usize>) -> Result<(), WorkloadError> {
    let mut customers = Vec::with_capacity(tenants.len());
    for tenant in tenants {
        customers.push(Client::customer(fixture.swarm.address(), &format!("tenant-{tenant}"))?);
    }
    for first in (0..ORDERS).step_by(IN_FLIGHT) {
        for customer in &mut customers {
            let orders = first..first + IN_FLIGHT;
            customer.send_all(orders.map(|order| {
                format!("427[\"order:created\",{{\"orderId\":\"order-{order}\"}}]")
            }))?;
        }
        for customer in &mut customers {
            customer.read(b"437[", IN_FLIGHT)?;
        }
    }
    Ok(())
}
