//! `/api/v1/log-level`: which lines are written, changed while the node runs and for a while.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use foodtrack_contract::{ErrorCode, Refusal};
use serde::{Deserialize, Serialize};
use tracing::Level;

use super::ApiError;
use super::caller::NodeService;
use super::error::{Data, Success};
use super::extract::{Body, malformed};
use crate::config::check_level;
use crate::hub::Hub;
use crate::logging::{self, Focus, LASTS_MAX, LASTS_MIN, Levels};

/// How long a change lasts where nobody says.
const LASTS: Duration = Duration::from_secs(600);
const USER_BYTES_MAX: usize = 512;

/// What is to be written.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LogLevelRequest {
    /// `error`, `warn`, `info`, `debug` or `trace`; of the whole node also a filter such as `info,foodtrack_shard=debug`.
    level: String,
    /// Of the whole `node`, or only more of the `tenant` of the token.
    #[serde(default)]
    of: Scope,
    /// Of the tenant, only this user.
    user_id: Option<String>,
    /// How long it holds; 600 where absent.
    #[schema(maximum = 86_400)]
    seconds: Option<u64>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
enum Scope {
    #[default]
    Node,
    Tenant,
}

/// What is written.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogLevelReport {
    /// The filter in force.
    level: String,
    /// For how many seconds it holds; `null` where it is the configured one.
    seconds_left: Option<u64>,
    /// Of whom of the token's tenant more is written.
    closer: Vec<CloserLook>,
}

/// Somebody of whom more is written.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
struct CloserLook {
    /// `null`: of the whole tenant.
    user_id: Option<String>,
    level: String,
    seconds_left: u64,
}

impl LogLevelReport {
    fn new(levels: &Levels, tenant: &str) -> Self {
        let now = Instant::now();
        let left = |until: Instant| until.saturating_duration_since(now).as_secs();
        let (level, until) = levels.current();
        let closer = levels.focuses(tenant).into_iter().map(|focus| CloserLook {
            seconds_left: left(focus.until),
            level: focus.level.to_string().to_lowercase(),
            user_id: focus.user,
        });
        Self { level, seconds_left: until.map(left), closer: closer.collect() }
    }
}

/// Says which lines of the log are written.
#[utoipa::path(get, path = "/api/v1/log-level", operation_id = "getLogLevel", tag = "status",
    responses((status = 200, body = Success<LogLevelReport>)))]
pub(crate) async fn show(
    State(hub): State<Arc<Hub>>,
    NodeService(caller): NodeService,
) -> Data<LogLevelReport> {
    Data(LogLevelReport::new(&hub.log_levels(), caller.tenant().as_str()))
}

/// Changes for a while which lines of the log are written, of the node that is asked. Who did is written, too.
#[utoipa::path(put, path = "/api/v1/log-level", operation_id = "setLogLevel", tag = "status", request_body = LogLevelRequest,
    responses((status = 200, body = Success<LogLevelReport>)))]
pub(crate) async fn set(
    State(hub): State<Arc<Hub>>,
    NodeService(caller): NodeService,
    Body(request): Body<LogLevelRequest>,
) -> Result<Data<LogLevelReport>, ApiError> {
    let levels = hub.log_levels();
    let (tenant, by) = (caller.tenant().as_str(), caller.user().as_str());
    let lasts = request.lasts()?;
    let until = Instant::now() + lasts;
    let (level, user, seconds) = (&request.level, request.user_id.as_deref(), lasts.as_secs());
    match request.of {
        Scope::Node => {
            request.check_filter()?;
            levels.set(level, until);
            tracing::warn!(target: logging::AUDIT, tenant, by, level, seconds, "the log level was changed");
        }
        Scope::Tenant => {
            let focus = Focus {
                tenant: tenant.to_owned(),
                user: request.user_id.clone(),
                level: request.one_level()?,
                until,
            };
            levels
                .focus(focus)
                .map_err(|error| Refusal::new(ErrorCode::Conflict, error.to_string()))?;
            tracing::warn!(target: logging::AUDIT, tenant, user, by, level, seconds, "more is written of a tenant or user");
        }
    }
    Ok(Data(LogLevelReport::new(&levels, tenant)))
}

/// Has the configured lines written again, and no more of any tenant or user.
#[utoipa::path(delete, path = "/api/v1/log-level", operation_id = "resetLogLevel", tag = "status",
    responses((status = 200, body = Success<LogLevelReport>)))]
pub(crate) async fn reset(
    State(hub): State<Arc<Hub>>,
    NodeService(caller): NodeService,
) -> Data<LogLevelReport> {
    let (levels, tenant) = (hub.log_levels(), caller.tenant().as_str());
    levels.reset();
    let by = caller.user().as_str();
    tracing::warn!(target: logging::AUDIT, tenant, by, "the log level is the configured one again");
    Data(LogLevelReport::new(&levels, tenant))
}

impl LogLevelRequest {
    fn lasts(&self) -> Result<Duration, Refusal> {
        let lasts = self.seconds.map_or(LASTS, Duration::from_secs);
        if (LASTS_MIN..=LASTS_MAX).contains(&lasts) {
            return Ok(lasts);
        }
        let sentence = format!("from {} to {} s", LASTS_MIN.as_secs(), LASTS_MAX.as_secs());
        Err(Refusal::new(ErrorCode::PayloadInvalid, sentence).at("/seconds", "maximum"))
    }

    fn check_filter(&self) -> Result<(), Refusal> {
        if self.user_id.is_some() {
            return Err(malformed("userId takes `\"of\": \"tenant\"`").at("/userId", "type"));
        }
        check_level(&self.level)
            .map_err(|why| Refusal::new(ErrorCode::PayloadInvalid, why).at("/level", "enum"))
    }

    fn one_level(&self) -> Result<Level, Refusal> {
        if self.user_id.as_ref().is_some_and(|user| user.len() > USER_BYTES_MAX) {
            return Err(malformed("no user has so long an id").at("/userId", "maxLength"));
        }
        self.level.parse().map_err(|_| {
            let sentence = "write error, warn, info, debug or trace";
            Refusal::new(ErrorCode::PayloadInvalid, sentence).at("/level", "enum")
        })
    }
}
