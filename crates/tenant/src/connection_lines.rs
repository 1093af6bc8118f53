//! What is said in the log of connections: one line each for one that came, was refused, and went. Facts as fields; nothing of
//! a payload or a token.

use std::net::SocketAddr;

use foodtrack_contract::{ApplicationType, DeviceId, Offset, Refusal, TenantId};
use foodtrack_tenant_log::{DeadLetterReason, SubscriberKey};
use uuid::Uuid;

use crate::admission::Admission;
use crate::members::Connection;
use crate::reliability::read_subscriber_key;

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
            device = $connection.device.as_ref().map(DeviceId::as_str),
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
        device = admission.device.as_ref().map(DeviceId::as_str),
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

/// A client has got what it had missed, and took so long for it.
pub(crate) fn caught_up(tenant: &TenantId, connection: &Connection, events: u64, ms: u64) {
    line_of!(tenant, connection, events, ms, "client has caught up");
}

/// A message was given up for a subscriber: it is among the dead letters.
pub(crate) fn given_up(
    tenant: &TenantId,
    subscriber: &SubscriberKey,
    (offset, message): (Offset, Uuid),
    (reason, attempts): (DeadLetterReason, u32),
) {
    let (user, application, device) = read_subscriber_key(subscriber);
    tracing::warn!(
        tenant = tenant.as_str(),
        user,
        application,
        device,
        message = %message,
        offset = offset.get(),
        reason = reason.as_str(),
        attempts,
        "a message was given up"
    );
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
