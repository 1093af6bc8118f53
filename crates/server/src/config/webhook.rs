//! Back ends that are told of events, in the configuration.

use std::collections::BTreeSet;

use foodtrack_contract::{HubEvent, TenantId};
use foodtrack_shard::WantedHubEvents;
use foodtrack_transport::CidrBlocks;
use serde::{Deserialize, Serialize};

use super::event_names::check_delivery;
use super::problems::ConfigErrors;
use super::secret::Secret;
use crate::WebSocketConfig;
use crate::public_targets::{AllowedNetworks, WEBHOOK_NETWORKS, target_fault};

/// A back end that is told of events: `[[webhooks]]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WebhookConfig {
    /// Its name, in the API, on the command line and in what it is sent.
    pub name: String,
    /// Where events are posted.
    pub url: String,
    /// What is posted is signed with it; at least 32 bytes. Either this or `secretFile`.
    pub secret: Option<Secret>,
    /// A file with the secret.
    pub secret_file: Option<String>,
    /// Which events: names, groups such as `order:*`, or `*`.
    pub events: Vec<String>,
    /// Of which tenants; none names all.
    pub tenants: Vec<String>,
    /// How long an answer may take. Default: 10 000 ms.
    pub timeout_ms: u32,
    /// How many events one request has at most. Default: 100.
    pub batch_max: u32,
}

impl Default for WebhookConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            url: String::new(),
            secret: None,
            secret_file: None,
            events: Vec::new(),
            tenants: Vec::new(),
            timeout_ms: 10_000,
            batch_max: 100,
        }
    }
}

/// More are a mistake: each has a task and a place in memory for each tenant.
const WEBHOOKS_MAX: usize = 64;
/// The longest name of a webhook, or of another table of the configuration.
pub(super) const NAME_BYTES_MAX: usize = 64;
const TIMEOUT_MS_LIMIT: u32 = 120_000;
const BATCH_LIMIT: u32 = 1_000;
const SECRET_BYTES_MIN: usize = 32;

/// Reads what `secretFile` names into `secret`, and says what is wrong with the webhooks.
pub(super) fn check(said: &mut WebSocketConfig, errors: &mut ConfigErrors) {
    let networks = CidrBlocks::new(&said.security.webhook_networks).unwrap_or_else(|error| {
        errors.add(WEBHOOK_NETWORKS, error.to_string());
        CidrBlocks::default()
    });
    let networks = AllowedNetworks { networks, key: WEBHOOK_NETWORKS };
    if said.webhooks.len() > WEBHOOKS_MAX {
        errors.add("webhooks", format!("at most {WEBHOOKS_MAX}"));
    }
    let mut webhooks = std::mem::take(&mut said.webhooks);
    let mut names = BTreeSet::new();
    for (i, webhook) in webhooks.iter_mut().enumerate() {
        let mut fault = |key: &str, message: String| {
            errors.add(&format!("webhooks.{i}.{key}"), message);
        };
        if !is_name(&webhook.name) {
            let sentence = "letters, digits, - and _, at most 64, such as billing";
            fault("name", sentence.into());
        } else if !names.insert(webhook.name.clone()) {
            fault("name", format!("another webhook is called {} already", webhook.name));
        }
        if let Some(sentence) = target_fault(&webhook.url, &networks) {
            fault("url", sentence);
        }
        if let Err(sentence) = webhook.read_secret() {
            fault("secret", sentence);
        }
        if webhook.events.is_empty() {
            fault(
                "events",
                "names no event; write such as [\"order:*\"], or [\"*\"] for all".into(),
            );
        }
        for event in &webhook.events {
            if let Err(sentence) = check_pattern(event, said) {
                fault("events", format!("{event:?}: {sentence}"));
            }
        }
        for tenant in &webhook.tenants {
            if let Err(error) = TenantId::parse(tenant) {
                fault("tenants", format!("{tenant:?}: {error}"));
            }
        }
        if !(1..=TIMEOUT_MS_LIMIT).contains(&webhook.timeout_ms) {
            fault("timeoutMs", format!("from 1 to {TIMEOUT_MS_LIMIT}"));
        }
        if !(1..=BATCH_LIMIT).contains(&webhook.batch_max) {
            fault("batchMax", format!("from 1 to {BATCH_LIMIT}"));
        }
    }
    said.webhooks = webhooks;
}

/// What webhooks name of the hub's own events.
pub(super) fn wanted_hub_events(said: &WebSocketConfig) -> WantedHubEvents {
    let mut wanted = WantedHubEvents::default();
    for webhook in &said.webhooks {
        for event in webhook.events.iter().filter_map(|name| HubEvent::from_name(name)) {
            if webhook.tenants.is_empty() {
                wanted.add(event, None);
            }
            // Names that are none are told where webhooks are checked.
            let tenants = webhook.tenants.iter().filter_map(|name| TenantId::parse(name).ok());
            tenants.for_each(|tenant| wanted.add(event, Some(tenant)));
        }
    }
    wanted
}

impl WebhookConfig {
    fn read_secret(&mut self) -> Result<(), String> {
        if let (Some(file), None) = (&self.secret_file, &self.secret) {
            let text = std::fs::read_to_string(file)
                .map_err(|error| format!("secretFile {file} cannot be read: {error}"))?;
            self.secret = Some(Secret::new(text.trim_end()));
        } else if self.secret_file.is_some() {
            return Err("give either secret or secretFile".into());
        }
        let bytes = self.secret.as_ref().map_or(0, |secret| secret.reveal().len());
        if bytes < SECRET_BYTES_MIN {
            return Err(format!(
                "at least {SECRET_BYTES_MIN} bytes: the receiver knows by it that a request is the hub's"
            ));
        }
        Ok(())
    }
}

/// Whether a table of the configuration can be called so.
pub(super) fn is_name(name: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_good)
}

/// A name, a group, or `*`.
fn check_pattern(event: &str, said: &WebSocketConfig) -> Result<(), String> {
    match event.strip_suffix('*') {
        Some("") => Ok(()),
        Some(group) if group.len() > 1 && group.ends_with(':') && !group.contains('*') => Ok(()),
        Some(_) => Err("no group; write order:*, or * for all".into()),
        None if event.contains('*') => Err("no group; write order:*, or * for all".into()),
        None => check_delivery(event, said),
    }
}
