//! Whether a delivery costs the same among many rooms and many tenants that have nothing to do with it.

use super::{Fixture, OPEN_TIMEOUT, TENANT, WorkloadError, keep_in_flight, open_rooms, room_name};
use crate::metric::Cell;
use crate::swarm::Attention;

const MEASURED_ROOMS: usize = 10;
const MEMBERS: usize = 10;
/// Rooms that one bystander is in.
const ROOMS_PER_BYSTANDER: usize = 2_000;

/// Ten measured rooms of ten among 10, 1 000 and 100 000.
pub(crate) fn rooms(fixture: &mut Fixture) -> Result<Vec<Cell>, WorkloadError> {
    let mut publishers = open_rooms(fixture, 0, MEASURED_ROOMS, MEMBERS, 1, |_| TENANT.to_owned())?;
    let mut cells = Vec::new();
    let mut existing = MEASURED_ROOMS;
    for total in [10, 1_000, 100_000] {
        while existing < total {
            let until = total.min(existing + ROOMS_PER_BYSTANDER);
            let names: Vec<String> = (existing..until).map(room_name).collect();
            let member = fixture.member(TENANT, &format!("bystander-{existing}"), Vec::new())?;
            let client = fixture.swarm.open(vec![(member, Attention::Watches)], OPEN_TIMEOUT)?;
            fixture.swarm.join(client, &names, OPEN_TIMEOUT)?;
            existing = until;
        }
        cells.push(keep_in_flight(fixture, &mut publishers, 1, format!("{total} rooms"))?);
    }
    Ok(cells)
}

/// Ten measured rooms of ten, each of its own tenant as far as there are enough, among 1, 100 and 10 000 tenants with at least
/// one connection each.
pub(crate) fn tenants(fixture: &mut Fixture) -> Result<Vec<Cell>, WorkloadError> {
    let mut cells = Vec::new();
    let mut publishers = open_rooms(fixture, 0, MEASURED_ROOMS, MEMBERS, 1, |_| tenant_name(0))?;
    cells.push(keep_in_flight(fixture, &mut publishers, 1, "1 tenant")?);
    // Rooms of other names: tenant 0's are taken.
    let mut publishers =
        open_rooms(fixture, MEASURED_ROOMS, MEASURED_ROOMS, MEMBERS, 1, tenant_name)?;
    let mut existing = MEASURED_ROOMS;
    for total in [100, 10_000] {
        let mut plans = Vec::new();
        for tenant in existing..total {
            let member = fixture.member(&tenant_name(tenant), "bystander", Vec::new())?;
            plans.push((member, Attention::Counts));
        }
        fixture.swarm.open(plans, OPEN_TIMEOUT)?;
        existing = total;
        cells.push(keep_in_flight(fixture, &mut publishers, 1, format!("{total} tenants"))?);
    }
    Ok(cells)
}

fn tenant_name(tenant: usize) -> String {
    format!("tenant-{tenant}")
}
