//! `GET /api/v1/log`: what a tenant accepted, as its log has it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use foodtrack_contract::{Epoch, ErrorCode, Offset, Refusal, TenantId};
use foodtrack_tenant_log::{LogEntry, PageStart, ReadRequest};
use serde::{Deserialize, Serialize};

use super::ApiError;
use super::caller::Administrator;
use super::disk_work;
use super::extract::{self, Parameters, check_limit, malformed};
use super::log_failure::LogFailure;
use crate::hub::Hub;
use crate::log_report::{EntryReport, Reports, cursor_text};

const LISTED_DEFAULT: usize = 100;
/// How far before the log's end may be begun.
const LAST_MAX: usize = 1_000;
/// How many bytes of entries an answer holds, but for the first entry.
const ANSWER_BYTES_MAX: u64 = 4 << 20;
/// How many entries a request looks at, of which it may want few, and how many bytes of them.
const LOOKED_AT_MAX: usize = 10_000;
const LOOKED_AT_BYTES_MAX: u64 = 32 << 20;
/// How many of them are read at once.
const PAGE_ENTRIES: usize = 500;

/// Which part of the log.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogQuery {
    /// Goes on after this place: a cursor such as `1k3f9z-42`, as answers and clients have them. The log's beginning where absent.
    cursor: Option<String>,
    /// At most so many; 100 where absent, 1000 at most. There may be fewer although there is more.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Only events of this type.
    event: Option<String>,
    /// Only what is about this order: the newest. Takes no `cursor`.
    order: Option<String>,
    /// From the newest entries on: so many, as far as the log has them. Takes no `cursor` and no `order`.
    #[param(minimum = 1, maximum = 1000)]
    last: Option<usize>,
}

/// A part of the log.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogPart {
    /// Always `true`.
    success: bool,
    data: Vec<EntryReport>,
    /// The `cursor` of the next request; absent where the log ended here.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    /// Entries after the `cursor` of this request and up to here are gone: retention took them.
    #[serde(skip_serializing_if = "Option::is_none")]
    gone_through: Option<u64>,
}

/// Lists what the tenant accepted and its log still has, oldest first. What came in the last quarter of a second may be missing.
#[utoipa::path(get, path = "/api/v1/log", operation_id = "listLog", tag = "log", params(LogQuery),
    responses((status = 200, body = LogPart)))]
pub(crate) async fn list(
    State(hub): State<Arc<Hub>>,
    caller: Administrator,
    Parameters(query): Parameters<LogQuery>,
) -> Result<Json<LogPart>, ApiError> {
    check_limit(query.limit)?;
    query.check()?;
    let reports = caller.reports(&hub);
    let read = move |hub: &Hub, _: &TenantId| query.read(hub, &reports);
    Ok(Json(disk_work::read(&hub, caller.tenant(), read).await?))
}

impl LogQuery {
    fn check(&self) -> Result<(), Refusal> {
        if self.order.is_some() && self.cursor.is_some() {
            return Err(malformed("order takes no cursor: its newest entries are listed"));
        }
        let Some(last) = self.last else { return Ok(()) };
        if self.order.is_some() || self.cursor.is_some() {
            return Err(malformed("last takes no cursor and no order: it says where to begin"));
        }
        if !(1..=LAST_MAX).contains(&last) {
            let refusal = malformed(format!("last is from 1 to {LAST_MAX}"));
            return Err(refusal.at("/last", "maximum"));
        }
        Ok(())
    }

    fn read(&self, hub: &Hub, reports: &Reports) -> Result<LogPart, Refusal> {
        let found = match &self.order {
            Some(order) => self.read_order(hub, reports, order),
            None => self.read_on(hub, reports),
        };
        found.or_else(|failure| failure.or_empty(LogPart::new(Vec::new())))
    }

    fn wants(&self, entry: &LogEntry) -> bool {
        self.event.as_deref().is_none_or(|event| entry.event.as_str() == event)
    }

    fn limit(&self) -> usize {
        self.limit.or(self.last).unwrap_or(LISTED_DEFAULT)
    }

    fn read_order(&self, hub: &Hub, reports: &Reports, order: &str) -> Result<LogPart, LogFailure> {
        let tenant = reports.tenant();
        let entries = hub.log.entity_history(tenant, order, self.limit())?;
        let epoch = hub.log.stats(tenant)?.last.epoch();
        let wanted = entries.iter().filter(|entry| self.wants(entry));
        Ok(LogPart::new(wanted.map(|entry| reports.entry(epoch, entry)).collect()))
    }

    fn read_on(&self, hub: &Hub, reports: &Reports) -> Result<LogPart, LogFailure> {
        let (epoch, mut after) = match self.last {
            Some(last) => before_end(hub, reports.tenant(), last)?,
            None => self.place()?,
        };
        let (mut part, mut looked_at) = (LogPart::new(Vec::new()), LookedAt::default());
        // Who wants few of many is not read a page for each.
        let entries_max = if self.event.is_some() { PAGE_ENTRIES } else { self.limit() };
        loop {
            let page = hub.log.read(&ReadRequest {
                tenant: reports.tenant().clone(),
                epoch,
                after,
                through: Offset::MAX,
                entries_max,
                bytes_max: ANSWER_BYTES_MAX,
            })?;
            match page.start {
                PageStart::Gap { through } if after > Offset::ZERO => {
                    part.gone_through = Some(through.get());
                }
                PageStart::Whole | PageStart::Gap { .. } => {}
                PageStart::Reset => return Err(other_epoch(page.epoch).into()),
            }
            let last = page.entries.last().map(|entry| entry.offset);
            for entry in &page.entries {
                let is_wanted = self.wants(entry);
                looked_at.add(entry, is_wanted);
                if is_wanted {
                    part.data.push(reports.entry(page.epoch, entry));
                }
                if part.data.len() >= self.limit() || looked_at.is_enough() {
                    let is_end = page.is_last && last == Some(entry.offset);
                    part.next_cursor = (!is_end).then(|| cursor_text(page.epoch, entry.offset));
                    return Ok(part);
                }
            }
            if page.is_last {
                return Ok(part);
            }
            after = page.next;
        }
    }

    /// Where to read on; the beginning where the query does not say.
    fn place(&self) -> Result<(Option<Epoch>, Offset), Refusal> {
        let Some(text) = &self.cursor else { return Ok((None, Offset::ZERO)) };
        let cursor = extract::cursor(text)?;
        Ok((Some(cursor.epoch()), cursor.through()))
    }
}

/// Behind which place a log's newest entries are, so many of them.
fn before_end(
    hub: &Hub,
    tenant: &TenantId,
    entries: usize,
) -> Result<(Option<Epoch>, Offset), LogFailure> {
    let end = hub.log.stats(tenant)?.last;
    let after = end.through().get().saturating_sub(u64::try_from(entries).unwrap_or(u64::MAX));
    Ok((Some(end.epoch()), Offset::new(after).unwrap_or(Offset::ZERO)))
}

/// What a request has looked at so far.
#[derive(Debug, Default)]
struct LookedAt {
    entries: usize,
    bytes: u64,
    wanted_bytes: u64,
}

impl LookedAt {
    fn add(&mut self, entry: &LogEntry, is_wanted: bool) {
        self.entries += 1;
        self.bytes += entry.bytes();
        self.wanted_bytes += if is_wanted { entry.bytes() } else { 0 };
    }

    fn is_enough(&self) -> bool {
        self.entries >= LOOKED_AT_MAX
            || self.bytes >= LOOKED_AT_BYTES_MAX
            || self.wanted_bytes >= ANSWER_BYTES_MAX
    }
}

impl LogPart {
    fn new(data: Vec<EntryReport>) -> Self {
        Self { success: true, data, next_cursor: None, gone_through: None }
    }
}

fn other_epoch(epoch: Epoch) -> Refusal {
    let sentence = format!(
        "the log never gave out this cursor: it is of epoch {epoch} now; leave the cursor out to read from its beginning"
    );
    Refusal::new(ErrorCode::Conflict, sentence)
}
