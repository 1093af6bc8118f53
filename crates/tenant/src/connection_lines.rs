//! What is said in the log of connections: one line each for one that came, was refused, and went. Facts as fields; nothing of
//! a payload or a token.

use std::net::SocketAddr;

use foodtrack_contract::{ApplicationType, Refusal, TenantId};

use crate::admission::Admission;
use crate::members::Connection;

fn application(application: Option<ApplicationType>) -> &'static str {
    application.map_or("system", ApplicationType::as_str)
}

/// A line with whose the connection is.
macro_rules! line_of {
    ($tenant:expr, $connection:expr, $($rest:tt)+) => {
        tracing::info!(
            tenant = $tenant.as_str(),
            user = $connection.principal.user().as_str(),
            application = application($connection.application),
            connection = $connection.id.as_str(),
            address = %$connection.about.address.ip(),
            $($rest)+
        )
    };
}

/// A client has come in.
pub(crate) fn connected(tenant: &TenantId, connection: &Connection, is_recovered: bool) {
    line_of!(tenant, connection, recovered = is_recovered, "client connected");
}

/// A client whose token is good was refused.
pub(crate) fn refused(admission: &Admission, refusal: &Refusal) {
    tracing::info!(
        tenant = admission.principal.tenant().as_str(),
        user = admission.principal.user().as_str(),
        application = application(admission.application),
        address = %admission.about.address.ip(),
        code = refusal.code().as_str(),
        "client refused"
    );
}

/// Somebody was refused of whom nothing is known.
pub fn stranger_refused(address: Option<SocketAddr>, refusal: &Refusal) {
    let address = address.map(|address| address.ip().to_string()).unwrap_or_default();
    tracing::info!(address, code = refusal.code().as_str(), "client refused");
}

/// A client has gone: it left, its transport ended, or it was sent away, a slow reader too.
pub(crate) fn disconnected(
    tenant: &TenantId,
    connection: &Connection,
    reason: &'static str,
    now_ms: u64,
) {
    let seconds = now_ms.saturating_sub(connection.connected_ms) / 1_000;
    line_of!(tenant, connection, reason, seconds, "client disconnected");
}
