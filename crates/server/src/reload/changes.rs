//! Which keys a configuration has other values for, and which of them can change while the server runs.

use serde_json::Value;

use crate::WebSocketConfig;
use crate::config::keys::KEYS;

macro_rules! reloadable {
    ($( $key:literal $($field:ident).+; )*) => {
        /// The keys whose new values count without a restart.
        const RELOADABLE: &[&str] = &[$( $key, )*];

        /// Takes over what can change.
        pub(super) fn take(into: &mut WebSocketConfig, from: &WebSocketConfig) {
            $( into.$($field).+.clone_from(&from.$($field).+); )*
        }
    };
}

reloadable! {
    "events" events;
    "rules" rules;
    "redactions" redactions;
    "delivery" delivery;
    "webhooks" webhooks;
    "cors.origin" cors.origin;
    "cors.methods" cors.methods;
    "cors.credentials" cors.credentials;
    "logging.level" logging.level;
    "limits.declaredPayloadBytesMax" limits.declared_payload_bytes_max;
    "limits.connectionsPerTenantMax" limits.connections_per_tenant_max;
    "limits.connectionsPerUserMax" limits.connections_per_user_max;
    "limits.roomsPerConnectionMax" limits.rooms_per_connection_max;
    "limits.messagesPerSecondPerUser" limits.messages_per_second_per_user;
    "limits.messagesBurstPerUser" limits.messages_burst_per_user;
    "limits.messagesPerSecondPerTenant" limits.messages_per_second_per_tenant;
    "limits.messagesBurstPerTenant" limits.messages_burst_per_tenant;
    "limits.bytesPerSecondPerUser" limits.bytes_per_second_per_user;
    "limits.bytesBurstPerUser" limits.bytes_burst_per_user;
    "limits.sessionsPerSecondPerTenant" limits.sessions_per_second_per_tenant;
    "limits.sessionsBurstPerTenant" limits.sessions_burst_per_tenant;
    "limits.sessionsPerSecond" limits.sessions_per_second;
    "limits.sessionsBurst" limits.sessions_burst;
    "limits.apiRequestsPerSecondPerTenant" limits.api_requests_per_second_per_tenant;
    "limits.apiRequestsBurstPerTenant" limits.api_requests_burst_per_tenant;
    "limits.apiRequestsPerSecondPerToken" limits.api_requests_per_second_per_token;
    "limits.apiRequestsBurstPerToken" limits.api_requests_burst_per_token;
}

pub(super) fn is_reloadable(key: &str) -> bool {
    RELOADABLE.contains(&key)
}

/// The keys with different values. Secrets look alike, and are not told apart.
pub(super) fn differing(one: &WebSocketConfig, other: &WebSocketConfig) -> Vec<&'static str> {
    // Plain data: it cannot fail to be JSON.
    let [one, other] = [one, other].map(|it| serde_json::to_value(it).unwrap_or_default());
    let differs = |key: &&str| value(&one, key) != value(&other, key);
    KEYS.iter().map(|key| key.path).filter(differs).collect()
}

fn value<'v>(config: &'v Value, path: &str) -> &'v Value {
    path.split('.').fold(config, |value, name| value.get(name).unwrap_or(&Value::Null))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_that_can_change_is_a_key_and_is_taken_over() {
        let one = WebSocketConfig::default();
        let mut other = one.clone();
        for key in RELOADABLE {
            assert!(KEYS.iter().any(|it| it.path == *key), "{key}");
        }
        other.limits.connections_per_tenant_max += 1;
        other.logging.level = "debug".into();
        other.port += 1;
        assert_eq!(
            differing(&one, &other),
            ["port", "limits.connectionsPerTenantMax", "logging.level"]
        );
        let mut next = one.clone();
        take(&mut next, &other);
        assert_eq!(differing(&next, &other), ["port"]);
    }
}
