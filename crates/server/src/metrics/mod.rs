//! Numbers for Prometheus. Node-wide: none of them names a tenant, but where the operator wants the largest named.

mod back_ends;
mod cluster;
mod http_counts;
mod node;
mod page;
mod shards;
mod tenants;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use foodtrack_contract::{ErrorCode, TenantId};
use foodtrack_shard::{Counters, Tallies, TenantTally};
use foodtrack_tenant_log::{LogWork, StorageStatus};
use foodtrack_transport::DoorRefusals;

use crate::audit::AuditState;
use crate::canary::Canary;
use crate::cluster::ClusterCounts;
use crate::health_book::HealthCondition;

pub(crate) use back_ends::BackEndCounts;
pub(crate) use http_counts::HttpCounts;
pub(crate) use page::{Page, PageFormat};

/// What the page is made of.
pub(crate) struct Sources<'a> {
    pub(crate) shards: &'a [Arc<Counters>],
    /// The HTTP API's refusals by code.
    pub(crate) http_refusals: &'a dyn Fn(ErrorCode) -> u64,
    pub(crate) http: &'a HttpCounts,
    /// Who was refused at the door.
    pub(crate) door: &'a DoorRefusals,
    pub(crate) uptime_s: f64,
    pub(crate) is_draining: bool,
    pub(crate) storage: StorageStatus,
    pub(crate) work: LogWork,
    pub(crate) canary: &'a Canary,
    pub(crate) back_ends: BackEndCounts<'a>,
    pub(crate) cluster: ClusterCounts,
    /// What holds of the health book.
    pub(crate) conditions: Vec<HealthCondition>,
    pub(crate) audit: AuditState,
    /// What the largest tenants did, where they are told.
    pub(crate) tallies: Option<Tallies>,
    /// For how many seconds the certificate is still good, where there is one.
    pub(crate) certificate_seconds: Option<u64>,
}

/// The page.
pub(crate) fn page(sources: &Sources<'_>) -> Page {
    let mut page = Page::default();
    shards::of_shards(&mut page, sources.shards);
    if let Some(tallies) = &sources.tallies {
        tenants::of_tenants(&mut page, tallies);
    }
    of_refusals(&mut page, sources);
    sources.http.tell(&mut page);
    node::of_log(&mut page, sources);
    back_ends::of_back_ends(&mut page, &sources.back_ends);
    cluster::of_cluster(&mut page, &sources.cluster);
    node::of_health(&mut page, sources);
    node::of_process(&mut page, sources.uptime_s);
    page
}

/// What one tenant did.
pub(crate) fn page_of_tenant(tenant: TenantId, tally: TenantTally) -> Page {
    let mut page = Page::default();
    tenants::of_each(&mut page, &[(tenant, tally)]);
    page
}

/// What was refused, by code.
fn of_refusals(page: &mut Page, sources: &Sources<'_>) {
    let refusals = ErrorCode::ALL.iter().map(|code| {
        let count = shards::refusals(sources.shards, *code) + (sources.http_refusals)(*code);
        (vec![("code", code.as_str().to_owned())], count)
    });
    let help = "Refusals of events, handshakes and HTTP requests, by their code.";
    page.counters("foodtrack_refusals", help, refusals);
    let door = sources.door.each().map(|(code, n)| (vec![("code", code.as_str().to_owned())], n));
    let help =
        "Connections and requests of strangers that were refused at the door, by their code.";
    page.counters("foodtrack_refused_requests", help, door);
}
