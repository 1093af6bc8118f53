//! `GET /api/v1/audit`: who did what at the tenant.

use std::path::Path;
use std::sync::Arc;

use axum::extract::State;
use foodtrack_contract::{ErrorCode, Refusal, TenantId};
use serde::Deserialize;

use super::ApiError;
use super::caller::Auditor;
use super::disk_work;
use super::error::{ListSuccess, Part};
use super::extract::{Parameters, check_limit, malformed};
use crate::audit::{AuditPage, AuditReader, AuditRecord};
use crate::hub::Hub;

const LISTED_DEFAULT: usize = 100;

/// Which records.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// Only those before this one, by `nextCursor`.
    cursor: Option<String>,
    /// At most so many; 100 where absent, 1000 at most.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// Lists what this node's audit log has of the tenant, newest first; all that it has for the operator who names no tenant. What happened
/// in the last moment may be missing.
#[utoipa::path(get, path = "/api/v1/audit", operation_id = "listAudit", tag = "audit", params(AuditQuery),
    responses((status = 200, body = ListSuccess<Vec<AuditRecord>>)))]
pub(crate) async fn list(
    State(hub): State<Arc<Hub>>,
    Auditor(tenant): Auditor,
    Parameters(query): Parameters<AuditQuery>,
) -> Result<Part<Vec<AuditRecord>>, ApiError> {
    check_limit(query.limit)?;
    let limit = query.limit.unwrap_or(LISTED_DEFAULT);
    let before = query.cursor.as_deref().map(cursor).transpose()?.unwrap_or(u64::MAX);
    let page = match tenant {
        Some(tenant) => {
            let read = move |hub: &Hub, tenant: &_| read(hub, before, Some(tenant), limit);
            disk_work::read(&hub, &tenant, read).await?
        }
        None => {
            disk_work::read_as_operator(&hub, move |hub| read(hub, before, None, limit)).await?
        }
    };
    let next_cursor = page.next.map(|before| before.to_string());
    Ok(Part { data: page.records, next_cursor, missing_nodes: Vec::new() })
}

/// Waits for the disk.
fn read(
    hub: &Hub,
    before: u64,
    tenant: Option<&TenantId>,
    limit: usize,
) -> Result<AuditPage, Refusal> {
    let off = || {
        let sentence =
            "this node keeps no audit log: it has no data directory, or audit.enabled is false";
        Refusal::new(ErrorCode::NotFound, sentence)
    };
    let data_dir = hub.config.said().data_dir.as_deref().filter(|_| hub.audit.is_on());
    let data_dir = Path::new(data_dir.ok_or_else(off)?);
    let page = AuditReader::open(data_dir)
        .and_then(|reader| reader.map(|it| it.before(before, tenant, limit)).transpose());
    let page = page.map_err(|error| {
        tracing::error!(%error, "the audit log cannot be read");
        Refusal::new(ErrorCode::Degraded, "the audit log cannot be read")
    })?;
    page.ok_or_else(off)
}

fn cursor(text: &str) -> Result<u64, Refusal> {
    text.parse().map_err(|_| malformed("a cursor is a nextCursor of this list"))
}
