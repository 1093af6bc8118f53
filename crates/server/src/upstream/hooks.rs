//! Hooks: the back end has a say in who comes in and who joins a room. They are asked as clients' requests are, under names that no
//! client's event can have.

use std::time::Duration;

use foodtrack_shard::{Hook, HookAnswer, HookQuestion, Hooks};
use serde_json::value::RawValue;

use super::answer::Said;
use super::client::Question;
use super::{Desk, millis};
use crate::config::{HooksConfig, UpstreamConfig};

/// When a client that got no answer is to try again, in milliseconds.
const RETRY_MS: u64 = 1_000;

/// The name of a hook's event.
pub(crate) fn event(hook: &Hook) -> &'static str {
    match hook {
        Hook::Connect => "hook:connect",
        Hook::Join(_) => "hook:join",
    }
}

/// A hook's argument.
pub(crate) fn payload(question: &HookQuestion) -> Box<RawValue> {
    let payload = match &question.hook {
        Hook::Connect => serde_json::json!({}),
        Hook::Join(room) => {
            let name = room.name();
            let room = name.of(&question.tenant).to_string();
            serde_json::json!({ "room": room, "type": name.room_type(), "id": name.id() })
        }
    };
    // It is JSON: it cannot fail.
    RawValue::from_string(payload.to_string()).unwrap_or_default()
}

/// What the shards are told of the configuration.
pub(super) fn hooks(config: &UpstreamConfig) -> Hooks {
    let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    Hooks {
        connect: config.hooks.connect,
        join: config.hooks.join,
        at_once_per_tenant: count(config.concurrent_per_tenant_max),
        at_once: count(config.concurrent_max),
    }
}

/// What becomes of those who ask while the back end gives no answer.
fn without_answer(config: &HooksConfig, after: Option<Duration>) -> HookAnswer {
    if config.allow_without_answer {
        return HookAnswer { permit: Ok(()), keep_ms: 0 };
    }
    HookAnswer::none(after.map_or(RETRY_MS, millis))
}

impl Desk {
    /// Asks the back end. What it would publish with its answer is not published.
    pub(super) async fn authorize(&self, question: &HookQuestion) -> HookAnswer {
        let payload = payload(question);
        let exchange = match self.exchange(&Question::of_hook(question, &payload)).await {
            Ok(exchange) => exchange,
            Err(after) => return without_answer(&self.hooks, Some(after)),
        };
        let is_answered = exchange.is_healthy();
        let Said { answer, .. } = exchange.into_said();
        match answer {
            _ if !is_answered => without_answer(&self.hooks, None),
            Ok(_) => HookAnswer { permit: Ok(()), keep_ms: self.hooks.cache_ms },
            Err(refusal) => {
                HookAnswer { permit: Err(refusal), keep_ms: self.hooks.refused_cache_ms }
            }
        }
    }
}
