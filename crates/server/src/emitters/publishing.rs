//! What an emitter published becomes tenants' events.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use foodtrack_contract::{Principal, Reaction, TenantId};
use foodtrack_shard::EventBroadcaster;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::EmitterCounts;
use super::emitted::{Emitted, Nothing};
use crate::config::EmitterConfig;
use crate::room_names::RoomNames;

/// How long a hub that takes nothing is left alone.
const TRY_AGAIN: Duration = Duration::from_millis(200);
/// How often an event of a channel is tried: those behind it wait meanwhile, and there is no log that keeps them.
const TRIES_MAX: u32 = 25;

/// The way of events to their tenants.
pub(super) struct Publishing {
    emitter: String,
    namespace: String,
    names: RoomNames,
    broadcaster: EventBroadcaster,
    counts: Arc<EmitterCounts>,
}

/// How long something is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// What is given up is counted and logged.
    Some,
    /// Until it is accepted, or refused for good: whoever waits behind it is kept elsewhere.
    All,
}

impl Publishing {
    pub(super) fn new(
        config: &EmitterConfig,
        names: RoomNames,
        broadcaster: EventBroadcaster,
        counts: Arc<EmitterCounts>,
    ) -> Self {
        let (emitter, namespace) = (config.name.clone(), config.namespace.clone());
        Self { emitter, namespace, names, broadcaster, counts }
    }

    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Publishes what was read; `id` tells what is read twice from what is said twice.
    pub(super) async fn take(&self, read: Result<Emitted, Nothing>, id: Uuid, patience: Patience) {
        let emitted = match read {
            Ok(emitted) => emitted,
            Err(Nothing::NotMeant) => return,
            Err(Nothing::Malformed(why)) => return self.malformed(why),
        };
        let tenants: Option<BTreeSet<TenantId>> =
            emitted.rooms.iter().map(|room| self.names.tenant(room)).collect();
        let Some(tenants) = tenants else {
            return self.malformed("it names a room that is no tenant's");
        };
        for tenant in tenants {
            let message = message(&emitted, id);
            self.publish(Principal::of_emitter(tenant), &emitted.event, message, patience).await;
        }
    }

    fn malformed(&self, why: &'static str) {
        EmitterCounts::count(&self.counts.malformed);
        tracing::warn!(emitter = self.emitter, why, "a back end's message comes to nothing");
    }

    async fn publish(
        &self,
        principal: Principal,
        event: &str,
        message: String,
        patience: Patience,
    ) {
        for attempt in 1.. {
            let published =
                self.broadcaster.publish(principal.clone(), event.to_owned(), message.clone());
            let refusal = match published.await {
                Ok(_) => return EmitterCounts::count(&self.counts.published),
                Err(refusal) => refusal,
            };
            let may_succeed = refusal.code().reaction() == Reaction::Retry;
            if !may_succeed || (patience == Patience::Some && attempt >= TRIES_MAX) {
                EmitterCounts::count(&self.counts.refused);
                let (emitter, tenant) = (self.emitter.as_str(), principal.tenant().as_str());
                return tracing::warn!(emitter, tenant, %refusal, "a back end's event was refused");
            }
            tokio::time::sleep(TRY_AGAIN).await;
        }
    }
}

/// The whole message: the emitter's own where it gave one, and around the payload otherwise. An id of its own stays.
fn message(emitted: &Emitted, id: Uuid) -> String {
    let is_whole = |object: &Map<String, Value>| {
        object.get("type").is_some_and(|it| *it == *emitted.event) && object.contains_key("payload")
    };
    match &emitted.argument {
        Value::Object(object) if is_whole(object) => {
            let mut object = object.clone();
            object.entry("id").or_insert_with(|| json!(id));
            Value::Object(object).to_string()
        }
        payload => json!({ "id": id, "type": emitted.event, "payload": payload }).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_gets_a_message_around_it_and_a_whole_message_keeps_its_id() {
        let id = Uuid::from_u128(7);
        let of = |argument: Value| {
            let emitted = Emitted { rooms: Vec::new(), event: "order:updated".into(), argument };
            serde_json::from_str::<Value>(&message(&emitted, id)).unwrap()
        };
        let payload = json!({ "orderId": "1", "type": "x" });
        let whole = json!({ "type": "order:updated", "payload": payload, "priority": "high" });
        assert_eq!(
            of(payload.clone()),
            json!({ "id": id, "type": "order:updated", "payload": payload })
        );
        assert_eq!(of(whole.clone())["id"], json!(id));
        assert_eq!(of(whole)["priority"], "high");
        let own = json!({ "id": "own", "type": "order:updated", "payload": payload });
        assert_eq!(of(own.clone()), own);
    }
}
