//! The business back end in the configuration.

use foodtrack_contract::EventType;
use serde::{Deserialize, Serialize};

use super::problems::ConfigErrors;
use super::secret::Secret;

/// The business back end that answers clients' requests.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct UpstreamConfig {
    /// Where requests are posted. Default: none, and requests are unknown events.
    pub url: Option<String>,
    /// What requests are signed with. Default: none; it must be there with a URL.
    pub secret: Option<Secret>,
    /// Which events are requests: names, or groups such as `admin:*`. Default: those of the platform.
    pub events: Vec<String>,
    /// How long an answer may take. Default: 5 000 ms.
    pub timeout_ms: u32,
    /// Requests of one tenant that are with the back end at once. Default: 32.
    pub concurrent_per_tenant_max: u32,
    /// Requests of all tenants that are with the back end at once. Default: 512.
    pub concurrent_max: u32,
    /// What the back end has a say in. Default: nothing.
    pub hooks: HooksConfig,
}

/// Whether the business back end is asked before somebody comes in or joins a room.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HooksConfig {
    /// Before a client comes in whose token is good. Default: not.
    pub connect: bool,
    /// Before a client joins a room that it may join. Default: not.
    pub join: bool,
    /// How long a permission is good for whoever asks the same. Default: 60 000 ms.
    pub cache_ms: u32,
    /// How long a refusal is. Default: 5 000 ms.
    pub refused_cache_ms: u32,
    /// Whether somebody is let in where the back end gives no answer. Default: not; they are told to try again.
    pub allow_without_answer: bool,
}

impl Default for HooksConfig {
    fn default() -> Self {
        Self {
            connect: false,
            join: false,
            cache_ms: 60_000,
            refused_cache_ms: 5_000,
            allow_without_answer: false,
        }
    }
}

impl Default for UpstreamConfig {
    fn default() -> Self {
        Self {
            url: None,
            secret: None,
            events: UPSTREAM_EVENTS.map(String::from).into(),
            timeout_ms: 5_000,
            concurrent_per_tenant_max: 32,
            concurrent_max: 512,
            hooks: HooksConfig::default(),
        }
    }
}

/// What the platform's applications and scripts ask of the business back end.
const UPSTREAM_EVENTS: [&str; 13] = [
    "kitchen:get_orders",
    "kitchen:update_order_status",
    "kitchen:update_item_status",
    "kitchen:get_stations",
    "order:get_details",
    "order:get_transitions",
    "order:update_status",
    "tenant:get_stats",
    "tenant:get_recent_orders",
    "tenant:get_kitchen_status",
    "customer:get_orders",
    "customer:track_order",
    "admin:get_connection_stats",
];

/// The longest that a client may wait for the back end.
const UPSTREAM_TIMEOUT_MS_LIMIT: u32 = 120_000;
/// The longest that an answer to a hook is good.
const HOOK_CACHE_MS_LIMIT: u32 = 3_600_000;
/// As of tokens.
const UPSTREAM_SECRET_BYTES_MIN: usize = 32;

impl UpstreamConfig {
    /// Says what is wrong with it.
    pub(super) fn check(&self, errors: &mut ConfigErrors) {
        self.hooks.check(self.url.is_some(), errors);
        let Some(url) = &self.url else { return };
        let uri: Option<http::Uri> = url.parse().ok();
        let is_http = |uri: &http::Uri| matches!(uri.scheme_str(), Some("http" | "https"));
        if uri.is_none_or(|uri| !is_http(&uri) || uri.host().is_none_or(str::is_empty)) {
            errors.add(
                "upstream.url",
                "no URL; write one such as http://127.0.0.1:3000/hub/requests",
            );
        }
        let secret = self.secret.as_ref().map_or(0, |secret| secret.reveal().len());
        if secret < UPSTREAM_SECRET_BYTES_MIN {
            errors.add(
            "upstream.secret",
            format!("at least {UPSTREAM_SECRET_BYTES_MIN} bytes: the back end knows by it that a request is the hub's"),
        );
        }
        for event in &self.events {
            check_request_name(event, errors);
        }
        if !(1..=UPSTREAM_TIMEOUT_MS_LIMIT).contains(&self.timeout_ms) {
            errors.add("upstream.timeoutMs", format!("from 1 to {UPSTREAM_TIMEOUT_MS_LIMIT}"));
        }
        for (key, max) in [
            ("upstream.concurrentPerTenantMax", self.concurrent_per_tenant_max),
            ("upstream.concurrentMax", self.concurrent_max),
        ] {
            if max == 0 {
                errors.add(key, "0 would let nothing through; at least 1");
            }
        }
    }
}

impl HooksConfig {
    fn check(&self, has_url: bool, errors: &mut ConfigErrors) {
        for (key, is_on) in
            [("upstream.hooks.connect", self.connect), ("upstream.hooks.join", self.join)]
        {
            if is_on && !has_url {
                errors.add(key, "there is nobody to ask; set upstream.url");
            }
        }
        for (key, ms) in [
            ("upstream.hooks.cacheMs", self.cache_ms),
            ("upstream.hooks.refusedCacheMs", self.refused_cache_ms),
        ] {
            if ms > HOOK_CACHE_MS_LIMIT {
                errors.add(key, format!("from 0 to {HOOK_CACHE_MS_LIMIT}"));
            }
        }
    }
}

/// What is an event is delivered, and asks nobody.
fn check_request_name(event: &str, errors: &mut ConfigErrors) {
    let is_known = |name: &str| match event.strip_suffix('*') {
        Some(group) => name.starts_with(group),
        None => name == event,
    };
    let taken = EventType::ALL.iter().map(|known| known.as_str()).find(|name| is_known(name));
    if event.strip_suffix(":*").unwrap_or(event).is_empty()
        || event.trim_end_matches('*').contains('*')
        || (event.ends_with('*') && !event.ends_with(":*"))
    {
        errors.add(
            "upstream.events",
            format!("{event:?} is no name and no group; write kitchen:get_orders or admin:*"),
        );
    } else if let Some(taken) = taken {
        errors.add(
            "upstream.events",
            format!("{event:?} covers {taken}, which is an event that the hub delivers"),
        );
    } else if is_known("ping")
        || is_known("health_check")
        || is_known("authenticate")
        || event.starts_with("subscribe:")
        || event.starts_with("unsubscribe:")
        || event.starts_with("hook:")
    {
        errors.add("upstream.events", format!("{event:?} is the hub's own"));
    }
}
