//! Proxies in front of the server, in the configuration.

use foodtrack_transport::TrustedProxies;

use super::problems::ConfigErrors;
use super::sections::SecurityConfig;

/// Says what is wrong with them. Returns those whose word is believed.
pub(super) fn check_proxies(
    security: &SecurityConfig,
    errors: &mut ConfigErrors,
) -> TrustedProxies {
    if security.proxy_protocol && security.trusted_proxies.is_empty() {
        let sentence = "whose word counts? name the proxies in security.trustedProxies";
        errors.add("security.proxyProtocol", sentence);
    }
    TrustedProxies::new(&security.trusted_proxies).unwrap_or_else(|error| {
        errors.add("security.trustedProxies", error.to_string());
        TrustedProxies::default()
    })
}
