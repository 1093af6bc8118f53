//! What tenants did, each by its name: the largest where the operator wants them named, and one for who may see it.

use foodtrack_contract::TenantId;
use foodtrack_shard::{Tallies, TenantTally};

use super::page::{Labels, Page};

/// The largest tenants, and all others as one.
pub(super) fn of_tenants(page: &mut Page, tallies: &Tallies) {
    of_each(page, &tallies.largest);
    let help = "Connections of all tenants that are not named.";
    page.gauge("foodtrack_other_tenants_connections", help, Some(tallies.others.connections));
}

/// These tenants. They are counted since they were opened here: a tenant that leaves memory begins anew.
pub(super) fn of_each(page: &mut Page, tenants: &[(TenantId, TenantTally)]) {
    let each = |read: fn(&TenantTally) -> u64| -> Vec<(Labels, u64)> {
        let labels = |id: &TenantId| vec![("tenant", id.as_str().to_owned())];
        tenants.iter().map(|(id, tally)| (labels(id), read(tally))).collect()
    };
    let help = "Connections of these tenants now.";
    page.gauges("foodtrack_tenant_connections", help, each(|it| it.connections as u64));
    let help = "Accepted events of these tenants, since they were opened here.";
    page.counters("foodtrack_tenant_events", help, each(|it| it.events_accepted));
    let help = "Refused events of these tenants, since they were opened here.";
    page.counters("foodtrack_tenant_events_refused", help, each(|it| it.events_refused));
    let help = "Deliveries of these tenants, since they were opened here.";
    page.counters("foodtrack_tenant_deliveries", help, each(|it| it.deliveries));
}
