//! Connections that do nothing: what connecting costs and what each keeps.

use std::time::Duration;

use super::{Fixture, OPEN_TIMEOUT, Snapshot, Window, WorkloadError, settle};
use crate::dialect::Dialect;
use crate::latencies::Latencies;
use crate::metric::{Cell, Metric};
use crate::swarm::Attention;

pub(super) const TENANTS: usize = 100;

/// `connections` clients of a hundred tenants, each in three rooms: its tenant's, its application's and its own. The hub puts
/// them there by itself; peers are told.
pub(crate) fn run(fixture: &mut Fixture, connections: usize) -> Result<Vec<Cell>, WorkloadError> {
    let mut plans = Vec::with_capacity(connections);
    for index in 0..connections {
        let tenant = format!("t{}", index % TENANTS);
        let user = format!("u{index}");
        let rooms = match fixture.swarm.dialect() {
            Dialect::Hub => Vec::new(),
            Dialect::SocketIo | Dialect::Topics => {
                vec![format!("tenant-{tenant}"), format!("app-{tenant}"), format!("user-{user}")]
            }
        };
        plans.push((fixture.member(&tenant, &user, rooms)?, Attention::Counts));
    }
    settle(fixture, Duration::from_millis(500))?;
    let rss_before_kib = fixture.server.rss_kib()?;
    let start = Snapshot::take(fixture)?;
    fixture.swarm.open(plans, OPEN_TIMEOUT)?;
    let connecting = start.until_now(fixture)?;
    settle(fixture, Duration::from_secs(2))?;
    let rss_kib = fixture.server.rss_kib()?.saturating_sub(rss_before_kib);
    Ok(vec![cell(&connecting, &format!("{connections} idle"), connections, rss_kib)])
}

/// What connecting cost in its window, and what all of them keep.
pub(super) fn cell(connecting: &Window, name: &str, connections: usize, rss_kib: u64) -> Cell {
    let count = connections as f64;
    connecting
        .cell(name, &mut Latencies::default())
        .with(Metric::RssKibPerConnection, rss_kib as f64 / count)
        .with(Metric::CpuUsPerConnection, connecting.server.total_us() / count)
        .with(Metric::ConnectionsPerSecond, count / connecting.elapsed.as_secs_f64())
}
