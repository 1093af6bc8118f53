//! Who is who: tokens of the tenants' people.

use chaos::hub::{Claims, token};
use foodtrack_contract::{ApplicationType, UserRole};
use serde_json::{Map, Value, json};

/// The tenants of the well-behaved.
pub(crate) const TENANTS: [&str; 2] = ["calm", "quiet"];
/// The tenant whose own people are hostile.
pub(crate) const HOSTILE_TENANT: &str = "hostile";

/// A person's token. Empty if it cannot be signed, which no claim here causes; the hub then refuses it.
pub(crate) fn person(tenant: &str, user: &str, role: UserRole, app: ApplicationType) -> String {
    token(Claims { tenant, user, role, application: Some(app) }).unwrap_or_default()
}

/// A back end's token.
pub(crate) fn back_end(tenant: &str) -> String {
    token(Claims { tenant, user: "gateway", role: UserRole::System, application: None })
        .unwrap_or_default()
}

/// A handshake's `auth`.
pub(crate) fn auth(token: &str, app: ApplicationType) -> Map<String, Value> {
    let fields = [("token", json!(token)), ("application", json!(app.as_str()))];
    Map::from_iter(fields.map(|(name, value)| (name.to_owned(), value)))
}
