//! The API's description for programs (OpenAPI 3.1), made from the handlers and their types.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::IntoResponse;
use bytes::Bytes;
use foodtrack_contract::ErrorCode;
use serde_json::Value;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi as Description, Ref, ResponseBuilder};
use utoipa::{OpenApi, ToSchema};

use super::problem::{CONTENT_TYPE, Problem};

/// The name of the scheme by which tokens come.
const BEARER: &str = "bearer";
/// What is asked without a token.
const OPEN_TAGS: [&str; 2] = ["errors", "status"];
/// The exceptions among them.
const CLOSED: [&str; 7] = [
    "/api/v1/performance",
    "/api/v1/nodes",
    "/api/v1/drain",
    "/api/v1/log-level",
    "/api/v1/tenants",
    "/api/v1/configuration",
    "/metrics/tenants/{tenant}",
];

#[derive(OpenApi)]
#[openapi(
    info(
        title = "FoodTrack WebSocket",
        description = "The real-time hub's HTTP API, on the port of its sockets. The tenant is always the token's."
    ),
    components(schemas(Problem<'static>)),
    tags(
        (name = "publish", description = "Events from back ends"),
        (name = "connections", description = "Who is connected"),
        (name = "rooms", description = "Rooms, and who may join them"),
        (name = "event types", description = "Event types of the tenant's own"),
        (name = "rules", description = "Where events go, and why"),
        (name = "log", description = "What was accepted, and what could not be delivered"),
        (name = "webhooks", description = "Back ends that are told of events"),
        (name = "erasing", description = "What is erased of a person or a tenant"),
        (name = "revocations", description = "Tokens that are refused before their end"),
        (name = "api keys", description = "Keys of back ends, in the place of tokens"),
        (name = "audit", description = "Who did what, and what was refused"),
        (name = "errors", description = "What the codes of refusals mean"),
        (name = "status", description = "How the node is")
    )
)]
struct Base;

/// What is there before the paths.
pub(crate) fn base() -> Description {
    Base::openapi()
}

/// Adds what every path has: how to be refused, and how to say who asks.
pub(crate) fn complete(mut description: Description) -> Value {
    let mut components = description.components.take().unwrap_or_default();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
    description.components = Some(components);
    for (path, item) in &mut description.paths.paths {
        for operation in operations(item) {
            let is_open =
                operation.tags.iter().flatten().any(|tag| {
                    OPEN_TAGS.contains(&tag.as_str()) && !CLOSED.contains(&path.as_str())
                });
            if !is_open {
                operation.security = Some(vec![SecurityRequirement::new(BEARER, [""; 0])]);
            }
            operation.responses.responses.insert("default".into(), refused().into());
        }
    }
    // Made of texts and numbers: it cannot fail to be JSON.
    let mut description = serde_json::to_value(description).unwrap_or_default();
    name_unsigned(&mut description);
    description
}

/// The macros call an unsigned number `int32` or `int64`, whose largest number is half of what is taken.
fn name_unsigned(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if fields.get("minimum").is_some_and(|minimum| minimum == 0)
                && let Some(Value::String(format)) = fields.get_mut("format")
                && format.starts_with("int")
            {
                format.insert(0, 'u');
            }
            fields.values_mut().for_each(name_unsigned);
        }
        Value::Array(items) => items.iter_mut().for_each(name_unsigned),
        _ => {}
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, .. } = item;
    [get, put, post, delete].into_iter().flatten()
}

fn refused() -> utoipa::openapi::Response {
    let schema = Ref::from_schema_name(Problem::name());
    let codes = ErrorCode::ALL.len();
    ResponseBuilder::new()
        .description(format!(
            "Refused, with one of {codes} codes and the status that says the same"
        ))
        .content(CONTENT_TYPE, ContentBuilder::new().schema(Some(schema)).build())
        .build()
}

/// The description as it is sent. It is made once: whoever asks keeps nobody waiting.
static TEXT: LazyLock<Bytes> = LazyLock::new(|| super::description().to_string().into());

/// `GET /api/v1/openapi.json`
pub(crate) async fn description() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], TEXT.clone())
}
