//! `/health`, `/ready`, `/live` and `/metrics`: without a token, since they tell nothing of any tenant; made once a second at
//! most, so that they cost the same whoever asks and however often.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use serde::Serialize;

use super::request_line::{REQUEST_ID, request_id};
use crate::drain::DrainPhase;
use crate::health::{HealthState, HealthStatus};
use crate::hub::Hub;
use crate::metrics::{HttpCounts, PageFormat};
use crate::refusal_counts::RefusalCounts;

/// Whether the node should get clients.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Readiness {
    ready: bool,
    /// `draining`, `drained`, `unhealthy`, `fenced`, `log_failed` or `log_full`.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

/// Whether the process works at all.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Liveness {
    live: bool,
}

/// How long a shard may not answer until only starting anew helps.
const STUCK_AFTER: Duration = Duration::from_secs(30);

/// How old a page may be.
const PAGE_AGE_MAX: Duration = Duration::from_secs(1);

/// One of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StatusPage {
    Health,
    Ready,
    Live,
    Metrics,
}

impl StatusPage {
    /// Where it is.
    const fn path(self) -> &'static str {
        match self {
            Self::Health => "/health",
            Self::Ready => "/ready",
            Self::Live => "/live",
            Self::Metrics => "/metrics",
        }
    }

    /// The page at `path`.
    pub(crate) fn at(path: &str) -> Option<Self> {
        match path {
            "/health" => Some(Self::Health),
            "/ready" => Some(Self::Ready),
            "/live" => Some(Self::Live),
            "/metrics" => Some(Self::Metrics),
            _ => None,
        }
    }
}

/// The pages as they were made last.
#[derive(Default)]
pub(crate) struct StatusPages {
    made: Mutex<Made>,
    /// Held by who makes them anew; whoever comes meanwhile waits for the same ones.
    refresh: tokio::sync::Mutex<()>,
    /// What the API refused, for the metrics.
    pub(crate) refusals: RefusalCounts,
    /// What it answered, for the metrics.
    pub(crate) http: HttpCounts,
}

#[derive(Default)]
struct Made {
    pages: Option<(Instant, Arc<Pages>)>,
    /// How often they were forgotten: what was begun before is not kept.
    forgotten: u64,
    /// Since when a shard does not answer; `None` where all do.
    stuck_since: Option<Instant>,
}

struct Pages {
    health: (StatusCode, Bytes),
    ready: (StatusCode, Bytes),
    live: (StatusCode, Bytes),
    metrics: Bytes,
    open_metrics: Bytes,
}

impl StatusPages {
    /// The answer that is there already; `None` where it must be made, and where the request is not a plain one.
    pub(crate) fn made(
        &self,
        page: StatusPage,
        request: &Request<Bytes>,
    ) -> Option<Response<Bytes>> {
        let begun = Instant::now();
        let is_plain = matches!(*request.method(), Method::GET | Method::HEAD);
        let pages = is_plain.then(|| self.fresh())??;
        let mut response = pages.response(page, format(request.headers()));
        response.headers_mut().insert(REQUEST_ID.clone(), request_id(request.headers()));
        self.http.add(Some(page.path()), request.method(), response.status(), begun.elapsed());
        Some(response)
    }

    /// From now on nobody is told what was so before.
    pub(crate) fn forget(&self) {
        let mut made = self.lock();
        made.forgotten += 1;
        made.pages = None;
    }

    fn fresh(&self) -> Option<Arc<Pages>> {
        let made = self.lock();
        let (at, pages) = made.pages.as_ref()?;
        (at.elapsed() < PAGE_AGE_MAX).then(|| Arc::clone(pages))
    }

    async fn get(&self, hub: &Hub) -> Arc<Pages> {
        if let Some(pages) = self.fresh() {
            return pages;
        }
        let _one_at_a_time = self.refresh.lock().await;
        if let Some(pages) = self.fresh() {
            return pages;
        }
        let forgotten = self.lock().forgotten;
        let connections = hub.count().await;
        let pages = Arc::new(Pages::make(hub, connections, self.is_live(connections.is_some())));
        let mut made = self.lock();
        if made.forgotten == forgotten {
            made.pages = Some((Instant::now(), Arc::clone(&pages)));
        }
        pages
    }

    /// Notes whether all shards answer; says whether that was so lately.
    fn is_live(&self, do_answer: bool) -> bool {
        let mut made = self.lock();
        made.stuck_since = match made.stuck_since {
            _ if do_answer => None,
            None => Some(Instant::now()),
            since => since,
        };
        made.stuck_since.is_none_or(|since| since.elapsed() < STUCK_AFTER)
    }

    fn lock(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    /// `connections` is what [`Hub::count`] gave.
    fn make(hub: &Hub, connections: Option<usize>, is_live: bool) -> Self {
        let health = hub.health(connections);
        // 200 while the node should get clients, 503 once it should not.
        let status = match health.status {
            HealthState::Healthy | HealthState::Degraded => StatusCode::OK,
            HealthState::Unhealthy => StatusCode::SERVICE_UNAVAILABLE,
        };
        let reason = match (status, health.drain.as_ref().map(|drain| drain.phase)) {
            (StatusCode::OK, _) => {
                health.conditions.iter().find_map(|report| report.condition.unready())
            }
            (_, Some(DrainPhase::Drained)) => Some("drained"),
            (_, Some(_)) => Some("draining"),
            (_, None) => Some("unhealthy"),
        };
        let ready = Readiness { ready: reason.is_none(), reason };
        let readiness = when(ready.ready);
        let ready = serde_json::to_vec(&ready).unwrap_or_default();
        let live = serde_json::to_vec(&Liveness { live: is_live }).unwrap_or_default();
        let formats = [PageFormat::Text, PageFormat::OpenMetrics];
        let [metrics, open_metrics] = hub.metrics_page().told_in(formats);
        // Texts and numbers only: it cannot fail to be JSON.
        let health = serde_json::to_vec(&health).unwrap_or_default();
        Self {
            health: (status, health.into()),
            ready: (readiness, ready.into()),
            live: (when(is_live), live.into()),
            metrics: metrics.into(),
            open_metrics: open_metrics.into(),
        }
    }

    fn response(&self, page: StatusPage, format: PageFormat) -> Response<Bytes> {
        let (status, body, content_type) = match page {
            StatusPage::Health => (self.health.0, &self.health.1, "application/json"),
            StatusPage::Ready => (self.ready.0, &self.ready.1, "application/json"),
            StatusPage::Live => (self.live.0, &self.live.1, "application/json"),
            StatusPage::Metrics => {
                let page = match format {
                    PageFormat::Text => &self.metrics,
                    PageFormat::OpenMetrics => &self.open_metrics,
                };
                (StatusCode::OK, page, format.content_type())
            }
        };
        let mut response = Response::new(body.clone());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(1));
        }
        response
    }
}

async fn answer(hub: &Hub, page: StatusPage, format: PageFormat) -> axum::response::Response {
    hub.status_pages.get(hub).await.response(page, format).map(Into::into)
}

/// 200 where it is so.
fn when(is_so: bool) -> StatusCode {
    if is_so { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// How metrics are asked for.
pub(super) fn format(headers: &HeaderMap) -> PageFormat {
    PageFormat::accepted(headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()))
}

/// How the node is, and what it lacks.
#[utoipa::path(get, path = "/health", operation_id = "getHealth", tag = "status", responses(
    (status = 200, description = "The node should get clients", body = HealthStatus),
    (status = 503, description = "It should not", body = HealthStatus)))]
pub(crate) async fn health(State(hub): State<Arc<Hub>>) -> axum::response::Response {
    answer(&hub, StatusPage::Health, PageFormat::Text).await
}

/// Whether the node should get clients.
#[utoipa::path(get, path = "/ready", operation_id = "getReadiness", tag = "status", responses(
    (status = 200, description = "It should", body = Readiness), (status = 503, description = "It should not", body = Readiness)))]
pub(crate) async fn ready(State(hub): State<Arc<Hub>>) -> axum::response::Response {
    answer(&hub, StatusPage::Ready, PageFormat::Text).await
}

/// Whether the process works at all. Where it says no, only starting anew helps.
#[utoipa::path(get, path = "/live", operation_id = "getLiveness", tag = "status", responses(
    (status = 200, description = "It does", body = Liveness), (status = 503, description = "A shard has not answered for 30 s", body = Liveness)))]
pub(crate) async fn live(State(hub): State<Arc<Hub>>) -> axum::response::Response {
    answer(&hub, StatusPage::Live, PageFormat::Text).await
}

/// Metrics for Prometheus: in its own format, or as OpenMetrics for who accepts that.
#[utoipa::path(get, path = "/metrics", operation_id = "getMetrics", tag = "status", responses((status = 200, content_type = "text/plain", body = String)))]
pub(crate) async fn metrics(
    State(hub): State<Arc<Hub>>,
    headers: HeaderMap,
) -> axum::response::Response {
    answer(&hub, StatusPage::Metrics, format(&headers)).await
}
