//! `GET /api/v1/tenants`: who is served here. The operator's alone.

use std::sync::Arc;

use axum::extract::State;
use foodtrack_contract::{Refusal, TenantId};
use foodtrack_shard::ConnectionCounts;
use foodtrack_tenant_log::ReadError;
use serde::{Deserialize, Serialize};

use super::ApiError;
use super::caller::Operator;
use super::disk_work;
use super::error::{ListSuccess, Part};
use super::extract::{Parameters, malformed};
use super::log_failure::unreadable;
use crate::hub::Hub;

/// Each is asked about, of its shard and of the log.
const LISTED_MAX: usize = 100;
const LISTED_DEFAULT: usize = 50;

/// Which tenants.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct TenantsQuery {
    /// Only those whose id has this in it, whatever its case.
    search: Option<String>,
    /// At most so many; 50 where absent, 100 at most.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<usize>,
    /// Goes on after this tenant: the `nextCursor` of the answer before.
    cursor: Option<String>,
}

/// A tenant that has a log here.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TenantReport {
    tenant: String,
    /// Of the node that is asked.
    connections: ConnectionCounts,
    /// Entries that its log has.
    entries: u64,
    /// Their bytes.
    bytes: u64,
    dead_letters: u64,
}

/// What the log says of one.
struct Logged {
    tenant: TenantId,
    entries: u64,
    bytes: u64,
    dead_letters: u64,
}

/// Lists tenants that have a log, by id.
#[utoipa::path(get, path = "/api/v1/tenants", operation_id = "listTenants", tag = "status", params(TenantsQuery),
    responses((status = 200, body = ListSuccess<Vec<TenantReport>>)))]
pub(crate) async fn list(
    State(hub): State<Arc<Hub>>,
    _operator: Operator,
    Parameters(query): Parameters<TenantsQuery>,
) -> Result<Part<Vec<TenantReport>>, ApiError> {
    let limit = query.limit.unwrap_or(LISTED_DEFAULT);
    if !(1..=LISTED_MAX).contains(&limit) {
        let refusal = malformed(format!("limit is from 1 to {LISTED_MAX}"));
        return Err(refusal.at("/limit", "maximum").into());
    }
    let (logged, next_cursor) =
        disk_work::read_as_operator(&hub, move |hub| query.read(hub, limit)).await?;
    let mut data = Vec::with_capacity(logged.len());
    for Logged { tenant, entries, bytes, dead_letters } in logged {
        let connections = hub.connections.counts(&tenant).await?;
        let tenant = tenant.to_string();
        data.push(TenantReport { tenant, connections, entries, bytes, dead_letters });
    }
    Ok(Part { data, next_cursor, missing_nodes: Vec::new() })
}

impl TenantsQuery {
    fn read(&self, hub: &Hub, limit: usize) -> Result<(Vec<Logged>, Option<String>), Refusal> {
        let all = hub.log.tenants().map_err(|error| unreadable(&error))?;
        let (page, next) = self.page(all, limit);
        let mut logged = Vec::with_capacity(page.len());
        for tenant in page {
            let stats = match hub.log.stats(&tenant) {
                // It was erased meanwhile.
                Err(ReadError::UnknownTenant(_)) => continue,
                stats => stats.map_err(|error| unreadable(&error))?,
            };
            let (entries, bytes, dead_letters) = (stats.entries, stats.bytes, stats.dead_letters);
            logged.push(Logged { tenant, entries, bytes, dead_letters });
        }
        Ok((logged, next))
    }

    /// Those that are meant, by id, and behind which the next page begins.
    fn page(&self, mut all: Vec<TenantId>, limit: usize) -> (Vec<TenantId>, Option<String>) {
        let wanted = self.search.as_deref().unwrap_or_default().to_lowercase();
        all.retain(|tenant| {
            let is_behind = self.cursor.as_deref().is_none_or(|cursor| tenant.as_str() > cursor);
            is_behind && tenant.as_str().to_lowercase().contains(&wanted)
        });
        all.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        let has_more = all.len() > limit;
        all.truncate(limit);
        let next = all.last().filter(|_| has_more).map(TenantId::to_string);
        (all, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_tenants_are_listed_once_page_by_page() {
        let all: Vec<TenantId> =
            (0..10_000).rev().map(|n| TenantId::parse(&format!("t{n:05}")).unwrap()).collect();
        let (mut found, mut query) = (Vec::new(), TenantsQuery::default());
        loop {
            let (page, next) = query.page(all.clone(), 100);
            found.extend(page.iter().map(TenantId::to_string));
            query.cursor = next;
            if query.cursor.is_none() {
                break;
            }
        }
        assert_eq!((found.len(), &*found[0], &*found[9_999]), (10_000, "t00000", "t09999"));
        let query = TenantsQuery { search: Some("T0999".into()), ..TenantsQuery::default() };
        assert_eq!(query.page(all, 100).0.len(), 10);
    }
}
