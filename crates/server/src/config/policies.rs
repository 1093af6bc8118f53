//! The rules, schemas, redactions and promises of delivery that the configuration amounts to.

use std::sync::Arc;

use foodtrack_contract::{
    ApplicationSet, ApplicationType, DeliveryClass, DeliveryPolicy, EventDeclaration, EventGroup,
    EventType, TenantId, Watch,
};
use foodtrack_router::{MessageRouter, Redactions};
use foodtrack_shard::{Policies, RequestNames};

use super::event_names;
use super::problems::ConfigErrors;
use super::profile::{check_own_names, profiles};
use super::sections::{DeliveryConfig, EventConfig};
use super::webhook;
use crate::WebSocketConfig;

/// The default rules and schemas, and what the configuration adds.
pub(crate) fn policies(said: &WebSocketConfig, errors: &mut ConfigErrors) -> Policies {
    let mut policies =
        Policies { router: MessageRouter::with_default_rules(), ..Policies::default() };
    policies.encrypted_payloads = said.security.takes_encrypted_payloads();
    policies.payload_key_applications = ApplicationSet::of(&said.security.payload_key_applications);
    if said.upstream.url.is_some() {
        policies.requests = RequestNames::new(said.upstream.events.iter().map(String::as_str));
    }
    policies.hub_events = webhook::wanted_hub_events(said);
    policies.profiles = profiles(said, errors);
    check_own_names(&policies, said, errors);
    let bytes = usize::try_from(said.limits.declared_payload_bytes_max).unwrap_or(usize::MAX);
    policies.schemas = policies.schemas.with_declared_payload_bytes_max(bytes);
    for (i, event) in said.events.iter().enumerate() {
        let declared = declaration(event).and_then(|(tenant, declaration)| {
            if policies.schemas.declared(&tenant).any(|earlier| earlier.name == event.name) {
                return Err("the tenant declares this event type twice; keep one".into());
            }
            let declared = policies.schemas.declare(&tenant, declaration);
            declared.map_err(|refusal| refusal.message().to_owned())
        });
        if let Err(message) = declared {
            errors.add(&format!("events.{i} ({})", event.name), message);
        }
    }
    for (i, delivery) in said.delivery.iter().enumerate() {
        if let Err(message) = event_names::check_delivery(&delivery.event, said) {
            errors.add(&format!("delivery.{i}.event"), message);
        } else if let Err(message) = deliver(delivery, &mut policies) {
            errors.add(&format!("delivery.{i} ({})", delivery.event), message);
        }
    }
    for (i, rule) in said.rules.iter().enumerate() {
        if let Err(message) = event_names::check_rule(rule, said) {
            errors.add(&format!("rules.{i}.events"), message);
        } else if let Err(error) = policies.router.add(rule.clone()) {
            errors.add(&format!("rules.{i} ({})", rule.id), error.to_string());
        }
    }
    policies.redactions = Arc::new(redactions(said, errors));
    policies
}

/// What is hidden from some.
fn redactions(said: &WebSocketConfig, errors: &mut ConfigErrors) -> Redactions {
    let mut redactions = Redactions::default();
    for (i, redaction) in said.redactions.iter().enumerate() {
        let about = (redaction.events.as_str(), redaction.tenant.as_ref());
        if let Err(message) = event_names::check_pattern(about, said) {
            errors.add(&format!("redactions.{i}.events"), message);
        } else if let Err(error) = redactions.add(redaction.clone()) {
            errors.add(&format!("redactions.{i} ({})", redaction.id), error.to_string());
        }
    }
    redactions
}

fn deliver(said: &DeliveryConfig, policies: &mut Policies) -> Result<(), &'static str> {
    let builtin = EventType::from_wire(&said.event);
    if builtin.is_none() && !said.event.contains(':') {
        return Err("no such event type; give its whole name, such as kitchen:order_received");
    }
    if builtin.is_some_and(|it| it.group() == EventGroup::System) {
        return Err("the server's own events are delivered as they are");
    }
    let of_type = builtin.map_or(DeliveryClass::Recoverable, EventType::delivery_class);
    let class = said.class.unwrap_or(of_type);
    let asks = said.acknowledge
        || said.compact
        || said.confirm_within_seconds.is_some()
        || said.time_to_live_seconds.is_some();
    if class == DeliveryClass::Volatile && asks {
        return Err(
            "a volatile event is not kept: nothing else can be asked of it; make it recoverable or durable",
        );
    }
    if said.confirm_within_seconds == Some(0) || said.time_to_live_seconds == Some(0) {
        return Err("0 seconds are over at once; at least 1");
    }
    if said.confirm_by.is_some() && said.confirm_within_seconds.is_none() {
        return Err("say within how many seconds: confirmWithinSeconds");
    }
    let policy = DeliveryPolicy {
        class,
        time_to_live_ms: said.time_to_live_seconds.map(|seconds| seconds.saturating_mul(1_000)),
        compacts: said.compact,
        acknowledge: said.acknowledge,
        watch: said.confirm_within_seconds.map(|seconds| Watch {
            by: said.confirm_by.unwrap_or(ApplicationType::KitchenApp),
            within_ms: u64::from(seconds) * 1_000,
        }),
    };
    policies.delivery.set(&said.event, policy);
    Ok(())
}

fn declaration(event: &EventConfig) -> Result<(TenantId, EventDeclaration), String> {
    let tenant = TenantId::parse(&event.tenant).map_err(|error| format!("tenant: {error}"))?;
    let schema = match (&event.schema, &event.schema_file) {
        (Some(schema), None) => schema.clone(),
        (None, Some(file)) => {
            let text = std::fs::read_to_string(file)
                .map_err(|error| format!("schemaFile {file} cannot be read: {error}"))?;
            serde_json::from_str(&text)
                .map_err(|error| format!("schemaFile {file} is not JSON: {error}"))?
        }
        (None, None) | (Some(_), Some(_)) => {
            return Err("give either schema or schemaFile".into());
        }
    };
    let declaration = EventDeclaration {
        name: event.name.clone(),
        schema,
        delivery_class: event.delivery_class,
        description: event.description.clone(),
    };
    Ok((tenant, declaration))
}
