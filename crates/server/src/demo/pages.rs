//! What the demo serves beside the hub's own API: the playground, and tokens for whoever asks. Only the demo has them.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use foodtrack_auth::{SignError, TokenClaims, TokenSigner};
use foodtrack_contract::{ApplicationSet, ApplicationType, ErrorCode, Refusal, UserRole};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

use super::assets::{CONTENT_SECURITY_POLICY, asset};
use super::restaurants::{self, Info, restaurants};
use crate::http::{ApiError, Parameters};

/// How long a demo's token is good, in seconds.
const TOKEN_TTL_S: u64 = 12 * 3_600;

/// The demo's pages, and the key to its made-up restaurants.
#[derive(Clone)]
pub(crate) struct Demo {
    signer: Arc<TokenSigner>,
    has_nodes: bool,
}

/// Whose token is wanted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    tenant: String,
    application: ApplicationType,
    user: String,
}

/// A token, and what it says.
#[derive(Serialize)]
struct Token {
    token: String,
    application: ApplicationType,
    tenant: String,
    user: String,
    role: UserRole,
}

impl Demo {
    /// Signs with the secret that the demo's hub verifies with.
    pub(crate) fn new(secret: &str) -> Self {
        Self { signer: Arc::new(TokenSigner::hs256(secret)), has_nodes: false }
    }

    /// Of a node among several, which the page shows: `/demo/nodes` is answered by who started them.
    pub(crate) fn of_several_nodes(self) -> Self {
        Self { has_nodes: true, ..self }
    }

    /// `/`, its files, `/demo/info` and `/demo/token`.
    pub(crate) fn routes(self) -> Router {
        Router::new()
            .route("/", get(file))
            .route("/playground/{*path}", get(file))
            .route("/demo/info", get(info))
            .route("/demo/token", get(token))
            .with_state(self)
    }

    /// A backend service's token for one restaurant.
    ///
    /// # Errors
    /// [`SignError`] where `tenant` is no tenant's id.
    pub(crate) fn service_token(&self, tenant: &str) -> Result<String, SignError> {
        self.sign(tenant, "gateway", UserRole::System, ApplicationSet::EMPTY)
    }

    fn sign(
        &self,
        tenant: &str,
        user: &str,
        role: UserRole,
        application_types: ApplicationSet,
    ) -> Result<String, SignError> {
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.signer.sign(&TokenClaims {
            tenant_id: tenant.into(),
            user_id: user.into(),
            role,
            application_types,
            permissions: None,
            device_id: None,
            issued_at_s: now_s,
            expires_at_s: now_s + TOKEN_TTL_S,
            token_id: None,
            issuer: None,
            audience: None,
        })
    }
}

async fn file(uri: Uri) -> Result<Response, ApiError> {
    let Some(file) = asset(uri.path()) else {
        let sentence = "the playground has no such file";
        return Err(Refusal::new(ErrorCode::NotFound, sentence).into());
    };
    let headers = [
        (header::CONTENT_TYPE, file.content_type),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    Ok((headers, file.body).into_response())
}

async fn info(State(demo): State<Demo>) -> Json<Info> {
    Json(restaurants::info(demo.has_nodes))
}

async fn token(
    State(demo): State<Demo>,
    Parameters(wanted): Parameters<Wanted>,
) -> Result<Response, ApiError> {
    let Wanted { tenant, application, user } = wanted;
    if !restaurants().iter().any(|restaurant| restaurant.id == tenant) {
        let sentence = "the demo has no such tenant; /demo/info lists those it has";
        return Err(Refusal::new(ErrorCode::NotFound, sentence).into());
    }
    let role = restaurants::role_in(application);
    let signed = demo.sign(&tenant, &user, role, ApplicationSet::of(&[application]));
    let token =
        signed.map_err(|error| Refusal::new(ErrorCode::MessageMalformed, error.to_string()))?;
    let body = Json(Token { token, application, tenant, user, role });
    Ok(([(header::CACHE_CONTROL, "no-store")], body).into_response())
}
